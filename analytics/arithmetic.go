package analytics

import (
	"math"
	"sort"
)

// An Operator is one of the four that arithmetic between a series and a number, or between two
// series, knows. Results are those of IEEE 754: 1/0 is +Inf, 0/0 is NaN, a gap stays one.
type Operator uint8

// The operators. The zero Operator is none of them.
const (
	Add Operator = 1
	Sub Operator = 2
	Mul Operator = 3
	Div Operator = 4
)

// Scalar appends a[i] op k, for each i, to dst, which may be a[:0].
func (op Operator) Scalar(dst, a []float64, k float64) []float64 {
	switch op {
	case Add:
		for _, v := range a {
			dst = append(dst, v+k)
		}
	case Sub:
		for _, v := range a {
			dst = append(dst, v-k)
		}
	case Mul:
		for _, v := range a {
			dst = append(dst, v*k)
		}
	case Div:
		for _, v := range a {
			dst = append(dst, v/k)
		}
	}
	return dst
}

// Of returns a op b; NaN for what is no operator.
func (op Operator) Of(a, b float64) float64 {
	switch op {
	case Add:
		return a + b
	case Sub:
		return a - b
	case Mul:
		return a * b
	case Div:
		return a / b
	}
	return math.NaN()
}

// String returns the sign of op.
func (op Operator) String() string {
	if op < Add || op > Div {
		return "?"
	}
	return "+-*/"[op-1 : op]
}

// Pairing says which observation of a second series belongs to one of a first.
type Pairing uint8

// The pairings.
const (
	Equal    Pairing = 0 // the one with the same stamp
	Previous Pairing = 1 // the last one that is not later, at most the tolerance before
	Closest  Pairing = 2 // the nearest one, at most the tolerance away; of two as near, the earlier
)

// AppendJoin appends, for each observation of a that has a partner in b, its stamp and its value op
// the partner's to dst. Observations without a partner make none. Tolerance is in nanoseconds; 0
// means no limit for Previous, and equal stamps for Closest.
func AppendJoin(dst Points, op Operator, a, b Points, how Pairing, tolerance int64) Points {
	if how == Equal && equalTimes(a.Times, b.Times) {
		dst.Times = append(dst.Times, a.Times...)
		for i, v := range a.Values {
			dst.Values = append(dst.Values, op.Of(v, b.Values[i]))
		}
		return dst
	}
	after := 0 // the first of b that is later than the observation of a
	for i, t := range a.Times {
		for after < len(b.Times) && b.Times[after] <= t {
			after++
		}
		if k := partner(b.Times, after, t, how, tolerance); k >= 0 {
			dst.Times = append(dst.Times, t)
			dst.Values = append(dst.Values, op.Of(a.Values[i], b.Values[k]))
		}
	}
	return dst
}

// partner returns which of times belongs to stamp t, or −1. After is the first that is later than t.
func partner(times []int64, after int, t int64, how Pairing, tolerance int64) int {
	before := math.Inf(1) // nanoseconds back to the one not later
	if after > 0 {
		before = elapsed(times[after-1], t)
	}
	switch how {
	case Equal:
		if before == 0 {
			return after - 1
		}
	case Previous:
		if after > 0 && (tolerance == 0 || before <= float64(tolerance)) {
			return after - 1
		}
	case Closest:
		if before <= float64(tolerance) && (after == len(times) || before <= elapsed(t, times[after])) {
			return after - 1
		}
		if after < len(times) && elapsed(t, times[after]) <= float64(tolerance) {
			return after
		}
	}
	return -1
}

// equalTimes reports whether a and b are the same stamps; at once where they are the same column.
func equalTimes(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i, t := range a {
		if b[i] != t {
			return false
		}
	}
	return true
}

// scalar is the transform of add, sub, mul and div.
type scalar struct {
	op Operator
	k  float64
}

func (s scalar) Apply(dst, src Points) Points {
	dst.Times = append(dst.Times, src.Times...)
	dst.Values = s.op.Scalar(dst.Values, src.Values, s.k)
	return dst
}

// newScalar binds a transform that has the one argument k.
func newScalar(op Operator) func(args []float64) Transform {
	return func(args []float64) Transform { return scalar{op: op, k: args[0]} }
}

// absolute is the transform of abs.
type absolute struct{}

func (absolute) Apply(dst, src Points) Points {
	dst.Times = append(dst.Times, src.Times...)
	for _, v := range src.Values {
		dst.Values = append(dst.Values, math.Abs(v))
	}
	return dst
}

// slopes is the transform of rate and of derivative.
type slopes struct {
	counter bool // a value below the one before it means that the counter began again at zero
	full    bool
	prev    sample
}

func (s *slopes) Apply(dst, src Points) Points {
	for i, v := range src.Values {
		if v != v {
			continue
		}
		t := src.Times[i]
		if s.full {
			change := v - s.prev.value
			if s.counter && v < s.prev.value {
				change = v
			}
			dst.Times = append(dst.Times, t)
			dst.Values = append(dst.Values, change/(elapsed(s.prev.time, t)/1e9))
		}
		s.full, s.prev = true, sample{t, v}
	}
	return dst
}

// AppendGrid appends the grid, rising stamps, to dst, with the value of p at each stamp, and NaN
// where p has none there. Observations beside the grid are left out.
func AppendGrid(dst Points, grid []int64, p Points) Points {
	dst.Times = append(dst.Times, grid...)
	k := 0
	for _, t := range grid {
		k += sort.Search(len(p.Times)-k, func(i int) bool { return p.Times[k+i] >= t })
		v := math.NaN()
		if k < len(p.Times) && p.Times[k] == t {
			v = p.Values[k]
		}
		dst.Values = append(dst.Values, v)
	}
	return dst
}
