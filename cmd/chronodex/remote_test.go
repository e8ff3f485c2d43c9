package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/api"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/receive"
	"github.com/chronodex/chronodex/shard"
)

// remoteData holds every kind of value, and what is lost first on its way: bits of NaN, integers
// beyond 2^53, -0, text that is no UTF-8, line breaks.
const remoteData = `{"dimensions":{"host":"a","metric":"cpu"},"kind":"float64","times":[1772409600000000000,1772409660000000000,1772409720000000001],"values":[1,2,"NaN(0x7ff8000000000abc)"]}
{"dimensions":{"host":"b","metric":"cpu"},"kind":"float64","times":[1772409600000000000,1772409660000000000],"values":["+Inf",-0]}
{"dimensions":{"host":"a","metric":"mem"},"kind":"int64","times":[-5,1772409660000000000],"values":[10,"9007199254740993"]}
{"dimensions":{"host":"b","metric":"up"},"kind":"bool","times":[1772409600000000000],"values":[true]}
{"dimensions":{"host":"b","metric":"version","note":"x \udc80\ny"},"kind":"string","times":[1772409600000000000,1772409660000000000],"values":["v1, \"beta\" \udcff","v2"]}
{"dimensions":{"ho/st ü":"100 %","metric":"java.lang:type=Memory/used"},"kind":"float64","times":[5],"values":[0.1]}
`

// remoteNow is the time of these tests.
func remoteNow() time.Time { return time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC) }

// serveFolder serves a folder as who, where that is not nil.
func serveFolder(t *testing.T, dir string, who *access.Identity) *httptest.Server {
	t.Helper()
	set, err := shard.Open(dir, shard.Options{Manual: true, Now: remoteNow})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	g := gate.New(set, gate.Options{Now: remoteNow})
	mux := http.NewServeMux()
	for _, r := range append(api.New(api.Options{Gate: g, Now: remoteNow, Version: "v1"}).Routes(), receive.New(receive.Options{Gate: g}).Routes()...) {
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

// command runs a command line, and returns its exit code and what it prints.
func command(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	s := &session{in: strings.NewReader(remoteData), out: &out, err: &err, now: remoteNow}
	code = s.run(ctx, args)
	return code, out.String(), err.String()
}

// TestServerAnswersAsFolder runs commands both ways, and compares what they print byte by byte.
func TestServerAnswersAsFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if code, _, text := command(t.Context(), "--data", dir, "import", "--format", "ndjson", "-"); code != 0 {
		t.Fatal(code, text)
	}
	s := serveFolder(t, dir, nil)
	for _, args := range [][]string{
		{"search", "cpu"},
		{"search", "--limit", "1", "*"},
		{"search", "--limit", "0", "--format", "ndjson", "*"},
		{"search", "--format", "json", "*"},
		{"search", "nothing"},
		{"search", "java.lang:type=Memory"},
		{"search", "host:(a"},
		{"ls"},
		{"ls", "host"},
		{"ls", "host", "--limit", "1"},
		{"ls", "ho/st ü"},
		{"ls", "note", "--format", "json"},
		{"ls", "metric", "m"},
		{"ls", "metric", "--where", "host:b", "--format", "json"},
		{"ls", "--where", "host:"},
		{"query", "*"},
		{"query", "--format", "ndjson", "*"},
		{"query", "--format", "csv", "--time", "ns", "*"},
		{"query", "--format", "plot", "metric:cpu"},
		{"query", "--format", "csv", "--tz", "Europe/Berlin", "metric:cpu | mean every 1d"},
		{"query", "--format", "json", "--time", "ns", "metric:cpu | mean, max by host"},
		{"query", "--from", "2026-03-02T00:01", "--to", "-58m", "--format", "csv", "*"},
		{"query", "--from", "1", "--to", "6", "--format", "csv", "*"},
		{"query", "metric:version | last, count"},
		{"query", "metric:mem | mean"},
		{"query", "metric:nothing"},
		{"query", "metric:cpu | meen by host"},
		{"query", "metric:cpu | top 1 by"},
		{"query", "(metric:cpu | mean every 1m) / (metric:mem | mean every 1m)"},
		{"query", "metric:cpu | mean every 1m | div (metric:cpu | mean every 1m) on metric"},
		{"query", "--from", "yesterday-ish", "*"},
		{"query", "metric:/[/"},
		{"explain", "metric:cpu | max by host"},
		{"explain", "--format", "json", "metric:cpu | max by host"},
		{"export", "*"},
		{"export", "--format", "csv", "*"},
		{"export", "--format", "influx", "--from", "0", "*"},
		{"export", "--format", "csv", "host:a"},
		{"export", "host:none"},
		{"delete", "host:a"},
		{"delete", "host:(a"},
		{"status"},
		{"__complete", "--", "query", "ho"},
		{"__complete", "--", "query", "host:"},
		{"__complete", "--", "search", "metric:c"},
		{"__complete", "--", "ls", "h"},
		{"__complete", "--", "ls", "metric", "u"},
	} {
		code, out, text := command(t.Context(), append([]string{"--data", dir}, args...)...)
		code2, out2, text2 := command(t.Context(), append([]string{"--server", s.URL}, args...)...)
		out, out2 = withoutDurations(out), withoutDurations(out2)
		if code != code2 || out != out2 || text != text2 {
			t.Errorf("%q\nthe folder: code %d\n%s%s\nthe server: code %d\n%s%s", args, code, out, text, code2, out2, text2)
		}
	}
}

// withoutDurations takes out what differs from run to run, and the memory, which grows with the
// goroutines of a query.
func withoutDurations(s string) string {
	if i := strings.Index(s, `"peakBytes":`); i >= 0 {
		return s[:i]
	}
	return s
}

func TestServerChanges(t *testing.T) {
	here, there := filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "there")
	if code, _, text := command(t.Context(), "--data", here, "import", "-"); code != 0 {
		t.Fatal(code, text)
	}
	s := serveFolder(t, there, nil)
	if code, out, text := command(t.Context(), "--server", s.URL, "import", "-"); code != 0 || !strings.HasPrefix(out, "11 observations from 1 file in ") {
		t.Fatal(code, out, text)
	}
	compare := func() {
		t.Helper()
		code, out, text := command(t.Context(), "--data", here, "export", "*")
		code2, out2, text2 := command(t.Context(), "--server", s.URL, "export", "*")
		if code != 0 || code2 != 0 || out != out2 || text+text2 != "" || out == "" {
			t.Fatalf("the folder: code %d\n%s%s\nthe server: code %d\n%s%s", code, out, text, code2, out2, text2)
		}
	}
	compare()
	del := []string{"delete", "--yes", "host:a", "--to", "2026-03-02T00:01"}
	_, out, _ := command(t.Context(), append([]string{"--data", here}, del...)...)
	code, out2, text := command(t.Context(), append([]string{"--server", s.URL}, del...)...)
	if code != 0 || out != out2 {
		t.Fatalf("%d %s%s\nwant %s", code, out2, text, out)
	}
	compare()
}

func TestServerRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := serveFolder(t, dir, &access.Identity{Name: "bo", Rights: access.Read})
	closed := httptest.NewServer(http.NotFoundHandler())
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	closed.Close()
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "who are you?", http.StatusUnauthorized)
	}))
	defer locked.Close()
	for _, tc := range []struct {
		args string
		code int
		want string // on stderr
	}{
		{"--server " + s.URL + " delete --yes *", exitAuth, `"bo" may not delete: not allowed`},
		{"--server " + s.URL + " import -", exitAuth, `"bo" may not write: not allowed`},
		{"--server " + s.URL + " status", exitAuth, "may administer"},
		{"--server " + locked.URL + " query *", exitAuth, "who are you?; give a token by --token-file"},
		{"--server " + other.URL + " query *", exitError, "is no server of chronodex"},
		{"--server " + closed.URL + " delete --yes *", exitError, "is chronodex serve running there?"},
		{"--server ftp://x query *", exitUsage, "is no address of a server"},
		{"--server " + s.URL + " --data x query *", exitUsage, "which of both?"},
		{"--server " + s.URL + " compact", exitUsage, "compact works on the folder of a store"},
		{"--server " + s.URL + " check", exitUsage, "check works on the folder of a store"},
		{"--server " + s.URL + " reindex", exitUsage, "reindex works on the folder of a store"},
		{"--server " + s.URL + " inspect remote_test.go", exitUsage, "inspect works on the folder of a store"},
		{"--server " + s.URL + " import --shards 3 -", exitUsage, "--shards"},
		{"--server " + s.URL + " query --memory 3 *", exitUsage, "limits.query_memory"},
		{"tail *", exitUsage, "tail listens to a server"},
	} {
		code, _, text := command(t.Context(), strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(text, tc.want) {
			t.Errorf("%s: code %d, %s\nwant %d, %s", tc.args, code, text, tc.code, tc.want)
		}
	}
}

func TestTokenFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer s.Close()
	if code, _, text := command(t.Context(), "--server", s.URL, "--token-file", file, "ls"); code != exitAuth || got != "Bearer sesame" {
		t.Errorf("code %d, sent %q, said %s", code, got, text)
	}
}

// TestTail: what is written to a server is printed, and so is the result of a query.
func TestTail(t *testing.T) {
	s := serveFolder(t, filepath.Join(t.TempDir(), "store"), nil)
	for _, tc := range []struct {
		args []string
		want string // of a line
	}{
		{[]string{"tail", "--tz", "Europe/Berlin", "metric:cpu host:b"}, `2026-03-02T01:01:00+01:00  {host="b", metric="cpu"}  -0`},
		{[]string{"tail", "--format", "ndjson", "host:a metric:cpu"}, `{"dimensions":{"host":"a","metric":"cpu"},"kind":"float64","times":["2026-03-02T00:00:00Z","2026-03-02T00:01:00Z","2026-03-02T00:02:00.000000001Z"],"values":[1,2,"NaN"]}`},
		{[]string{"tail", "--every", "10ms", "--from", "2026-01-01", "metric:up | count by host"}, "b         1"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe()
		code := make(chan int)
		go func() {
			x := &session{out: w, err: io.Discard, now: remoteNow}
			code <- x.run(ctx, append([]string{"--server", s.URL}, tc.args...))
		}()
		found := make(chan struct{})
		go func() {
			lines := bufio.NewScanner(r)
			for lines.Scan() {
				if strings.TrimSpace(lines.Text()) == tc.want {
					close(found)
					break
				}
			}
			_, _ = io.Copy(io.Discard, r)
		}()
		for written := false; !written; { // again until the tail has begun
			if code, _, text := command(t.Context(), "--server", s.URL, "import", "--quiet", "-"); code != 0 {
				t.Fatal(code, text)
			}
			select {
			case <-found:
				written = true
			default:
			}
		}
		cancel()
		if got := <-code; got != exitCancelled {
			t.Errorf("%q: code %d", tc.args, got)
		}
		_ = w.Close()
	}
}
