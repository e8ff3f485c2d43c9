package client

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/export"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/query"
)

// server answers with the handlers, one after another, and the last one from then on.
func server(t *testing.T, answers ...http.HandlerFunc) (*Client, *[]time.Duration) {
	t.Helper()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		answers[min(n, len(answers))-1](w, r)
	}))
	t.Cleanup(s.Close)
	var waits []time.Duration
	c, err := New(s.URL, Options{Wait: func(ctx context.Context, d time.Duration) error {
		waits = append(waits, d)
		return ctx.Err()
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c, &waits
}

// fails answers with a problem.
func fails(err error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		p := exchange.ProblemOf(err)
		w.Header().Set("Content-Type", exchange.ProblemType)
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p)
	}
}

// says answers with a body.
func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func parse(t *testing.T, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestErrors(t *testing.T) {
	q := parse(t, "metric:cpu | mean")
	syntax := &query.SyntaxError{Text: q.String(), Offset: 13, Reason: "unknown function", Near: "max"}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		is     error
		text   string
	}{
		"limit":     {fails(&query.LimitError{What: "memory", Limit: 1, Need: 2, Cure: "ask for less"}), query.ErrLimit, "needs at least 2 bytes of memory"},
		"forbidden": {fails(fmt.Errorf("%q may not read: %w", "bo", gate.ErrForbidden)), ErrAuth, `"bo" may not read`},
		"no token":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "who?", http.StatusUnauthorized) }, ErrAuth, "--token-file"},
		"no server": {http.NotFound, nil, "is no server of chronodex"},
		"proxy": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "<html>bad gateway\nmore", http.StatusBadGateway)
		}, nil, "answers 502: <html>bad gateway"},
		"half":       {says("CHRXRES1S\x00"), exchange.ErrResult, "is broken off, or not one of chronodex"},
		"no result":  {says("<html>"), exchange.ErrResult, "is broken off, or not one of chronodex"},
		"other side": {fails(syntax), nil, syntax.Error()},
	} {
		c, _ := server(t, tc.answer)
		_, err := c.Query(t.Context(), q, query.Request{})
		if err == nil || tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v", name, err)
		}
		if got := (*query.SyntaxError)(nil); name == "other side" && (!errors.As(err, &got) || *got != *syntax) {
			t.Errorf("%+v became %+v", syntax, got)
		}
	}
}

