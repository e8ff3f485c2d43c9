// Package export writes the observations of a store as text that import reads back to the bit, for
// the command and the server alike. It knows nothing of shards, of HTTP, or of who asks: it reads
// the parts that it is given.
//
// Start at [Write].
package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/query"
)

// A Request is what is to be written.
type Request struct {
	Filter index.Filter
	Span   chunk.Span
	Format string // csv, ndjson or influx, as package ingest names them
}

// An Observer is told how writing goes. The zero value hears nothing.
type Observer struct {
	Warn     func(text string)                    // of what is damaged and left out; may be nil
	Progress func(series, of, observations int64) // after each piece; may be nil
}

// exported is one series to write.
type exported struct {
	chunk.Series
	from chunk.Selection
	i    int
}

// Write writes the series that req asks for, by their dimensions, each in order of time: a snapshot
// of each part. Memory is for the series and for one piece of one of them, not for all
// observations. It reports whether damage kept something from being written, which [Observer.Warn]
// was told; an error is one of reading, of out, or of ctx.
func Write(ctx context.Context, out io.Writer, parts []query.Selector, req Request, o Observer) (lost bool, err error) {
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Progress == nil {
		o.Progress = func(_, _, _ int64) {}
	}
	var all []exported
	for _, part := range parts {
		sel, err := part.Select(ctx, req.Filter, req.Span)
		if err != nil {
			return lost, err
		}
		defer sel.Close()
		if d, ok := sel.(interface{ Warnings() []string }); ok {
			for _, text := range d.Warnings() {
				o.Warn(text)
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
	w, err := ingest.NewWriter(req.Format, out, columns(all, req.Format))
	if err != nil {
		return lost, err
	}
	skipped, err := write(ctx, w, all, o)
	return lost || skipped, errors.Join(err, w.Close())
}

// columns returns the names of all dimensions, sorted, for the format that needs them.
func columns(all []exported, format string) []string {
	if format != ingest.CSV {
		return nil
	}
	seen := make(map[string]struct{})
	var names []string
	for _, one := range all {
		for _, p := range one.Dimensions {
			if _, ok := seen[p.Name]; !ok {
				seen[p.Name] = struct{}{}
				names = append(names, p.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// write writes all series, and reports whether damage kept some of them from being read.
func write(ctx context.Context, w *ingest.Writer, all []exported, o Observer) (lost bool, err error) {
	buf := make(map[chunk.Selection]*chunk.Buffer)
	var pieces []chunk.Piece
	var done int64
	for k, one := range all {
		if err := ctx.Err(); err != nil { // reading from memory does not wait, and so does not look
			return lost, fmt.Errorf("export: %w", err)
		}
		if buf[one.from] == nil {
			buf[one.from] = new(chunk.Buffer)
		}
		pieces = one.from.AppendPieces(pieces[:0], one.i)
		for _, p := range pieces {
			x, err := one.from.Read(ctx, p, buf[one.from])
			if errors.Is(err, chunk.ErrCorrupt) {
				o.Warn(err.Error())
				lost = true
				continue
			}
			if err != nil {
				return lost, fmt.Errorf("export: %w", err)
			}
			if err := w.Write(one.Series, x); err != nil {
				return lost, err
			}
			done += int64(x.Len())
			o.Progress(int64(k), int64(len(all)), done)
		}
	}
	return lost, nil
}
