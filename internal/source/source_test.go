package source_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/source"
)

// options are those of a test: no waiting, two days of 1970 in slices of a day.
func options(url, kind string) source.Options {
	return source.Options{
		URL: url, Kind: kind, Span: chunk.Span{Start: 0, End: 2 * int64(24*time.Hour)},
		Now:  func() time.Time { return time.Unix(3*24*3600, 0) },
		Wait: func(context.Context, time.Duration) error { return nil },
	}
}

// gather imports into a list of texts.
func gather(o source.Options) (out []string, sum source.Summary, err error) {
	sum, err = source.Import(context.Background(), o, func(_ context.Context, b *chunk.Batch) error {
		for _, r := range b.Rows {
			out = append(out, fmt.Sprint(r.Dimensions, " ", text(r.Samples)))
		}
		return nil
	})
	return out, sum, err
}

// day tells which of two days a request is about, by a time in seconds or milliseconds in it.
func serve(t *testing.T, f http.HandlerFunc) string {
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

// readRequest decodes a remote read.
func readRequest(t *testing.T, r *http.Request) *prompb.ReadRequest {
	t.Helper()
	body := make([]byte, r.ContentLength)
	_, _ = r.Body.Read(body)
	raw, err := snappy.Decode(nil, body)
	must(t, err)
	var req prompb.ReadRequest
	must(t, req.Unmarshal(raw))
	return &req
}

// A server that knows no streams answers with samples; where they are too many, with an error, and
// the slice is halved.
func TestPrometheusSamples(t *testing.T) {
	var asked []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := readRequest(t, r).Queries[0]
		asked = append(asked, fmt.Sprint(q.StartTimestampMs, "-", q.EndTimestampMs, " ", q.Matchers))
		if q.EndTimestampMs-q.StartTimestampMs >= 24*3600_000/2 {
			http.Error(w, "exceeded sample limit (5)", http.StatusBadRequest)
			return
		}
		at := q.StartTimestampMs
		b, err := (&prompb.ReadResponse{Results: []*prompb.QueryResult{{Timeseries: []*prompb.TimeSeries{{
			Labels: labels("__name__", "up", "job", "a"), Samples: []prompb.Sample{{Timestamp: at - 1, Value: 7}, {Timestamp: at, Value: 1}},
		}}}}}).Marshal()
		must(t, err)
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(snappy.Encode(nil, b))
	})
	o := options(url, source.Prometheus)
	o.Span.End = int64(24 * time.Hour)
	o.Match = []string{`up{job=~"a|b", instance!='x\'y'}`}
	got, sum, err := gather(o)
	must(t, err)
	want := `{job="a", metric="up"} 0=3ff0000000000000 ` + "\n" + `{job="a", metric="up"} 43199999000000=401c000000000000 43200000000000=3ff0000000000000 `
	if strings.Join(got, "\n") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, "\n"), want)
	}
	if len(asked) != 3 || !strings.HasPrefix(asked[0], "0-86399999 ") || !strings.HasPrefix(asked[2], "43200000-86399999 ") || sum.Slices != 1 {
		t.Errorf("asked %q", asked)
	}
	for _, m := range []string{`name:"__name__" value:"up"`, `type:RE name:"job" value:"a|b"`, `type:NEQ name:"instance" value:"x'y"`} {
		if !strings.Contains(asked[0], m) {
			t.Errorf("%s lacks %s", asked[0], m)
		}
	}
}

// frame appends a frame of a stream of chunks.
func frame(t testing.TB, dst []byte, labels []prompb.Label, chunks ...prompb.Chunk) []byte {
	t.Helper()
	b, err := (&prompb.ChunkedReadResponse{ChunkedSeries: []*prompb.ChunkedSeries{{Labels: labels, Chunks: chunks}}}).Marshal()
	must(t, err)
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return append(dst, b...)
}

func xorChunk(t testing.TB, times ...int64) prompb.Chunk {
	t.Helper()
	c := chunkenc.NewXORChunk()
	a, err := c.Appender()
	must(t, err)
	for _, at := range times {
		a.Append(0, at, float64(at))
	}
	return prompb.Chunk{Type: prompb.Chunk_XOR, Data: c.Bytes()}
}

