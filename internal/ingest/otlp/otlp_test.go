package otlp

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// wrap returns a request in JSON with one resource, one scope, and a metric.
func wrap(metric string) string {
	return `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
		"scopeMetrics":[{"scope":{"name":"lib","version":"1.2"},"metrics":[` + metric + `]}]}]}`
}

const common = `otel.scope.name="lib", otel.scope.version="1.2", service.name="shop"`

// rows prints batches, a line a row: dimensions, kind, stamp and value.
func rows(lines []string, b *chunk.Batch) []string {
	for _, r := range b.Rows {
		s := r.Samples
		var v any
		switch s.Kind {
		case chunk.Float64:
			v = s.Floats[0]
			if math.Float64bits(s.Floats[0]) == math.Float64bits(staleNaN) {
				v = "stale"
			}
		case chunk.Int64:
			v = s.Ints[0]
		case chunk.String:
			v = s.Strings[0]
			if h, err := promwrite.ParseHistogram(s.Strings[0]); err == nil {
				v = fmt.Sprintf("schema %d zero %d in %v count %d sum %v start %d hint %d %v%v %v%v", h.Int.Schema, h.Int.ZeroCount, h.Int.ZeroThreshold,
					h.Int.Count, h.Int.Sum, h.Start, h.Int.CounterResetHint, h.Int.PositiveSpans, h.Int.PositiveBuckets, h.Int.NegativeSpans, h.Int.NegativeBuckets)
			}
		}
		lines = append(lines, fmt.Sprintf("%v %v %d=%v", r.Dimensions, s.Kind, s.Times[0], v))
	}
	return lines
}

// decode decodes a request, in JSON or else in protobuf, and prints what comes out.
func decode(t *testing.T, text string, binary bool) ([]string, Result, error) {
	t.Helper()
	var lines []string
	d := Decoder{Emit: func(b *chunk.Batch, points []int32) error {
		if len(points) != len(b.Rows) {
			t.Errorf("%d rows of the points %v", len(b.Rows), points)
		}
		for _, line := range rows(nil, b) {
			if !strings.HasPrefix(line, "{metadata_of=") { // which has tests of its own
				lines = append(lines, line)
			}
		}
		return nil
	}}
	if !binary {
		res, err := d.DecodeJSON([]byte(text))
		return lines, res, err
	}
	req := new(collectorpb.ExportMetricsServiceRequest)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal([]byte(text), req); err != nil {
		t.Fatal(err)
	}
	if err := hexIDs(req); err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	res, err := d.Decode(data)
	return lines, res, err
}

