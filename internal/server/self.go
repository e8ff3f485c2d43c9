package server

import (
	"context"
	"math"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
)

// storeSelf stores the server's own metrics, as often as the configuration says, until ctx ends.
func (s *Server) storeSelf(ctx context.Context) {
	every := s.config.Load().Self.Interval.of()
	if every == 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	ctx = access.With(ctx, &access.Identity{Name: "self", Rights: access.Write})
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.storeOwn(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("the server's own metrics were not stored", "err", err)
			}
		}
	}
}

// storeOwn stores the server's own metrics as of now.
func (s *Server) storeOwn(ctx context.Context) error {
	families, err := s.metrics.registry.Gather()
	if err != nil {
		return err
	}
	own := &ownMetrics{at: s.o.Now().UnixNano(), instance: s.Addr("http").String()}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			own.add(f, m)
		}
	}
	if own.err != nil {
		return own.err
	}
	_, err = s.opened.Load().gate.Append(ctx, &own.batch)
	return err
}

// ownMetrics makes a batch of metrics, as a scrape by Prometheus would.
type ownMetrics struct {
	at       int64
	instance string
	batch    chunk.Batch
	err      error
}

// add adds the values of one metric.
func (o *ownMetrics) add(f *dto.MetricFamily, m *dto.Metric) {
	name := f.GetName()
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		o.row(name, m, "", "", m.GetCounter().GetValue())
	case dto.MetricType_GAUGE:
		o.row(name, m, "", "", m.GetGauge().GetValue())
	case dto.MetricType_UNTYPED:
		o.row(name, m, "", "", m.GetUntyped().GetValue())
	case dto.MetricType_SUMMARY:
		for _, q := range m.GetSummary().GetQuantile() {
			o.row(name, m, "quantile", number(q.GetQuantile()), q.GetValue())
		}
		o.row(name+"_sum", m, "", "", m.GetSummary().GetSampleSum())
		o.row(name+"_count", m, "", "", float64(m.GetSummary().GetSampleCount()))
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		for _, b := range h.GetBucket() {
			o.row(name+"_bucket", m, "le", number(b.GetUpperBound()), float64(b.GetCumulativeCount()))
		}
		o.row(name+"_bucket", m, "le", "+Inf", float64(h.GetSampleCount()))
		o.row(name+"_sum", m, "", "", h.GetSampleSum())
		o.row(name+"_count", m, "", "", float64(h.GetSampleCount()))
	}
}

// row adds one value. An empty label is none.
func (o *ownMetrics) row(name string, m *dto.Metric, label, value string, v float64) {
	pairs := []chunk.Dimension{{Name: "metric", Value: name}, {Name: "job", Value: "chronodex"}, {Name: "instance", Value: o.instance}}
	for _, l := range m.GetLabel() {
		pairs = append(pairs, chunk.Dimension{Name: l.GetName(), Value: l.GetValue()})
	}
	if label != "" {
		pairs = append(pairs, chunk.Dimension{Name: label, Value: value})
	}
	d, err := chunk.NewDimensions(pairs...)
	if err != nil {
		o.err = err
		return
	}
	o.batch.Rows = append(o.batch.Rows, chunk.BatchRow{
		Dimensions: d, Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{o.at}, Floats: []float64{v}},
	})
}

// number writes a bound as Prometheus does.
func number(f float64) string {
	if math.IsInf(f, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
