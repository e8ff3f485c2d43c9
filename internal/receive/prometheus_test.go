package receive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/value"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
	"github.com/chronodex/chronodex/shard"
)

// scrapes is how often the exporter of the test answers before it fails.
const scrapes = 10

// newExporter serves a counter with exemplars, gauges and a native histogram, which have grown a
// little at each scrape, until it fails.
func newExporter(t *testing.T) *httptest.Server {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "probe_total", Help: "Probes."}, []string{"path", "metric"})
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "probe_gauge", Help: "Of \"any\" value."}, []string{"is"})
	hist := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "probe_seconds", Help: "A native one.", NativeHistogramBucketFactor: 1.1})
	registry.MustRegister(counter, gauge, hist)
	n, mu := 0, sync.Mutex{}
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n > scrapes {
			http.Error(w, "gone", http.StatusInternalServerError)
			return
		}
		counter.WithLabelValues("/ä\n", "m").(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace_id": strconv.Itoa(n)})
		gauge.WithLabelValues("nan").Set(math.NaN())
		gauge.WithLabelValues("inf").Set(math.Inf(-1))
		gauge.WithLabelValues("third").Set(float64(n) / 3)
		hist.Observe(float64(n))
		metrics.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// startPrometheus runs Debian's Prometheus until the test ends, and returns its address.
func startPrometheus(t *testing.T, exporter, receiver string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus here: apt-get install prometheus")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	err = os.WriteFile(config, []byte(`
scrape_configs:
  - {job_name: probe, scrape_interval: 400ms, scrape_timeout: 400ms, static_configs: [{targets: ["`+exporter+`"]}]}
remote_write:
  - url: `+receiver+`/api/v1/write
    send_exemplars: true
    send_native_histograms: true
    queue_config: {batch_send_deadline: 100ms}
    metadata_config: {send_interval: 500ms}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+address,
		"--enable-feature=exemplar-storage,native-histograms")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Prometheus says:\n%s", text)
		}
	})
	return address
}

// own are the observations of the probe's series in a store: by series, as stamp in ms and value.
func own(t *testing.T, set *shard.Set) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, part := range set.Parts() {
		sel, err := part.Select(context.Background(), index.All(), chunk.Always)
		if err != nil {
			t.Fatal(err)
		}
		var buf chunk.Buffer
		for i := range sel.Len() {
			s := sel.Series(i)
			name := fmt.Sprintf("%v %v", s.Dimensions.Only("exemplar_of", "is", "metadata_of", "metric", "metric_", "path"), s.Kind)
			for _, p := range sel.AppendPieces(nil, i) {
				x, err := sel.Read(context.Background(), p, &buf)
				if err != nil {
					t.Fatal(err)
				}
				for k, at := range x.Times {
					out[name] = append(out[name], fmt.Sprintf("%d %s", at/1e6, ownValue(t, &x, k)))
				}
			}
		}
		if err := sel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// ownValue prints a value: a stale marker as such, a histogram as its count and sum.
func ownValue(t *testing.T, x *chunk.Samples, k int) string {
	t.Helper()
	v := 0.0
	if x.Kind == chunk.String {
		h, err := promwrite.ParseHistogram(x.Strings[k])
		if err != nil {
			return x.Strings[k]
		}
		if v = h.Int.Sum; math.Float64bits(v) != value.StaleNaN {
			return fmt.Sprintf("count %d sum %v", h.Int.Count, v)
		}
	} else {
		v = x.Floats[k]
	}
	if math.Float64bits(v) == value.StaleNaN {
		return "stale"
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// theirs are the observations that Prometheus itself has, as own says them; it does not tell markers.
func theirs(t *testing.T, address string) map[string][]string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(`{job="probe"}[1h]`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Metric     map[string]string
				Values     [][2]any
				Histograms [][2]any
			}
		}
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	out := map[string][]string{}
	for _, r := range answer.Data.Result {
		var pairs []chunk.Dimension
		for _, label := range []string{"__name__", "is", "metric", "path"} {
			pairs = promwrite.AppendLabel(pairs, label, r.Metric[label])
		}
		d, err := chunk.NewDimensions(pairs...)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Values {
			name := fmt.Sprintf("%v float64", d)
			out[name] = append(out[name], fmt.Sprintf("%.0f %s", v[0].(float64)*1000, v[1]))
		}
		for _, v := range r.Histograms {
			name, h := fmt.Sprintf("%v string", d), v[1].(map[string]any)
			out[name] = append(out[name], fmt.Sprintf("%.0f count %s sum %s", v[0].(float64)*1000, h["count"], h["sum"]))
		}
	}
	return out
}

// ended reports whether all series of the exporter have their stale marker, and metadata is there.
func ended(all map[string][]string) bool {
	for _, series := range []string{
		`{metric="probe_total", metric_="m", path="/ä\n"} float64`, `{is="nan", metric="probe_gauge"} float64`, `{is="inf", metric="probe_gauge"} float64`,
		`{is="third", metric="probe_gauge"} float64`, `{metric="probe_seconds"} string`,
	} {
		if n := len(all[series]); n == 0 || !strings.HasSuffix(all[series][n-1], " stale") {
			return false
		}
	}
	return len(all[`{metadata_of="probe_seconds"} string`]) > 0
}

// TestPrometheus: Debian's Prometheus scrapes an exporter and writes to us. What it has, we have, to
// the millisecond and the bit, with exemplars, metadata, native histograms, and markers at the end.
func TestPrometheus(t *testing.T) {
	r, set := newStore(t, Options{})
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(strings.TrimSpace(route.Method+" "+route.Pattern), route.Handler)
	}
	wrote := make(chan struct{}, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		mux.ServeHTTP(w, req)
		select {
		case wrote <- struct{}{}:
		default:
		}
	}))
	defer receiver.Close()
	address := startPrometheus(t, newExporter(t).Listener.Addr().String(), receiver.URL)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := own(t, set)
	for !ended(all) {
		select {
		case <-wrote:
			all = own(t, set)
		case <-ctx.Done():
			t.Fatalf("after a minute there is\n%v", all)
		}
	}
	for series, want := range theirs(t, address) {
		if strings.Contains(series, `metric="up"`) || strings.Contains(series, `metric="scrape_`) {
			continue // it goes on with these
		}
		got := slices.DeleteFunc(slices.Clone(all[series]), func(s string) bool { return strings.HasSuffix(s, " stale") })
		if diff := cmp.Diff(want, got); diff != "" || len(want) < scrapes/2 { // on a busy machine some scrapes may be late
			t.Errorf("%s, %d observations (-Prometheus +ours):\n%s", series, len(want), diff)
		}
	}
	exemplars := all[`{exemplar_of="probe_total", metric_="m", path="/ä\n"} string`]
	if n := len(exemplars); n < scrapes/2 || !strings.HasSuffix(exemplars[n-1], fmt.Sprintf(` [{"labels":{"trace_id":"%d"},"value":"1"}]`, scrapes)) {
		t.Errorf("exemplars are %v", exemplars)
	}
	if got := all[`{metadata_of="probe_gauge"} string`]; len(got) != 1 || !strings.HasSuffix(got[0], ` {"type":"gauge","help":"Of \"any\" value."}`) {
		t.Errorf("metadata is %v", got)
	}
}
