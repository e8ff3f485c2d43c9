package codec

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"
)

// Bits of the first byte of a decimal column, above five bits of exponent.
const (
	decimalTimes  = 0x20 // multiply by the power of ten's inverse instead of dividing by the power
	decimalOthers = 0x40 // exceptions follow: doubles that are no such decimal
	decimalRef    = 0x80 // how it refers to another column or the times follows
	exponentBits  = 0x1f
)

// pow10 holds the powers of ten that doubles hold exactly, as constants of their text.
var pow10 = [...]float64{
	1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

var inverse10 = [...]float64{
	1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11,
	1e-12, 1e-13, 1e-14, 1e-15, 1e-16, 1e-17, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22,
}

// A scale turns integers into decimals.
type scale struct {
	exponent int
	times    bool
}

// of returns the double that i stands for.
func (s scale) of(i int64) float64 {
	switch {
	case s.exponent == 0:
		return float64(i)
	case s.times:
		return float64(i) * inverse10[s.exponent]
	default:
		return float64(i) / pow10[s.exponent]
	}
}

// all sets dst to the doubles that ints stand for.
func (s scale) all(dst []float64, ints []int64) {
	dst = dst[:len(ints)]
	switch {
	case s.exponent == 0:
		toDoubles(dst, ints)
	case s.times:
		f := inverse10[s.exponent]
		for i, v := range ints {
			dst[i] = float64(v) * f
		}
	default:
		f := pow10[s.exponent]
		for i, v := range ints {
			dst[i] = float64(v) / f
		}
	}
}

// toDoubles sets dst, of the length of ints, to their doubles.
func toDoubles(dst []float64, ints []int64) {
	for len(ints) >= 8 && len(dst) >= 8 { // loops of one step take twice as long
		d, v := (*[8]float64)(dst), (*[8]int64)(ints)
		d[0], d[1], d[2], d[3] = float64(v[0]), float64(v[1]), float64(v[2]), float64(v[3])
		d[4], d[5], d[6], d[7] = float64(v[4]), float64(v[5]), float64(v[6]), float64(v[7])
		dst, ints = dst[8:], ints[8:]
	}
	for i, v := range ints {
		dst[i] = float64(v)
	}
}

// plus adds f·y to each of dst, of the same length.
func plus(dst, other []float64, f float64) {
	for len(dst) >= 4 && len(other) >= 4 {
		d, y := (*[4]float64)(dst), (*[4]float64)(other)
		d[0] += f * y[0]
		d[1] += f * y[1]
		d[2] += f * y[2]
		d[3] += f * y[3]
		dst, other = dst[4:], other[4:]
	}
	for i, y := range other {
		dst[i] += f * y
	}
}

// shifted sets dst to v + f·y, of the same length.
func shifted(dst, other []float64, f, v float64) {
	for len(dst) >= 4 && len(other) >= 4 {
		d, y := (*[4]float64)(dst), (*[4]float64)(other)
		d[0] = v + f*y[0]
		d[1] = v + f*y[1]
		d[2] = v + f*y[2]
		d[3] = v + f*y[3]
		dst, other = dst[4:], other[4:]
	}
	for i, y := range other {
		dst[i] = v + f*y
	}
}

// toOrdered maps a double to an integer in the order of the numbers, NaNs at the ends.
func toOrdered(v float64) int64 {
	b := int64(math.Float64bits(v))
	return b ^ int64(uint64(b>>63)>>1)
}

// fromOrdered is the inverse of toOrdered.
func fromOrdered(i int64) float64 {
	return math.Float64frombits(uint64(i ^ int64(uint64(i>>63)>>1)))
}

// DecodeFloats appends the n values of c to dst. Where c.Ref refers to a column, ref holds its n
// decoded values; where it refers to the times, times holds them. It fails as [DecodeInts] does.
func DecodeFloats(dst []float64, c Column, n int, ref []float64, times []int64) ([]float64, error) {
	if n < 0 || n > MaxRows {
		return dst, fmt.Errorf("floats: %d rows: %w", n, ErrCorrupt)
	}
	out := slices.Grow(dst, n)[:len(dst)+n]
	r := newReader(c.Data)
	defer r.free()
	r.column(out[len(dst):], c, ref, times)
	if !r.done() {
		return dst, fmt.Errorf("floats: encoding %d, reference %d, %d rows of %d bytes: %w",
			c.Encoding, c.Ref, n, len(c.Data), ErrCorrupt)
	}
	return out, nil
}

// column decodes a column of doubles of any encoding.
func (r *reader) column(dst []float64, c Column, ref []float64, times []int64) {
	switch {
	case len(dst) == 0 && c.Encoding == encBits:
	case c.Encoding == encDecimal:
		r.decimals(dst, c.Ref, ref, times)
	case c.Encoding == encBits && c.Ref == NoRef:
		r.ordered(dst)
	case c.Encoding == encNear && c.Ref == NoRef:
		r.near(dst)
	default:
		r.fail()
	}
}

// intsOf returns the memory of dst as integers, so that a column is decoded and turned into
// doubles in one place, which halves the cache that it takes; where r is plain, other memory.
func (r *reader) intsOf(dst []float64) []int64 {
	if r.plain {
		return grown(&r.top, len(dst))
	}
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst))
}