func TestPoints(t *testing.T) {
	for name, tc := range map[string]struct {
		metric  string
		want    []string
		points  int64
		refused string // part of the only reason
	}{
		"a gauge of doubles and one of integers": {
			metric: `{"name":"system.memory.usage","gauge":{"dataPoints":[
				{"timeUnixNano":"7","asDouble":1.5,"attributes":[{"key":"state","value":{"stringValue":"free"}}]},
				{"timeUnixNano":"8","asInt":"9007199254740993"}]}}`,
			points: 2,
			want: []string{
				`{metric="system.memory.usage", ` + common + `, state="free"} float64 7=1.5`,
				`{metric="system.memory.usage", ` + common + `} int64 8=9007199254740993`,
			},
		},
		"a cumulative sum": {
			metric: `{"name":"requests","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[{"startTimeUnixNano":1,"timeUnixNano":7,"asInt":3}]}}`,
			points: 1, want: []string{`{metric="requests", ` + common + `} int64 7=3`, `{` + common + `, start_of="requests"} int64 7=1`},
		},
		"a cumulative sum that may fall has no start time to keep": {
			metric: `{"name":"requests","sum":{"aggregationTemporality":2,"dataPoints":[{"startTimeUnixNano":1,"timeUnixNano":7,"asInt":3}]}}`,
			points: 1, want: []string{`{metric="requests", ` + common + `} int64 7=3`},
		},
		"deltas are series of their own": {
			metric: `{"name":"requests","sum":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":7,"asDouble":3}]}}`,
			points: 1, want: []string{`{metric="requests", ` + common + `, temporality="delta"} float64 7=3`},
		},
		"a sum that does not say how it adds up": {
			metric: `{"name":"requests","sum":{"dataPoints":[{"timeUnixNano":7,"asDouble":3}]}}`,
			points: 1, refused: `metric "requests": the aggregation temporality is neither`,
		},
		"a histogram": {
			metric: `{"name":"latency","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"count":"6","sum":2.5,
				"bucketCounts":["1","2","3"],"explicitBounds":[0.1,1],"min":0.01,"max":4}]}}`,
			points: 1,
			want: []string{
				`{le="0.1", metric="latency_bucket", ` + common + `} float64 7=1`,
				`{le="1", metric="latency_bucket", ` + common + `} float64 7=3`,
				`{le="+Inf", metric="latency_bucket", ` + common + `} float64 7=6`,
				`{metric="latency_count", ` + common + `} float64 7=6`,
				`{metric="latency_sum", ` + common + `} float64 7=2.5`,
				`{metric="latency_min", ` + common + `} float64 7=0.01`,
				`{metric="latency_max", ` + common + `} float64 7=4`,
			},
		},
		"a histogram of one bucket, without a sum": {
			metric: `{"name":"latency","histogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":7,"count":2,"bucketCounts":[2]}]}}`,
			points: 1,
			want: []string{
				`{le="+Inf", metric="latency_bucket", ` + common + `, temporality="delta"} float64 7=2`,
				`{metric="latency_count", ` + common + `, temporality="delta"} float64 7=2`,
			},
		},
		"a histogram without buckets, with an attribute le": {
			metric: `{"name":"latency","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"count":2,"bucketCounts":[2],
				"attributes":[{"key":"le","value":{"stringValue":"x"}}]}]}}`,
			points: 1,
			want: []string{
				`{le="+Inf", metric="latency_bucket", otel.scope.name="lib", otel.scope.version="1.2", point.le="x", service.name="shop"} float64 7=2`,
				`{le="x", metric="latency_count", ` + common + `} float64 7=2`,
			},
		},
		"bounds that do not fit": {
			metric: `{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"bucketCounts":[1,2],"explicitBounds":[1,2]}]}}`,
			points: 1, refused: `2 buckets with 2 bounds`,
		},
		"bounds that fall": {
			metric: `{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"bucketCounts":[1,2,3],"explicitBounds":[2,1]}]}}`,
			points: 1, refused: `bound 1 of the buckets is 1`,
		},
		"an exponential histogram": {
			metric: `{"name":"size","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"startTimeUnixNano":"5000000","timeUnixNano":7,
				"count":13,"sum":40,"scale":1,"zeroCount":1,"zeroThreshold":0.5,"min":-2,"max":8,
				"positive":{"offset":-1,"bucketCounts":["1","0","4","0","0","0","0","5"]},"negative":{"offset":2,"bucketCounts":[2]}}]}}`,
			points: 1,
			want: []string{
				// Buckets 0, 2 and 7 of ours, and 3.
				`{metric="size", ` + common + `} string 7=schema 1 zero 1 in 0.5 count 13 sum 40 start 5000000 hint 0 [{0 3} {4 1}][1 -1 4 1] [{3 1}][2]`,
				`{metric="size_count", ` + common + `} float64 7=13`,
				`{metric="size_sum", ` + common + `} float64 7=40`,
				`{metric="size_min", ` + common + `} float64 7=-2`,
				`{metric="size_max", ` + common + `} float64 7=8`,
			},
		},
		"an exponential histogram of a scale that is too fine": {
			metric: `{"name":"size","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":7,
				"count":10,"scale":9,"positive":{"offset":1,"bucketCounts":["1","2","3","4"]}}]}}`,
			points: 1,
			want: []string{
				// Pairs of them are one: 1; 2 and 3; 4.
				`{metric="size", ` + common + `, temporality="delta"} string 7=schema 8 zero 0 in 0 count 10 sum 0 start 0 hint 3 [{1 3}][1 4 -1] [][]`,
				`{metric="size_count", ` + common + `, temporality="delta"} float64 7=10`,
			},
		},
		"an exponential histogram of a scale that is too coarse": {
			metric: `{"name":"size","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"scale":-5}]}}`,
			points: 1, refused: "scale -5",
		},
		"a summary": {
			metric: `{"name":"rpc","summary":{"dataPoints":[{"timeUnixNano":7,"count":4,"sum":8,"quantileValues":[{"quantile":0.5,"value":1},{"quantile":1,"value":3}]}]}}`,
			points: 1,
			want: []string{
				`{metric="rpc", otel.scope.name="lib", otel.scope.version="1.2", quantile="0.5", service.name="shop"} float64 7=1`,
				`{metric="rpc", otel.scope.name="lib", otel.scope.version="1.2", quantile="1", service.name="shop"} float64 7=3`,
				`{metric="rpc_count", ` + common + `} float64 7=4`,
				`{metric="rpc_sum", ` + common + `} float64 7=8`,
			},
		},
		"nothing recorded": {
			metric: `{"name":"a","gauge":{"dataPoints":[{"timeUnixNano":7,"flags":1}]}},
				{"name":"b","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"flags":1}]}},
				{"name":"c","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"flags":1}]}},
				{"name":"d","summary":{"dataPoints":[{"timeUnixNano":7,"flags":1}]}}`,
			points: 4,
			want: []string{
				`{metric="a", ` + common + `} float64 7=stale`,
				`{metric="b_count", ` + common + `} float64 7=stale`,
				`{metric="b_sum", ` + common + `} float64 7=stale`,
				`{metric="c", ` + common + `} string 7=schema 0 zero 0 in 0 count 0 sum NaN start 0 hint 0 [][] [][]`,
				`{metric="c_count", ` + common + `} float64 7=stale`,
				`{metric="c_sum", ` + common + `} float64 7=stale`,
				`{metric="d_count", ` + common + `} float64 7=stale`,
				`{metric="d_sum", ` + common + `} float64 7=stale`,
			},
		},
		"exemplars": {
			metric: `{"name":"a","gauge":{"dataPoints":[{"timeUnixNano":7,"asInt":1,"exemplars":[
				{"timeUnixNano":"6","asDouble":0.5,"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","filteredAttributes":[{"key":"metric","value":{"intValue":"4"}}]},
				{"asInt":2},{"timeUnixNano":"6","asInt":"3"}]}]}}`,
			points: 1,
			want: []string{
				`{metric="a", ` + common + `} int64 7=1`,
				`{exemplar_of="a", ` + common + `} string 6=[{"labels":{"metric":"4","span_id":"eee19b7ec3c1b174","trace_id":"5b8efff798038103d269b633813fc60c"},"value":"0.5"},` +
					`{"labels":{},"value":"3"}]`,
				`{exemplar_of="a", ` + common + `} string 7=[{"labels":{},"value":"2"}]`,
			},
		},
		"no name":              {metric: `{"gauge":{"dataPoints":[{"timeUnixNano":7,"asInt":1}]}}`, points: 1, refused: "has no name"},
		"no time":              {metric: `{"name":"a","gauge":{"dataPoints":[{"asInt":1}]}}`, points: 1, refused: "the time 0 ns is none"},
		"no value":             {metric: `{"name":"a","gauge":{"dataPoints":[{"timeUnixNano":7}]}}`, points: 1, refused: "has no value"},
		"an attribute, no key": {metric: `{"name":"a","gauge":{"dataPoints":[{"timeUnixNano":7,"asInt":1,"attributes":[{}]}]}}`, points: 1, refused: "no key"},
		"no data":              {metric: `{"name":"a"}`},
		"one bad point of two": {
			metric: `{"name":"a","gauge":{"dataPoints":[{"asInt":1},{"timeUnixNano":7,"asInt":2}]}}`, points: 2, refused: "no",
			want: []string{`{metric="a", ` + common + `} int64 7=2`},
		},
	} {
		for _, binary := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/binary=%v", name, binary), func(t *testing.T) {
				got, res, err := decode(t, wrap(tc.metric), binary)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				bad := int64(len(res.Reasons))
				if res.Points != tc.points || res.Refused != bad || bad > 1 || (bad > 0) != (tc.refused != "") || bad > 0 && !strings.Contains(res.Reasons[0], tc.refused) {
					t.Errorf("%+v; want %d points, and refused for %q", res, tc.points, tc.refused)
				}
			})
		}
	}
}

