package server_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chronodex/chronodex/internal/server"
)

// TestScraping: targets of the configuration are scraped, with passwords from a file beside it, and
// no more after a reload without them.
func TestScraping(t *testing.T) {
	asked, bad := make(chan struct{}, 100), atomic.Bool{}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			bad.Store(true)
		}
		_, _ = w.Write([]byte("probe 7\n"))
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	defer target.Close()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("password", "secret")
	write("c.yml", `
data: `+filepath.Join(dir, "data")+`
listen: {http: "127.0.0.1:0"}
scrape:
  - job_name: j
    scrape_interval: 20ms
    basic_auth: {username: u, password_file: password}
    static_configs: [{targets: ["`+target.Listener.Addr().String()+`"]}]
`)
	r := runConfig(t, func() (*server.Config, error) { return server.Load(server.Sources{File: filepath.Join(dir, "c.yml")}) })
	<-asked
	<-asked // by now the first one is stored
	if status, answer := r.get("/v1/query?format=csv&q=metric:probe+%7C+last+by+job"); status != 200 || !strings.Contains(answer, "j,7") || bad.Load() {
		t.Errorf("got %d %s; a wrong password: %v", status, answer, bad.Load())
	}
	if status, answer := r.get("/-/targets"); status != 200 || !strings.Contains(answer, `"health":"up"`) || !strings.Contains(answer, `"samples":1`) {
		t.Errorf("targets: %d %s", status, answer)
	}
	write("c.yml", "data: "+filepath.Join(dir, "data")+"\nlisten: {http: \"127.0.0.1:0\"}\n")
	if status, answer := r.do("POST", "/-/reload", "", nil); status != 200 {
		t.Fatalf("reload: %d %s", status, answer)
	}
	if status, answer := r.get("/v1/query?format=ndjson&q=metric:probe+%7C+tail+1"); status != 200 || !strings.Contains(answer, `"NaN"`) {
		t.Errorf("after the reload: %d %s", status, answer)
	}
}

func TestScrapingConfiguration(t *testing.T) {
	_, err := server.Load(server.Sources{Flags: map[string]string{"scrape": "[{job_name: j, interval: 5s}]"}})
	if err == nil || !strings.Contains(err.Error(), "field interval not found") {
		t.Errorf("got %v", err)
	}
}
