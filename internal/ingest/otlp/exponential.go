package otlp

import (
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// maxGap is how many empty buckets are written before it is shorter to say that there are some.
const maxGap = 2

// exponential turns a point of an exponential histogram into rows.
func (d *Decoder) exponential(p *metricspb.ExponentialHistogramDataPoint, t int64) error {
	h, err := native(p)
	if err != nil {
		return err
	}
	stale := p.GetFlags()&noRecordedValue != 0
	if stale {
		h.Sum = staleNaN
	}
	start := int64(0)
	if s := p.GetStartTimeUnixNano(); s <= math.MaxInt64 {
		start = int64(s)
	}
	if d.now.delta {
		h.CounterResetHint = histogram.GaugeType
	}
	d.text = promwrite.AppendHistogram(d.text[:0], promwrite.Histogram{Start: start, Int: h})
	if err := d.string(t, string(d.text), d.name("")); err != nil {
		return err
	}
	if err := d.count(t, p.GetCount(), p.Sum, stale); err != nil {
		return err
	}
	if err := d.extremes(t, p.Min, p.Max); err != nil {
		return err
	}
	return d.exemplars(p.GetExemplars(), t)
}

// native returns the native histogram of Prometheus that has the buckets of p, merged to the
// finest resolution that there is. Bucket i of OTLP is (base^i, base^(i+1)], which there is bucket
// i+1.
func native(p *metricspb.ExponentialHistogramDataPoint) (*histogram.Histogram, error) {
	scale, merge := p.GetScale(), uint(0)
	if scale < histogram.ExponentialSchemaMin {
		return nil, fmt.Errorf("scale %d: the coarsest that there is is %d", scale, histogram.ExponentialSchemaMin)
	}
	if scale > histogram.ExponentialSchemaMax {
		merge = uint(scale - histogram.ExponentialSchemaMax)
		scale = histogram.ExponentialSchemaMax
	}
	h := &histogram.Histogram{
		Schema: scale, ZeroThreshold: p.GetZeroThreshold(), ZeroCount: p.GetZeroCount(), Count: p.GetCount(), Sum: p.GetSum(),
	}
	var err, nerr error
	h.PositiveSpans, h.PositiveBuckets, err = layout(p.GetPositive(), merge)
	h.NegativeSpans, h.NegativeBuckets, nerr = layout(p.GetNegative(), merge)
	return h, errors.Join(err, nerr)
}

// layout returns the buckets as spans of differences, 2^merge of them merged to one.
func layout(b *metricspb.ExponentialHistogramDataPoint_Buckets, merge uint) (spans []histogram.Span, deltas []int64, err error) {
	counts := b.GetBucketCounts()
	if len(counts) > maxBuckets {
		return nil, nil, fmt.Errorf("%d buckets, at most %d", len(counts), maxBuckets)
	}
	next, before := int64(0), int64(0) // bucket behind the last one, and its count
	for i := 0; i < len(counts); {
		index := (int64(b.GetOffset())+int64(i))>>merge + 1
		var sum uint64
		for ; i < len(counts) && (int64(b.GetOffset())+int64(i))>>merge+1 == index; i++ {
			if sum += counts[i]; counts[i] > math.MaxInt64 || sum > math.MaxInt64 {
				return nil, nil, errors.New("a bucket's count is out of range")
			}
		}
		if sum == 0 {
			continue
		}
		if index != int64(int32(index)) {
			return nil, nil, fmt.Errorf("bucket %d is out of range", index)
		}
		gap := index - next
		if len(spans) == 0 || gap > maxGap {
			if gap != int64(int32(gap)) {
				return nil, nil, fmt.Errorf("bucket %d is out of range", index)
			}
			spans = append(spans, histogram.Span{Offset: int32(gap)})
			gap = 0
		}
		for ; gap > 0; gap-- {
			spans[len(spans)-1].Length++
			deltas, before = append(deltas, -before), 0
		}
		spans[len(spans)-1].Length++
		deltas = append(deltas, int64(sum)-before)
		before, next = int64(sum), index+1
	}
	return spans, deltas, nil
}
