package codec

import (
	"math"
	"slices"
)

// EncodeFloats encodes the float64 columns of a group, which all have the rows of times. With
// the profile Dense, a column may be encoded against the times or another column of the group.
func EncodeFloats(cols [][]float64, times []int64, p Profile) []Column {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.profile = p
	out := make([]Column, len(cols))
	if p == Fast {
		for k, values := range cols {
			m := e.floats(values, grown(&e.ints, len(values)))
			out[k] = m.column
		}
		return out
	}
	members := make([]member, len(cols))
	total := 0
	for _, values := range cols {
		total += len(values)
	}
	all := grown(&e.ints, total)
	for k, values := range cols {
		ints := all[:len(values):len(values)]
		all = all[len(values):]
		members[k] = e.floats(values, ints)
	}
	e.siblings(members, times)
	for k := range members {
		out[k] = members[k].column
	}
	return out
}

// floats encodes a column by itself. It sets ints to its integers; where the result is ok, these
// are all of it.
func (e *encoder) floats(v []float64, ints []int64) member {
	if len(v) == 0 {
		return member{column: Column{Encoding: encBits}}
	}
	if isConstant(v) {
		return e.constant(v, ints)
	}
	s, exact := scaleOf(v, false)
	if !exact || s.exponent > simpleExponent {
		if t, ok := scaleOf(v, true); ok && t.exponent <= simpleExponent {
			s, exact = t, true
		}
	}
	if exact && s.exponent <= simpleExponent {
		if m, ok := e.decimals(v, ints, s); ok {
			return m
		}
	}
	best := e.near(v, modelOf(v), ints)
	if exact && s.exponent > simpleExponent {
		if m, ok := e.decimals(v, ints, s); ok && len(m.column.Data) <= len(best.Data) {
			return m
		}
	}
	for i, x := range v {
		ints[i] = toOrdered(x)
	}
	data := e.stream(nil, ints, 0)
	if cost(len(data), len(v), 0) < cost(len(best.Data), len(v), 4) {
		best = Column{Encoding: encBits, Data: slices.Clip(data)}
	}
	return member{column: best}
}

// isConstant reports whether all of v have the same bits.
func isConstant(v []float64) bool {
	first := math.Float64bits(v[0])
	for _, x := range v {
		if math.Float64bits(x) != first {
			return false
		}
	}
	return true
}

// constant encodes v, whose values are the same. It is neither against others nor a reference:
// that would save nothing.
func (e *encoder) constant(v []float64, ints []int64) member {
	m := member{column: Column{Encoding: encBits, Data: e.stream(nil, []int64{toOrdered(v[0])}, 0)}}
	if s, ok := scaleOf(v[:1], false); ok {
		if d, ok := e.decimals(v[:1], ints[:1], s); ok && len(d.column.Data) <= len(m.column.Data) {
			m.column = d.column
		}
	}
	return m
}

// simpleExponent is up to which count of decimals a column is taken to be of decimals; columns of
// more may be of doubles that were computed.
const simpleExponent = 6

// decimals encodes v as decimals, if they are, but for few others.
func (e *encoder) decimals(v []float64, ints []int64, s scale) (member, bool) {
	others := s.split(ints, v)
	if len(others) > len(v)/16 {
		return member{}, false
	}
	head := byte(s.exponent)
	if s.times {
		head |= decimalTimes
	}
	data := []byte{head}
	if len(others) > 0 {
		data[0] |= decimalOthers
		data = e.appendOthers(data, others, v)
	}
	m := member{ints: ints, scale: head, prefix: []byte{head | decimalRef}}
	m.column = Column{Encoding: encDecimal, Data: slices.Clip(e.stream(data, ints, 0))}
	m.ok = len(others) == 0 && siblingRange(ints)
	return m, true
}

// siblingRange reports whether doubles hold all of ints.
func siblingRange(ints []int64) bool {
	return slices.Max(ints) < 1<<53 && slices.Min(ints) > -1<<53
}

// exactly returns the integer that s turns into v, bit for bit, if there is one.
func (s scale) exactly(v float64) (int64, bool) {
	f := math.RoundToEven(v * pow10[s.exponent])
	if !(math.Abs(f) < 1<<63) {
		return 0, false
	}
	i := int64(f)
	return i, math.Float64bits(s.of(i)) == math.Float64bits(v)
}

// scaleOf looks for the least power of ten that makes integers of nearly all of a sample of v,
// dividing by it or multiplying by its inverse.
func scaleOf(v []float64, times bool) (scale, bool) {
	const sample = 64
	step := max(1, len(v)/sample)
	s := scale{times: times}
	misses, total := 0, 0
	for i := 0; i < len(v); i += step {
		total++
		if math.IsNaN(v[i]) || math.IsInf(v[i], 0) || v[i] == 0 {
			continue
		}
		old := s
		ok := false
		for ; s.exponent < len(pow10)-4; s.exponent++ {
			if _, ok = s.exactly(v[i]); ok {
				break
			}
		}
		if !ok {
			s = old
			misses++
		}
	}
	return s, misses*8 <= total
}

// split sets ints to what s makes of v, and returns the places where there is no such integer;
// there the one before is repeated.
func (s scale) split(ints []int64, v []float64) (others []int) {
	last := int64(0)
	for i, x := range v {
		n, ok := s.exactly(x)
		if !ok {
			others = append(others, i)
			n = last
		}
		ints[i] = n
		last = n
	}
	return others
}
