package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/chronodex/chronodex/internal/client"
	"github.com/chronodex/chronodex/internal/render"
)

// statusCmd tells how large the store is.
type statusCmd struct {
	Format string `help:"Output: ${enum}." enum:"table,json" default:"table"`
}

// Help is printed behind the flags.
func (*statusCmd) Help() string {
	return `Of a server, json also tells its version, and who it takes us for and what that may do.

Examples:

    chronodex status
    chronodex status --server http://localhost:9428 --format json`
}

// Run is called by kong.
func (c *statusCmd) Run(ctx context.Context, s *session) error {
	return s.ask(0, func(from store) error {
		st, err := from.Status(ctx)
		if err != nil {
			return err
		}
		if c.Format == "json" {
			return printJSON(s, st)
		}
		if st.Store == nil {
			return fmt.Errorf("%w: %w", client.ErrAuth, errors.New("the state of the store is for who may administer all of it; --format json tells the rest"))
		}
		x := st.Store
		span := "no observations"
		if all := x.Stats().Span; !all.Empty() {
			span = all.String()
		}
		g := render.Grid{Heads: []string{"figure", "value"}, Right: []bool{false, false}}
		for _, row := range [][2]string{
			{"series", render.Count(x.Series)},
			{"shards", render.Count(int64(x.Shards))},
			{"segments", fmt.Sprintf("%s, %s", render.Count(int64(x.Segments)), size(x.SegmentBytes))},
			{"log", size(x.LogBytes)},
			{"not yet sealed", count(x.HeadRows, "observation")},
			{"deletions", render.Count(int64(x.Deletions)) + " to be applied by compaction"},
			{"span", span},
		} {
			g.Rows = append(g.Rows, row[:])
		}
		return g.Write(s.out, s.tableWidth())
	})
}
