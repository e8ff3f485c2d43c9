package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/chronodex/chronodex/internal/exchange"
)

// maxLine is the most bytes of a line of an event.
const maxLine = 64 << 20

// An Event is one of a tail: observations or result, with rows as package render writes them in
// NDJSON and JSON; missed, with {"observations":n}; or problem.
type Event struct {
	Kind string
	ID   string
	Data []byte // lines; valid until the next event
}

// Tail calls f with the events of a tail, until f returns an error or ctx ends, which it returns.
// The arguments are those of /v1/tail. Where the connection breaks, it goes on behind the last event.
func (c *Client) Tail(ctx context.Context, args url.Values, f func(Event) error) error {
	last, begun := "", false
	for {
		header := map[string]string{"Accept": exchange.EventsType, "Accept-Encoding": "identity"}
		if last != "" {
			header["Last-Event-ID"] = last
		}
		resp, err := c.do(ctx, request{method: http.MethodGet, path: "v1/tail", args: args, header: header, text: args.Get("q")})
		switch {
		case err == nil:
			begun = true
			err = events(resp.Body, &last, f)
			_ = resp.Body.Close()
			if stop := (*stopped)(nil); errors.As(err, &stop) {
				return stop.error
			}
		case !begun || !errors.Is(err, ErrUnreachable) && !errors.Is(err, io.ErrUnexpectedEOF):
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.o.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

// A stopped is an error of the function that events are handed to.
type stopped struct{ error }

// events reads events, until there are none.
func events(r io.Reader, last *string, f func(Event) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxLine)
	var e Event
	for in.Scan() {
		line := in.Bytes()
		if len(line) == 0 {
			if e.ID != "" {
				*last = e.ID
			}
			if len(e.Data) > 0 {
				if err := f(e); err != nil {
					return &stopped{err}
				}
			}
			e = Event{Data: e.Data[:0]}
			continue
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(name) {
		case "event":
			e.Kind = string(value)
		case "id":
			e.ID = string(value)
		case "data":
			if len(e.Data)+len(value) > maxLine {
				return fmt.Errorf("an event of more than %d bytes", maxLine)
			}
			e.Data = append(append(e.Data, value...), '\n')
		}
	}
	return in.Err()
}
