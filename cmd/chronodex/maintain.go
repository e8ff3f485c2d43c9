package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/shard"
)

// compactCmd rewrites the store.
type compactCmd struct {
	Quiet bool `short:"q" help:"Print nothing but errors."`
}

// Help is printed behind the flags.
func (*compactCmd) Help() string {
	return `Joins small chunks, applies deletions, and encodes with what makes columns smallest. import does it at its end.

Example:

    chronodex compact`
}

// Run is called by kong.
func (c *compactCmd) Run(ctx context.Context, s *session) error {
	return s.withWriter(func(set *shard.Set) error {
		before, start := diskUsage(s.data), s.now()
		bar := s.progress("compact")
		err := set.Compact(ctx, func(done, total int64) { bar.rate(done, total, done) })
		bar.clear()
		if err != nil || c.Quiet {
			return err
		}
		st := set.Stats()
		_, err = fmt.Fprintf(s.out, "%s: %s, %s in %s, %s on disk (%s before), in %s\n", s.data, count(st.Series, "series"),
			size(st.SegmentBytes), count(int64(st.Segments), "segment"), size(diskUsage(s.data)), size(before), took(s.now().Sub(start)))
		return err
	})
}

// reindexCmd builds the index anew.
type reindexCmd struct{}

// Help is printed behind the flags.
func (*reindexCmd) Help() string {
	return `The index is derived from the segments; it is built anew by itself where it is found damaged. This does it at once.

Example:

    chronodex reindex`
}

// Run is called by kong.
func (c *reindexCmd) Run(ctx context.Context, s *session) error {
	return s.withWriter(func(set *shard.Set) error {
		start := s.now()
		if err := set.Reindex(ctx); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s: index of %s built in %s\n", s.data, count(set.Stats().Series, "series"), took(s.now().Sub(start)))
		return err
	})
}

// checkCmd verifies the store.
type checkCmd struct {
	Format string `help:"Output: ${enum}." enum:"table,json" default:"table"`
}

// Help is printed behind the flags.
func (*checkCmd) Help() string {
	return `Reads every file and verifies every checksum. Each finding says which file, where, what is lost, and what repairs it. The exit code is 1 where there is one.

Examples:

    chronodex check
    chronodex check --data /var/lib/chronodex --format json`
}

// Run is called by kong.
func (c *checkCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(func(set *shard.Set) error {
		var found []shard.Finding
		err := set.Check(ctx, func(f shard.Finding) { found = append(found, f) })
		if c.Format == "json" {
			if found == nil {
				found = []shard.Finding{}
			}
			err = errors.Join(err, printJSON(s, map[string]any{"findings": found}))
		} else {
			for _, f := range found {
				fmt.Fprintln(s.out, render.Clean(f.String()))
			}
		}
		if err != nil {
			return err
		}
		if len(found) > 0 {
			s.complain("%s: %s\n", s.data, count(int64(len(found)), "finding"))
			return errReported
		}
		if c.Format == "table" {
			st := set.Stats()
			fmt.Fprintf(s.out, "%s: %s in %s and %s of log: nothing is damaged\n", s.data, count(st.Series, "series"),
				count(int64(st.Segments), "segment"), size(st.LogBytes))
		}
		return nil
	})
}

// deleteCmd deletes observations.
type deleteCmd struct {
	Selector string `arg:"" help:"Which series; * is all."`
	rangeFlags
	Yes bool `short:"y" help:"Do it. Without, only say what would be deleted."`
}

// Help is printed behind the flags.
func (*deleteCmd) Help() string {
	return `What is deleted is gone at once for every query; compact frees the space.

Examples:

    chronodex delete 'host:app-04' --to 2026-01-01
    chronodex delete 'host:app-04' --to 2026-01-01 --yes`
}

// Run is called by kong.
func (c *deleteCmd) Run(ctx context.Context, s *session) error {
	f, err := parseSelector(c.Selector)
	if err != nil {
		return err
	}
	span, _, err := c.rangeFlags.parse(s.now())
	if err != nil {
		return err
	}
	if !c.Yes {
		return s.ask(0, func(from store) error {
			_, total, err := from.Search(ctx, f, 1)
			if err == nil {
				fmt.Fprintf(s.out, "would delete the observations of %s in %v; --yes does it\n", count(int64(total), "series"), span)
			}
			return err
		})
	}
	if s.server != nil {
		return c.delete(ctx, s, remote{s.server}, f, span)
	}
	return s.withWriter(func(set *shard.Set) error { return c.delete(ctx, s, folder{set, s, 0}, f, span) })
}

func (c *deleteCmd) delete(ctx context.Context, s *session, from store, f index.Filter, span chunk.Span) error {
	n, err := from.Delete(ctx, f, span)
	if err == nil {
		fmt.Fprintf(s.out, "deleted the observations of %s in %v\n", count(n, "series"), span)
	}
	return err
}
