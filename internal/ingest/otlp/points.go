package otlp

import (
	"errors"
	"fmt"
	"math"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// noRecordedValue is the flag of a point that says: there was nothing to say.
const noRecordedValue = uint32(metricspb.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)

// number turns a point of a gauge or sum into rows.
func (d *Decoder) number(p *metricspb.NumberDataPoint, t int64) error {
	var err error
	switch v := p.GetValue().(type) {
	case *metricspb.NumberDataPoint_AsInt:
		err = d.int(t, v.AsInt, d.name(""))
	case *metricspb.NumberDataPoint_AsDouble:
		err = d.float(t, v.AsDouble, d.name(""))
	default:
		if p.GetFlags()&noRecordedValue == 0 {
			return errors.New("the point has no value")
		}
		err = d.float(t, staleNaN, d.name(""))
	}
	if err != nil {
		return err
	}
	return d.exemplars(p.GetExemplars(), t)
}

// histogram turns a point of a histogram into rows.
func (d *Decoder) histogram(p *metricspb.HistogramDataPoint, t int64) error {
	counts, bounds := p.GetBucketCounts(), p.GetExplicitBounds()
	switch {
	case len(counts) > maxBuckets:
		return fmt.Errorf("%d buckets, at most %d", len(counts), maxBuckets)
	case len(counts) == 0 && len(bounds) == 0:
	case len(counts) != len(bounds)+1:
		return fmt.Errorf("%d buckets with %d bounds between them", len(counts), len(bounds))
	}
	stale := p.GetFlags()&noRecordedValue != 0
	total := uint64(0)
	for i, n := range counts {
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		if math.IsNaN(bound) || i > 0 && i < len(bounds) && bound <= bounds[i-1] {
			return fmt.Errorf("bound %d of the buckets is %v, which is not above the one before", i, bound)
		}
		total += n
		d.text = appendBound(d.text[:0], bound)
		le := chunk.Dimension{Name: "le", Value: string(d.text)}
		if err := d.float(t, valueOr(float64(total), stale), le, d.name("_bucket")); err != nil {
			return err
		}
	}
	if err := d.count(t, p.GetCount(), p.Sum, stale); err != nil {
		return err
	}
	if err := d.extremes(t, p.Min, p.Max); err != nil {
		return err
	}
	return d.exemplars(p.GetExemplars(), t)
}

// valueOr returns v, or the stale marker.
func valueOr(v float64, stale bool) float64 {
	if stale {
		return staleNaN
	}
	return v
}

// appendBound appends the upper bound of a bucket, or a quantile, as the value of a dimension.
func appendBound(dst []byte, v float64) []byte { return literal.AppendFloat(dst, v) }

// count appends the rows _count and, where the point has one, _sum.
func (d *Decoder) count(t int64, count uint64, sum *float64, stale bool) error {
	if err := d.float(t, valueOr(float64(count), stale), d.name("_count")); err != nil || sum == nil && !stale {
		return err
	}
	v := 0.0
	if sum != nil {
		v = *sum
	}
	return d.float(t, valueOr(v, stale), d.name("_sum"))
}

// extremes appends the rows _min and _max, as far as the point has them.
func (d *Decoder) extremes(t int64, low, high *float64) error {
	if low != nil {
		if err := d.float(t, *low, d.name("_min")); err != nil {
			return err
		}
	}
	if high != nil {
		return d.float(t, *high, d.name("_max"))
	}
	return nil
}

// summary turns a point of a summary into rows.
func (d *Decoder) summary(p *metricspb.SummaryDataPoint, t int64) error {
	if n := len(p.GetQuantileValues()); n > maxBuckets {
		return fmt.Errorf("%d quantiles, at most %d", n, maxBuckets)
	}
	stale := p.GetFlags()&noRecordedValue != 0
	for _, q := range p.GetQuantileValues() {
		if !(q.GetQuantile() >= 0 && q.GetQuantile() <= 1) {
			return fmt.Errorf("quantile %v is not between 0 and 1", q.GetQuantile())
		}
		d.text = appendBound(d.text[:0], q.GetQuantile())
		quantile := chunk.Dimension{Name: "quantile", Value: string(d.text)}
		if err := d.float(t, valueOr(q.GetValue(), stale), d.name(""), quantile); err != nil {
			return err
		}
	}
	sum := p.GetSum()
	return d.count(t, p.GetCount(), &sum, stale)
}