func TestAttributes(t *testing.T) {
	const point = `"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":1,"asInt":1,"attributes":[%s]}]}}]`
	for name, tc := range map[string]struct {
		resource, scope, point string
		want                   string
	}{
		"all levels": {
			`{"key":"r","value":{"stringValue":"1"}}`, `{"key":"s","value":{"stringValue":"2"}}`, `{"key":"p","value":{"stringValue":"3"}}`,
			`{metric="m", p="3", r="1", s="2"}`,
		},
		"one name on all levels": {
			`{"key":"x","value":{"stringValue":"1"}}`, `{"key":"x","value":{"stringValue":"2"}}`, `{"key":"x","value":{"stringValue":"3"}}`,
			`{metric="m", resource.x="1", scope.x="2", x="3"}`,
		},
		"a name that is what another one becomes": {
			`{"key":"x","value":{"stringValue":"1"}},{"key":"resource.x","value":{"stringValue":"4"}}`, ``,
			`{"key":"x","value":{"stringValue":"3"}}`, `{metric="m", resource.resource.x="1", resource.x="4", x="3"}`,
		},
		"what is called metric": {
			`{"key":"metric_","value":{"stringValue":"1"}}`, ``, `{"key":"metric","value":{"stringValue":"2"}},{"key":"metrics","value":{"stringValue":"3"}}`,
			`{metric="m", metric_="2", metric__="1", metrics="3"}`,
		},
		"one key twice": {``, ``, `{"key":"x","value":{"stringValue":"1"}},{"key":"x","value":{"stringValue":"2"}}`, `{metric="m", x="2"}`},
		"nothing":       {`{"key":"a"}`, `{"key":"b","value":{}}`, `{"key":"c","value":{"stringValue":""}}`, `{metric="m"}`},
		"numbers": {
			``, ``, `{"key":"i","value":{"intValue":"-9223372036854775808"}},{"key":"d","value":{"doubleValue":1.5}},{"key":"n","value":{"doubleValue":"-Infinity"}},` +
				`{"key":"b","value":{"boolValue":false}},{"key":"y","value":{"bytesValue":"AQI="}}`,
			`{b="false", d="1.5", i="-9223372036854775808", metric="m", n="-Infinity", y="AQI="}`,
		},
		"lists and maps": {
			``, ``, `{"key":"l","value":{"arrayValue":{"values":[{"stringValue":"a\"b"},{"intValue":1},{},{"doubleValue":"NaN"},{"bytesValue":"AQI="}]}}},` +
				`{"key":"m","value":{"kvlistValue":{"values":[{"key":"z","value":{"boolValue":true}},{"key":"a","value":{"arrayValue":{}}}]}}}`,
			`{l="[\"a\\\"b\",1,null,\"NaN\",\"AQI=\"]", m="{\"a\":[],\"z\":true}", metric="m"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf(`{"resourceMetrics":[{"resource":{"attributes":[%s]},"scopeMetrics":[{"scope":{"attributes":[%s]},`+point+`}]}]}`, tc.resource, tc.scope, tc.point)
			got, res, err := decode(t, text, false)
			if err != nil || res.Refused > 0 {
				t.Fatal(res, err)
			}
			if want := []string{tc.want + " int64 1=1"}; !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// The example of the specification's JSON encoding, in our words: keys in lower camel case, numbers
// of 64 bits as strings or numbers, enums as numbers, unknown fields.
func TestJSONShapes(t *testing.T) {
	text := `{"resourceMetrics":[{"resource":{"attributes":[],"droppedAttributesCount":3,"new":{"a":[1,{}]}},"schemaUrl":"https://opentelemetry.io/schemas/1.30.0",
		"scopeMetrics":[{"scope":{},"metrics":[{"name":"m","future":null,"sum":{"aggregationTemporality":2,"isMonotonic":false,
		"dataPoints":[{"timeUnixNano":1,"asDouble":"NaN"},{"timeUnixNano":"2","asInt":3}]}}]}]}]}`
	got, res, err := decode(t, text, false)
	if want := []string{`{metric="m"} float64 1=NaN`, `{metric="m"} int64 2=3`}; err != nil || res.Points != 2 || !slices.Equal(got, want) {
		t.Errorf("%v, %+v, %v", got, res, err)
	}
	for name, text := range map[string]string{
		"not JSON":     `resourceMetrics`,
		"another type": `{"resourceMetrics":{}}`,
		"base64 id":    wrap(`{"name":"a","gauge":{"dataPoints":[{"exemplars":[{"traceId":"W47/95gDgQPSabYzgT/GDA=="}]}]}}`),
		"deep":         wrap(`{"name":"a","metadata":[{"key":"x","value":` + strings.Repeat(`{"arrayValue":{"values":[`, 100) + strings.Repeat(`]}}`, 100) + `}]}`),
	} {
		if _, _, err := decode(t, text, false); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := decode(t, `{"resourceMetrics":[`+strings.Repeat(`{},`, maxMessages)+`{}]}`, false); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a million objects: %v", err)
	}
}

// Hostile bytes are refused before messages are made of them.
func TestLimits(t *testing.T) {
	d := Decoder{Emit: func(*chunk.Batch, []int32) error { return nil }}
	empty := strings.Repeat("\x0a\x00", maxMessages+1) // resource metrics
	if _, err := d.Decode([]byte(empty)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a million messages of two bytes: %v", err)
	}
	v := &commonpb.AnyValue{}
	for range 100 {
		v = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{v}}}}
	}
	deep, err := proto.Marshal(requestOf(&metricspb.Metric{Metadata: []*commonpb.KeyValue{{Key: "x", Value: v}}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(deep); !errors.Is(err, ErrMalformed) {
		t.Errorf("200 messages deep: %v", err)
	}
	many := make([]uint64, maxBuckets+1)
	for name, m := range map[string]*metricspb.Metric{
		"explicit": {Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
			AggregationTemporality: 2,
			DataPoints:             []*metricspb.HistogramDataPoint{{TimeUnixNano: 1, BucketCounts: many, ExplicitBounds: make([]float64, maxBuckets)}},
		}}},
		"exponential": {Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{
			AggregationTemporality: 2,
			DataPoints:             []*metricspb.ExponentialHistogramDataPoint{{TimeUnixNano: 1, Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{BucketCounts: many}}},
		}}},
		"far": {Data: &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: &metricspb.ExponentialHistogram{
			AggregationTemporality: 2,
			DataPoints: []*metricspb.ExponentialHistogramDataPoint{{TimeUnixNano: 1, Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{
				Offset: math.MaxInt32, BucketCounts: []uint64{1, 1},
			}}},
		}}},
	} {
		m.Name = "m"
		data, err := proto.Marshal(requestOf(m))
		if err != nil {
			t.Fatal(err)
		}
		if res, err := d.Decode(data); err != nil || res.Refused != 1 {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
	}
}

// What is known of a metric is written when it is new, for each sender.
func TestKnown(t *testing.T) {
	var lines []string
	d := Decoder{Now: 100, Who: "a", Known: new(promwrite.Known)}
	d.Emit = func(b *chunk.Batch, points []int32) error {
		for i, r := range b.Rows {
			if points[i] < 0 {
				lines = append(lines, fmt.Sprintf("%v %d=%s", r.Dimensions, r.Samples.Times[0], r.Samples.Strings[0]))
			} else if r.Dimensions[0].Name == promwrite.StartOf {
				lines = append(lines, fmt.Sprintf("%v %d=%d", r.Dimensions, r.Samples.Times[0], r.Samples.Ints[0]))
			}
		}
		return nil
	}
	const text = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","unit":"{request}","description":"%s","sum":{"isMonotonic":true,` +
		`"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":%d,"startTimeUnixNano":%d,"asInt":1}]}}]}]}]}`
	described := `{metadata_of="m"} 100={"type":"counter","help":"served","unit":"{request}"}`
	for _, step := range []struct {
		name, help  string
		time, start int
		stored      bool
		want        []string
	}{
		{"all is new", "served", 7, 5, false, []string{described, `{start_of="m"} 7=5`}},
		{"it was not stored", "served", 7, 5, true, []string{described, `{start_of="m"} 7=5`}},
		{"it is known", "served", 8, 5, true, nil},
		{"started again", "served", 9, 8, true, []string{`{start_of="m"} 9=8`}},
		{"described in other words", "Served.", 9, 8, true, []string{`{metadata_of="m"} 100={"type":"counter","help":"Served.","unit":"{request}"}`}},
	} {
		lines = nil
		if _, err := d.DecodeJSON(fmt.Appendf(nil, text, step.help, step.time, step.start)); err != nil {
			t.Fatal(err)
		}
		if step.stored {
			d.Stored()
		}
		if diff := cmp.Diff(step.want, lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	lines, d.Who = nil, "b"
	if _, err := d.DecodeJSON(fmt.Appendf(nil, text, "served", 9, 8)); err != nil || len(lines) != 2 {
		t.Errorf("another sender: %v, %v", lines, err)
	}
}

func requestOf(metrics ...*metricspb.Metric) *collectorpb.ExportMetricsServiceRequest {
	return &collectorpb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: metrics}}}}}
}

