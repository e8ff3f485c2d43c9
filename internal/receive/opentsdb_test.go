package receive

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
)

const (
	goodPoint = `{"metric":"sys.cpu.nice","timestamp":1346846400,"value":18,"tags":{"host":"web01"}}`
	badPoint  = `{"metric":"sys.cpu.nice","timestamp":1365465600,"value":"NaN","tags":{"host":"web01"}}`
)

func TestOpenTSDBPut(t *testing.T) {
	const failed = `{"error":{"code":400,"message":"One or more data points had errors","details":"Please see the TSD logs or append \"details\" to the put request"}}`
	for name, tc := range map[string]struct {
		query, body string
		status      int
		answer      string
		stored      int
	}{
		"a point":               {"", goodPoint, 204, "", 1},
		"an array":              {"", "[" + goodPoint + "," + goodPoint + "]", 204, "", 1},
		"a summary":             {"?summary", goodPoint, 200, `{"failed":0,"success":1}`, 1},
		"details":               {"?details", goodPoint, 200, `{"errors":[],"failed":0,"success":1}`, 1},
		"synchronous":           {"?sync", goodPoint, 204, "", 1},
		"with a timeout":        {"?sync&sync_timeout=5000&summary", goodPoint, 200, `{"failed":0,"success":1,"timeouts":0}`, 1},
		"a bad one":             {"", "[" + goodPoint + "," + badPoint + "]", 400, failed, 1},
		"a bad one, summary":    {"?summary=true", "[" + goodPoint + "," + badPoint + "]", 400, `{"failed":1,"success":1}`, 1},
		"a bad one, details":    {"?details", "[" + goodPoint + "," + badPoint + "]", 400, `{"errors":[{"datapoint":` + badPoint + `,"error":"Unable to parse value to a number"}],"failed":1,"success":1}`, 1},
		"only bad ones":         {"?summary&details", "[" + badPoint + ",null]", 400, `{"errors":[{"datapoint":` + badPoint + `,"error":"Unable to parse value to a number"},{"datapoint":null,"error":"Unexpected null datapoint encountered in set."}],"failed":2,"success":0}`, 0},
		"nothing":               {"", "", 400, `{"error":{"code":400,"message":"Missing request content"}}`, 0},
		"an empty array":        {"", "[]", 400, `{"error":{"code":400,"message":"Unable to parse the given JSON","details":"unable to parse the given JSON: no datapoints found in content"}}`, 0},
		"no JSON":               {"?details", goodPoint + "x", 400, `{"error":{"code":400,"message":"Unable to parse the given JSON","details":"unable to parse the given JSON: \"x\" follows: malformed JSON"}}`, 0},
		"half of it is no JSON": {"", "[" + goodPoint + ",x", 400, `{"error":{"code":400,"message":"Unable to parse the given JSON","details":"unable to parse the given JSON: the array is not closed: malformed JSON"}}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, Options{})
			w := send(t, r, httptest.NewRequest("POST", "/api/put"+tc.query, strings.NewReader(tc.body)))
			if w.Code != tc.status || w.Body.String() != tc.answer {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, tc.status, tc.answer)
			}
			if got := stored(t, set); len(got) != tc.stored || tc.stored > 0 && got[0] != `{host="web01", metric="sys.cpu.nice"} float64 1346846400000000000=18` {
				t.Errorf("stored %q", got)
			}
		})
	}
}

func TestOpenTSDBPutGzip(t *testing.T) {
	r, set := newStore(t, Options{MaxBody: 1000})
	for body, status := range map[string]int{goodPoint: 204, strings.Repeat(" ", 100_000) + goodPoint: 413} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
		req := httptest.NewRequest("POST", "/api/put", &b)
		req.Header.Set("Content-Encoding", "gzip")
		if w := send(t, r, req); w.Code != status {
			t.Errorf("%d bytes: answered %d %s, want %d", len(body), w.Code, w.Body, status)
		}
	}
	if got := stored(t, set); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

// Points that the store refuses are told apart from those that it takes.
func TestOpenTSDBPutOutsideOfWhatOneMayWrite(t *testing.T) {
	r, set := newStore(t, Options{})
	within, err := index.Parse("host:web01")
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(goodPoint, "web01", "web02", 1)
	req := httptest.NewRequest("POST", "/api/put?details", strings.NewReader("["+other+","+goodPoint+","+other+"]"))
	req = req.WithContext(access.With(req.Context(), &access.Identity{Name: "me", Rights: access.Write, Within: within}))
	w := send(t, r, req)
	var answer opentsdbSummary
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if w.Code != 400 || answer.Success != 1 || answer.Failed != 2 || len(*answer.Errors) != 2 || string((*answer.Errors)[1].Datapoint) != other || !strings.Contains((*answer.Errors)[0].Error, "may not write") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if got := stored(t, set); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

func TestOpenTSDBPutOverload(t *testing.T) {
	for name, tc := range map[string]struct {
		err    error
		status int
		after  string
	}{
		"too much":  {&gate.Overload{What: "writes", After: 3 * time.Second}, 429, "3"},
		"disk full": {gate.ErrFull, 503, "30"},
		"forbidden": {gate.ErrForbidden, 403, ""},
		"unknown":   {io.ErrClosedPipe, 500, ""},
	} {
		r, _ := newStore(t, Options{})
		overloaded(r, 1, tc.err)
		w := send(t, r, httptest.NewRequest("POST", "/api/put?details", strings.NewReader(goodPoint)))
		if w.Code != tc.status || w.Header().Get("Retry-After") != tc.after || !strings.HasPrefix(w.Body.String(), fmt.Sprintf(`{"error":{"code":%d,`, tc.status)) {
			t.Errorf("%s: answered %d %s, %v", name, w.Code, w.Body, w.Header())
		}
	}
}

func TestOpenTSDBTelnet(t *testing.T) {
	r, set := newStore(t, Options{})
	address, stop := serving(t, r.ServeOpenTSDB)
	c := dial(t, address)
	write(t, c, "put sys.cpu.nice 1346846400 18 host=web01\r\nput sys.cpu.nice 1346846401 1")
	write(t, c, "9 host=web01\nput a b\nversion\nnonsense\nhelp\nput b 5 1\nexit\nput c 5 1\n")
	want := "put: illegal argument: not enough arguments (need least 3, got 2)\n" +
		"chronodex, which takes what is put to an OpenTSDB\n" +
		"unknown command: nonsense.  Try `help'.\n" +
		"available commands: exit help put version\n"
	if got := finish(t, c); got != want {
		t.Errorf("answered\n%s\nwant\n%s", got, want)
	}
	stop()
	same(t, "stored", stored(t, set), []string{
		`{host="web01", metric="sys.cpu.nice"} float64 1346846400000000000=18 1346846401000000000=19`, `{metric="b"} float64 5000000000=1`,
	})
	if got := r.Counters()[0]; got.Stored != 3 || got.Refused != 2 {
		t.Errorf("counted %+v", got)
	}
}

// HTTP and telnet share a port.
func TestOpenTSDBPortTakesHTTP(t *testing.T) {
	r, set := newStore(t, Options{})
	address, stop := serving(t, r.ServeOpenTSDB)
	client := &http.Client{Transport: &http.Transport{}}
	for _, tc := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"POST", "/api/put?summary", goodPoint, 200, `{"failed":0,"success":1}`},
		{"GET", "/api/put", "", 405, `{"error":{"code":405,"message":"Method not allowed","details":"The HTTP method [GET] is not permitted for this endpoint"}}`},
		{"GET", "/api/version", "", 200, `{"version":"chronodex"}`},
		{"GET", "/", "", 404, `{"error":{"code":404,"message":"Endpoint not found","details":"The requested endpoint was not found"}}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://"+address+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || answer.StatusCode != tc.status || string(body) != tc.answer {
			t.Errorf("%s %s: %d %s %v, want %d %s", tc.method, tc.path, answer.StatusCode, body, err, tc.status, tc.answer)
		}
	}
	c := dial(t, address)
	write(t, c, "put a 1 2\n")
	finish(t, c)
	stop() // while a connection of HTTP is idle
	client.CloseIdleConnections()
	if got := stored(t, set); len(got) != 2 {
		t.Errorf("stored %q", got)
	}
}

// A request that is under way when the server stops is answered.
func TestOpenTSDBPortDrains(t *testing.T) {
	r, set := newStore(t, Options{})
	release, reached := make(chan struct{}), make(chan struct{})
	put := r.put
	r.put = func(ctx context.Context, b *chunk.Batch) (gate.Outcome, error) {
		close(reached)
		<-release
		return put(ctx, b)
	}
	address, stop := serving(t, r.ServeOpenTSDB)
	c := dial(t, address)
	write(t, c, "POST /api/put HTTP/1.1\r\nHost: x\r\nContent-Length: "+fmt.Sprint(len(goodPoint))+"\r\n\r\n"+goodPoint)
	<-reached
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for range 100 {
		runtime.Gosched()
	}
	close(release)
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 204") {
		t.Errorf("answered %s %v", answer, err)
	}
	<-stopped
	if got := stored(t, set); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

// A sender that never reads its answers does not hold us up for ever, nor our memory.
func TestOpenTSDBAnswersAreBounded(t *testing.T) {
	var t0 telnetReader
	_, answer, err := t0.read([]byte(strings.Repeat("nonsense\n", 100_000)), 0)
	if n, _ := t0.Refused(); err != nil || len(answer) > 2*maxAnswers || n != 100_000 {
		t.Errorf("%d bytes, %d refused, %v", len(answer), n, err)
	}
}
