package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Models of a column of doubles near simple numbers. Numbers are stored, and never reused.
const (
	modelDecimal = 0 // i/10^parameter
	modelSingle  = 1 // the float32 nearest to i/10^parameter
	modelPart    = 2 // i/parameter
)

// A model turns integers into doubles; a column near it is that, plus a small correction in the
// ordered bits of each double, so that sums and averages of decimals are stored like decimals.
type model struct {
	kind  byte
	param uint64
}

// divisor returns what integers are divided by, or 0 where the parameter is not one.
func (m model) divisor() float64 {
	switch {
	case m.kind <= modelSingle && m.param < uint64(len(pow10)):
		return pow10[m.param]
	case m.kind == modelPart && m.param > 0 && m.param < 1<<53:
		return float64(m.param)
	}
	return 0
}

// of returns the double of i where div is the model's divisor.
func (m model) of(i int64, div float64) float64 {
	v := float64(i) / div
	if m.kind == modelSingle {
		return float64(float32(v))
	}
	return v
}

// split returns the integer and the correction that make v.
func (m model) split(v, div float64) (i, correction int64) {
	if f := math.RoundToEven(v * div); math.Abs(f) < 1<<62 {
		i = int64(f)
	}
	return i, toOrdered(v) - toOrdered(m.of(i, div))
}

// near decodes a column near a model: its kind, its parameter, the integers, the corrections.
func (r *reader) near(dst []float64) {
	m := model{kind: r.byte(), param: r.uvarint()}
	div := m.divisor()
	if div == 0 {
		r.fail()
		return
	}
	ints, corrections := r.intsOf(dst), grown(&r.other, len(dst))
	r.stream(ints, 0)
	r.stream(corrections, 0)
	if r.bad {
		return
	}
	for i, c := range corrections {
		v := m.of(ints[i], div)
		if c != 0 {
			v = fromOrdered(toOrdered(v) + c)
		}
		dst[i] = v
	}
}

// parts are the divisors that are tried, of averages over the units of time, and such.
var parts = [...]uint64{3, 6, 7, 9, 12, 15, 24, 30, 60, 120, 300, 3600}

// modelOf returns the model that takes the fewest bits for a sample of v.
func modelOf(v []float64) model {
	var room [64]float64
	sample := room[:0]
	for i := range min(len(v), len(room)) {
		sample = append(sample, v[i*len(v)/min(len(v), len(room))])
	}
	best, least := model{}, math.Inf(1)
	try := func(m model) {
		if b := m.bits(sample); b < least {
			best, least = m, b
		}
	}
	for e := range uint64(18) {
		try(model{modelDecimal, e})
	}
	for e := range uint64(8) {
		try(model{modelSingle, e})
	}
	for _, q := range parts {
		try(model{modelPart, q})
	}
	return best
}

// bits is about how many bits a sample takes, times its length.
func (m model) bits(sample []float64) float64 {
	div := m.divisor()
	center, _ := m.split(sample[len(sample)/2], div)
	total := 0
	var common uint64 // bits set in any correction
	for _, v := range sample {
		i, c := m.split(v, div)
		total += bits.Len64(uint64((i-center)<<1)^uint64((i-center)>>63)) + bits.Len64(uint64(c<<1)^uint64(c>>63))
		common |= uint64(c)
	}
	if common != 0 { // corrections of singles come in steps
		total -= len(sample) * bits.TrailingZeros64(common) / 2
	}
	return float64(total)
}

// near encodes v near a model.
func (e *encoder) near(v []float64, m model, ints []int64) Column {
	div := m.divisor()
	corrections := grown(&e.other, len(v))
	for k, x := range v {
		ints[k], corrections[k] = m.split(x, div)
	}
	data := binary.AppendUvarint([]byte{m.kind}, m.param)
	data = e.stream(data, ints, 0)
	return Column{Encoding: encNear, Data: slices.Clip(e.stream(data, corrections, 0))}
}
