package otlp

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// exemplars appends the exemplars of a point, one value for all of one stamp.
func (d *Decoder) exemplars(es []*metricspb.Exemplar, t int64) error {
	if len(es) == 0 {
		return nil
	}
	stampOf := func(e *metricspb.Exemplar) int64 {
		if at := e.GetTimeUnixNano(); at != 0 && at <= math.MaxInt64 {
			return int64(at)
		}
		return t
	}
	es = slices.Clone(es)
	slices.SortStableFunc(es, func(a, b *metricspb.Exemplar) int { return cmp.Compare(stampOf(a), stampOf(b)) })
	for i := 0; i < len(es); {
		at := stampOf(es[i])
		var same []promwrite.Exemplar
		for ; i < len(es) && stampOf(es[i]) == at; i++ {
			e, err := example(es[i])
			if err != nil {
				return fmt.Errorf("exemplar: %w", err)
			}
			same = append(same, e)
		}
		d.text = promwrite.AppendExemplars(d.text[:0], same)
		if err := d.string(at, string(d.text), chunk.Dimension{Name: promwrite.ExemplarOf, Value: d.now.metric}); err != nil {
			return err
		}
	}
	return nil
}

// example returns an exemplar as the store keeps it: its labels are the filtered attributes, and
// trace_id and span_id in hexadecimal.
func example(e *metricspb.Exemplar) (promwrite.Exemplar, error) {
	var out promwrite.Exemplar
	switch v := e.GetValue().(type) {
	case *metricspb.Exemplar_AsInt:
		out.Value = float64(v.AsInt)
	case *metricspb.Exemplar_AsDouble:
		out.Value = v.AsDouble
	default:
		return out, errors.New("it has no value")
	}
	if n := len(e.GetFilteredAttributes()); n > chunk.MaxDimensions {
		return out, fmt.Errorf("%d attributes, at most %d", n, chunk.MaxDimensions)
	}
	var pairs []pair
	for _, a := range e.GetFilteredAttributes() {
		pairs = append(pairs, pair{chunk.Dimension{Name: a.GetKey(), Value: text(a.GetValue())}, ""})
	}
	for name, id := range map[string][]byte{"trace_id": e.GetTraceId(), "span_id": e.GetSpanId()} {
		if len(id) > maxID {
			return out, fmt.Errorf("%s has %d bytes", name, len(id))
		}
		pairs = append(pairs, pair{chunk.Dimension{Name: name, Value: hex.EncodeToString(id)}, ""})
	}
	for _, p := range tidy(pairs) {
		out.Labels = append(out.Labels, p.Dimension)
	}
	return out, nil
}

// maxID is how many bytes the id of a trace has: 16, and of a span 8.
const maxID = 16

// hexIDs puts right the ids of all exemplars of a request in JSON: they are written in hexadecimal,
// and have been read as base64, as protobuf's mapping has all other bytes.
func hexIDs(req *collectorpb.ExportMetricsServiceRequest) error {
	for e := range allExemplars(req) {
		for _, id := range []*[]byte{&e.TraceId, &e.SpanId} {
			b, err := hex.DecodeString(base64.StdEncoding.EncodeToString(*id))
			if err != nil {
				return fmt.Errorf("the id of a trace or span is not hexadecimal: %w", ErrMalformed)
			}
			*id = b
		}
	}
	return nil
}

// allExemplars returns the exemplars of a request.
func allExemplars(req *collectorpb.ExportMetricsServiceRequest) iter.Seq[*metricspb.Exemplar] {
	return func(yield func(*metricspb.Exemplar) bool) {
		for _, rm := range req.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				for _, m := range sm.GetMetrics() {
					for _, es := range exemplarsOf(m) {
						for _, e := range es {
							if e != nil && !yield(e) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// exemplarsOf returns the exemplars of each point of a metric that can have some.
func exemplarsOf(m *metricspb.Metric) (all [][]*metricspb.Exemplar) {
	for _, p := range append(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()...) {
		all = append(all, p.GetExemplars())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		all = append(all, p.GetExemplars())
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		all = append(all, p.GetExemplars())
	}
	return all
}
