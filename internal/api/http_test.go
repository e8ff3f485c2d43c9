package api_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/api"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
)

// wide writes n series, so that answers are long.
func wide(t testing.TB, g *gate.Gate, n int) {
	t.Helper()
	var b chunk.Batch
	for i := range n {
		d := chunk.Dimensions{{Name: "metric", Value: "wide"}, {Name: "n", Value: strconv.Itoa(i)}}
		b.Rows = append(b.Rows, chunk.BatchRow{Dimensions: d, Samples: chunk.Samples{Kind: chunk.Int64, Times: []int64{1, 2}, Ints: []int64{int64(i), 0}}})
	}
	if _, err := g.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
}

// TestEncodings: the body is the same whichever encoding carries it, and its length is right.
func TestEncodings(t *testing.T) {
	g := newGate(t)
	wide(t, g, 3000)
	s := newServer(t, api.Options{Gate: g}, nil)
	for _, path := range []string{
		"/v1/query?q=metric:up&format=csv", // too small to be worth it
		"/v1/query?format=csv&q=" + url.QueryEscape("metric:wide n:?? | last"),
		"/v1/query?format=csv&q=metric:wide", // too long to be kept back
		"/v1/search?limit=1000", "/v1/export?selector=metric:wide", "/v1/openapi.json",
	} {
		var want string
		for _, encoding := range []string{"identity", "gzip", "zstd", "gzip;q=0.5, zstd", "zstd;q=0, gzip", "br"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept-Encoding", encoding)
			resp, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.ContentLength >= 0 && resp.ContentLength != int64(len(raw)) {
				t.Fatalf("%s in %s: %d bytes of %d, %v", path, encoding, len(raw), resp.ContentLength, err)
			}
			body := decompress(t, resp.Header.Get("Content-Encoding"), raw)
			if want == "" {
				want = body
			}
			packed := resp.Header.Get("Content-Encoding") != ""
			if body != want || packed != (len(want) > 1400 && encoding != "identity" && encoding != "br") || len(want) < 20 {
				t.Errorf("%s in %s: %d bytes, encoding %q", path, encoding, len(body), resp.Header.Get("Content-Encoding"))
			}
		}
	}
}

func decompress(t *testing.T, encoding string, raw []byte) string {
	t.Helper()
	var r io.Reader = strings.NewReader(string(raw))
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHead(t *testing.T) {
	s := newServer(t, api.Options{}, nil)
	const path = "/v1/query?q=metric:up&format=csv"
	_, body := get(t, s, path)
	resp, err := s.Client().Head(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ContentLength != int64(len(body)) {
		t.Errorf("status %d, length %d, want %d", resp.StatusCode, resp.ContentLength, len(body))
	}
}

func TestMethods(t *testing.T) {
	s := newServer(t, api.Options{}, nil)
	for _, tc := range []struct {
		method, path string
		status       int
		allow, want  string
	}{
		{"PUT", "/v1/query", 405, "GET, POST", "takes GET and POST, not PUT"},
		{"GET", "/v1/series", 405, "DELETE", "takes DELETE, not GET"},
		{"DELETE", "/v1/dimensions/x/values", 405, "GET", "takes GET, not DELETE"},
		{"OPTIONS", "/v1/search", 204, "GET, OPTIONS", ""},
		{"GET", "/v1/", 404, "", `"GET /v1/search"`},
		{"GET", "/v1/series/x", 404, "", "there is no /v1/series/x"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, s.URL+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status || resp.Header.Get("Allow") != tc.allow || !strings.Contains(string(body), tc.want) {
			t.Errorf("%s %s: %d, Allow: %s, %s", tc.method, tc.path, resp.StatusCode, resp.Header.Get("Allow"), body)
		}
	}
}

func TestCORS(t *testing.T) {
	for _, tc := range []struct {
		allowed []string
		origin  string
		want    string
	}{
		{nil, "https://a.example", ""},
		{[]string{"https://a.example"}, "https://a.example", "https://a.example"},
		{[]string{"https://a.example"}, "https://b.example", ""},
		{[]string{"*"}, "https://b.example", "https://b.example"},
		{[]string{"*"}, "", ""},
	} {
		s := newServer(t, api.Options{CORS: tc.allowed}, nil)
		for _, method := range []string{"OPTIONS", "GET"} {
			req, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1/dimensions", nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.origin != "" {
				req.Header.Set("Origin", tc.origin)
			}
			resp, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != tc.want || resp.StatusCode/100 != 2 {
				t.Errorf("%s from %q where %q may: %d, %q", method, tc.origin, tc.allowed, resp.StatusCode, got)
			}
		}
	}
}

// TestLimitsAreTold: what the gate refuses has its status, and says what helps.
func TestLimitsAreTold(t *testing.T) {
	g := newGate(t)
	s := newServer(t, api.Options{Gate: g}, nil)
	problem := func(path string) (p exchange.Problem, status int, retry string) {
		t.Helper()
		resp, err := s.Client().Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Status != resp.StatusCode {
			t.Fatalf("%s: status %d, %v, %+v", path, resp.StatusCode, err, p)
		}
		return p, resp.StatusCode, resp.Header.Get("Retry-After")
	}
	g.SetLimits(gate.Limits{QueryObservations: 1})
	if p, status, _ := problem("/v1/query?q=*"); status != 422 || p.Type != exchange.Limit || p.Limit != 1 || p.Cure == "" {
		t.Errorf("observations: %d %+v", status, p)
	}
	g.SetLimits(gate.Limits{QueryTime: time.Nanosecond})
	if p, status, retry := problem("/v1/query?q=*"); status != 503 || p.Type != exchange.TimedOut || retry == "" {
		t.Errorf("time: %d %+v", status, p)
	}
	g.SetLimits(gate.Limits{Queries: 1, QueueTime: time.Nanosecond})
	_, end, err := g.Begin(t.Context()) // somebody's turn
	if err != nil {
		t.Fatal(err)
	}
	if p, status, retry := problem("/v1/query?q=*"); status != 429 || p.Type != exchange.Overload || retry == "" {
		t.Errorf("queue: %d %+v, after %s", status, p, retry)
	}
	end()
	if err := g.Set().Close(); err != nil {
		t.Fatal(err)
	}
	g.SetLimits(gate.Limits{})
	if p, status, retry := problem("/v1/query?q=*"); status != 503 || p.Type != exchange.Closing || retry == "" {
		t.Errorf("closed: %d %+v", status, p)
	}
}

// TestGoneClientEndsItsQuery: a query whose client went away ends, though it was waiting.
func TestGoneClientEndsItsQuery(t *testing.T) {
	g := newGate(t)
	g.SetLimits(gate.Limits{Queries: 1, QueueTime: time.Hour})
	_, end, err := g.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	done := make(chan struct{})
	var h http.Handler
	for _, r := range api.New(api.Options{Gate: g, Now: now}).Routes() {
		if r.Method+r.Pattern == "GET/v1/query" {
			h = r.Handler
		}
	}
	entered := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		close(entered)
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/query?q=*", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	if _, err := s.Client().Do(req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-done
}

// TestExportIsNeverShort: an export that fails in its middle is a broken connection.
func TestExportIsNeverShort(t *testing.T) {
	g := newGate(t)
	wide(t, g, 5000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var h http.Handler
	for _, r := range api.New(api.Options{Gate: g, Now: now}).Routes() {
		if r.Pattern == "/v1/export" {
			h = r.Handler
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&cutting{w, cancel}, r.WithContext(ctx)) // the query is ended from outside, as by a timeout
	}))
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/v1/export?selector=*", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity") // compressed, it is one write
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Fatalf("an export that was ended looks whole: %d bytes", len(b))
	}
}

