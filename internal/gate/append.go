package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/shard"
)

// A Refusal is a row of a batch that was not stored.
type Refusal struct {
	Row    int   // of the batch
	Reason error // wraps one of the sentinels of this package
}

// An Outcome is what became of a batch that the store took.
type Outcome struct {
	Stored  int64     // observations, durable
	Refused []Refusal // by row
}

// Append stores a batch for who asks in ctx, see package access. When the error is nil, all rows but
// the refused ones are durable and visible: so a batch that is bad in part is stored in part, and
// the caller tells which rows were not, in the words of its protocol. Any other error means that
// nothing is acknowledged; it is an [*Overload] also where all rows were refused since too many
// series are new this minute. It needs [access.Write]. The batch is not kept, but its rows may be
// reordered in place, and get the dimensions that the identity sets.
func (g *Gate) Append(ctx context.Context, b *chunk.Batch) (Outcome, error) {
	out, err := g.append(ctx, b)
	switch {
	case err != nil:
		g.counts.reject(reasonOf(err))
	default:
		g.counts.stored(out)
	}
	return out, err
}

func (g *Gate) append(ctx context.Context, b *chunk.Batch) (Outcome, error) {
	who := access.From(ctx)
	if err := need(who, access.Write, "write"); err != nil {
		return Outcome{}, err
	}
	rows, bytes := measure(b)
	if !g.batches.take(bytes) {
		return Outcome{}, &Overload{What: "bytes of batches", Limit: g.batches.limit.Load(), Name: nameInFlight, After: time.Second}
	}
	defer g.batches.give(bytes)
	if err := g.room(bytes); err != nil {
		return Outcome{}, err
	}
	w := writing{gate: g, who: who, limits: g.limits.Load(), out: Outcome{Stored: rows}, batch: b}
	if err := g.set.AppendRows(ctx, b, w.admission()); err != nil {
		return Outcome{}, meaning(err)
	}
	if w.out.Stored == 0 && w.rate != nil && w.rated == len(w.out.Refused) {
		return Outcome{}, w.rate
	}
	if g.watch.watching.Load() > 0 {
		g.set.Identify(b)
	}
	g.publish(b, w.out.Refused)
	return w.out, nil
}

// What a row and an observation take in memory, roughly.
const (
	rowBytes         = 200
	observationBytes = 16
)

// measure returns the observations of a batch, and the memory that it takes, roughly.
func measure(b *chunk.Batch) (rows, bytes int64) {
	for i := range b.Rows {
		s := &b.Rows[i].Samples
		rows += int64(s.Len())
		for _, v := range s.Strings {
			bytes += int64(len(v))
		}
	}
	return rows, bytes + rows*observationBytes + int64(len(b.Rows))*rowBytes
}

// A writing is one batch on its way through the gate.
type writing struct {
	gate   *Gate
	who    *access.Identity
	limits *Limits
	batch  *chunk.Batch
	out    Outcome

	from, to chunk.Dimensions // of the last row: as it came, and as it is written
	outside  error            // why the last row is not within
	rate     error            // why some rows wait for the next minute
	rated    int              // rows that do
}

// admission returns what the store asks.
func (w *writing) admission() *shard.Admission {
	a := &shard.Admission{Refuse: w.refuse}
	if w.who.Within != nil || len(w.who.Set) > 0 {
		a.Row = w.confine
	}
	if w.limits.Series > 0 || w.limits.NewSeries > 0 {
		a.Series = w.create
	}
	return a
}

// refuse notes a row that is not stored.
func (w *writing) refuse(row int, reason error) {
	w.out.Stored -= int64(w.batch.Rows[row].Samples.Len())
	w.out.Refused = append(w.out.Refused, Refusal{Row: row, Reason: reason})
}

// confine gives a row the dimensions that who writes sets, and refuses it where it is then not
// within what they may write. Rows that follow each other share their dimensions often.
func (w *writing) confine(row *chunk.BatchRow) error {
	if len(w.from) > 0 && len(row.Dimensions) == len(w.from) && &row.Dimensions[0] == &w.from[0] {
		row.Dimensions = w.to
		return w.outside
	}
	w.from, w.to, w.outside = row.Dimensions, row.Dimensions, nil
	if len(w.who.Set) > 0 {
		w.to = withSet(row.Dimensions, w.who.Set)
		row.Dimensions = w.to
	}
	if f := w.who.Within; f != nil && !f.Match(w.to) {
		w.outside = fmt.Errorf("%q may not write series %v, only what matches %v: %w", w.who.Name, w.to, f, ErrForbidden)
	}
	return w.outside
}

// withSet returns d with the pairs of set instead of its own of their names, in a new slice. What
// is not canonical stays so, and is found by the store.
func withSet(d chunk.Dimensions, set []chunk.Dimension) chunk.Dimensions {
	out := make(chunk.Dimensions, 0, len(d)+len(set))
	for _, p := range d {
		if !slices.ContainsFunc(set, func(s chunk.Dimension) bool { return s.Name == p.Name }) {
			out = append(out, p)
		}
	}
	for _, p := range set {
		i, _ := slices.BinarySearchFunc(out, p.Name, func(o chunk.Dimension, name string) int { return strings.Compare(o.Name, name) })
		if p.Value != "" {
			out = slices.Insert(out, i, p)
		}
	}
	return out
}

// create decides whether a series that is new may be made.
func (w *writing) create(chunk.Dimensions) error {
	if most := w.limits.Series; most > 0 && w.gate.set.KnownSeries() >= most {
		return &Overload{What: "series in the store", Limit: most, Name: nameSeries, After: time.Minute}
	}
	if most := w.limits.NewSeries; most > 0 {
		if wait, ok := w.gate.newborn.take(most, w.gate.o.Now()); !ok {
			w.rated++
			if w.rate == nil {
				w.rate = &Overload{What: "new series in a minute", Limit: most, Name: nameNewSeries, After: wait}
			}
			return w.rate
		}
	}
	return nil
}
