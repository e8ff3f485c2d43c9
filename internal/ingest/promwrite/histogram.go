package promwrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/prometheus/prometheus/model/histogram"
)

// ErrHistogram is wrapped by every error that means: [AppendHistogram] did not write this.
var ErrHistogram = errors.New("not a histogram")

// A Histogram is one native histogram: Int or Float, and not both.
type Histogram struct {
	Start int64 // when it began to count, Unix nanoseconds; 0 means that nobody said
	Int   *histogram.Histogram
	Float *histogram.FloatHistogram
}

const (
	histogramVersion = 1

	flagFloat   = 1
	flagReset   = 2 // and 4: the hint, shifted by one
	flagStartMs = 8
	flagStartNs = 16
	flagCustom  = 32
	flagsKnown  = 63
)

// AppendHistogram appends h as the comment of the package says to dst, exactly: of a valid histogram
// and of any other.
func AppendHistogram(dst []byte, h Histogram) []byte {
	if h.Float != nil {
		f := h.Float
		dst = appendHead(dst, h.Start, flagFloat, f.CounterResetHint, f.CustomValues)
		dst = binary.AppendVarint(dst, int64(f.Schema))
		for _, v := range [...]float64{f.ZeroThreshold, f.ZeroCount, f.Count, f.Sum} {
			dst = appendFloat(dst, v)
		}
		dst = appendFloats(appendSpans(dst, f.PositiveSpans), f.PositiveBuckets)
		dst = appendFloats(appendSpans(dst, f.NegativeSpans), f.NegativeBuckets)
		return appendCustom(dst, f.CustomValues)
	}
	i := h.Int
	dst = appendHead(dst, h.Start, 0, i.CounterResetHint, i.CustomValues)
	dst = binary.AppendVarint(dst, int64(i.Schema))
	dst = appendFloat(dst, i.ZeroThreshold)
	dst = binary.AppendUvarint(dst, i.ZeroCount)
	dst = binary.AppendUvarint(dst, i.Count)
	dst = appendFloat(dst, i.Sum)
	dst = appendDeltas(appendSpans(dst, i.PositiveSpans), i.PositiveBuckets)
	dst = appendDeltas(appendSpans(dst, i.NegativeSpans), i.NegativeBuckets)
	return appendCustom(dst, i.CustomValues)
}

func appendHead(dst []byte, start int64, flags byte, hint histogram.CounterResetHint, custom []float64) []byte {
	const ms = 1e6
	flags |= byte(hint&3) * flagReset
	if len(custom) > 0 {
		flags |= flagCustom
	}
	switch {
	case start == 0:
		return append(dst, histogramVersion, flags)
	case start%ms == 0:
		return binary.AppendVarint(append(dst, histogramVersion, flags|flagStartMs), start/ms)
	}
	return binary.AppendVarint(append(dst, histogramVersion, flags|flagStartNs), start)
}

func appendFloat(dst []byte, v float64) []byte {
	return binary.AppendUvarint(dst, bits.ReverseBytes64(math.Float64bits(v)))
}

func appendFloats(dst []byte, vs []float64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vs)))
	for _, v := range vs {
		dst = appendFloat(dst, v)
	}
	return dst
}

func appendDeltas(dst []byte, vs []int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vs)))
	for _, v := range vs {
		dst = binary.AppendVarint(dst, v)
	}
	return dst
}

func appendSpans(dst []byte, spans []histogram.Span) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(spans)))
	for _, s := range spans {
		dst = binary.AppendVarint(dst, int64(s.Offset))
		dst = binary.AppendUvarint(dst, uint64(s.Length))
	}
	return dst
}

func appendCustom(dst []byte, custom []float64) []byte {
	if len(custom) == 0 {
		return dst
	}
	return appendFloats(dst, custom)
}

