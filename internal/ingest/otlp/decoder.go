package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// What is wrong with a whole request.
var (
	ErrMalformed = errors.New("not a metrics request of OTLP")
	ErrTooLarge  = fmt.Errorf("more than %d messages (points, attributes and their values); send smaller batches", maxMessages)
)

const (
	maxMessages = 1 << 20 // of a request: in memory, each is 100 to 200 bytes
	maxBuckets  = 4096    // of a histogram
	maxReasons  = 10      // that an answer has; the others are counted
	batchRows   = 1 << 15 // of a batch, about
	batchPairs  = 1 << 20 // dimensions of a batch, about
	slab        = 1 << 12 // rows that get their memory together
)

// A Decoder turns requests into batches, with the memory it has. The zero value is ready. It is used
// by one goroutine at a time.
type Decoder struct {
	// Emit takes each batch, which is valid until it returns; a large request is several. Points has
	// the number of the data point that each row comes from, counted through the request, or −1 where
	// it is metadata. The first error ends the decoding.
	Emit  func(b *chunk.Batch, points []int32) error
	Now   int64            // stamp of metadata, Unix nanoseconds
	Who   string           // sends; what is known of one sender's metadata says nothing of another's
	Known *promwrite.Known // nil: nothing is known, and all metadata and start times are emitted

	result Result
	err    error             // what is wrong with the resource or the scope
	fresh  map[uint64]uint64 // what was emitted and Known does not know
	points []int32
	batch  chunk.Batch
	pairs  int // of the batch

	times  []int64 // memory for the rows, and so on
	floats []float64
	ints   []int64
	texts  []string
	dims   []chunk.Dimension

	outer, inner, all []pair // of the resource; and of the scope; and of the point, each sorted by name
	own, merged       []pair // of a row: ours; and all
	scratch           []pair
	text              []byte
	now               series // what the rows of the next point have in common
	wire              wire   // what is known of requests in protobuf
}

// A Result says what became of a request.
type Result struct {
	Points  int64    // that it had
	Refused int64    // of them, nothing of which is in a batch
	Reasons []string // of the first of those
}

// A series is what the rows of one data point have in common.
type series struct {
	metric string
	delta  bool
	starts bool  // its start time says when it was last 0
	err    error // of the resource or scope: no point can be taken
}

// DecodeJSON is Decode of a request in JSON: protobuf's JSON mapping, but for the ids of traces and
// spans, which are hexadecimal.
func (d *Decoder) DecodeJSON(data []byte) (Result, error) {
	if bytes.Count(data, []byte{'{'}) > maxMessages { // a message each, but for braces in strings
		return Result{}, ErrTooLarge
	}
	req := new(collectorpb.ExportMetricsServiceRequest)
	o := protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxDepth}
	if err := o.Unmarshal(data, req); err != nil {
		return Result{}, fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	if err := hexIDs(req); err != nil {
		return Result{}, err
	}
	return d.request(req)
}

// request turns all of req into batches.
func (d *Decoder) request(req *collectorpb.ExportMetricsServiceRequest) (Result, error) {
	d.begin()
	for _, rm := range req.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			d.enter(rm.GetResource(), sm.GetScope())
			for _, m := range sm.GetMetrics() {
				if err := d.metric(m); err != nil {
					return d.result, err
				}
			}
		}
	}
	return d.result, d.flush()
}

// begin forgets the last request.
func (d *Decoder) begin() {
	d.result, d.fresh = Result{}, nil
	d.reset()
}

// enter notes the resource and the scope that the next metrics are of.
func (d *Decoder) enter(r *resourcepb.Resource, s *commonpb.InstrumentationScope) {
	if d.outer, d.err = appendPairs(d.outer[:0], r.GetAttributes(), ofResource); d.err != nil {
		d.err = fmt.Errorf("resource: %w", d.err)
	} else if d.err = d.scope(s); d.err != nil {
		d.err = fmt.Errorf("scope: %w", d.err)
	}
}

// scope makes d.inner of the pairs of d.outer and of a scope.
func (d *Decoder) scope(s *commonpb.InstrumentationScope) error {
	pairs, err := appendPairs(d.scratch[:0], s.GetAttributes(), ofScope)
	if err != nil {
		return err
	}
	pairs = append(pairs,
		pair{chunk.Dimension{Name: "otel.scope.name", Value: s.GetName()}, ofScope},
		pair{chunk.Dimension{Name: "otel.scope.version", Value: s.GetVersion()}, ofScope})
	d.scratch = tidy(pairs)
	d.inner = merge(d.inner[:0], d.scratch, d.outer)
	return nil
}