// A stream that is cut, or whose checksum is wrong, is read again; a state remembers what is done.
func TestPrometheusStreamGoesOn(t *testing.T) {
	var asked atomic.Int64
	broken := atomic.Bool{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		q := readRequest(t, r).Queries[0]
		stream := frame(t, nil, labels("__name__", "a"), xorChunk(t, q.StartTimestampMs-5, q.StartTimestampMs, q.StartTimestampMs+5))
		w.Header().Set("Content-Type", "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
		switch {
		case n == 1:
			stream = stream[:len(stream)-3]
		case n == 2:
			stream[8] ^= 1
		case n == 3:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case broken.Load() && q.StartTimestampMs > 0:
			http.Error(w, "no more", http.StatusUnauthorized)
			return
		}
		_, _ = w.Write(stream)
	})
	o := options(url, source.Prometheus)
	o.State = filepath.Join(t.TempDir(), "state")
	broken.Store(true)
	got, sum, err := gather(o)
	if err == nil || !strings.Contains(err.Error(), "status 401: no more; give a user") || sum.Slices != 1 {
		t.Errorf("%v, %+v", err, sum)
	}
	broken.Store(false)
	more, sum, err := gather(o)
	must(t, err)
	want := []string{
		`{metric="a"} 0=0 5000000=4014000000000000 `,
		`{metric="a"} 86400000000000=` + fmt.Sprintf("%x", math.Float64bits(86400000)) + ` 86400005000000=` + fmt.Sprintf("%x ", math.Float64bits(86400005)),
	}
	if fmt.Sprint(append(got, more...)) != fmt.Sprint(want) || sum.Skipped != 1 || sum.Slices != 1 {
		t.Errorf("got %q then %q, %+v", got, more, sum)
	}
	o.Match = []string{"other"}
	if _, _, err := gather(o); err == nil || !strings.Contains(err.Error(), "state of another import") {
		t.Errorf("the state of another import: %v", err)
	}
}

