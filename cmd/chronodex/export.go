package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/shard"
)

// exportCmd writes observations as text.
type exportCmd struct {
	Selector string `arg:"" help:"Which series; * is all."`
	Format   string `help:"Output: ${enum}." enum:"csv,ndjson,influx" default:"ndjson"`
	Output   string `short:"o" help:"Write to this file instead of stdout; compressed where it ends in .gz or .zst." placeholder:"FILE"`
	rangeFlags
}

// Help is printed behind the flags.
func (*exportCmd) Help() string {
	return `What is exported imports again to the same series, times and values, to the bit: times are integers of nanoseconds, floats have as many digits as they need, and kinds are kept. InfluxDB has no NaN and no infinities, and refuses the lines that hold them; our import takes them.

Examples:

    chronodex export '*' --output all.ndjson.zst
    chronodex export 'host:app-02' --from 2026-03-02T13:00 --to 2026-03-02T15:00 --format csv
    chronodex export 'service:checkout' --format influx | curl --data-binary @- 'http://localhost:8086/write?db=shop'`
}

// Run is called by kong.
func (c *exportCmd) Run(ctx context.Context, s *session) (err error) {
	f, err := parseSelector(c.Selector)
	if err != nil {
		return err
	}
	span, _, err := c.rangeFlags.parse(s.now())
	if err != nil {
		return err
	}
	out, closeOut, err := c.open(s)
	if err != nil {
		return err
	}
	err = s.withStore(func(set *shard.Set) error { return c.export(ctx, s, set, out, f, span) })
	return errors.Join(err, closeOut())
}

// open returns what to write to, and what to call at the end.
func (c *exportCmd) open(s *session) (io.Writer, func() error, error) {
	if c.Output == "" {
		return s.out, func() error { return nil }, nil
	}
	file, err := os.Create(c.Output)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case strings.HasSuffix(c.Output, ".gz"):
		w := gzip.NewWriter(file)
		return w, func() error { return errors.Join(w.Close(), file.Close()) }, nil
	case strings.HasSuffix(c.Output, ".zst"):
		w, err := zstd.NewWriter(file)
		return w, func() error { return errors.Join(w.Close(), file.Close()) }, err
	}
	return file, file.Close, nil
}

// exported is one series to write.
type exported struct {
	chunk.Series
	from chunk.Selection
	i    int
}

// export writes the series of the store, by their dimensions.
func (c *exportCmd) export(ctx context.Context, s *session, set *shard.Set, out io.Writer, f index.Filter, span chunk.Span) error {
	var all []exported
	lost := false
	for _, part := range set.Parts() {
		sel, err := part.Select(ctx, f, span)
		if err != nil {
			return err
		}
		defer sel.Close()
		if d, ok := sel.(interface{ Warnings() []string }); ok {
			for _, text := range d.Warnings() {
				fmt.Fprintf(s.err, "warning: %s\n", text)
				lost = true
			}
		}
		for i := range sel.Len() {
			all = append(all, exported{sel.Series(i), sel, i})
		}
	}
	slices.SortFunc(all, func(a, b exported) int {
		return cmp.Or(a.Dimensions.Compare(b.Dimensions), cmp.Compare(a.Kind, b.Kind))
	})
	names, err := set.Names(ctx, f)
	if err != nil {
		return err
	}
	columns := make([]string, len(names))
	for i, n := range names {
		columns[i] = n.Text
	}
	w, err := ingest.NewWriter(c.Format, out, columns)
	if err != nil {
		return err
	}
	skipped, err := c.write(ctx, s, w, all)
	if err = errors.Join(err, w.Close()); err == nil && (lost || skipped) {
		err = errPartial
	}
	return err
}

// write writes all series, and reports whether damage kept some of them from being read.
func (c *exportCmd) write(ctx context.Context, s *session, w *ingest.Writer, all []exported) (lost bool, err error) {
	bar := s.progress("export")
	defer bar.clear()
	buf := make(map[chunk.Selection]*chunk.Buffer)
	var pieces []chunk.Piece
	var done int64
	for k, one := range all {
		if buf[one.from] == nil {
			buf[one.from] = new(chunk.Buffer)
		}
		pieces = one.from.AppendPieces(pieces[:0], one.i)
		for _, p := range pieces {
			x, err := one.from.Read(ctx, p, buf[one.from])
			if errors.Is(err, chunk.ErrCorrupt) {
				bar.clear()
				fmt.Fprintf(s.err, "warning: %v\n", err)
				lost = true
				continue
			}
			if err != nil {
				return lost, err
			}
			if err := w.Write(one.Series, x); err != nil {
				return lost, err
			}
			done += int64(x.Len())
			bar.rate(int64(k), int64(len(all)), done)
		}
	}
	return lost, nil
}
