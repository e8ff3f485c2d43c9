package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/query"
)

// queryCmd answers a query.
type queryCmd struct {
	Text   string `arg:"" name:"query" help:"Selector and stages, such as 'metric:cpu | mean by host every 5m'."`
	Format string `help:"Output: ${enum}." enum:"table,json,ndjson,csv,plot" default:"table"`
	rangeFlags
	Time   string `help:"Write times as RFC 3339, or as integers of a unit: ${enum}." enum:"rfc3339,ns,us,ms,s" default:"rfc3339" placeholder:"FORM"`
	All    bool   `help:"Show all rows of a table."`
	Memory int64  `help:"MiB of memory that the query may take; 1024 when not given." placeholder:"MIB"`
	Stats  bool   `help:"Tell on stderr what was read, and how long it took."`
}

// defaultMemory is the MiB of memory that a query may take.
const defaultMemory = 1024

// Help is printed behind the flags.
func (*queryCmd) Help() string {
	return `A query is a selector, as search takes it, and stages behind | signs. docs/query.md is the guide, and has all functions.

Examples:

    chronodex query 'jvm.heap.used service:checkout | max by host'
    chronodex query --from 2026-03-02T08:00 --to 2026-03-02T16:00 --format plot 'host:app-02 AND service:checkout AND metric:jvm.heap.used'
    chronodex query 'metric:http.requests.total | rate | mean by service every 1h'
    chronodex query '(metric:http.errors.total | rate | sum by service every 15m) / (metric:http.requests.total | rate | sum by service every 15m) | mul 100'
    chronodex query --format json --time ms 'metric:load.1m | p 0.5 0.95 0.99 by dc'`
}

// Run is called by kong.
func (c *queryCmd) Run(ctx context.Context, s *session) error {
	q, err := query.Parse(c.Text)
	if err != nil {
		return err
	}
	span, loc, err := c.rangeFlags.parse(s.now())
	if err != nil {
		return err
	}
	if s.server != nil && c.Memory != 0 {
		return &usageError{errors.New("--memory: how much a query may take there is for the server to say (limits.query_memory)")}
	}
	return s.ask(cmp.Or(c.Memory, defaultMemory)<<20, func(from store) error {
		r, err := from.Query(ctx, q, query.Request{Span: span, Location: loc})
		if err != nil {
			return err
		}
		if err := s.print(r, c.Format, c.options(s, loc)); err != nil {
			return err
		}
		if c.Stats {
			fmt.Fprintf(s.err, "%v in %v; %d bytes resident\n", &r.Stats, took(r.Stats.Duration), peakMemory())
		}
		if r.Stats.ChunksCorrupt > 0 {
			return errPartial
		}
		return nil
	})
}

// options returns how the result is to be written.
func (c *queryCmd) options(s *session, loc *time.Location) render.Options {
	o := render.Options{Unit: units[c.Time], Location: loc, Width: s.width, Color: s.color && s.outTerminal}
	if c.All {
		o.MaxRows = -1
	}
	return o
}

// print writes a result to stdout, and its warnings to stderr where the format has no room for them.
func (s *session) print(r *query.Result, format string, o render.Options) error {
	if format == render.CSV || format == render.NDJSON {
		for _, text := range r.Warnings {
			fmt.Fprintf(s.err, "warning: %s\n", render.Clean(text))
		}
	}
	w := bufio.NewWriterSize(s.out, 64<<10)
	return errors.Join(render.Write(w, format, r, o), w.Flush())
}