// VictoriaMetrics writes what JSON has no form for in several ways.
func TestVictoriaLines(t *testing.T) {
	for name, tc := range map[string]struct{ line, want string }{
		"numbers": {
			`{"metric":{"__name__":"up","job":"a\"}{,"},"values":[1,-0.5,1e300],"timestamps":[0,1,2]}`,
			`{job="a\"}{,", metric="up"} 0=3ff0000000000000 1000000=bfe0000000000000 2000000=7e37e43c8800759c `,
		},
		"words": {
			`{"metric":{"__name__":"up"},"values":[null,NaN,"Infinity",+Inf,-Inf,"-Infinity"],"timestamps":[0,1,2,3,4,5]}`,
			`{metric="up"} 0=7ff8000000000001 1000000=7ff8000000000001 2000000=7ff0000000000000 3000000=7ff0000000000000 4000000=fff0000000000000 5000000=fff0000000000000 `,
		},
		"another order, and more": {
			` { "timestamps" : [ 7 ] , "x":{"y":[1,2]}, "values" : [ 1 ], "metric":{"__name__":"a","metric":"m"} } `,
			`{metric="a", metric_="m"} 7000000=3ff0000000000000 `,
		},
		"beside the slice": {`{"metric":{"__name__":"a"},"values":[1,2],"timestamps":[-1,172800000]}`, ``},
		"nothing":          {``, ``},
		"counts differ":    {`{"metric":{"__name__":"a"},"values":[1,2],"timestamps":[1]}`, `2 values and 1 timestamps`},
		"no value":         {`{"metric":{"__name__":"a"},"values":["x"],"timestamps":[1]}`, `is no value`},
		"no time":          {`{"metric":{"__name__":"a"},"values":[1],"timestamps":[1.5]}`, `is no time in milliseconds`},
		"no object":        {`[1]`, `no line of an export`},
		"half an object":   {`{"metric":{"__name__":"a"`, `no line of an export`},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("start") == "0.000" {
					_, _ = w.Write([]byte(tc.line + "\n"))
				}
			})
			got, _, err := gather(options(url, source.VictoriaMetrics))
			switch {
			case err != nil && (tc.want == "" || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("%v, want %s", err, tc.want)
			case err == nil && strings.Join(got, "") != tc.want:
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// The answers of an InfluxDB 1.x, as recorded.
func TestInfluxAnswers(t *testing.T) {
	answers := map[string]string{
		"SHOW DATABASES":                     `{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["_internal"],["d\"b"]]}]}]}`,
		"SHOW SHARDS":                        `{"results":[{"statement_id":0,"series":[{"name":"d\"b","columns":["id","database","retention_policy","shard_group","start_time","end_time","expiry_time","owners"],"values":[[1,"d\"b","autogen",1,"1970-01-01T00:00:00Z","1970-01-08T00:00:00Z","1970-01-08T00:00:00Z",""]]}]}]}`,
		`SHOW RETENTION POLICIES ON "d\"b"`:  `{"results":[{"statement_id":0,"series":[{"columns":["name","duration","default"],"values":[["autogen","0s",true]]}]}]}`,
		"SHOW MEASUREMENTS":                  `{"results":[{"statement_id":0,"series":[{"name":"measurements","columns":["name"],"values":[["m"]]}]}]}`,
		`SHOW FIELD KEYS FROM "autogen"."m"`: `{"results":[{"statement_id":0,"series":[{"name":"m","columns":["fieldKey","fieldType"],"values":[["i","integer"],["s","string"],["x","float"],["x","integer"]]}]}]}`,
	}
	values := `{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"host":"a","zone":""},"columns":["time","f0","f1","f2"],"values":[[1,9223372036854775807,null,1],[2,-9223372036854775808,"a\u00fc\"[,",1.5]],"partial":true}],"partial":true}]}
{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"host":"a","zone":""},"columns":["time","f0","f1","f2"],"values":[[3,9223372036854775808,"x",null]]}]}]}
`
	var failing atomic.Bool
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.FormValue("q")
		if user, pass, _ := r.BasicAuth(); user != "u" || pass != "p" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch {
		case answers[q] != "":
			fmt.Fprintln(w, answers[q])
		case strings.HasPrefix(q, `SELECT "i"::field AS "f0", "s"::field AS "f1", "x"::float AS "f2" FROM "autogen"."m" WHERE time >= 0 `) && failing.Load():
			fmt.Fprint(w, values[:50])
		case strings.HasPrefix(q, `SELECT "i"::field AS "f0", "s"::field AS "f1", "x"::float AS "f2" FROM "autogen"."m" WHERE time >= 0 `):
			fmt.Fprint(w, values)
		case strings.HasPrefix(q, "SELECT"):
			fmt.Fprintln(w, `{"results":[{"statement_id":0}]}`)
		default:
			fmt.Fprintf(w, `{"results":[{"statement_id":0,"error":"no such statement"}]}`)
		}
	})
	o := options(strings.Replace(url, "://", "://u:p@", 1), source.InfluxDB)
	var warned []string
	o.Warn = func(text string) { warned = append(warned, text) }
	got, sum, err := gather(o)
	must(t, err)
	want := `[{db="d\"b", field="i", host="a", measurement="m", metric="m_i"} 1=9223372036854775807 2=-9223372036854775808 ` +
		` {db="d\"b", field="s", host="a", measurement="m", metric="m_s"} 2="aü\"[," ` +
		` {db="d\"b", field="x", host="a", measurement="m", metric="m_x"} 1=3ff0000000000000 2=3ff8000000000000 ` +
		` {db="d\"b", field="s", host="a", measurement="m", metric="m_s"} 3="x" ]`
	if fmt.Sprint(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if sum.Refused != 1 || len(warned) != 2 || !strings.Contains(warned[0], "several types") || !strings.Contains(warned[1], "9223372036854775808") {
		t.Errorf("%+v, %q", sum, warned)
	}
	failing.Store(true)
	if _, _, err := gather(o); err == nil || !strings.Contains(err.Error(), "the answer was cut") {
		t.Errorf("a cut answer: %v", err)
	}
	o.URL = url
	if _, _, err := gather(o); err == nil || !strings.Contains(err.Error(), "status 401") || !strings.Contains(err.Error(), "give a user and a password") {
		t.Errorf("no user: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:1":              "say which, as in prometheus+http://127.0.0.1:1",
		"mysql+http://127.0.0.1:1":        `unknown kind of store "mysql"`,
		"prometheus+ftp://h":              "no address of a store",
		"localhost:9090":                  "no address of a store",
		"":                                "no address of a store",
		"influxdb+http://u:p@127.0.0.1:1": "import from http://127.0.0.1:1: no answer",
	} {
		_, _, err := gather(options(url, ""))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
	o := options("http://127.0.0.1:1", source.Prometheus)
	for _, m := range []string{"{", "{}", `{a}`, `{a="b"`, `{a=b}`, `{a="b"} x`, `1a`, `{a="b" c="d"}`, ``, `{a=}`} {
		o.Match = []string{m}
		if _, _, err := gather(o); err == nil || !strings.Contains(err.Error(), "want one of Prometheus") {
			t.Errorf("selector %s: %v", m, err)
		}
	}
}

// An error of the sink ends the import, and so does the end of the context.
func TestImportEnds(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"metric":{"__name__":"a"},"values":[1],"timestamps":[1]}` + "\n"))
	})
	full := errors.New("full")
	_, err := source.Import(context.Background(), options(url, source.VictoriaMetrics), func(context.Context, *chunk.Batch) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("the sink's error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = source.Import(ctx, options(url, source.VictoriaMetrics), func(context.Context, *chunk.Batch) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