// TestRetries: what was refused for now is sent again, after the time that the server names; what
// failed is not.
func TestRetries(t *testing.T) {
	busy := fails(&gate.Overload{What: "queries", Limit: 1, Name: "limits.queries", After: 3 * time.Second})
	patient := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "100000")
		http.Error(w, "starting", http.StatusServiceUnavailable)
	}
	c, waits := server(t, busy, patient, fails(gate.ErrClosing), says(`{"series":7}`))
	n, err := c.Delete(t.Context(), index.All(), chunk.Always)
	if err != nil || n != 7 || len(*waits) != 3 || (*waits)[0] != 3*time.Second || (*waits)[1] != maxWait {
		t.Errorf("%d, %v after %v", n, err, *waits)
	}
	c, waits = server(t, busy)
	if _, err := c.Names(t.Context(), index.All()); !errors.Is(err, gate.ErrOverload) || len(*waits) != maxTries-1 {
		t.Errorf("%v after %v", err, *waits)
	}
	for _, once := range []error{context.DeadlineExceeded, gate.ErrFull, errors.New("fire")} {
		c, waits = server(t, fails(once))
		if _, err := c.Names(t.Context(), index.All()); err == nil || len(*waits) != 0 {
			t.Errorf("%v: %v after %v", once, err, *waits)
		}
	}
	// Whether a deletion was heard by a server that went away is not known: it may delete what
	// came since.
	gone := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	c, waits = server(t, gone)
	if _, err := c.Delete(t.Context(), index.All(), chunk.Always); !errors.Is(err, ErrUnreachable) || len(*waits) != 0 {
		t.Errorf("%v after %v", err, *waits)
	}
	c, waits = server(t, gone, gone, says(`{"dimensions":[]}`))
	if _, err := c.Names(t.Context(), index.All()); err != nil {
		t.Errorf("%v after %v", err, *waits)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Names(ctx, index.All()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	var bodies []string
	note := func(answer http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil || r.URL.String() != "/v1/write?format=ndjson" {
				t.Error(r.URL, err)
			}
			bodies = append(bodies, string(b))
			answer(w, r)
		}
	}
	row := func(n int) chunk.BatchRow {
		return chunk.BatchRow{Dimensions: chunk.Dimensions{{Name: "a", Value: "b"}}, Samples: chunk.Samples{Kind: chunk.Bool, Times: make([]int64, n), Bools: make([]bool, n)}}
	}
	c, _ := server(t, note(says(`{"stored":3}`)))
	stored, err := c.Write(t.Context(), &chunk.Batch{Rows: []chunk.BatchRow{row(1), row(2)}})
	if err != nil || stored != 3 || len(bodies) != 1 || strings.Count(bodies[0], "\n") != 2 {
		t.Fatal(stored, err, bodies)
	}
	bodies = nil
	refusal := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", exchange.ProblemType)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"type":"about:blank","title":"partly refused","status":400,"detail":"1 was refused","stored":5,"refused":1,"errors":[{"series":"{a=\"b\"}","detail":"no"}]}`)
	}
	c, _ = server(t, note(refusal), note(says(`{"stored":2}`)))
	stored, err = c.Write(t.Context(), &chunk.Batch{Rows: []chunk.BatchRow{row(700_000), row(2)}})
	var refused *Refused
	if !errors.As(err, &refused) || refused.Refused != 1 || refused.Reasons[0] != `{a="b"}: no` || len(bodies) != 2 || stored != 7 {
		t.Fatal(stored, err, len(bodies))
	}
	c, _ = server(t, fails(gate.ErrFull))
	if _, err := c.Write(t.Context(), &chunk.Batch{Rows: []chunk.BatchRow{row(1)}}); err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Fatal(err)
	}
}

func TestExport(t *testing.T) {
	lost := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", exchange.LostTrailer)
		_, _ = io.WriteString(w, "text\n")
		w.Header().Add(exchange.LostTrailer, `"a chunk\nof many"`)
		w.Header().Add(exchange.LostTrailer, `"another"`)
	}
	half := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "te")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	c, _ := server(t, lost, half)
	var out strings.Builder
	req := export.Request{Filter: index.All(), Span: chunk.Always, Format: "csv"}
	got, err := c.Export(t.Context(), &out, req)
	if err != nil || out.String() != "text\n" || len(got) != 2 || got[0] != "a chunk\nof many" {
		t.Fatal(got, err, out.String())
	}
	if _, err := c.Export(t.Context(), io.Discard, req); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
}

// TestTail: where a connection breaks, the next one goes on behind the last event.
func TestTail(t *testing.T) {
	var lasts []string
	n := 0
	c, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		lasts = append(lasts, r.Header.Get("Last-Event-ID"))
		n++
		w.Header().Set("Content-Type", exchange.EventsType)
		fmt.Fprintf(w, "retry: 1000\n\n: alive\n\nevent: observations\nid: %d\ndata: a\ndata: b\n\n", n)
		_ = http.NewResponseController(w).Flush()
		if n == 2 {
			panic(http.ErrAbortHandler)
		}
	})
	stop := errors.New("enough")
	got := 0
	err := c.Tail(t.Context(), url.Values{"q": {"*"}}, func(e Event) error {
		if got++; e.Kind != "observations" || string(e.Data) != "a\nb\n" {
			t.Errorf("%+v", e)
		}
		if got == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || strings.Join(lasts, ",") != ",1,2" {
		t.Fatal(err, lasts)
	}
	c, _ = server(t, fails(gate.ErrForbidden))
	if err := c.Tail(t.Context(), url.Values{"q": {"*"}}, nil); !errors.Is(err, ErrAuth) {
		t.Fatal(err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:9428": "http://localhost:9428", "http://a/b/": "http://a/b/", "https://[::1]:1": "https://[::1]:1",
		"": "", "ftp://a": "", "http://": "", "http://a b": "",
	} {
		c, err := New(address, Options{})
		switch {
		case want == "" && err == nil:
			t.Errorf("%q is taken for %s", address, c.URL())
		case want != "" && (err != nil || c.URL() != want):
			t.Errorf("%q: %v", address, err)
		}
	}
}

// TestOverNetwork: TLS with a certificate of one's own, a token, a path before /v1/, zstd.
func TestOverNetwork(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/below/v1/dimensions/a%2Fb/values" && r.URL.EscapedPath() != "/below/v1/dimensions/a%2Fb/values" ||
			r.Header.Get("Authorization") != "Bearer sesame" || r.Header.Get("User-Agent") != "test" || r.Header.Get("Accept-Encoding") != "zstd" {
			http.Error(w, r.URL.EscapedPath(), http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Encoding", "zstd")
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(z, `{"values":[{"value":"x","series":2}],"more":false}`)
		_ = z.Close()
	}))
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	c, err := New(s.URL+"/below", Options{Token: "sesame", CA: ca, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c.local = false
	list, err := c.Values(t.Context(), index.All(), "a/b", "", 0)
	if err != nil || len(list) != 1 || list[0].Text != "x" {
		t.Fatal(list, err)
	}
	if _, err := New(s.URL, Options{CA: []byte("no")}); err == nil {
		t.Error("text is taken for a certificate")
	}
	stranger, err := New(s.URL, Options{Wait: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Names(t.Context(), index.All()); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("retry: 1000\n\n: alive\n\nevent: missed\nid: 1-2\ndata: {}\n\n")
	f.Add("data:a\ndata\n\n\n\nid\n")
	f.Fuzz(func(t *testing.T, text string) {
		last, bytes := "", 0
		_ = events(strings.NewReader(text), &last, func(e Event) error {
			bytes += len(e.Data)
			return nil
		})
		if bytes > 2*len(text) || len(last) > len(text) {
			t.Fatalf("%d bytes of data in %d of text, last %q", bytes, len(text), last)
		}
	})
}
