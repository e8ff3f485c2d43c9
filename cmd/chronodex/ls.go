package main

import (
	"context"
	"fmt"

	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/shard"
)

// lsCmd lists dimensions and their values.
type lsCmd struct {
	Dimension string `arg:"" optional:"" help:"List the values of this dimension instead of all dimensions."`
	Prefix    string `arg:"" optional:"" help:"Only values that begin so."`
	Where     string `help:"Only of the series that this selector finds." placeholder:"SELECTOR"`
	Format    string `help:"Output: ${enum}." enum:"table,json" default:"table"`
	Limit     int    `help:"Show at most this many values; 0 shows all." default:"100" placeholder:"N"`
}

// Help is printed behind the flags.
func (*lsCmd) Help() string {
	return `Examples:

    chronodex ls
    chronodex ls host
    chronodex ls metric jvm.
    chronodex ls service --where 'metric:jvm.heap.used AND dc:south' --format json`
}

// Run is called by kong.
func (c *lsCmd) Run(ctx context.Context, s *session) error {
	f, err := parseSelector(c.Where)
	if err != nil {
		return err
	}
	return s.ask(0, func(from store) error {
		head := "dimension"
		var list []shard.Count
		if c.Dimension == "" {
			list, err = from.Names(ctx, f)
		} else {
			head = c.Dimension
			more := c.Limit
			if more > 0 {
				more++ // one more tells whether there are more
			}
			list, err = from.Values(ctx, f, c.Dimension, c.Prefix, more)
		}
		if err != nil {
			return err
		}
		more := c.Limit > 0 && len(list) > c.Limit
		if more {
			list = list[:c.Limit]
		}
		if c.Format == "json" {
			return c.json(s, list, more)
		}
		if len(list) == 0 {
			_, err := fmt.Fprintln(s.out, "nothing found")
			return err
		}
		g := render.Grid{Heads: []string{head, "series"}, Right: []bool{false, true}}
		for _, v := range list {
			g.Rows = append(g.Rows, []string{render.Clean(v.Text), render.Count(int64(v.Count))})
		}
		if err := g.Write(s.out, s.tableWidth()); err != nil || !more {
			return err
		}
		_, err := fmt.Fprintln(s.out, "… and more; --limit 0 shows all")
		return err
	})
}

// json prints the list as an object.
func (c *lsCmd) json(s *session, list []shard.Count, more bool) error {
	type entry struct {
		Text   string `json:"value"`
		Series int    `json:"series"`
	}
	out := make([]entry, len(list))
	for i, v := range list {
		out[i] = entry{v.Text, v.Count}
	}
	key := "values"
	if c.Dimension == "" {
		key = "dimensions"
	}
	return printJSON(s, map[string]any{key: out, "more": more})
}