// ordered decodes doubles from their ordered bits.
func (r *reader) ordered(dst []float64) {
	if r.isConst() {
		var one [1]int64
		r.stream(one[:], 0)
		fill(dst, fromOrdered(one[0]))
		return
	}
	ints := r.intsOf(dst)
	r.stream(ints, 0)
	if r.bad {
		return
	}
	for i, v := range ints {
		dst[i] = fromOrdered(v)
	}
}

// decimals decodes a decimal column.
func (r *reader) decimals(dst []float64, ref Ref, other []float64, times []int64) {
	head := r.byte()
	s := scale{exponent: int(head & exponentBits), times: head&decimalTimes != 0}
	if s.exponent >= len(pow10) || head&decimalRef != 0 != (ref != NoRef) {
		r.fail()
		return
	}
	if ref != NoRef {
		r.referring(dst, s, ref, other, times)
		return
	}
	var at, others []int64
	if head&decimalOthers != 0 {
		at, others = r.others(len(dst))
	}
	r.scaled(dst, s)
	for i, p := range at {
		dst[p] = fromOrdered(others[i])
	}
}

// isConst reports whether the next stream is one value, without prediction or divisor.
func (r *reader) isConst() bool {
	return len(r.rest) > 0 && (r.rest[0] == formConst || r.rest[0] == formConst|headBase)
}

// sparseDoubles decodes a sparse stream without prediction.
func (r *reader) sparseDoubles(dst []float64, s scale) {
	head := r.byte()
	base, gcd := int64(0), int64(1)
	if head&headBase != 0 {
		base = r.varint()
	}
	if head&headGCD != 0 {
		gcd = int64(r.uvarint())
	}
	fill(dst, s.of(base+gcd*int64(r.uvarint())))
	rows, rest := r.sparseList(len(dst), 0)
	for i, row := range rows {
		dst[row] = s.of(base + gcd*rest[i])
	}
}

// scaled decodes a stream of the integers of decimals. Constants, runs and sparse ones, the
// commonest, are scaled once and not for each row, and a delta is undone in the same pass.
func (r *reader) scaled(dst []float64, s scale) {
	if len(r.rest) == 0 {
		r.fail()
		return
	}
	switch head := r.rest[0]; {
	case r.isConst():
		var one [1]int64
		r.stream(one[:], 0)
		fill(dst, s.of(one[0]))
	case head == formRuns:
		r.byte()
		lengths, values := r.runList(len(dst), 0)
		scaled := grown(&r.floats, len(values))
		s.all(scaled, values)
		spread(dst, lengths, scaled)
	case head>>headOrder == 0 && head&formBits == formSparse:
		r.sparseDoubles(dst, s)
	case head>>headOrder == 1 && s.exponent == 0:
		ints := r.intsOf(dst)
		sum := r.undone(ints)
		for i, d := range ints {
			sum += d
			dst[i] = float64(sum)
		}
	default:
		ints := r.intsOf(dst)
		r.stream(ints, 0)
		s.all(dst, ints)
	}
}