// A large request is several batches, which Emit may end.
func TestBatches(t *testing.T) {
	points := make([]*metricspb.NumberDataPoint, 3*batchRows+5)
	for i := range points {
		points[i] = &metricspb.NumberDataPoint{TimeUnixNano: uint64(i + 1), Value: &metricspb.NumberDataPoint_AsInt{AsInt: int64(i)}}
	}
	data, err := proto.Marshal(requestOf(&metricspb.Metric{Name: "m", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: points}}}))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	next := int64(0)
	d := Decoder{Emit: func(b *chunk.Batch, _ []int32) error {
		sizes = append(sizes, len(b.Rows))
		for _, r := range b.Rows {
			if r.Samples.Kind == chunk.String {
				continue
			}
			if r.Samples.Times[0] != next+1 || r.Samples.Ints[0] != next {
				t.Fatalf("row %d is %v", next, r)
			}
			next++
		}
		return nil
	}}
	if res, err := d.Decode(data); err != nil || res.Points != int64(len(points)) {
		t.Fatal(res, err)
	}
	// With the metadata.
	if want := []int{batchRows, batchRows, batchRows, 6}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v rows, want %v", sizes, want)
	}
	enough := errors.New("enough")
	d.Emit = func(*chunk.Batch, []int32) error { return enough }
	if _, err := d.Decode(data); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
}

