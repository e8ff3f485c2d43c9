package analytics_test

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// This file holds what each aggregate is by definition: slow, plain, with unbounded precision or on
// sorted copies, and without a line of the package. The laws compare with it.

// An obs is one observation.
type obs struct {
	t int64
	v float64
}

// A question is what a definition is asked: the values of a window, in time order, gaps taken out
// and counted, and the last value before the window.
type question struct {
	before *obs
	in     []obs
	gaps   int
	args   []float64
}

// An answer is what a definition says, and how far from it an implementation may be.
type answer struct {
	value  float64
	within float64
}

// definitions has one entry for each output of each aggregate of the catalogue.
var definitions = map[string]func(q question) []answer{
	"count": func(q question) []answer { return exactly(float64(len(q.in))) },
	"nans":  func(q question) []answer { return exactly(float64(q.gaps)) },
	"sum":   func(q question) []answer { return []answer{q.sum()} },
	"mean": func(q question) []answer {
		s, n := q.sum(), float64(len(q.in))
		return []answer{{s.value / n, s.within/n + 2e-16*math.Abs(s.value/n)}}
	},
	"min":        func(q question) []answer { return exactly(q.at(q.sorted(), 0)) },
	"max":        func(q question) []answer { return exactly(q.at(q.sorted(), len(q.in)-1)) },
	"range":      func(q question) []answer { return exactly(q.at(q.sorted(), len(q.in)-1) - q.at(q.sorted(), 0)) },
	"stdvar":     func(q question) []answer { return []answer{q.variance(1)} },
	"stdvar_pop": func(q question) []answer { return []answer{q.variance(0)} },
	"stddev":     func(q question) []answer { return []answer{root(q.variance(1))} },
	"stddev_pop": func(q question) []answer { return []answer{root(q.variance(0))} },
	"median":     func(q question) []answer { return exactly(q.percentile(0.5)) },
	"p": func(q question) (out []answer) {
		for _, part := range q.args {
			out = append(out, exactly(q.percentile(part))...)
		}
		return out
	},
	"distinct": func(q question) []answer {
		set := map[float64]bool{}
		for _, o := range q.in {
			set[o.v] = true
		}
		return exactly(float64(len(set)))
	},
	"first": func(q question) []answer { return exactly(q.at(q.values(), 0)) },
	"last":  func(q question) []answer { return exactly(q.at(q.values(), len(q.in)-1)) },
	"sdiff": func(q question) []answer {
		return exactly(q.at(q.values(), len(q.in)-1) - q.at(q.values(), 0))
	},
	"diff": func(q question) []answer {
		return exactly(math.Abs(q.at(q.values(), len(q.in)-1) - q.at(q.values(), 0)))
	},
	"increase":   func(q question) []answer { return []answer{q.steps(grown, false)} },
	"rate":       func(q question) []answer { return []answer{q.steps(grown, true)} },
	"delta":      func(q question) []answer { return []answer{q.steps(changed, false)} },
	"derivative": func(q question) []answer { return []answer{q.steps(changed, true)} },
	"integral": func(q question) []answer {
		if q.args[0] == 1 {
			return []answer{q.steps(rectangle, false)}
		}
		return []answer{q.steps(trapezoid, false)}
	},
}

// exactly are answers that leave no room.
func exactly(v float64) []answer { return []answer{{value: v}} }

// root is the square root of a.
func root(a answer) answer {
	if a.value == 0 {
		return answer{0, math.Sqrt(a.within)}
	}
	r := math.Sqrt(a.value)
	return answer{r, a.within/r + 4e-16*r}
}

func (q question) values() (out []float64) {
	for _, o := range q.in {
		out = append(out, o.v)
	}
	return out
}

func (q question) sorted() []float64 {
	out := q.values()
	slices.Sort(out)
	return out
}

// at is values[i], NaN where there is none.
func (q question) at(values []float64, i int) float64 {
	if i < 0 || i >= len(values) {
		return math.NaN()
	}
	return values[i]
}

// infinite reports whether an infinite value is among them.
func (q question) infinite() bool {
	return slices.ContainsFunc(q.in, func(o obs) bool { return math.IsInf(o.v, 0) })
}

// bits are so many that no sum or product here is ever rounded: values are from 1e-30 to 1e30.
const bits = 640

// wide is v with that many bits.
func wide(v float64) *big.Float { return new(big.Float).SetPrec(bits).SetFloat64(v) }

func narrow(v *big.Float) float64 {
	f, _ := v.Float64()
	return f
}

// exactSum is Σvᵢ and Σ|vᵢ|.
func exactSum(values []float64) (sum, size *big.Float) {
	sum, size = wide(0), wide(0)
	for _, v := range values {
		sum.Add(sum, wide(v))
		size.Add(size, wide(math.Abs(v)))
	}
	return sum, size
}

func (q question) sum() answer {
	switch {
	case len(q.in) == 0:
		return answer{math.NaN(), 0}
	case q.infinite():
		s := 0.0
		for _, o := range q.in {
			if math.IsInf(o.v, 0) {
				s += o.v
			}
		}
		return answer{s, 0}
	}
	sum, size := exactSum(q.values())
	// One rounding for each statistic that was folded in.
	return answer{narrow(sum), 2e-16*math.Abs(narrow(sum)) + 2.3e-16*narrow(size)}
}

