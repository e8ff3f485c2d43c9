package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
)

const (
	typeV1 = "application/x-protobuf"
	typeV2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

var promNow = time.UnixMilli(1_700_000_000_000)

// A v2Request builds a 2.0 message.
type v2Request struct {
	symbols writev2.SymbolsTable
	writev2.Request
}

func newV2() *v2Request { return &v2Request{symbols: writev2.NewSymbolTable()} }

// refs returns references to names and values in turn.
func (r *v2Request) refs(pairs ...string) (out []uint32) {
	for _, p := range pairs {
		out = append(out, r.symbols.Symbolize(p))
	}
	return out
}

func (r *v2Request) add(ts writev2.TimeSeries, pairs ...string) *v2Request {
	ts.LabelsRefs = r.refs(pairs...)
	r.Timeseries = append(r.Timeseries, ts)
	return r
}

// sample adds a series with a sample at millisecond 1000.
func (r *v2Request) sample(v float64, pairs ...string) *v2Request {
	return r.add(writev2.TimeSeries{Samples: []writev2.Sample{{Value: v, Timestamp: 1000}}}, pairs...)
}

func (r *v2Request) bytes(t testing.TB) []byte {
	t.Helper()
	r.Symbols = r.symbols.Symbols()
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func histogramV2(count uint64) writev2.Histogram {
	return writev2.Histogram{
		Count: &writev2.Histogram_CountInt{CountInt: count}, Sum: 2.5, Timestamp: 1000,
		ZeroCount:     &writev2.Histogram_ZeroCountInt{ZeroCountInt: 1},
		PositiveSpans: []writev2.BucketSpan{{Offset: 0, Length: 2}}, PositiveDeltas: []int64{1, 1},
	}
}

func v1Sample(v float64, pairs ...string) *prompb.WriteRequest {
	var labels []prompb.Label
	for i := 0; i < len(pairs); i += 2 {
		labels = append(labels, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{Labels: labels, Samples: []prompb.Sample{{Value: v, Timestamp: 1000}}}}}
}

func bytesV1(t testing.TB, r *prompb.WriteRequest) []byte {
	t.Helper()
	b, err := r.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func promRequest(path, typ string, message []byte) *http.Request {
	req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(snappy.Encode(nil, message)))
	req.Header.Set("Content-Encoding", "snappy")
	if typ != "" {
		req.Header.Set("Content-Type", typ)
	}
	return req
}

// written returns the counts in the headers of an answer; -1 where there is none.
func written(w *httptest.ResponseRecorder) (n [3]int) {
	for i, what := range [3]string{"Samples", "Histograms", "Exemplars"} {
		v, err := strconv.Atoi(w.Header().Get("X-Prometheus-Remote-Write-" + what + "-Written"))
		if err != nil {
			v = -1
		}
		n[i] = v
	}
	return n
}

func newProm(t testing.TB) Options {
	t.Helper()
	return Options{Now: func() time.Time { return promNow }}
}

// TestRemoteWrite2 has what the specification of remote write 2.0 asks of a receiver, beside the
// request as such.
func TestRemoteWrite2(t *testing.T) {
	exemplar := func(r *v2Request, pairs ...string) writev2.Exemplar {
		return writev2.Exemplar{LabelsRefs: r.refs(pairs...), Value: 0.25, Timestamp: 999}
	}
	stale := math.Float64frombits(value.StaleNaN)
	for name, tc := range map[string]struct {
		build   func(r *v2Request)
		status  int
		written [3]int
		answer  string // part of it
		want    []string
	}{
		"a sample": {
			func(r *v2Request) { r.sample(1, "__name__", "up", "job", "a") }, 204,
			[3]int{1, 0, 0},
			"",
			[]string{`{job="a", metric="up"} float64 1000000000=1`},
		},
		"labels in any order": {
			func(r *v2Request) { r.sample(1, "zone", "z", "__name__", "up", "a", "b") }, 204,
			[3]int{1, 0, 0},
			"",
			[]string{`{a="b", metric="up", zone="z"} float64 1000000000=1`},
		},
		"any UTF-8, newlines among it": {
			func(r *v2Request) { r.sample(1, "__name__", "cpu.usage in 🌍", "job name", "a\nb\n") }, 204,
			[3]int{1, 0, 0},
			"",
			[]string{`{job name="a\nb\n", metric="cpu.usage in 🌍"} float64 1000000000=1`},
		},
		"a label called metric": {
			func(r *v2Request) { r.sample(1, "__name__", "up", "metric", "m", "metric_", "n") }, 204,
			[3]int{1, 0, 0},
			"",
			[]string{`{metric="up", metric_="m", metric__="n"} float64 1000000000=1`},
		},
		"an empty value is no label": {
			func(r *v2Request) { r.sample(1, "__name__", "up", "job", "") }, 204,
			[3]int{1, 0, 0},
			"",
			[]string{`{metric="up"} float64 1000000000=1`},
		},
		"a stale marker": {
			func(r *v2Request) { r.sample(stale, "__name__", "up") }, 204,
			[3]int{1, 0, 0},
			"",
			[]string{`{metric="up"} float64 1000000000=NaN`},
		},
		"no name": {
			func(r *v2Request) { r.sample(1, "job", "a") }, 400,
			[3]int{0, 0, 0},
			`1 not stored, all others are:` + "\n" + `series {job="a"}: no metric name: label __name__ is missing or empty`, nil,
		},
		"an empty name":    {func(r *v2Request) { r.sample(1, "__name__", "") }, 400, [3]int{}, "no metric name", nil},
		"no labels at all": {func(r *v2Request) { r.sample(1) }, 400, [3]int{}, "no metric name", nil},
		"a label without a name": {
			func(r *v2Request) { r.sample(1, "__name__", "up", "", "x") }, 400, [3]int{}, `a label without a name, of value "x"`, nil,
		},
		"a label twice": {
			func(r *v2Request) { r.sample(1, "__name__", "up", "a", "1", "a", "2") }, 400, [3]int{}, `label "a" twice`, nil,
		},
		"not UTF-8": {
			func(r *v2Request) { r.sample(1, "__name__", "up", "a", "\xff") }, 400, [3]int{}, `label "a"="\xff" is not UTF-8`, nil,
		},
		"good among bad": {
			func(r *v2Request) {
				r.sample(1, "job", "a").sample(2, "__name__", "up").sample(3, "__name__", "up", "", "b").sample(4, "__name__", "down")
			}, 400,
			[3]int{2, 0, 0},
			"2 not stored, all others are:",
			[]string{`{metric="down"} float64 1000000000=4`, `{metric="up"} float64 1000000000=2`},
		},
		"no sample": {
			func(r *v2Request) { r.sample(1, "__name__", "up").add(writev2.TimeSeries{}, "__name__", "empty") },
			400,
			[3]int{1, 0, 0},
			`series {metric="empty"} has no sample and no histogram`,
			[]string{`{metric="up"} float64 1000000000=1`},
		},
		"half a label": {
			func(r *v2Request) { r.add(writev2.TimeSeries{Samples: []writev2.Sample{{}}}, "__name__") },
			400,
			[3]int{},
			"1 references to symbols, which should be pairs", nil,
		},
		"a symbol that is not there": {
			func(r *v2Request) {
				r.Timeseries = append(r.Timeseries, writev2.TimeSeries{LabelsRefs: []uint32{7, 8}, Samples: []writev2.Sample{{}}})
			}, 400, [3]int{}, "a label refers to symbol 7 of 1", nil,
		},
		"out of order, and one stamp twice": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Samples: []writev2.Sample{{Value: 2, Timestamp: 2}, {Value: 1, Timestamp: 1}, {Value: 3, Timestamp: 2}}}, "__name__", "up")
			}, 204,
			[3]int{3, 0, 0},
			"",
			[]string{`{metric="up"} float64 1000000=1 2000000=3`},
		},
		"a stamp beyond the year 2262": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Samples: []writev2.Sample{{Value: 1, Timestamp: math.MaxInt64}, {Value: 2, Timestamp: 1}}}, "__name__", "up")
			}, 400,
			[3]int{1, 0, 0},
			"a sample at 9223372036854775807 ms, which is out of range",
			[]string{`{metric="up"} float64 1000000=2`},
		},
		"a start timestamp, once until it changes": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Samples: []writev2.Sample{
					{Value: 1, Timestamp: 10, StartTimestamp: 5},
					{Value: 2, Timestamp: 20, StartTimestamp: 5},
					{Value: 3, Timestamp: 30},
					{Value: 1, Timestamp: 40, StartTimestamp: 35},
				}}, "__name__", "c")
			}, 204,
			[3]int{4, 0, 0},
			"",
			[]string{`{metric="c"} float64 10000000=1 20000000=2 30000000=3 40000000=1`, `{start_of="c"} int64 10000000=5000000 40000000=35000000`},
		},
		"a native histogram": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Histograms: []writev2.Histogram{histogramV2(4)}}, "__name__", "h")
			}, 204,
			[3]int{0, 1, 0},
			"",
			[]string{`{metric="h"} string 1000000000="\x01\x00\x00\x00\x01\x04\xc0\b\x01\x00\x02\x02\x02\x02\x00\x00"`},
		},
		"a histogram whose buckets do not add up": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Histograms: []writev2.Histogram{histogramV2(4), histogramV2(99)}}, "__name__", "h")
			}, 400,
			[3]int{0, 1, 0},
			"4 observations found in buckets, but the Count field is 99",
			[]string{`{metric="h"} string 1000000000="\x01\x00\x00\x00\x01\x04\xc0\b\x01\x00\x02\x02\x02\x02\x00\x00"`},
		},
		"exemplars": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{
					Samples:   []writev2.Sample{{Value: 1, Timestamp: 1000}},
					Exemplars: []writev2.Exemplar{exemplar(r, "trace_id", "4bf9", "a", "测"), exemplar(r)},
				}, "__name__", "up", "job", "a")
			}, 204,
			[3]int{1, 0, 2},
			"",
			[]string{
				`{exemplar_of="up", job="a"} string 999000000="[{\"labels\":{\"a\":\"测\",\"trace_id\":\"4bf9\"},\"value\":\"0.25\"},{\"labels\":{},\"value\":\"0.25\"}]"`,
				`{job="a", metric="up"} float64 1000000000=1`,
			},
		},
		"an exemplar alone": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Exemplars: []writev2.Exemplar{exemplar(r)}}, "__name__", "up")
			}, 204,
			[3]int{0, 0, 1},
			"",
			[]string{`{exemplar_of="up"} string 999000000="[{\"labels\":{},\"value\":\"0.25\"}]"`},
		},
		"a bad exemplar": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Samples: []writev2.Sample{{Value: 1}}, Exemplars: []writev2.Exemplar{exemplar(r, "a", "1", "a", "2")}}, "__name__", "up")
			}, 400,
			[3]int{1, 0, 0},
			`exemplar of {metric="up"}: label "a" twice`,
			[]string{`{metric="up"} float64 0=1`},
		},
		"metadata, once for each metric": {
			func(r *v2Request) {
				help := r.refs("Whether it \"runs\".")[0]
				m := writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_GAUGE, HelpRef: help, UnitRef: r.refs("s")[0]}
				for _, job := range []string{"a", "b"} {
					r.add(writev2.TimeSeries{Samples: []writev2.Sample{{Value: 1}}, Metadata: m}, "__name__", "up", "job", job)
				}
			}, 204,
			[3]int{2, 0, 0},
			"",
			[]string{
				`{job="a", metric="up"} float64 0=1`, `{job="b", metric="up"} float64 0=1`,
				`{metadata_of="up"} string 1700000000000000001="{\"type\":\"gauge\",\"help\":\"Whether it \\\"runs\\\".\",\"unit\":\"s\"}"`,
			},
		},
		"metadata alone": {
			func(r *v2Request) {
				r.add(writev2.TimeSeries{Metadata: writev2.Metadata{Type: writev2.Metadata_METRIC_TYPE_STATESET}}, "__name__", "up")
			}, 204,
			[3]int{},
			"",
			[]string{`{metadata_of="up"} string 1700000000000000000="{\"type\":\"stateset\"}"`},
		},
		"nothing": {func(*v2Request) {}, 204, [3]int{}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, newProm(t))
			message := newV2()
			tc.build(message)
			w := send(t, r, promRequest("/api/v1/write", typeV2, message.bytes(t)))
			if got := written(w); w.Code != tc.status || got != tc.written || !strings.Contains(w.Body.String(), tc.answer) {
				t.Errorf("got %d, written %v, %s; want %d, %v, %s", w.Code, got, w.Body, tc.status, tc.written, tc.answer)
			}
			if diff := cmp.Diff(tc.want, stored(t, set)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemoteWrite1(t *testing.T) {
	for name, tc := range map[string]struct {
		build  func() *prompb.WriteRequest
		status int
		answer string
		want   []string
	}{
		"a sample": {
			func() *prompb.WriteRequest { return v1Sample(1, "job", "a", "__name__", "up") }, 204, "",
			[]string{`{job="a", metric="up"} float64 1000000000=1`},
		},
		"no name":       {func() *prompb.WriteRequest { return v1Sample(1, "job", "a") }, 400, "no metric name", nil},
		"a label twice": {func() *prompb.WriteRequest { return v1Sample(1, "__name__", "up", "a", "1", "a", "1") }, 400, `label "a" twice`, nil},
		"not UTF-8":     {func() *prompb.WriteRequest { return v1Sample(1, "__name__", "up\xff") }, 400, "is not UTF-8", nil},
		"good among bad": {
			func() *prompb.WriteRequest {
				r := v1Sample(1, "__name__", "up")
				r.Timeseries = append(r.Timeseries, v1Sample(1, "job", "a").Timeseries...)
				return r
			}, 400, "1 not stored, all others are", []string{`{metric="up"} float64 1000000000=1`},
		},
		"all there is": {
			func() *prompb.WriteRequest {
				r := v1Sample(1, "__name__", "up")
				r.Timeseries[0].Exemplars = []prompb.Exemplar{{Labels: []prompb.Label{{Name: "id", Value: "7"}}, Value: math.Inf(1), Timestamp: 1}}
				r.Timeseries[0].Histograms = []prompb.Histogram{{Count: &prompb.Histogram_CountFloat{}, Timestamp: 2}}
				r.Metadata = []prompb.MetricMetadata{{Type: prompb.MetricMetadata_INFO, MetricFamilyName: "up", Help: "h", Unit: "u"}}
				return r
			}, 204, "",
			[]string{
				`{exemplar_of="up"} string 1000000="[{\"labels\":{\"id\":\"7\"},\"value\":\"+Inf\"}]"`,
				`{metadata_of="up"} string 1700000000000000003="{\"type\":\"info\",\"help\":\"h\",\"unit\":\"u\"}"`,
				`{metric="up"} float64 1000000000=1`,
				`{metric="up"} string 2000000="\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, newProm(t))
			w := send(t, r, promRequest("/api/v1/push", typeV1, bytesV1(t, tc.build())))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.answer) || written(w) != [3]int{-1, -1, -1} {
				t.Errorf("got %d, headers %v, %s; want %d, none, %s", w.Code, written(w), w.Body, tc.status, tc.answer)
			}
			if diff := cmp.Diff(tc.want, stored(t, set)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRemoteWriteRequest has what is asked of a request before its message.
func TestRemoteWriteRequest(t *testing.T) {
	v2 := newV2().sample(1, "__name__", "up").bytes(t)
	v1 := bytesV1(t, v1Sample(1, "__name__", "up"))
	corrupt := func(req *http.Request, first byte) *http.Request {
		b := snappy.Encode(nil, v2)
		b[0] = first
		req.Body = http.NoBody
		fresh := httptest.NewRequest(req.Method, req.URL.String(), bytes.NewReader(b))
		fresh.Header = req.Header
		return fresh
	}
	with := func(req *http.Request, name, value string) *http.Request {
		req.Header.Set(name, value)
		return req
	}
	for name, tc := range map[string]struct {
		req    *http.Request
		status int
		answer string
	}{
		"2.0":                            {promRequest("/api/v1/write", typeV2, v2), 204, ""},
		"2.0 with a blank in its type":   {promRequest("/api/v1/write", "Application/X-Protobuf; proto=io.prometheus.write.v2.Request", v2), 204, ""},
		"2.0 at Influx' path":            {promRequest("/api/v1/prom/write?db=x", typeV2, v2), 204, ""},
		"1.0":                            {promRequest("/api/v1/write", typeV1, v1), 204, ""},
		"1.0 by its name":                {promRequest("/api/v1/write", typeV1+";proto=prometheus.WriteRequest", v1), 204, ""},
		"1.0 without a type":             {promRequest("/api/v1/write", "", v1), 204, ""},
		"2.0 said to be 1.0":             {promRequest("/api/v1/write", typeV1, v2), 400, "is it of remote write 2.0"},
		"1.0 said to be 2.0":             {promRequest("/api/v1/write", typeV2, v1), 400, "is it of remote write 1.0"},
		"another message":                {promRequest("/api/v1/write", typeV1+";proto=io.prometheus.write.v3.Request", v2), 415, "unknown type"},
		"JSON":                           {corrupt(promRequest("/api/v1/write", "application/json", v2), '0'), 415, "not of remote write"},
		"a picture":                      {corrupt(promRequest("/api/v1/write", "image/png", v2), '0'), 415, "not of remote write"},
		"no type at all":                 {promRequest("/api/v1/write", "protobuf/", v2), 415, "not of remote write"},
		"no encoding named":              {with(promRequest("/api/v1/write", typeV2, v2), "Content-Encoding", ""), 204, ""},
		"gzip":                           {corrupt(with(promRequest("/api/v1/write", typeV2, v2), "Content-Encoding", "gzip"), '0'), 415, "snappy"},
		"deflate":                        {corrupt(with(promRequest("/api/v1/write", typeV2, v2), "Content-Encoding", "deflate"), '0'), 415, "snappy"},
		"a wrong length in snappy":       {corrupt(promRequest("/api/v1/write", typeV2, v2), '0'), 400, "snappy"},
		"a wrong length in snappy, 1.0":  {corrupt(promRequest("/api/v1/write", typeV1, v2), 0xff), 400, "snappy"},
		"not a message":                  {promRequest("/api/v1/write", typeV2, []byte("\x2a\xffabc")), 400, "malformed message"},
		"GET":                            {httptest.NewRequest(http.MethodGet, "/api/v1/write", nil), 405, ""},
		"more than the limit, decoded":   {promRequest("/api/v1/write", typeV2, make([]byte, 1<<20)), 413, "limits.body"},
		"a promise of more than it is":   {snappyBomb(900 << 10), 400, "do not hold the 921600 that they promise"},
		"a promise of more than allowed": {snappyBomb(1 << 30), 413, "limits.body"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newProm(t)
			o.MaxBody = 1<<20 - 1
			r, _ := newStore(t, o)
			w := send(t, r, tc.req)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.answer) {
				t.Errorf("got %d %s; want %d %s", w.Code, w.Body, tc.status, tc.answer)
			}
		})
	}
}

// snappyBomb is a body of few bytes that says it holds n.
func snappyBomb(n uint64) *http.Request {
	body := append(binaryUvarint(n), "abcdefgh"...)
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(body))
	req.Header.Set("Content-Type", typeV2)
	return req
}

func binaryUvarint(n uint64) (b []byte) {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// TestRemoteWriteKnown: metadata and start times that the store has are not written again, unless
// they change, or another sender says them.
func TestRemoteWriteKnown(t *testing.T) {
	r, set := newStore(t, newProm(t))
	post := func(who, kind string, ms, start int64) {
		t.Helper()
		m := newV2()
		m.add(writev2.TimeSeries{
			Samples:  []writev2.Sample{{Value: 1, Timestamp: ms, StartTimestamp: start}},
			Metadata: writev2.Metadata{HelpRef: m.refs(kind)[0]},
		}, "__name__", "c")
		req := promRequest("/api/v1/write", typeV2, m.bytes(t))
		req = req.WithContext(access.With(context.Background(), &access.Identity{Name: who, Rights: access.All}))
		if w := send(t, r, req); w.Code != 204 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	post("a", "h1", 1, 1)
	post("a", "h1", 2, 1)
	post("a", "h2", 3, 3)
	post("b", "h2", 4, 3)
	want := []string{
		`{metadata_of="c"} string`, `{metric="c"} float64 1000000=1 2000000=1 3000000=1 4000000=1`,
		`{start_of="c"} int64 1000000=1000000 3000000=3000000 4000000=3000000`,
	}
	for i, line := range stored(t, set) {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("got %s, want %s", line, want[i])
		}
		if n := strings.Count(line, `{\"help`); n > 3 {
			t.Errorf("metadata was written %d times", n)
		}
	}
}

// TestRemoteWriteFailures: what the sender is told to do when the store does not take a message.
func TestRemoteWriteFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		after  time.Duration
	}{
		"too much":       {fmt.Errorf("append: %w", &gate.Overload{After: 2500 * time.Millisecond}), 503, 2500 * time.Millisecond},
		"a full disk":    {gate.ErrFull, 503, retryFull},
		"shutting down":  {gate.ErrClosing, 503, retryClosing},
		"not allowed":    {gate.ErrForbidden, 403, 0},
		"what it cannot": {gate.ErrInvalid, 400, 0},
		"a bug":          {errors.New("surprise"), 500, 0},
	} {
		if status, after := writeFailure(tc.err); status != tc.status || after != tc.after {
			t.Errorf("%s: got %d after %v, want %d after %v", name, status, after, tc.status, tc.after)
		}
	}
}

func TestRemoteWriteNeedsTheRight(t *testing.T) {
	r, _ := newStore(t, newProm(t))
	req := promRequest("/api/v1/write", typeV2, newV2().sample(1, "__name__", "up").bytes(t))
	req = req.WithContext(access.With(context.Background(), &access.Identity{Name: "reader", Rights: access.Read}))
	if w := send(t, r, req); w.Code != http.StatusForbidden || written(w) != [3]int{0, 0, 0} {
		t.Errorf("got %d %s, written %v", w.Code, w.Body, written(w))
	}
}

// TestRemoteWriteByModule sends with the sender of Prometheus' own module: it believes our counts,
// and tries again only where that helps.
func TestRemoteWriteByModule(t *testing.T) {
	r, _ := newStore(t, newProm(t))
	mux := http.NewServeMux()
	for _, route := range r.promwriteRoutes() {
		mux.Handle(route.Method+" "+route.Pattern, route.Handler)
	}
	tries := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if tries++; tries == 1 {
			retryAfter(w.Header(), time.Second)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, req)
	}))
	defer s.Close()
	api, err := remote.NewAPI(s.URL, remote.WithAPIPath("api/v1/write"))
	if err != nil {
		t.Fatal(err)
	}
	send := func(m *v2Request) (remote.WriteResponseStats, error) {
		m.Symbols = m.symbols.Symbols()
		return api.Write(t.Context(), remote.WriteV2MessageType, &m.Request)
	}
	if stats, err := send(newV2().sample(1, "__name__", "up").sample(2, "__name__", "down")); err != nil || stats.Samples != 2 || tries != 2 {
		t.Errorf("%+v, %v after %d tries", stats, err, tries)
	}
	if stats, err := send(newV2().sample(1, "__name__", "up").sample(2, "job", "a")); err == nil || stats.Samples != 1 || tries != 3 {
		t.Errorf("bad in part: %+v, %v after %d tries", stats, err, tries)
	}
}