// spread sets dst to runs of values, of the lengths less one, which add up to dst.
func spread[T any](dst []T, lengths []int64, values []T) {
	const wide, long = 8, 128
	at := 0
	for i, l := range lengths {
		end := at + int(l) + 1
		v := values[i]
		switch {
		case l >= long || end+wide > len(dst):
			fill(dst[at:end], v)
		default: // what is too much is written over by the next run
			for ; at < end; at += wide {
				d := (*[wide]T)(dst[at:])
				d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7] = v, v, v, v, v, v, v, v
			}
		}
		at = end
	}
}

// referring decodes a decimal column against another one or the times.
func (r *reader) referring(dst []float64, s scale, ref Ref, other []float64, times []int64) {
	how, unit := r.how(ref, len(dst), len(other), len(times))
	if r.bad {
		return
	}
	if how == howTimes {
		ints := r.intsOf(dst)
		r.stream(ints, 0)
		addTimes(ints, times, unit)
		s.all(dst, ints)
		return
	}
	if s.exponent == 0 { // integers below 2^53, whose sums are exact
		sign := float64(1 - 2*int(how))
		if r.isConst() {
			var one [1]int64
			r.stream(one[:], 0)
			shifted(dst, other, sign, float64(one[0]))
			return
		}
		r.scaled(dst, s)
		plus(dst, other, sign)
		return
	}
	ints := r.intsOf(dst)
	r.stream(ints, 0)
	sign := 1 - 2*int64(how)
	for i, y := range other {
		dst[i] = s.of(ints[i] + sign*int64(math.RoundToEven(y*pow10[s.exponent])))
	}
}

// how reads how a column of n rows is encoded against a reference, and fails where the columns
// that are there do not fit.
func (r *reader) how(ref Ref, n, other, times int) (how byte, unit int64) {
	how = r.byte()
	if how == howTimes {
		unit = int64(r.uvarint())
		if ref != RefTimes || times != n || unit <= 0 {
			r.fail()
		}
		return how, unit
	}
	if ref == RefTimes || other != n || how > howPlus {
		r.fail()
	}
	return how, 0
}

// addTimes adds to each of ints the units in its time.
func addTimes(ints, times []int64, unit int64) {
	ints = ints[:len(times)]
	switch unit {
	case 1e6: // division by constants is three times as fast
		for i, t := range times {
			ints[i] += floorDiv(t, 1e6)
		}
	case 1e9:
		for i, t := range times {
			ints[i] += floorDiv(t, 1e9)
		}
	default:
		for i, t := range times {
			ints[i] += floorDiv(t, unit)
		}
	}
}

// others decodes the places and ordered bits of exceptions: how many less one, gaps, bits.
func (r *reader) others(n int) (at, values []int64) {
	k := r.count(n-1) + 1
	at, values = make([]int64, k), make([]int64, k)
	r.stream(at, 0)
	r.stream(values, 0)
	next := uint64(0)
	for i, gap := range at {
		if uint64(gap) >= uint64(n) || next+uint64(gap) >= uint64(n) || r.bad {
			r.fail()
			return nil, nil
		}
		next += uint64(gap)
		at[i] = int64(next)
		next++
	}
	return at, values
}

// appendOthers is the inverse of others, for ascending places.
func (e *encoder) appendOthers(dst []byte, at []int, v []float64) []byte {
	gaps, values := make([]int64, len(at)), make([]int64, len(at))
	next := 0
	for i, p := range at {
		gaps[i] = int64(p - next)
		values[i] = toOrdered(v[p])
		next = p + 1
	}
	dst = binary.AppendUvarint(dst, uint64(len(at)-1))
	dst = e.stream(dst, gaps, 0)
	return e.stream(dst, values, 0)
}