// metric turns one metric into rows.
func (d *Decoder) metric(m *metricspb.Metric) error {
	d.now = series{metric: m.GetName(), err: d.err}
	switch data := m.GetData().(type) {
	case *metricspb.Metric_Gauge:
		d.describe(m, "gauge")
		return each(d, data.Gauge.GetDataPoints(), d.number)
	case *metricspb.Metric_Sum:
		d.sum(m, data.Sum.GetAggregationTemporality(), data.Sum.GetIsMonotonic())
		return each(d, data.Sum.GetDataPoints(), d.number)
	case *metricspb.Metric_Histogram:
		d.describe(m, "histogram")
		d.temporality(data.Histogram.GetAggregationTemporality())
		d.now.starts = !d.now.delta
		return each(d, data.Histogram.GetDataPoints(), d.histogram)
	case *metricspb.Metric_ExponentialHistogram: // has its start time in its value
		d.describe(m, "histogram")
		d.temporality(data.ExponentialHistogram.GetAggregationTemporality())
		return each(d, data.ExponentialHistogram.GetDataPoints(), d.exponential)
	case *metricspb.Metric_Summary:
		d.describe(m, "summary")
		d.now.starts = true
		return each(d, data.Summary.GetDataPoints(), d.summary)
	}
	return nil
}

// sum notes what kind of sum the metric m is.
func (d *Decoder) sum(m described, t metricspb.AggregationTemporality, monotonic bool) {
	d.temporality(t)
	kind := "gauge"
	if monotonic {
		kind = "counter"
	}
	d.describe(m, kind)
	d.now.starts = monotonic && !d.now.delta
}

// temporality notes how the points of a metric add up.
func (d *Decoder) temporality(t metricspb.AggregationTemporality) {
	switch t {
	case metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE:
	case metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA:
		d.now.delta = true
	default:
		if d.now.err == nil {
			d.now.err = errors.New("the aggregation temporality is neither cumulative nor delta")
		}
	}
}

// A point is any type of data point.
type point interface {
	GetTimeUnixNano() uint64
	GetStartTimeUnixNano() uint64
	GetAttributes() []*commonpb.KeyValue
	GetFlags() uint32
}

// each turns the points of a metric into rows by add.
func each[P point](d *Decoder, points []P, add func(P, int64) error) error {
	for _, p := range points {
		d.one(p, func(t int64) error { return add(p, t) })
		if err := d.settle(); err != nil {
			return err
		}
	}
	return d.settle() // of its metadata
}

// one turns a point into rows by add. One that is refused leaves none.
func (d *Decoder) one(p point, add func(t int64) error) {
	rows, pairs := len(d.batch.Rows), d.pairs
	if err := d.point(p, add); err != nil {
		d.batch.Rows, d.points, d.pairs = d.batch.Rows[:rows], d.points[:rows], pairs
		d.result.Refused++
		if len(d.result.Reasons) < maxReasons {
			d.result.Reasons = append(d.result.Reasons, fmt.Sprintf("metric %.200q: %v", d.now.metric, err))
		}
	}
	d.result.Points++
}

// settle emits the batch where it is large.
func (d *Decoder) settle() error {
	if len(d.batch.Rows) >= batchRows || d.pairs >= batchPairs {
		return d.flush()
	}
	return nil
}

// point checks what all types of points have, and gathers their attributes.
func (d *Decoder) point(p point, add func(t int64) error) error {
	if d.now.err != nil {
		return d.now.err
	}
	if d.now.metric == "" {
		return errors.New("the metric has no name")
	}
	t := p.GetTimeUnixNano()
	if t == 0 || t > math.MaxInt64 {
		return fmt.Errorf("the time %d ns is none", t)
	}
	pairs, err := appendPairs(d.scratch[:0], p.GetAttributes(), ofPoint)
	if err != nil {
		return err
	}
	d.scratch = pairs
	d.all = merge(d.all[:0], pairs, d.inner)
	first := len(d.batch.Rows)
	if err := add(int64(t)); err != nil {
		return err
	}
	return d.start(int64(t), p.GetStartTimeUnixNano(), d.batch.Rows[first].Dimensions)
}

// flush emits what there is.
func (d *Decoder) flush() error {
	if len(d.batch.Rows) == 0 {
		return nil
	}
	err := d.Emit(&d.batch, d.points)
	d.reset()
	return err
}

// reset empties the batch. Dimensions that were emitted are the store's.
func (d *Decoder) reset() {
	clear(d.batch.Rows)
	d.batch.Rows, d.points, d.pairs = d.batch.Rows[:0], d.points[:0], 0
	if cap(d.batch.Rows) > 4*batchRows {
		d.batch.Rows, d.points = nil, nil
	}
	d.times, d.floats, d.ints, d.texts, d.dims = d.times[:0], d.floats[:0], d.ints[:0], nil, nil
}