// A cutting writer ends the request's context at its first write.
type cutting struct {
	http.ResponseWriter
	cut func()
}

func (c *cutting) Write(p []byte) (int, error) {
	c.cut()
	return c.ResponseWriter.Write(p)
}

func TestExportsAreBounded(t *testing.T) {
	s := newServer(t, api.Options{Exports: 1}, nil)
	for range 3 { // one after another
		if status, body := get(t, s, "/v1/export?selector=*"); status != 200 || strings.Count(body, "\n") != 5 {
			t.Fatal(status, body)
		}
	}
}

func TestExportsWithoutBound(t *testing.T) {
	s := newServer(t, api.Options{Exports: -1}, nil)
	if status, body := get(t, s, "/v1/export?selector=*"); status != 200 || strings.Count(body, "\n") != 5 {
		t.Fatal(status, body)
	}
}

func TestCursor(t *testing.T) {
	g := newGate(t)
	wide(t, g, 25)
	s := newServer(t, api.Options{Gate: g}, nil)
	page := func(cursor string) (out exchange.Found) {
		t.Helper()
		status, body := get(t, s, "/v1/search?selector=metric:wide&limit=10&cursor="+cursor)
		if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
			t.Fatal(status, body)
		}
		return out
	}
	first := page("")
	if _, err := g.Delete(t.Context(), mustParse(t, `metric:wide AND n:0`), chunk.Always); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for p := first; ; p = page(p.Cursor) {
		for _, x := range p.Series {
			seen[chunk.Series(x).Dimensions.String()]++
		}
		if p.Cursor == "" {
			break
		}
	}
	if len(seen) != 25 { // the deleted one was on the first page
		t.Errorf("saw %d series: %v", len(seen), seen)
	}
	for name, n := range seen {
		if n != 1 {
			t.Errorf("%s is on %d pages", name, n)
		}
	}
}

func mustParse(t testing.TB, text string) index.Filter {
	t.Helper()
	f, err := index.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func FuzzParameters(f *testing.F) {
	g := newGate(f)
	h := map[string]http.Handler{}
	var paths []string
	for _, r := range api.New(api.Options{Gate: g, Now: now}).Routes() {
		if r.Method == "GET" && r.Pattern != "/v1/tail" {
			paths = append(paths, r.Pattern)
			h[r.Pattern] = r.Handler
		}
	}
	for i, seed := range []string{
		"q=*", "q=metric:cpu|mean&time=ns&tz=UTC&format=csv", "selector=host:(a", "limit=1&cursor=AQECBGhvc3QEd2ViMQZtZXRyaWMDY3B1", "from=-6h&to=now",
		"%zz=1", "q=*&q=*", "facet=host&facet_limit=0", "offset=9223372036854775807&limit=5", "cursor=_____", "format=chronodex&q=*",
	} {
		f.Add(uint8(i), seed, "text/csv")
	}
	f.Fuzz(func(t *testing.T, which uint8, query, accept string) {
		path := paths[int(which)%len(paths)]
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Accept", accept)
		r.SetPathValue("name", accept)
		w := httptest.NewRecorder()
		h[path].ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			return
		}
		var p exchange.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Type == "" || p.Detail == "" || w.Code >= 500 {
			t.Fatalf("%s?%s: %d %s", path, query, w.Code, w.Body)
		}
	})
}