// The walk over the bytes knows the same messages as the generated types.
func TestSurveyKnowsAllMessages(t *testing.T) {
	var check func(m message, of proto.Message, depth int)
	types := map[message]proto.Message{}
	check = func(m message, of proto.Message, depth int) {
		if _, done := types[m]; done && m != leaf {
			return
		}
		types[m] = of
		fields := of.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			f := fields.Get(i)
			inner := m.inner(f.Number())
			if (f.Message() != nil) != (inner != none) {
				t.Errorf("%v: the walk takes it for message type %d", f.FullName(), inner)
			}
			if f.Message() != nil {
				field := of.ProtoReflect().NewField(f)
				next := field
				if f.IsList() {
					next = field.List().NewElement()
				}
				check(inner, next.Message().Interface(), depth+1)
			}
		}
	}
	check(request, new(collectorpb.ExportMetricsServiceRequest), 0)
	if len(types) != int(leaf) {
		t.Errorf("%d types of messages are reached, of %d", len(types), leaf)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		wrap(`{"name":"a","gauge":{"dataPoints":[{"timeUnixNano":7,"asInt":1,"attributes":[{"key":"x","value":{"arrayValue":{"values":[{"intValue":1}]}}}],"exemplars":[{"asInt":2}]}]}}`),
		wrap(`{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"count":3,"sum":1,"bucketCounts":[1,2],"explicitBounds":[1]}]}}`),
		wrap(`{"name":"e","exponentialHistogram":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":7,"scale":20,"positive":{"offset":-5,"bucketCounts":[1,0,0,0,2]}}]}}`),
		wrap(`{"name":"s","summary":{"dataPoints":[{"timeUnixNano":7,"quantileValues":[{"quantile":0.5,"value":1}]}]}}`),
	} {
		req := new(collectorpb.ExportMetricsServiceRequest)
		if err := protojson.Unmarshal([]byte(text), req); err != nil {
			f.Fatal(err)
		}
		data, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
		f.Add([]byte(text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, json bool) {
		emitted, kept := 0, map[int32]bool{}
		d := Decoder{Emit: func(b *chunk.Batch, points []int32) error {
			emitted += len(b.Rows)
			for i, r := range b.Rows {
				if points[i] >= 0 {
					kept[points[i]] = true
				}
				if err := r.Dimensions.Validate(); err != nil || !r.Samples.Valid() || r.Samples.Len() != 1 {
					t.Fatalf("row %v: %v", r, err)
				}
			}
			return nil
		}}
		run := d.Decode
		if json {
			run = d.DecodeJSON
		}
		res, err := run(data)
		if err != nil && (!errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) || emitted > 0) {
			t.Fatalf("%d rows and %v", emitted, err)
		}
		if res.Points-res.Refused != int64(len(kept)) {
			t.Fatalf("%+v, but rows of %d points", res, len(kept))
		}
	})
}

