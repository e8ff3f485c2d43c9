package promwrite

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"google.golang.org/protobuf/encoding/protowire"
)

// A histogramScratch is the memory in which histograms are decoded.
type histogramScratch struct {
	message histogramMessage
	numbers []uint64
	floats  histogram.FloatHistogram
	ints    histogram.Histogram
}

// A histogramMessage is the message Histogram, in which both versions agree but for the start time.
type histogramMessage struct {
	float                          bool
	count, zeroCount               uint64 // their bits, where they are floats
	zeroFloat                      bool
	sum, threshold                 float64
	schema                         int32
	hint                           histogram.CounterResetHint
	ms, start                      int64
	positiveSpans, negativeSpans   []histogram.Span
	positiveDeltas, negativeDeltas []int64
	positiveCounts, negativeCounts []float64
	custom                         []float64
}

// reset empties m and keeps its memory.
func (m *histogramMessage) reset() {
	*m = histogramMessage{
		positiveSpans: m.positiveSpans[:0], negativeSpans: m.negativeSpans[:0],
		positiveDeltas: m.positiveDeltas[:0], negativeDeltas: m.negativeDeltas[:0],
		positiveCounts: m.positiveCounts[:0], negativeCounts: m.negativeCounts[:0], custom: m.custom[:0],
	}
}

// decode reads the message Histogram. The result is valid until the next one; it need not be a valid
// histogram.
func (s *histogramScratch) decode(b []byte, v2 bool) (ms int64, h Histogram, err error) {
	m := &s.message
	m.reset()
	for len(b) > 0 {
		f, rest, err := next(b)
		if err != nil {
			return 0, h, err
		}
		b = rest
		switch {
		case f.num > 7 && f.num <= 13 || f.num == 16:
			err = s.column(&f)
		case f.num == 17 && !v2:
		default:
			err = m.scalar(&f)
		}
		if err != nil {
			return 0, h, fmt.Errorf("histogram: %w", err)
		}
	}
	if t, ok := stamp(m.start); ok {
		h.Start = t
	}
	var custom []float64
	if len(m.custom) > 0 {
		custom = m.custom
	}
	if m.float {
		s.floats = histogram.FloatHistogram{
			CounterResetHint: m.hint, Schema: m.schema, ZeroThreshold: m.threshold, Count: math.Float64frombits(m.count), Sum: m.sum,
			PositiveSpans: m.positiveSpans, NegativeSpans: m.negativeSpans,
			PositiveBuckets: m.positiveCounts, NegativeBuckets: m.negativeCounts, CustomValues: custom,
		}
		if m.zeroFloat {
			s.floats.ZeroCount = math.Float64frombits(m.zeroCount)
		}
		h.Float = &s.floats
		return m.ms, h, nil
	}
	s.ints = histogram.Histogram{
		CounterResetHint: m.hint, Schema: m.schema, ZeroThreshold: m.threshold, Count: m.count, Sum: m.sum,
		PositiveSpans: m.positiveSpans, NegativeSpans: m.negativeSpans,
		PositiveBuckets: m.positiveDeltas, NegativeBuckets: m.negativeDeltas, CustomValues: custom,
	}
	if !m.zeroFloat {
		s.ints.ZeroCount = m.zeroCount
	}
	h.Int = &s.ints
	return m.ms, h, nil
}

// scalar takes a field that is one number.
func (m *histogramMessage) scalar(f *field) error {
	switch f.num {
	case 1:
		m.count, m.float = f.val, false
		return f.is(varint)
	case 2:
		m.count, m.float = f.val, true
		return f.is(fixed64)
	case 3:
		m.sum = f.float()
		return f.is(fixed64)
	case 4:
		m.schema = int32(protowire.DecodeZigZag(uint64(uint32(f.val))))
		return f.is(varint)
	case 5:
		m.threshold = f.float()
		return f.is(fixed64)
	case 6:
		m.zeroCount, m.zeroFloat = f.val, false
		return f.is(varint)
	case 7:
		m.zeroCount, m.zeroFloat = f.val, true
		return f.is(fixed64)
	case 14:
		m.hint = histogram.UnknownCounterReset
		if f.val <= uint64(histogram.GaugeType) {
			m.hint = histogram.CounterResetHint(f.val)
		}
		return f.is(varint)
	case 15:
		m.ms = int64(f.val)
		return f.is(varint)
	case 17:
		m.start = int64(f.val)
		return f.is(varint)
	}
	return nil
}

// column takes a field that is repeated.
func (s *histogramScratch) column(f *field) (err error) {
	m := &s.message
	typ := fixed64
	switch f.num {
	case 8:
		m.negativeSpans, err = appendSpan(m.negativeSpans, f)
		return err
	case 11:
		m.positiveSpans, err = appendSpan(m.positiveSpans, f)
		return err
	case 9, 12:
		typ = varint
	}
	if s.numbers, err = appendNumbers(s.numbers[:0], f, typ); err != nil {
		return err
	}
	for _, v := range s.numbers {
		switch f.num {
		case 9:
			m.negativeDeltas = append(m.negativeDeltas, protowire.DecodeZigZag(v))
		case 10:
			m.negativeCounts = append(m.negativeCounts, math.Float64frombits(v))
		case 12:
			m.positiveDeltas = append(m.positiveDeltas, protowire.DecodeZigZag(v))
		case 13:
			m.positiveCounts = append(m.positiveCounts, math.Float64frombits(v))
		case 16:
			m.custom = append(m.custom, math.Float64frombits(v))
		}
	}
	return nil
}

// appendSpan reads the message BucketSpan.
func appendSpan(dst []histogram.Span, f *field) ([]histogram.Span, error) {
	if err := f.is(lengths); err != nil {
		return dst, err
	}
	var s histogram.Span
	for b := f.data; len(b) > 0; {
		g, rest, err := next(b)
		if err != nil {
			return dst, err
		}
		b = rest
		switch g.num {
		case 1:
			s.Offset, err = int32(protowire.DecodeZigZag(uint64(uint32(g.val)))), g.is(varint)
		case 2:
			s.Length, err = uint32(g.val), g.is(varint)
		}
		if err != nil {
			return dst, fmt.Errorf("span: %w", err)
		}
	}
	return append(dst, s), nil
}
