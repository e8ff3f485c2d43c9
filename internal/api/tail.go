package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/query"
)

// leastGap is the shortest time between two results of a tail.
const leastGap = 100 * time.Millisecond

// A tail is an answer of server-sent events.
type tail struct {
	*call
	control *http.ResponseController
	o       render.Options
	buf     []byte
}

// tail tells observations as they come or, of a query with stages, its result again and again.
func (a *API) tail(c *call) error {
	unit, err := c.unit()
	if err != nil {
		return err
	}
	loc, err := c.zone()
	if err != nil {
		return err
	}
	q, err := c.question()
	if err != nil {
		return err
	}
	t := &tail{call: c, control: http.NewResponseController(c.out.w), o: render.Options{Unit: unit, Location: loc}}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	if a.o.Done != nil {
		go func() {
			select {
			case <-a.o.Done:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	f, err := index.Parse(c.text("q"))
	if err != nil || c.text("every") != "" {
		return t.results(ctx, q)
	}
	if c.text("from") != "" {
		return wrong("from", "a tail of observations begins now; with stages or every, from is the start of the span")
	}
	return t.observations(ctx, f)
}

// begin sends the head. Who listens bounds how long a write may take.
func (t *tail) begin() error {
	h := t.out.w.Header()
	h.Set("Content-Type", exchange.EventsType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies would gather events
	if err := t.out.goOn(); err != nil {
		return err
	}
	t.buf = append(t.buf[:0], "retry: 1000\n\n"...)
	return t.flush()
}

// flush sends the event that has gathered.
func (t *tail) flush() error {
	if _, err := t.out.Write(t.buf); err != nil {
		return err
	}
	t.buf = t.buf[:0]
	return t.control.Flush()
}

// ended is how a tail ends: where the client went away or the server closes, there is nobody to
// be told.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// observations tells what is written from now on or, after an interruption, from there on.
func (t *tail) observations(ctx context.Context, f index.Filter) error {
	g := t.API.o.Gate
	last := t.r.Header.Get("Last-Event-ID")
	s, resumed := g.Resume(ctx, f, last)
	if !resumed {
		var err error
		if s, err = g.Subscribe(ctx, f); err != nil {
			return err
		}
	}
	defer s.Close()
	if err := t.begin(); err != nil {
		return ended(err)
	}
	if last != "" && !resumed { // how much was missed nobody knows
		t.buf = append(t.buf, "event: missed\ndata: {}\n\n"...)
		if err := t.flush(); err != nil {
			return err
		}
	}
	for {
		e, err := t.next(ctx, s)
		if err != nil {
			return ended(err)
		}
		if err := t.event(&e); err != nil {
			return err
		}
	}
}

// next waits for an event, and gives signs of life meanwhile.
func (t *tail) next(ctx context.Context, s *gate.Subscription) (gate.Event, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, t.API.o.Heartbeat)
		e, err := s.Next(wait)
		cancel()
		if err == nil || ctx.Err() != nil {
			return e, err
		}
		t.buf = append(t.buf, ": alive\n\n"...)
		if err := t.flush(); err != nil {
			return e, err
		}
	}
}

// event sends what one batch had.
func (t *tail) event(e *gate.Event) error {
	if e.Missed > 0 {
		t.buf = append(t.buf, "event: missed\n"...)
		if len(e.Rows) == 0 {
			t.id(e.ID)
		}
		t.buf = append(t.buf, `data: {"observations":`...)
		t.buf = append(strconv.AppendInt(t.buf, e.Missed, 10), "}\n\n"...)
	}
	if len(e.Rows) > 0 {
		t.buf = append(t.buf, "event: observations\n"...)
		t.id(e.ID)
		if err := render.Write(&lines{t: t}, render.NDJSON, resultOf(e.Rows), t.o); err != nil {
			return err
		}
		t.buf = append(t.buf, '\n')
	}
	return t.flush()
}

func (t *tail) id(id string) {
	t.buf = append(append(append(t.buf, "id: "...), id...), '\n')
}

// resultOf makes a result of rows, to be rendered.
func resultOf(rows []chunk.BatchRow) *query.Result {
	r := &query.Result{Series: make([]query.ResultSeries, len(rows))}
	for i, row := range rows {
		r.Series[i] = query.ResultSeries{Dimensions: row.Dimensions, Samples: row.Samples}
	}
	return r
}

// A lines writer makes a data field of each line.
type lines struct {
	t      *tail
	inside bool // of a line
}

func (l *lines) Write(p []byte) (int, error) {
	for _, c := range p {
		if !l.inside {
			l.t.buf = append(l.t.buf, "data: "...)
		}
		l.t.buf = append(l.t.buf, c)
		l.inside = c != '\n'
	}
	return len(p), nil
}

// results tells the answer of q about the latest span, again and again.
func (t *tail) results(ctx context.Context, q *query.Query) error {
	every := 10 * time.Second
	if text := t.text("every"); text != "" {
		var err error
		if every, err = query.ParseDuration(text); err != nil {
			return wrong("every", "%w", err)
		}
	}
	if every < leastGap {
		return wrong("every", "at least %v", leastGap)
	}
	if t.text("from") == "" {
		t.args.Set("from", "now-5m")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	alive := time.NewTicker(t.API.o.Heartbeat)
	defer alive.Stop()
	for {
		if err := t.result(ctx, q); err != nil {
			return ended(err)
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case <-alive.C:
				t.buf = append(t.buf, ": alive\n\n"...)
				if err := t.flush(); err != nil {
					return err
				}
			case <-tick.C:
				waiting = false
			}
		}
	}
}

// result tells one answer. An error before the first one is that of the request; later ones are
// told, and the next answer may be without.
func (t *tail) result(ctx context.Context, q *query.Query) error {
	req, err := t.request()
	if err != nil {
		return err
	}
	now := t.API.o.Now()
	req.Span.End = now.UnixNano()
	ctx, done := t.API.o.Gate.Keep(ctx) // this result, not all until the end of the tail
	defer done()
	r, err := t.API.o.Gate.Query(ctx, q, req)
	if err != nil && (!t.out.begun || ctx.Err() != nil) {
		return err
	}
	if !t.out.begun {
		if err := t.begin(); err != nil {
			return err
		}
	}
	if err != nil {
		t.buf = append(t.buf, "event: problem\ndata: "...)
		body, err := json.Marshal(exchange.ProblemOf(err))
		if err != nil {
			return err
		}
		t.buf = append(append(t.buf, body...), "\n\n"...)
		return t.flush()
	}
	t.buf = append(t.buf, "event: result\n"...)
	t.id(strconv.FormatInt(now.UnixNano(), 10))
	if err := render.Write(&lines{t: t}, render.JSON, r, t.o); err != nil {
		return err
	}
	t.buf = append(t.buf, '\n')
	return t.flush()
}
