package server_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/internal/server"
)

// A reload uses what is new, or nothing of it and says why.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	base := "listen: {http: \"127.0.0.1:0\"}\ndata: " + filepath.Join(dir, "store") + "\n"
	write := func(more string) {
		if err := os.WriteFile(file, []byte(base+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	token := func(secret, rights string) string {
		return "auth: {tokens: [{name: a, token: " + secret + ", rights: [" + rights + "]}]}\n"
	}
	write(token("first-secret", "all"))
	r := runConfig(t, func() (*server.Config, error) { return server.Load(server.Sources{File: file}) })
	reload := func(secret string) (int, string) { return r.do("POST", "/-/reload", "", bearer(secret)) }

	if status, _ := reload("no-such-secret"); status != 401 {
		t.Errorf("somebody reloaded: %d", status)
	}
	write(token("second-secret", "all"))
	if status, body := reload("first-secret"); status != 200 || body != "reloaded\n" {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := reload("first-secret"); status != 401 {
		t.Errorf("the old token is still good: %d", status)
	}
	for what, want := range map[string]string{
		"log: {level: loud}\n":                       "log.level",
		"log: {format: text}\n":                      "only a restart changes log.format",
		"pprof: true\nstore: {head_bytes: 2MiB}\n":   "only a restart changes store.head_bytes, pprof",
		"listen: {graphite: \"127.0.0.1:0\"}\n":      "was said in line 1 already",
		"self: {interval: 5s}\nlimits: {body: 1B}\n": "only a restart changes limits.body, self.interval",
	} {
		write(token("third-secret", "all") + what)
		if status, body := reload("second-secret"); status != 400 || !strings.Contains(body, want) || !strings.Contains(body, "the configuration before goes on") {
			t.Errorf("%s: %d %s, want %s", what, status, body, want)
		}
	}
	if _, body := r.do("GET", "/metrics", "", bearer("second-secret")); !strings.Contains(body, "chronodex_config_last_reload_successful 0") ||
		!strings.Contains(body, `chronodex_config_reloads_total{success="false"} 5`) {
		t.Errorf("the refused reloads are not counted: %s", body)
	}
	// Limits and retention are those of the new configuration.
	for i := range 3 {
		if status, body := r.do("POST", "/write", "m,host="+string(rune('a'+i))+" v=1 1", bearer("second-secret")); status != 204 {
			t.Fatalf("%d %s", status, body)
		}
	}
	write(token("second-secret", "all") + "limits: {series: 3}\nretention: [{age: 1d}]\n")
	if status, body := reload("second-secret"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := r.do("POST", "/write", "m,host=z v=1", bearer("second-secret")); status < 400 || !strings.Contains(body, "limits.series") {
		t.Errorf("a fourth series: %d %s", status, body)
	}
}

// The server's own metrics are in its store, as a scrape would have them.
func TestOwnMetricsAreStored(t *testing.T) {
	r := run(t, map[string]string{"self.interval": "1s"})
	if err := r.s.StoreOwn(t.Context()); err != nil {
		t.Fatal(err)
	}
	status, body := r.do("GET", "/v1/search?selector=metric:chronodex_http_request_duration_seconds_bucket+OR+metric:go_goroutines+OR+metric:chronodex_build_info&limit=100", "", nil)
	for _, want := range []string{"go_goroutines", "chronodex_build_info", `"job":"chronodex"`, `"instance":"127.0.0.1:`, `"version":"test"`} {
		if !strings.Contains(body, want) {
			t.Errorf("%d: no %s in %s", status, want, body)
		}
	}
}

// Data of a policy go when they are old, in the server, too.
func TestRetentionIsThatOfTheConfiguration(t *testing.T) {
	r := run(t, map[string]string{"retention": "[{selector: \"m:1\", age: 10000d}, {selector: \"env:test\", age: 1d}]"})
	old := time.Now().Add(-400 * 24 * time.Hour).UnixNano()
	for _, line := range []string{"a,env=test v=1", "a,env=prod v=1"} {
		if status, body := r.do("POST", "/write", line+" "+strconv.FormatInt(old, 10), nil); status != 204 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if err := r.s.Retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, body := r.get("/v1/query?format=csv&q=*+|+count+by+env")
	if strings.Contains(body, "test") || !strings.Contains(body, "prod") {
		t.Errorf("what is left: %s", body)
	}
}