// ParseHistogram reads what [AppendHistogram] wrote, all of s. What it returns shares nothing with s;
// empty columns are nil. It does not check that the histogram is one that makes sense: its Validate
// does. An error wraps [ErrHistogram].
func ParseHistogram(s string) (Histogram, error) {
	if len(s) < 2 || s[0] != histogramVersion || s[1]&^flagsKnown != 0 {
		return Histogram{}, fmt.Errorf("%d bytes that begin with % x: %w", len(s), s[:min(2, len(s))], ErrHistogram)
	}
	var h Histogram
	flags, p := s[1], numbers{rest: s[2:]}
	switch {
	case flags&flagStartMs != 0 && flags&flagStartNs != 0:
		p.bad = true
	case flags&flagStartMs != 0:
		ms := p.varint()
		p.bad = p.bad || ms > maxMs || ms < -maxMs || ms == 0
		h.Start = ms * 1e6
	case flags&flagStartNs != 0:
		h.Start = p.varint()
		p.bad = p.bad || h.Start%1e6 == 0
	}
	schema := p.varint()
	p.bad = p.bad || schema != int64(int32(schema))
	hint := histogram.CounterResetHint(flags / flagReset & 3)
	if flags&flagFloat != 0 {
		f := &histogram.FloatHistogram{CounterResetHint: hint, Schema: int32(schema)}
		f.ZeroThreshold, f.ZeroCount, f.Count, f.Sum = p.float(), p.float(), p.float(), p.float()
		f.PositiveSpans, f.PositiveBuckets = p.spans(), p.floats()
		f.NegativeSpans, f.NegativeBuckets = p.spans(), p.floats()
		f.CustomValues = p.custom(flags)
		h.Float = f
	} else {
		i := &histogram.Histogram{CounterResetHint: hint, Schema: int32(schema)}
		i.ZeroThreshold, i.ZeroCount, i.Count, i.Sum = p.float(), p.uvarint(), p.uvarint(), p.float()
		i.PositiveSpans, i.PositiveBuckets = p.spans(), p.deltas()
		i.NegativeSpans, i.NegativeBuckets = p.spans(), p.deltas()
		i.CustomValues = p.custom(flags)
		h.Int = i
	}
	if p.bad || len(p.rest) > 0 {
		return Histogram{}, fmt.Errorf("malformed near its last %d of %d bytes: %w", len(p.rest), len(s), ErrHistogram)
	}
	return h, nil
}

// numbers reads numbers from the head of a string. After the first one that is malformed, it is bad
// and all others are 0.
type numbers struct {
	rest string
	bad  bool
}

func (p *numbers) uvarint() uint64 {
	var v uint64
	for i := 0; i < len(p.rest) && i < binary.MaxVarintLen64; i++ {
		c := p.rest[i]
		if i == binary.MaxVarintLen64-1 && c > 1 || i > 0 && c == 0 { // too large, or longer than it must be
			break
		}
		if v |= uint64(c&0x7f) << (7 * i); c < 0x80 {
			p.rest = p.rest[i+1:]
			return v
		}
	}
	p.bad, p.rest = true, ""
	return 0
}

func (p *numbers) varint() int64 {
	u := p.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (p *numbers) float() float64 {
	return math.Float64frombits(bits.ReverseBytes64(p.uvarint()))
}

// count reads a number of things, each of which takes at least so many bytes.
func (p *numbers) count(bytes int) int {
	n := p.uvarint()
	if n > uint64(len(p.rest)/bytes) {
		p.bad, p.rest = true, ""
		return 0
	}
	return int(n)
}

func (p *numbers) spans() []histogram.Span {
	n := p.count(2)
	if n == 0 {
		return nil
	}
	out := make([]histogram.Span, n)
	for i := range out {
		offset, length := p.varint(), p.uvarint()
		p.bad = p.bad || offset != int64(int32(offset)) || length > math.MaxUint32
		out[i] = histogram.Span{Offset: int32(offset), Length: uint32(length)}
	}
	return out
}

func (p *numbers) floats() []float64 {
	n := p.count(1)
	if n == 0 {
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = p.float()
	}
	return out
}

func (p *numbers) deltas() []int64 {
	n := p.count(1)
	if n == 0 {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = p.varint()
	}
	return out
}

func (p *numbers) custom(flags byte) []float64 {
	if flags&flagCustom == 0 {
		return nil
	}
	out := p.floats()
	p.bad = p.bad || len(out) == 0
	return out
}
