package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/render"
)

// searchCmd finds series.
type searchCmd struct {
	Selector string `arg:"" help:"Which series; words of any dimension, or an expression."`
	Format   string `help:"Output: ${enum}." enum:"table,json,ndjson" default:"table"`
	Limit    int    `help:"Show at most this many; 0 shows all." default:"50" placeholder:"N"`
}

// Help is printed behind the flags.
func (*searchCmd) Help() string {
	return `Words are found wherever they stand in any dimension, all of them must be there, and case does not matter. With a name they are exact values.

Examples:

    chronodex search 'heap usage'
    chronodex search 'host:app-* AND NOT metric:jvm.heap.max'
    chronodex search 'metric:/http\.latency\.p(50|99)\.ms/ service:chekout~'
    chronodex search --format ndjson --limit 0 'mount:*'`
}

// Run is called by kong.
func (c *searchCmd) Run(ctx context.Context, s *session) error {
	f, err := parseSelector(c.Selector)
	if err != nil {
		return err
	}
	return s.ask(0, func(from store) error {
		found, total, err := from.Search(ctx, f, c.Limit)
		if err != nil {
			return err
		}
		if total == 0 {
			c.hint(ctx, s, from)
		}
		switch c.Format {
		case "json":
			return c.json(s, found, total)
		case "ndjson":
			for _, one := range found {
				if _, err := fmt.Fprintf(s.out, "%s\n", exchange.AppendSeries(nil, one)); err != nil {
					return err
				}
			}
			return nil
		}
		return c.table(s, found, total)
	})
}

// hint says how to find what the selector means as plain words, where that finds something: whoever
// pastes java.lang:type=Memory asks for the dimension java.lang.
func (c *searchCmd) hint(ctx context.Context, s *session, from store) {
	quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.Selector) + `"`
	f, err := parseSelector(quoted)
	if err != nil {
		return
	}
	if _, total, err := from.Search(ctx, f, 1); err == nil && total > 0 {
		s.complain("as words in a row, %s is in %s: quote it\n", quoted, count(int64(total), "series"))
	}
}

func (c *searchCmd) json(s *session, found []chunk.Series, total int) error {
	list := make([]json.RawMessage, len(found))
	for i, one := range found {
		list[i] = exchange.AppendSeries(nil, one)
	}
	return printJSON(s, map[string]any{"series": list, "total": total})
}

// table prints a column for each dimension that tells the series apart, and first what all have.
func (c *searchCmd) table(s *session, found []chunk.Series, total int) error {
	if total == 0 {
		_, err := fmt.Fprintln(s.out, "no series")
		return err
	}
	rows := make([]chunk.Dimensions, len(found))
	for i, one := range found {
		rows[i] = one.Dimensions
		if one.Kind != chunk.Float64 {
			rows[i] = append(slices.Clone(rows[i]), chunk.Dimension{Name: "(kind)", Value: one.Kind.String()})
		}
	}
	if err := render.WriteDimensions(s.out, rows, s.tableWidth()); err != nil {
		return err
	}
	text := count(int64(total), "series")
	if len(found) < total {
		text = fmt.Sprintf("%s of %s; --limit 0 shows all", render.Count(int64(len(found))), text)
	}
	_, err := fmt.Fprintf(s.out, "\n%s\n", text)
	return err
}

// tableWidth is how wide tables may be.
func (s *session) tableWidth() int {
	if s.width > 0 {
		return s.width
	}
	return 120
}

// printJSON prints v in one line.
func printJSON(s *session, v any) error {
	e := json.NewEncoder(s.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