// Requests in protobuf become what the generated types say, at the first sight of a series and
// at the second.
func FuzzWire(f *testing.F) {
	point := `{"timeUnixNano":7,"startTimeUnixNano":3,"asInt":1,"attributes":[{"key":"x","value":{"stringValue":"y"}}]}`
	for _, text := range []string{
		wrap(`{"name":"a","unit":"s","gauge":{"dataPoints":[` + point + `,` + point + `,{"timeUnixNano":8,"asDouble":1},{"timeUnixNano":9,"flags":1},{"asInt":1}]}}`),
		wrap(`{"name":"a","sum":{"isMonotonic":true,"aggregationTemporality":2,"dataPoints":[` + point + `,{"timeUnixNano":8,"asInt":1,"exemplars":[{"asInt":2}]}]}},` +
			`{"name":"a","sum":{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[` + point + `]}},{"name":"a","sum":{"dataPoints":[` + point + `]}}`),
		wrap(`{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":7,"count":3,"sum":1,"bucketCounts":[1,2],"explicitBounds":[1]}]}}`),
		strings.ReplaceAll(wrap(`{"name":"a","gauge":{"dataPoints":[`+point+`]}}`), "service.name", ""),
	} {
		req := new(collectorpb.ExportMetricsServiceRequest)
		if err := protojson.Unmarshal([]byte(text), req); err != nil {
			f.Fatal(err)
		}
		data, err := proto.Marshal(req)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, true)
		f.Add(append(data, data...), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, known bool) {
		req := new(collectorpb.ExportMetricsServiceRequest)
		if err := unmarshal(data, req); err != nil {
			t.Skip()
		}
		decoders, lines := [2]Decoder{}, [2][]string{}
		for i := range decoders {
			decoders[i].Emit = func(b *chunk.Batch, points []int32) error {
				for k, line := range rows(nil, b) {
					lines[i] = append(lines[i], fmt.Sprint(points[k], " ", line))
				}
				return nil
			}
			if known {
				decoders[i].Known = new(promwrite.Known)
			}
		}
		for range 3 {
			lines = [2][]string{}
			want, err := decoders[0].request(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decoders[1].Decode(data)
			if errors.Is(err, ErrTooLarge) {
				t.Skip()
			}
			if diff := cmp.Diff(lines[0], lines[1]); err != nil || diff != "" {
				t.Fatalf("%v; rows (-generated +wire):\n%s", err, diff)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("result (-generated +wire):\n%s", diff)
			}
			decoders[0].Stored()
			decoders[1].Stored()
		}
	})
}

