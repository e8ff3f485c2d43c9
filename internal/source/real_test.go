package source_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
	"github.com/chronodex/chronodex/internal/source"
	"github.com/chronodex/chronodex/shard"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A program is another store that was started for a test.
type program struct {
	t   *testing.T
	url string
}

// start runs a program of this machine until the test ends, and waits until it answers at path. The
// arguments and env have a free address for {addr}, a folder for {dir}.
func start(t *testing.T, name, ready string, env []string, args ...string) *program {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	addr := l.Addr().String()
	must(t, l.Close())
	fill := strings.NewReplacer("{addr}", addr, "{dir}", t.TempDir())
	filled := make([]string, len(args))
	for i := range args {
		filled[i] = fill.Replace(args[i])
	}
	cmd := exec.Command(path, filled...)
	for _, e := range env {
		cmd.Env = append(cmd.Env, fill.Replace(e))
	}
	cmd.Env = append(cmd.Env, "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-exited
		if t.Failed() {
			t.Logf("%s said: …%s", name, log.String()[max(0, log.Len()-2000):])
		}
	})
	p := &program{t, "http://" + addr}
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if resp, err := http.Get(p.url + ready); err == nil {
			resp.Body.Close()
			if resp.StatusCode < 300 {
				return p
			}
		}
		select {
		case <-exited:
			t.Fatalf("%s ended: %s", name, log.String())
		case <-deadline.C:
			t.Fatalf("%s does not answer: %s", name, log.String())
		case <-tick.C:
		}
	}
}

// post sends a body, and fails unless the answer is good.
func (p *program) post(path, kind string, body []byte, header ...string) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.url+path, bytes.NewReader(body))
	must(p.t, err)
	req.Header.Set("Content-Type", kind)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	must(p.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(p.t, err)
	if resp.StatusCode >= 300 {
		p.t.Fatalf("POST %s: %d %s", path, resp.StatusCode, text)
	}
}

// write sends a remote write.
func (p *program) write(series ...prompb.TimeSeries) {
	p.t.Helper()
	b, err := (&prompb.WriteRequest{Timeseries: series}).Marshal()
	must(p.t, err)
	p.post("/api/v1/write", "application/x-protobuf", snappy.Encode(nil, b),
		"Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0")
}

// imported imports into a new store, and returns what that holds then, as text by series.
func imported(t *testing.T, o source.Options) (map[string]string, source.Summary) {
	t.Helper()
	set, err := shard.Open(filepath.Join(t.TempDir(), "store"), shard.Options{Manual: true, Shards: 2})
	must(t, err)
	defer set.Close()
	o.Warn = func(text string) { t.Log(text) }
	sum, err := source.Import(context.Background(), o, set.Append)
	must(t, err)
	return content(t, set), sum
}

func content(t *testing.T, set *shard.Set) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, part := range set.Parts() {
		sel, err := part.Select(context.Background(), index.All(), chunk.Always)
		must(t, err)
		var buf chunk.Buffer
		for i := range sel.Len() {
			var all chunk.Samples
			for _, piece := range sel.AppendPieces(nil, i) {
				s, err := sel.Read(context.Background(), piece, &buf)
				must(t, err)
				all.Append(s)
			}
			out[fmt.Sprint(sel.Series(i).Kind, sel.Series(i).Dimensions)] = text(all)
		}
		must(t, sel.Close())
	}
	return out
}

