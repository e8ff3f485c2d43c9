package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/client"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/literal"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/query"
)

// tailCmd prints what is written, as it comes.
type tailCmd struct {
	Text   string `arg:"" name:"query" help:"A selector: its new observations are printed. Or a query: its result is, again and again."`
	Every  string `help:"Time between two results of a query." placeholder:"DURATION"`
	From   string `help:"Start of the span of a query, such as now-1h; its end is always now." placeholder:"TIME"`
	Tz     string `help:"Time zone of windows and output, such as Europe/Berlin." default:"UTC" placeholder:"ZONE"`
	Format string `help:"Output: ${enum}." enum:"table,ndjson" default:"table"`
}

// Help is printed behind the flags.
func (*tailCmd) Help() string {
	return `A line is an observation: its time, its series, its value. Where a connection breaks, tail goes on behind what it has printed; what it missed nevertheless is told on stderr.

Examples:

    chronodex tail --server http://localhost:9428 'metric:cpu host:app-*'
    chronodex tail 'metric:http.requests.total | rate every 1m | sum by service' --every 10s --from now-15m`
}

// Run is called by kong.
func (c *tailCmd) Run(ctx context.Context, s *session) error {
	if s.server == nil {
		return &usageError{errors.New("tail listens to a server: give it --server or CHRONODEX_SERVER")}
	}
	q, err := query.Parse(c.Text)
	if err != nil {
		return err
	}
	loc, err := time.LoadLocation(c.Tz)
	if err != nil {
		return &usageError{fmt.Errorf("--tz: %w", err)}
	}
	if _, err := index.Parse(c.Text); err != nil || c.Every != "" {
		return c.results(ctx, s, q)
	}
	if c.From != "" {
		return &usageError{errors.New("--from: a tail of observations begins now; with stages or --every it is the start of the span")}
	}
	args := url.Values{"q": {c.Text}, "tz": {c.Tz}}
	if c.Format == "table" {
		args.Set("time", "ns")
	}
	return s.server.Tail(ctx, args, func(e client.Event) error { return c.print(ctx, s, e, loc) })
}

// results prints the result of a query about the latest span, again and again.
func (c *tailCmd) results(ctx context.Context, s *session, q *query.Query) error {
	every, err := query.ParseDuration(cmp.Or(c.Every, "10s"))
	if err == nil && every <= 0 {
		err = errors.New("want a length of time such as 10s")
	}
	if err != nil {
		return &usageError{fmt.Errorf("--every: %w", err)}
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		now := s.now()
		r := rangeFlags{From: cmp.Or(c.From, "now-5m"), To: strconv.FormatInt(now.UnixNano(), 10), Tz: c.Tz}
		span, loc, err := r.parse(now)
		if err != nil {
			return err
		}
		answer, err := s.server.Query(ctx, q, query.Request{Span: span, Location: loc})
		if err != nil {
			return err
		}
		if c.Format == "table" {
			fmt.Fprintf(s.out, "%s\n", now.In(loc).Format(time.RFC3339))
		}
		o := render.Options{Location: loc, Width: s.width, Color: s.color && s.outTerminal}
		if err := s.print(answer, c.Format, o); err != nil {
			return err
		}
		select {
		case <-tick.C:
			fmt.Fprintln(s.out)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// print prints one event.
func (c *tailCmd) print(ctx context.Context, s *session, e client.Event, loc *time.Location) error {
	switch e.Kind {
	case "missed":
		var m struct{ Observations *int64 }
		if err := json.Unmarshal(e.Data, &m); err != nil {
			return err
		}
		if m.Observations == nil {
			s.complain("what was written meanwhile was missed\n")
		} else {
			s.complain("missed %s\n", count(*m.Observations, "observation"))
		}
		return nil
	case "observations":
		if c.Format == "table" {
			return c.lines(ctx, s, e.Data, loc)
		}
	}
	_, err := s.out.Write(e.Data)
	return err
}

// lines prints a line for each observation.
func (c *tailCmd) lines(ctx context.Context, s *session, data []byte, loc *time.Location) error {
	clock := literal.Clock{Location: loc}
	_, err := ingest.Decode(ctx, s.server.URL(), bytes.NewReader(data), ingest.Options{Format: ingest.NDJSON, Strict: true}, func(b *chunk.Batch) error {
		var line []byte
		for i := range b.Rows {
			row := &b.Rows[i]
			name := render.Clean(row.Dimensions.String())
			for k, t := range row.Samples.Times {
				line = clock.Append(line[:0], t)
				line = fmt.Appendf(line, "  %s  %s\n", name, value(&row.Samples, k))
				if _, err := s.out.Write(line); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// value writes value i for people.
func value(x *chunk.Samples, i int) string {
	switch x.Kind {
	case chunk.Float64:
		text, _, _ := strings.Cut(string(literal.AppendFloat(nil, x.Floats[i])), "(")
		return text
	case chunk.Int64:
		return fmt.Sprint(x.Ints[i])
	case chunk.Bool:
		return fmt.Sprint(x.Bools[i])
	}
	return render.Clean(x.Strings[i])
}
