package server_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/internal/server"
)

// A running server is served until the test ends.
type running struct {
	t   *testing.T
	s   *server.Server
	url string
	end func() error // asks it to end, and waits
}

// run starts a server that flags configure.
func run(t *testing.T, set map[string]string) *running {
	t.Helper()
	return runConfig(t, flags(t, set))
}

// flags returns what loads a configuration that flags say, for a store and an address of its own.
func flags(t *testing.T, set map[string]string) func() (*server.Config, error) {
	all := map[string]string{"listen.http": "127.0.0.1:0", "data": t.TempDir()}
	maps.Copy(all, set)
	return func() (*server.Config, error) { return server.Load(server.Sources{Flags: all}) }
}

// runConfig starts a server, and waits until it is ready.
func runConfig(t *testing.T, load func() (*server.Config, error), prepare ...func(*server.Server)) *running {
	t.Helper()
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Options{Config: c, Load: load, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prepare {
		p(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ended, result := false, error(nil)
	r := &running{t: t, s: s, url: "http://" + s.Addr("http").String(), end: func() error {
		if !ended {
			cancel()
			ended, result = true, <-done
		}
		return result
	}}
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	s.WaitReady(ctx)
	return r
}

// get returns the status and body of a path.
func (r *running) get(path string) (int, string) { return r.do("GET", path, "", nil) }

func (r *running) do(method, path, body string, header map[string]string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestOperatingRoutes(t *testing.T) {
	r := run(t, nil)
	for _, tc := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/", 200, "Chronodex test"},
		{"GET", "/-/healthy", 200, "healthy"},
		{"GET", "/-/ready", 200, "ready"},
		{"GET", "/version", 200, `"version":"test"`},
		{"GET", "/metrics", 200, "chronodex_ready 1"},
		{"GET", "/metrics", 200, "chronodex_store_series 0"},
		{"GET", "/metrics", 200, "process_resident_memory_bytes"},
		{"POST", "/-/reload", 200, "reloaded"},
		{"GET", "/nothing", 404, "there is nothing at /nothing"},
		{"GET", "/-/reload", 405, "there is POST"},
		{"GET", "/debug/pprof/", 404, "there is nothing"},
	} {
		if status, body := r.do(tc.method, tc.path, "", nil); status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s %s: %d %q, want %d %q", tc.method, tc.path, status, body, tc.status, tc.says)
		}
	}
}
