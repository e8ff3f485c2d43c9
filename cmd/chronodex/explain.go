package main

import (
	"context"
	"fmt"

	"github.com/chronodex/chronodex/query"
)

// explainCmd shows how a query is answered.
type explainCmd struct {
	Text    string `arg:"" name:"query" help:"The query."`
	Analyze bool   `help:"Run it, and show what each step read."`
	Format  string `help:"Output: ${enum}." enum:"table,json" default:"table"`
	rangeFlags
}

// Help is printed behind the flags.
func (*explainCmd) Help() string {
	return `The cost of a step is index (which series), statistics (what is kept beside each chunk; nothing is decoded), decode, or whole series.

Examples:

    chronodex explain 'metric:load.1m | max by host'
    chronodex explain --analyze --from 2026-03-02T08:00 'metric:load.1m | max by host'`
}

// Run is called by kong.
func (c *explainCmd) Run(ctx context.Context, s *session) error {
	q, err := query.Parse(c.Text)
	if err != nil {
		return err
	}
	span, loc, err := c.rangeFlags.parse(s.now())
	if err != nil {
		return err
	}
	if !c.Analyze {
		return c.print(s, q.Explain())
	}
	return s.ask(0, func(from store) error {
		plan, r, err := from.Analyze(ctx, q, query.Request{Span: span, Location: loc})
		if err != nil {
			return err
		}
		if err := c.print(s, plan); err != nil || c.Format == "json" {
			return err
		}
		_, err = fmt.Fprintf(s.out, "\n%v in %v\n", &r.Stats, took(r.Stats.Duration))
		return err
	})
}

func (c *explainCmd) print(s *session, p *query.Plan) error {
	if c.Format == "json" {
		return printJSON(s, p)
	}
	_, err := fmt.Fprint(s.out, p.String())
	return err
}
