package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/api"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/shard"
)

// data is what the store of these tests holds.
const data = `{"dimensions":{"host":"a","metric":"cpu"},"kind":"float64","times":["2026-03-02T00:00:00Z","2026-03-02T00:01:00Z","2026-03-02T00:02:00Z"],"values":[1,2,"NaN(0x7ff8000000000abc)"]}
{"dimensions":{"host":"b","metric":"cpu"},"kind":"float64","times":["2026-03-02T00:00:00Z","2026-03-02T00:01:00Z"],"values":[3.25,-0]}
{"dimensions":{"host":"a","metric":"mem"},"kind":"int64","times":["2026-03-02T00:00:00Z","2026-03-02T00:01:00Z"],"values":[10,"9007199254740993"]}
{"dimensions":{"host":"b","metric":"up"},"kind":"bool","times":["2026-03-02T00:00:00Z"],"values":[true]}
{"dimensions":{"host":"b","metric":"version"},"kind":"string","times":["2026-03-02T00:00:00Z","2026-03-02T00:01:00Z"],"values":["v1, \"beta\"","v2"]}
`

// now is the time of these tests.
func now() time.Time { return time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC) }

// newGate returns a gate before a store that holds data.
func newGate(t testing.TB) *gate.Gate {
	t.Helper()
	set, err := shard.Open(t.TempDir(), shard.Options{Shards: 2, Manual: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	if _, err := ingest.Decode(t.Context(), "data", strings.NewReader(data), ingest.Options{Format: ingest.NDJSON}, func(b *chunk.Batch) error {
		return set.Append(context.Background(), b)
	}); err != nil {
		t.Fatal(err)
	}
	return gate.New(set, gate.Options{Now: now})
}

// newServer serves the routes, as who, where that is not nil.
func newServer(t testing.TB, o api.Options, who *access.Identity) *httptest.Server {
	t.Helper()
	if o.Gate == nil {
		o.Gate = newGate(t)
	}
	if o.Now == nil {
		o.Now = now
	}
	mux := http.NewServeMux()
	for _, r := range api.New(o).Routes() {
		mux.Handle(strings.TrimSpace(r.Method+" "+r.Pattern), r.Handler)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who != nil {
			r = r.WithContext(access.With(r.Context(), who))
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// get returns the status and the body of an answer.
func get(t testing.TB, s *httptest.Server, path string) (int, string) {
	t.Helper()
	resp, err := s.Client().Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func BenchmarkSmallestQuery(b *testing.B) {
	s := newServer(b, api.Options{}, nil)
	for name, path := range map[string]string{"query": "/v1/query?q=metric%3Aup+%7C+last", "status": "/v1/nothing"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				resp, err := s.Client().Get(s.URL + path)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		})
	}
}

func TestQuery(t *testing.T) {
	s := newServer(t, api.Options{}, nil)
	for _, tc := range []struct {
		path   string
		status int
		want   string // in the body
	}{
		{"/v1/query?q=metric:up", 200, `{"dimensions":{"host":"b","metric":"up"},"times":["2026-03-02T00:00:00Z"],"values":[true]}`},
		{"/v1/query?q=metric:up&time=ms", 200, `"times":[1772409600000]`},
		{"/v1/query?q=metric:up&format=csv", 200, "time,host,metric,value\n2026-03-02T00:00:00Z,b,up,true\n"},
		{"/v1/query?q=metric:up&format=ndjson", 200, "\n{\"end\":{\"warnings\":[],\"stats\":{\"series\":1,"},
		{"/v1/query?q=metric:cpu&from=-1h&to=2026-03-02T00:01", 200, `"times":["2026-03-02T00:00:00Z"],"values":[1]`},
		{"/v1/query?q=metric:cpu+|+meen", 400, `"caret":"metric:cpu | meen\n             ^\n"`},
		{"/v1/query", 400, "q: want a query"},
		{"/v1/query?query=1", 400, `did you mean \"q\"?`},
		{"/v1/query?q=*&frm=1", 400, `did you mean \"from\"?`},
		{"/v1/query?q=*&q=*", 400, "q: given 2 times"},
		{"/v1/query?q=*&format=jsn", 400, `"near":"json"`},
		{"/v1/query?q=*&from=2026-03-03&to=2026-03-02", 400, "is not before"},
		{"/v1/query?q=*&tz=Mars", 400, "tz: unknown time zone Mars"},
		{"/v1/qery", 404, "did you mean /v1/query?"},
		{"/v1/search?selector=host:(a", 400, `"caret":"host:(a\n       ^\n"`},
		{"/v1/search?selector=metric:cpu&limit=1&facet=host", 200, `"total":2,"cursor":"`},
		{"/v1/dimensions?selector=metric:up", 200, `{"dimensions":[{"value":"host","series":1},{"value":"metric","series":1}]}`},
		{"/v1/dimensions/metric/values?prefix=u", 200, `{"values":[{"value":"up","series":1}],"more":false}`},
		{"/v1/dimensions/host/values?limit=1", 200, `{"values":[{"value":"a","series":2}],"more":true}`},
	} {
		status, body := get(t, s, strings.ReplaceAll(tc.path, "|", "%7C"))
		if status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s\nhas status %d and body %s\nwant %d and %s", tc.path, status, body, tc.status, tc.want)
		}
	}
}

// A brokenWriter is the answer to a client that went away.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// Clients that went away are no fault that operators should look for.
func TestClientThatWentAwayIsNoWarning(t *testing.T) {
	var log strings.Builder
	a := api.New(api.Options{Gate: newGate(t), Now: now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, r := range a.Routes() {
		if r.Pattern != "/v1/query" || r.Method != http.MethodGet {
			continue
		}
		func() {
			defer func() {
				if err := recover(); err != http.ErrAbortHandler {
					t.Errorf("ended with %v", err)
				}
			}()
			r.Handler.ServeHTTP(brokenWriter{httptest.NewRecorder()}, httptest.NewRequest("GET", "/v1/query?q=*", nil))
		}()
	}
	if log.Len() > 0 {
		t.Error(log.String())
	}
}
