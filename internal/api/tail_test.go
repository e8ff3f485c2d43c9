package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/api"
	"github.com/chronodex/chronodex/internal/gate"
)

// An event is a server-sent event.
type event struct{ kind, id, data string }

// A stream reads the events of a tail.
type stream struct {
	t    *testing.T
	stop context.CancelFunc
	resp *http.Response
	in   *bufio.Scanner
}

// listen opens a tail.
func listen(t *testing.T, s *httptest.Server, query, last string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/tail?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Fatalf("status %d, type %s", resp.StatusCode, kind)
	}
	x := &stream{t, cancel, resp, bufio.NewScanner(resp.Body)}
	x.in.Buffer(nil, 64<<20)
	t.Cleanup(x.close)
	if x.next().kind != "" { // the head was sent: the subscription is there
		t.Fatal("a tail does not begin with its retry time")
	}
	return x
}

func (x *stream) close() {
	x.stop()
	_ = x.resp.Body.Close()
}

// next returns the next event, or comment with its text as data.
func (x *stream) next() (e event) {
	x.t.Helper()
	for x.in.Scan() {
		line := x.in.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			return e
		case name == "event":
			e.kind = value
		case name == "id":
			e.id = value
		case name == "data":
			e.data += value + "\n"
		case name == "":
			e.kind = "comment " + value
		}
	}
	x.t.Fatalf("the tail ends: %v", x.in.Err())
	return e
}

// write appends one observation.
func write(t *testing.T, g *gate.Gate, host string, at int64, values ...float64) {
	t.Helper()
	d, err := chunk.NewDimensions(chunk.Dimension{Name: "host", Value: host}, chunk.Dimension{Name: "metric", Value: "tailed"})
	if err != nil {
		t.Fatal(err)
	}
	row := chunk.BatchRow{Dimensions: d, Samples: chunk.Samples{Kind: chunk.Float64}}
	for i, v := range values {
		row.Samples.Times = append(row.Samples.Times, at+int64(i))
		row.Samples.Floats = append(row.Samples.Floats, v)
	}
	if _, err := g.Append(t.Context(), &chunk.Batch{Rows: []chunk.BatchRow{row}}); err != nil {
		t.Fatal(err)
	}
}

// tailOptions have a real clock, since connections have deadlines by it.
func tailOptions(g *gate.Gate) api.Options {
	return api.Options{Gate: g, Now: time.Now, Heartbeat: time.Hour}
}

func TestTail(t *testing.T) {
	g := newGate(t)
	s := newServer(t, tailOptions(g), nil)
	x := listen(t, s, "time=ns&q="+url.QueryEscape("metric:tailed host:a"), "")
	write(t, g, "b", 1, 1)
	write(t, g, "a", 2, 2, 3)
	const first = `{"dimensions":{"host":"a","metric":"tailed"},"kind":"float64","times":[2,3],"values":[2,3]}` + "\n"
	e := x.next()
	if e.kind != "observations" || e.data != first || e.id == "" {
		t.Fatalf("got %+v, want %s", e, first)
	}
	write(t, g, "a", 10, 5)
	if y := x.next(); !strings.Contains(y.data, `"times":[10],"values":[5]`) {
		t.Fatalf("got %+v", y)
	}
}

// TestTailResumes: what was written while the connection was away comes once it is back.
func TestTailResumes(t *testing.T) {
	g := newGate(t)
	s := newServer(t, tailOptions(g), nil)
	const q = "time=ns&q=metric:tailed"
	x := listen(t, s, q, "")
	write(t, g, "a", 1, 1)
	e := x.next()
	write(t, g, "a", 2, 2) // perhaps sent, never seen
	x.close()
	write(t, g, "a", 3, 3)
	y := listen(t, s, q, e.id)
	for _, want := range []string{`"times":[2]`, `"times":[3]`} {
		if got := y.next(); !strings.Contains(got.data, want) {
			t.Fatalf("got %+v, want %s", got, want)
		}
	}
	if z := listen(t, s, q, "1-1").next(); z.kind != "missed" {
		t.Fatalf("got %+v behind an unknown event", z)
	}
}

// TestTailTellsWhatIsMissed: of a client that does not read, only so much is kept.
func TestTailTellsWhatIsMissed(t *testing.T) {
	g := newGate(t)
	s := newServer(t, tailOptions(g), nil)
	const q = "time=ns&q=metric:tailed"
	x := listen(t, s, q, "")
	write(t, g, "a", 0, 1)
	e := x.next()
	x.close()
	column := make([]float64, 10_000)
	for i := range 100 { // 16 MB
		write(t, g, "a", int64(1+i*len(column)), column...)
	}
	y := listen(t, s, q, e.id)
	missed := y.next()
	if missed.kind != "missed" || !strings.HasPrefix(missed.data, `{"observations":`) {
		t.Fatalf("got %+v", missed)
	}
	var lost, got int
	if _, err := fmt.Sscanf(missed.data, `{"observations":%d}`, &lost); err != nil {
		t.Fatal(err)
	}
	for lost+got < 100*len(column) {
		var row struct{ Times []int64 }
		if err := json.Unmarshal([]byte(y.next().data), &row); err != nil {
			t.Fatal(err)
		}
		got += len(row.Times)
	}
	if lost == 0 || lost+got != 100*len(column) {
		t.Fatalf("missed %d, got %d", lost, got)
	}
}

func TestTailOfResults(t *testing.T) {
	g := newGate(t)
	s := newServer(t, tailOptions(g), nil)
	x := listen(t, s, "every=100ms&from=1970-01-01&q="+url.QueryEscape("metric:tailed | count by nothing"), "")
	if e := x.next(); e.kind != "result" || !strings.Contains(e.data, `{"result":[`+"\n]") {
		t.Fatalf("got %+v", e)
	}
	write(t, g, "a", 1, 1, 2, 3)
	for !strings.Contains(x.next().data, `{"dimensions":{},"value":3}`) {
	}
}

// TestTailLives: signs of life come, and the server's end ends tails.
func TestTailLives(t *testing.T) {
	o := tailOptions(newGate(t))
	done := make(chan struct{})
	o.Heartbeat, o.Done = time.Millisecond, done
	s := newServer(t, o, nil)
	x := listen(t, s, "q=metric:tailed", "")
	y := listen(t, s, "q="+url.QueryEscape("metric:tailed | count")+"&every=1h", "")
	if e := y.next(); e.kind != "result" {
		t.Fatalf("got %+v", e)
	}
	for _, one := range []*stream{x, y} {
		if e := one.next(); e.kind != "comment alive" {
			t.Fatalf("got %+v", e)
		}
	}
	close(done)
	for _, one := range []*stream{x, y} {
		for one.in.Scan() {
		}
		if err := one.in.Err(); err != nil {
			t.Fatal(err)
		}
	}
}