// The bytes of native histograms hold exactly the buckets of the exponential ones.
func FuzzExponential(f *testing.F) {
	f.Add(int32(-1), int32(1), []byte{1, 0, 4, 0, 0, 0, 0, 5})
	f.Add(int32(7), int32(20), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, offset, scale int32, counts []byte) {
		if scale < -4 || scale > 60 || offset > 1<<30 || offset < -1<<30 {
			t.Skip()
		}
		b := &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: offset}
		want, merge := map[int64]int64{}, max(0, scale-8)
		for i, c := range counts {
			b.BucketCounts = append(b.BucketCounts, uint64(c))
			if c > 0 {
				want[int64(math.Floor(math.Ldexp(float64(int64(offset)+int64(i)), -int(merge))))+1] += int64(c)
			}
		}
		h, err := native(&metricspb.ExponentialHistogramDataPoint{Scale: scale, Positive: b})
		if len(counts) > maxBuckets {
			t.Skip()
		}
		if err != nil {
			t.Fatal(err)
		}
		got := map[int64]int64{}
		for it := h.PositiveBucketIterator(); it.Next(); {
			if b := it.At(); b.Count > 0 {
				got[int64(b.Index)] = int64(b.Count)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("buckets (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var metrics []*metricspb.Metric
	for i := range 100 {
		var points []*metricspb.NumberDataPoint
		for k := range 100 {
			points = append(points, &metricspb.NumberDataPoint{TimeUnixNano: 1e18, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: float64(k)}, Attributes: []*commonpb.KeyValue{
				{Key: "http.method", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: "GET"}}},
				{Key: "http.route", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: fmt.Sprintf("/items/%d", k)}}},
				{Key: "http.status", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: 200}}},
			}})
		}
		metrics = append(metrics, &metricspb.Metric{Name: fmt.Sprintf("metric.%d", i), Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: points}}})
	}
	data, err := proto.Marshal(requestOf(metrics...))
	if err != nil {
		b.Fatal(err)
	}
	d := Decoder{Emit: func(*chunk.Batch, []int32) error { return nil }}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1e4, "ns/point")
}