func (q question) variance(less int) answer {
	if len(q.in) <= less || q.infinite() {
		return answer{math.NaN(), 0}
	}
	mean, m2 := exactMoments(q.values())
	v := m2 / float64(len(q.in)-less)
	return answer{v, 1e-12*v + 1e-14*math.Abs(mean)*math.Sqrt(v) + 1e-28*mean*mean}
}

// exactMoments are the mean and Σ(v−mean)², each rounded once.
func exactMoments(values []float64) (mean, m2 float64) {
	sum, _ := exactSum(values)
	m := new(big.Float).SetPrec(bits).Quo(sum, wide(float64(len(values))))
	squares := wide(0)
	for _, v := range values {
		d := new(big.Float).Sub(wide(v), m)
		squares.Add(squares, d.Mul(d, d))
	}
	return narrow(m), narrow(squares)
}

func (q question) percentile(part float64) float64 {
	s := q.sorted()
	if len(s) == 0 {
		return math.NaN()
	}
	h := float64(len(s)-1) * part
	k := int(math.Floor(h))
	a := s[k] + 0
	if h == float64(k) || s[k] == s[k+1] {
		return a
	}
	b := s[k+1]
	switch {
	case math.IsInf(a, -1) && math.IsInf(b, 1):
		return math.NaN()
	case math.IsInf(a, -1):
		return a
	}
	return a + (h-float64(k))*(b-a)
}

// The parts that a step from one observation to the next has in the sum, in units of the series,
// or times seconds.
func grown(a, b obs) *big.Float {
	if b.v < a.v {
		return wide(b.v)
	}
	return changed(a, b)
}

func changed(a, b obs) *big.Float { return new(big.Float).Sub(wide(b.v), wide(a.v)) }

func trapezoid(a, b obs) *big.Float {
	v := new(big.Float).Add(wide(a.v), wide(b.v))
	v.Mul(v, wide(0.5))
	return v.Mul(v, between(a, b))
}

func rectangle(a, b obs) *big.Float { return new(big.Float).Mul(wide(a.v), between(a, b)) }

// between is the seconds from a to b.
func between(a, b obs) *big.Float {
	ns := new(big.Int).Sub(big.NewInt(b.t), big.NewInt(a.t))
	v := new(big.Float).SetPrec(bits).SetInt(ns)
	return v.Quo(v, wide(1e9))
}

// steps sums part over the steps that end in the window, and divides by their seconds where
// perSecond. Infinite values are not asked here.
func (q question) steps(part func(a, b obs) *big.Float, perSecond bool) answer {
	all := q.in
	if q.before != nil {
		all = append([]obs{*q.before}, q.in...)
	}
	if len(q.in) == 0 || len(all) < 2 {
		return answer{math.NaN(), 0}
	}
	sum, size := wide(0), 0.0
	for i, b := range all[1:] {
		p := part(all[i], b)
		sum.Add(sum, p)
		size += math.Abs(narrow(p)) + math.Abs(b.v)
	}
	if perSecond {
		d := between(all[0], all[len(all)-1])
		sum.Quo(sum, d)
		size /= narrow(d)
	}
	return answer{narrow(sum), 1e-15*math.Abs(narrow(sum)) + 1e-15*size}
}

// statsOf are the statistics of observations, by definition.
func statsOf(times []int64, values []float64) chunk.Stats {
	s := chunk.Stats{Count: int64(len(values))}
	var kept []float64
	for i, v := range values {
		if math.IsNaN(v) {
			s.NaNs++
			continue
		}
		if len(kept) == 0 {
			s.FirstTime, s.First = times[i], v
		}
		s.LastTime, s.Last = times[i], v
		kept = append(kept, v)
	}
	if len(kept) == 0 {
		return s
	}
	s.Min, s.Max = slices.Min(kept), slices.Max(kept)
	if slices.ContainsFunc(kept, func(v float64) bool { return math.IsInf(v, 0) }) {
		s.Sum, s.M2 = math.NaN(), math.NaN()
		return s
	}
	sum, _ := exactSum(kept)
	s.Sum = narrow(sum)
	_, s.M2 = exactMoments(kept)
	return s
}

// near reports whether got is what a says.
func (a answer) near(got float64) bool {
	return got == a.value || math.IsNaN(got) && math.IsNaN(a.value) || math.Abs(got-a.value) <= a.within
}

// bound is every aggregate of the catalogue, with arguments.
func bound(t testing.TB) map[string]boundAggregate {
	out := map[string]boundAggregate{}
	add := func(name string, s analytics.Spec, args ...float64) {
		agg, err := s.New(args...)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = boundAggregate{agg, s, args}
	}
	for _, s := range analytics.Catalogue() {
		switch {
		case !s.Aggregates():
		case s.Name == "p":
			add("p 0.99", s, 0.99)
			add("p all", s, 0, 0.01, 0.25, 0.5, 0.5, 0.75, 0.9, 0.999, 1)
		case s.Name == "integral":
			add("integral trapezoid", s, 0)
			add("integral step", s, 1)
		default:
			add(s.Name, s)
		}
	}
	return out
}

type boundAggregate struct {
	analytics.Aggregate
	spec analytics.Spec
	args []float64
}

// define asks the definition.
func (b boundAggregate) define(t interface{ Fatalf(string, ...any) }, q question) []answer {
	q.args = b.args
	def := definitions[b.spec.Name]
	if def == nil {
		t.Fatalf("%s has no definition", b.spec.Name)
	}
	return def(q)
}
