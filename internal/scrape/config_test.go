package scrape

import (
	"compress/gzip"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	all, err := Parse([]byte(`
- job_name: node
  scrape_interval: 15s
  metrics_path: /m
  scheme: https
  params: {"collect[]": [cpu, disk]}
  basic_auth: {username: u, password: p}
  tls_config: {insecure_skip_verify: true}
  body_size_limit: 10MB
  static_configs:
    - targets: [a:9100, b:9100]
      labels: {site: s}
  file_sd_configs:
    - files: [targets/*.json]
      refresh_interval: 30s
  relabel_configs:
    - source_labels: [__address__]
      regex: (.*):.*
      target_label: host
- job_name: defaults
`))
	if err != nil {
		t.Fatal(err)
	}
	a, b := all[0], all[1]
	if a.Scheme != "https" || a.BodySizeLimit != 10<<20 || a.HTTP.BasicAuth.Username != "u" || !a.HTTP.TLSConfig.InsecureSkipVerify ||
		a.HTTP.FollowRedirects != true || len(a.StaticConfigs[0].Targets) != 2 || a.RelabelConfigs[0].Replacement != "$1" {
		t.Errorf("got %+v", a)
	}
	if b.MetricsPath != "/metrics" || b.Scheme != "http" || !b.HonorTimestamps || b.HonorLabels || !b.EnableCompression ||
		time.Duration(b.ScrapeInterval) != time.Minute || time.Duration(b.ScrapeTimeout) != 10*time.Second || b.BodySizeLimit != 64<<20 {
		t.Errorf("got %+v", b)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown key":             {`[{job_name: a, interval: 5s}]`, "field interval not found"},
		"an unknown key deeper":      {`[{job_name: a, tls_config: {insecure: true}}]`, "field insecure not found"},
		"an unknown key of a group":  {`[{job_name: a, static_configs: [{hosts: []}]}]`, "field hosts not found"},
		"no name":                    {`[{scrape_interval: 5s}]`, "job number 1 has no job_name"},
		"one name twice":             {`[{job_name: a}, {job_name: a}]`, `two jobs are called "a"`},
		"a timeout over an interval": {`[{job_name: a, scrape_interval: 5s, scrape_timeout: 6s}]`, "scrape_timeout 6s is longer"},
		"a scheme":                   {`[{job_name: a, scheme: ftp}]`, `scheme is "ftp"`},
		"a path":                     {`[{job_name: a, metrics_path: m}]`, "does not begin with /"},
		"a URL for a target":         {`[{job_name: a, static_configs: [{targets: ["http://b"]}]}]`, "want host:port"},
		"a rule without its target":  {`[{job_name: a, relabel_configs: [{source_labels: [x]}]}]`, "rule number 1: relabel configuration for replace action requires 'target_label'"},
		"an expression":              {`[{job_name: a, metric_relabel_configs: [{regex: "("}]}]`, "missing closing"},
		"two ways to log in":         {`[{job_name: a, basic_auth: {username: u}, authorization: {credentials: c}}]`, "at most one"},
		"a size":                     {`[{job_name: a, body_size_limit: much}]`, `size "much"`},
		"a negative limit":           {`[{job_name: a, sample_limit: -1}]`, "sample_limit is -1"},
		"files of another kind":      {`[{job_name: a, file_sd_configs: [{files: [x.txt]}]}]`, "ends with .json"},
		"not a list":                 {`job_name: a`, "cannot unmarshal"},
	} {
		if _, err := Parse([]byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// TestRelabelTargets: the labels and the URL of targets.
func TestRelabelTargets(t *testing.T) {
	for name, tc := range map[string]struct{ job, labels, url string }{
		"plain":          {`static_configs: [{targets: ["a:1"], labels: {x: y}}]`, `{instance="a:1", job="j", x="y"}`, "http://a:1/metrics"},
		"parameters":     {`params: {m: [a, b]}, metrics_path: /x, static_configs: [{targets: ["a:1"]}]`, `{instance="a:1", job="j"}`, "http://a:1/x?m=a&m=b"},
		"labels of ours": {`static_configs: [{targets: ["a:1"], labels: {job: k, instance: i, __metrics_path__: /y}}]`, `{instance="i", job="k"}`, "http://a:1/y"},
		"a prober": {
			`params: {module: [icmp]}, static_configs: [{targets: ["https://example.org/"]}], relabel_configs: [{source_labels: [__address__], target_label: __param_target},
			{source_labels: [__param_target], target_label: instance}, {target_label: __address__, replacement: "prober:9115"}]`,
			`{instance="https://example.org/", job="j"}`, "http://prober:9115/metrics?module=icmp&target=https%3A%2F%2Fexample.org%2F",
		},
		"dropped":         {`static_configs: [{targets: ["a:1"]}], relabel_configs: [{source_labels: [__address__], regex: "a:.*", action: drop}]`, "", ""},
		"no address left": {`static_configs: [{targets: ["a:1"]}], relabel_configs: [{target_label: __address__, replacement: ""}]`, "", `target a:1: address "" is not host:port`},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := Parse([]byte(`[{job_name: j, ` + tc.job + `}]`))
			if err != nil {
				t.Fatal(err)
			}
			targets, err := (&job{config: all[0]}).targets()
			var got, url string
			if err != nil {
				url = err.Error()
			}
			if len(targets) > 0 {
				got, url = targets[0].labels.String(), targets[0].url
			}
			if got != tc.labels || url != tc.url {
				t.Errorf("got %s %s, want %s %s", got, url, tc.labels, tc.url)
			}
		})
	}
}

// TestOffset: targets are spread over their interval, and stay in their place.
func TestOffset(t *testing.T) {
	all, err := Parse([]byte(`[{job_name: j, scrape_interval: 10s, static_configs: [{targets: ["a:1", "b:1", "c:1", "d:1"]}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	targets, err := (&job{config: all[0]}).targets()
	if err != nil {
		t.Fatal(err)
	}
	places := map[int64]bool{}
	for _, target := range targets {
		var first int64
		for i, now := range []time.Time{time.Unix(1_700_000_000, 7), time.Unix(1_800_000_003, 0), time.Unix(-5, 3)} {
			wait := target.offset(now)
			place := ((now.Add(wait).UnixNano() % 10e9) + 10e9) % 10e9
			if wait < 0 || wait >= 10*time.Second || i > 0 && place != first {
				t.Errorf("%s waits %v at %v, and is at %d of its interval, not %d", target.url, wait, now, place, first)
			}
			first = place
		}
		places[first/1e9] = true
	}
	if len(places) < 2 {
		t.Errorf("all are at %v", places)
	}
}

// TestFetch: what a real target is asked, and how it may answer.
func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "u" || password != "p" || r.Header.Get("X-Prometheus-Scrape-Timeout-Seconds") != "2.5" ||
			!strings.HasPrefix(r.Header.Get("Accept"), "application/vnd.google.protobuf;") {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/openmetrics-text")
		if r.URL.Path == "/plain" || r.Header.Get("Accept-Encoding") != "gzip" {
			_, _ = w.Write([]byte("plain"))
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write([]byte(strings.Repeat("x", 100)))
		_ = z.Close()
	}))
	defer server.Close()
	for path, tc := range map[string]struct {
		limit string
		body  string
		err   string
	}{
		"/plain": {"10B", "plain", ""},
		"/zip":   {"100B", strings.Repeat("x", 100), ""},
		"/bomb":  {"99B", "", "more than body_size_limit, 99 bytes"},
	} {
		all, err := Parse([]byte(`[{job_name: j, metrics_path: ` + path + `, scrape_interval: 5s, scrape_timeout: 2500ms, scrape_native_histograms: true,
			basic_auth: {username: u, password: p}, body_size_limit: ` + tc.limit + `, static_configs: [{targets: ["` + server.Listener.Addr().String() + `"]}]}]`))
		if err != nil {
			t.Fatal(err)
		}
		m := New(Options{})
		if err := m.Apply(all); err != nil {
			t.Fatal(err)
		}
		for _, l := range m.loops {
			media, err := l.fetch(context.Background())
			if tc.err == "" && (err != nil || media != "application/openmetrics-text" || string(l.body) != tc.body) ||
				tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%s: %s %q %v", path, media, l.body, err)
			}
		}
	}
}

// TestFiles: lists of targets in files, one of which is bad for a while.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, f := fileMemory{}, Files{Files: []string{filepath.Join(dir, "*.json"), filepath.Join(dir, "b.yml")}}
	read := func() (addresses []string, err error) {
		groups, err := m.read(f)
		for _, g := range groups {
			addresses = append(addresses, g.Targets...)
		}
		return addresses, err
	}
	write("a.json", `[{"targets": ["a:1"], "labels": {"x": "y"}}]`)
	write("b.yml", "- targets: [b:1]\n")
	if got, err := read(); err != nil || !cmp.Equal(got, []string{"a:1", "b:1"}) {
		t.Errorf("got %v, %v", got, err)
	}
	write("a.json", `[{"targets": ["c:1"`)
	if got, err := read(); err == nil || !strings.Contains(err.Error(), "the targets that it had stay") || !cmp.Equal(got, []string{"a:1", "b:1"}) {
		t.Errorf("got %v, %v", got, err)
	}
	write("a.json", `[{"targets": ["c:1"]}]`)
	if err := os.Remove(filepath.Join(dir, "b.yml")); err != nil {
		t.Fatal(err)
	}
	if got, err := read(); err != nil || !cmp.Equal(got, []string{"c:1"}) {
		t.Errorf("got %v, %v", got, err)
	}
}