// text prints observations to the bit.
func text(s chunk.Samples) string {
	var b strings.Builder
	for i, at := range s.Times {
		switch s.Kind {
		case chunk.Float64:
			fmt.Fprintf(&b, "%d=%x ", at, math.Float64bits(s.Floats[i]))
		case chunk.Int64:
			fmt.Fprintf(&b, "%d=%d ", at, s.Ints[i])
		case chunk.Bool:
			fmt.Fprintf(&b, "%d=%v ", at, s.Bools[i])
		case chunk.String:
			fmt.Fprintf(&b, "%d=%q ", at, s.Strings[i])
		}
	}
	return b.String()
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] != want[k] {
			t.Errorf("%s:\n got %.300s\nwant %.300s", k, got[k], want[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[k]; !ok {
			t.Errorf("%s is there, and was never written: %.200s", k, got[k])
		}
	}
}

func labels(pairs ...string) []prompb.Label {
	var out []prompb.Label
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, prompb.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

func key(t *testing.T, kind chunk.Kind, pairs ...string) string {
	t.Helper()
	var list []chunk.Dimension
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	d, err := chunk.NewDimensions(list...)
	must(t, err)
	return fmt.Sprint(kind, d)
}

// unusual are values that must come back to the bit. There is no negative zero: generated code of
// remote write takes it for a zero, and leaves it out.
var unusual = []float64{
	0, 1, -1.5, math.Pi, 1e300, 5e-324, math.Inf(1), math.Inf(-1), 1 << 53, 0.1, 100,
}

const staleNaN = 0x7ff0000000000002

// TestRealPrometheus imports what a Prometheus has that was written to: floats to the bit, stale
// markers, histograms, over days.
func TestRealPrometheus(t *testing.T) {
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	must(t, os.WriteFile(config, []byte("global: {scrape_interval: 1h}\n"), 0o644))
	p := start(t, "prometheus", "/-/ready", nil, "--config.file="+config, "--web.listen-address={addr}", "--storage.tsdb.path={dir}/data",
		"--web.enable-remote-write-receiver", "--enable-feature=native-histograms", "--storage.tsdb.retention.time=100y")
	begin := time.Now().Add(-60 * time.Hour).Truncate(time.Hour).UnixMilli()
	want := map[string]string{}
	var a, b chunk.Samples
	a.Kind, b.Kind = chunk.Float64, chunk.Float64
	var h chunk.Samples
	h.Kind = chunk.String
	for i := range int64(3 * 240) {
		at := begin + i*5*60_000
		va, vb := unusual[int(i)%len(unusual)], float64(i)/3
		if i == 300 {
			va = math.Float64frombits(staleNaN)
		}
		hist := &histogram.Histogram{
			Schema: 2, ZeroThreshold: 0.001, ZeroCount: uint64(i), Count: uint64(i + 3*i + 2), Sum: float64(i) / 7,
			PositiveSpans: []histogram.Span{{Offset: -2, Length: 2}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{i, 0, 2},
		}
		p.write(
			prompb.TimeSeries{Labels: labels("__name__", "a", "job", "x y", "metric", "m"), Samples: []prompb.Sample{{Timestamp: at, Value: va}}},
			prompb.TimeSeries{Labels: labels("__name__", "b"), Samples: []prompb.Sample{{Timestamp: at, Value: vb}}},
			prompb.TimeSeries{Labels: labels("__name__", "h"), Histograms: []prompb.Histogram{prompb.FromIntHistogram(at, hist)}},
		)
		a.Times, a.Floats = append(a.Times, at*1e6), append(a.Floats, va)
		b.Times, b.Floats = append(b.Times, at*1e6), append(b.Floats, vb)
		h.Times = append(h.Times, at*1e6)
		if i > 0 {
			hist.CounterResetHint = histogram.NotCounterReset
		}
		h.Strings = append(h.Strings, string(promwrite.AppendHistogram(nil, promwrite.Histogram{Int: hist})))
	}
	keyA, keyB, keyH := key(t, chunk.Float64, "metric", "a", "job", "x y", "metric_", "m"), key(t, chunk.Float64, "metric", "b"), key(t, chunk.String, "metric", "h")
	want[keyA], want[keyB] = text(a), text(b)
	got, sum := imported(t, source.Options{URL: "prometheus+" + p.url})
	if n := strings.Count(got[keyH], "="); n < len(h.Times) {
		t.Errorf("%d histograms, want %d", n, len(h.Times))
	}
	histograms(t, got[keyH], h)
	delete(got, keyH)
	same(t, got, want)
	if sum.Slices > 7 {
		t.Errorf("%d slices for three days", sum.Slices)
	}
	// A part: one series by a matcher, within a span that cuts chunks.
	span := chunk.Span{Start: a.Times[100], End: a.Times[500]}
	got, _ = imported(t, source.Options{URL: p.url, Kind: source.Prometheus, Span: span, Match: []string{`{job=~"x.*"}`}})
	same(t, got, map[string]string{keyA: text(a.Clip(span))})
}

// histograms compares all but the hint, which Prometheus itself decides on.
func histograms(t *testing.T, got string, want chunk.Samples) {
	t.Helper()
	for i, at := range want.Times {
		_, rest, ok := strings.Cut(got, fmt.Sprintf("%d=", at))
		if !ok {
			t.Fatalf("no histogram at %d", at)
		}
		var raw string
		if _, err := fmt.Sscanf(rest, "%q", &raw); err != nil {
			t.Fatal(err)
		}
		g, err := promwrite.ParseHistogram(raw)
		must(t, err)
		w, err := promwrite.ParseHistogram(want.Strings[i])
		must(t, err)
		if g.Int == nil || !g.Int.Equals(w.Int) {
			t.Fatalf("at %d: %v, want %v", at, g.Int, w.Int)
		}
	}
}

// TestRealVictoriaMetrics imports what a VictoriaMetrics has that was written to.
func TestRealVictoriaMetrics(t *testing.T) {
	p := start(t, "victoria-metrics", "/health", nil, "-httpListenAddr={addr}", "-storageDataPath={dir}/data", "-retentionPeriod=100y")
	begin := time.Now().Add(-80 * 24 * time.Hour).Truncate(time.Hour).UnixMilli()
	var a, b chunk.Samples
	a.Kind, b.Kind = chunk.Float64, chunk.Float64
	for i := range int64(500) {
		va := []float64{0, 1, -1.5, math.Inf(1), 0.1, math.Inf(-1), 1234567.25}[i%7] // blocks of it share an exponent
		a.Times, a.Floats = append(a.Times, (begin+i*1_000_017)*1e6), append(a.Floats, va)
		b.Times, b.Floats = append(b.Times, (begin+i*600_000_000/50)*1e6), append(b.Floats, float64(i)/3)
	}
	for _, s := range []struct {
		labels []prompb.Label
		x      chunk.Samples
	}{{labels("__name__", "a", "job", `x "y"\z`), a}, {labels("__name__", "b"), b}} {
		ts := prompb.TimeSeries{Labels: s.labels}
		for i, at := range s.x.Times {
			ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at / 1e6, Value: s.x.Floats[i]})
		}
		p.write(ts)
	}
	p.post("/internal/force_flush", "text/plain", nil)
	keyA, keyB := key(t, chunk.Float64, "metric", "a", "job", `x "y"\z`), key(t, chunk.Float64, "metric", "b")
	got, sum := imported(t, source.Options{URL: "victoriametrics+" + p.url})
	same(t, close10(got), close10(map[string]string{keyA: text(a), keyB: text(b)}))
	if sum.Slices > 150 {
		t.Errorf("%d slices for 80 days", sum.Slices)
	}
	span := chunk.Span{Start: b.Times[100], End: b.Times[200]}
	got, _ = imported(t, source.Options{URL: "victoriametrics+" + p.url, Span: span, Match: []string{`b`}})
	same(t, close10(got), close10(map[string]string{keyB: text(b.Clip(span))}))
}

// close10 is for a store that keeps decimals of some digits: VictoriaMetrics itself rounds values when
// it stores them.
func close10(in map[string]string) map[string]string {
	out := map[string]string{}
	for k, list := range in {
		for _, row := range strings.Fields(list) {
			var at int64
			var bits uint64
			if _, err := fmt.Sscanf(row, "%d=%x", &at, &bits); err != nil {
				panic(err)
			}
			out[k] += fmt.Sprintf("%d=%.10g ", at, math.Float64frombits(bits)+0)
		}
	}
	return out
}

// TestRealInfluxDB imports what an InfluxDB has that was written to: all types exactly.
func TestRealInfluxDB(t *testing.T) {
	p := start(t, "influxd", "/ping", []string{
		"INFLUXDB_HTTP_BIND_ADDRESS={addr}", "INFLUXDB_BIND_ADDRESS=127.0.0.1:0", "INFLUXDB_META_DIR={dir}/meta", "INFLUXDB_DATA_DIR={dir}/data",
		"INFLUXDB_DATA_WAL_DIR={dir}/wal", "INFLUXDB_REPORTING_DISABLED=true", "INFLUXDB_MONITOR_STORE_ENABLED=false",
	}, "run")
	for _, q := range []string{
		`CREATE DATABASE "my db"`, `CREATE DATABASE other`, `CREATE RETENTION POLICY "raw" ON "my db" DURATION INF REPLICATION 1`,
	} {
		p.post("/query", "application/x-www-form-urlencoded", []byte("q="+strings.ReplaceAll(q, " ", "+")))
	}
	const day = int64(24 * time.Hour)
	begin := time.Now().Add(-20*24*time.Hour).UnixNano() / day * day
	want := map[string]string{}
	lines := map[string]*strings.Builder{"my+db": {}, "my+db&rp=raw": {}, "other": {}}
	f, i, b, s := chunk.Samples{Kind: chunk.Float64}, chunk.Samples{Kind: chunk.Int64}, chunk.Samples{Kind: chunk.Bool}, chunk.Samples{Kind: chunk.String}
	for k := range int64(300) {
		at := begin + k*day/17 + k
		v := unusual[int(k)%len(unusual)]
		if math.IsInf(v, 0) {
			v = 7
		}
		n := int64(math.MaxInt64) - k
		txt := fmt.Sprintf("line %d \"quoted\" \\ back, ünï", k)
		fmt.Fprintf(lines["my+db"], "m\\ 1,host=a\\ b,zone=z f=%v,i=%di,b=%v,s=%q %d\n", v, n, k%2 == 0, txt, at)
		f.Times, i.Times, b.Times, s.Times = append(f.Times, at), append(i.Times, at), append(b.Times, at), append(s.Times, at)
		f.Floats, i.Ints, b.Bools, s.Strings = append(f.Floats, v), append(i.Ints, n), append(b.Bools, k%2 == 0), append(s.Strings, txt)
	}
	fmt.Fprintf(lines["my+db"], "sparse,host=a x=1 %d\nsparse,host=a y=2 %d\nsparse x=3 %d\n", begin+1, begin+2, begin+3)
	fmt.Fprintf(lines["my+db&rp=raw"], "cpu,host=a,f=tag f=1.25 %d\n", begin-400*day)
	fmt.Fprintf(lines["other"], "cpu,metric=mine usage=5i %d\n", begin)
	for db, text := range lines {
		p.post("/write?db="+db, "text/plain", []byte(strings.ReplaceAll(text.String(), `\u00fc`, "ü")))
	}
	tags := []string{"host", "a b", "zone", "z", "measurement", "m 1", "db", "my db"}
	for field, x := range map[string]chunk.Samples{"f": f, "i": i, "b": b, "s": s} {
		want[key(t, x.Kind, append(tags, "field", field, "metric", "m 1_"+field)...)] = text(x)
	}
	sparse := func(field string, more ...string) string {
		return key(t, chunk.Float64, append(more, "measurement", "sparse", "field", field, "metric", "sparse_"+field, "db", "my db")...)
	}
	want[sparse("x", "host", "a")] = fmt.Sprintf("%d=%x ", begin+1, math.Float64bits(1))
	want[sparse("y", "host", "a")] = fmt.Sprintf("%d=%x ", begin+2, math.Float64bits(2))
	want[sparse("x")] = fmt.Sprintf("%d=%x ", begin+3, math.Float64bits(3))
	raw := key(t, chunk.Float64, "host", "a", "f", "tag", "measurement", "cpu", "field", "f", "metric", "cpu_f", "db", "my db", "rp", "raw")
	want[raw] = fmt.Sprintf("%d=%x ", begin-400*day, math.Float64bits(1.25))
	want[key(t, chunk.Int64, "measurement", "cpu", "field", "usage", "metric", "mine", "db", "other")] = fmt.Sprintf("%d=5 ", begin)
	got, _ := imported(t, source.Options{URL: "influxdb+" + p.url})
	same(t, got, want)
	// A part, by database, measurement and span.
	span := chunk.Span{Start: begin + 1, End: begin + 3}
	got, _ = imported(t, source.Options{
		URL: p.url, Kind: source.InfluxDB, Databases: []string{"my db"}, Match: []string{"sparse"}, Span: span,
		Set: []chunk.Dimension{{Name: "from", Value: "old"}, {Name: "host", Value: "none"}},
	})
	part := func(field string) string {
		return key(t, chunk.Float64, "host", "a", "from", "old", "measurement", "sparse", "field", field, "metric", "sparse_"+field, "db", "my db")
	}
	same(t, got, map[string]string{part("x"): want[sparse("x", "host", "a")], part("y"): want[sparse("y", "host", "a")]})
}
