package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/shard"
)

// mergeRows is about how many observations [Merge] hands on at a time.
const mergeRows = 256 << 10

// Merged is what [Merge] has read.
type Merged struct {
	Series       int64
	Observations int64
	Lost         []string // what could not be read, and so is missing
}

// Merge hands the observations within span of the series of from that match f to sink, in batches that
// are valid until it returns. A sink that appends them to a store makes them the later written: of
// two observations with one stamp, that of the backup counts then; what the store has beside stays.
func Merge(ctx context.Context, from *shard.Set, f index.Filter, span chunk.Span, sink func(context.Context, *chunk.Batch) error) (Merged, error) {
	m := merger{sink: sink}
	for _, part := range from.Parts() {
		sel, err := part.Select(ctx, f, span)
		if err != nil {
			return m.done, fmt.Errorf("merge: %w", err)
		}
		if w, ok := sel.(interface{ Warnings() []string }); ok {
			m.done.Lost = append(m.done.Lost, w.Warnings()...)
		}
		if err := errors.Join(m.part(ctx, sel), sel.Close()); err != nil {
			return m.done, fmt.Errorf("merge: %w", err)
		}
	}
	return m.done, nil
}

// A merger gathers batches.
type merger struct {
	sink  func(context.Context, *chunk.Batch) error
	done  Merged
	batch chunk.Batch
	rows  int
}

func (m *merger) part(ctx context.Context, sel chunk.Selection) error {
	var buf chunk.Buffer
	var pieces []chunk.Piece
	for i := range sel.Len() {
		series, some := sel.Series(i), false
		pieces = sel.AppendPieces(pieces[:0], i)
		for _, p := range pieces {
			s, err := sel.Read(ctx, p, &buf)
			if errors.Is(err, chunk.ErrCorrupt) {
				m.done.Lost = append(m.done.Lost, err.Error())
				continue
			}
			if err != nil {
				return err
			}
			for from := 0; from < s.Len(); from += mergeRows {
				some = true
				if err := m.add(ctx, series, s.Slice(from, min(from+mergeRows, s.Len()))); err != nil {
					return err
				}
			}
		}
		if some {
			m.done.Series++
		}
	}
	return m.flush(ctx)
}

// add copies samples into the batch.
func (m *merger) add(ctx context.Context, series chunk.Series, s chunk.Samples) error {
	row := chunk.BatchRow{Dimensions: series.Dimensions}
	row.Samples.Append(s)
	m.batch.Rows = append(m.batch.Rows, row)
	if m.rows += s.Len(); m.rows < mergeRows {
		return nil
	}
	return m.flush(ctx)
}

func (m *merger) flush(ctx context.Context) error {
	if m.rows == 0 {
		return nil
	}
	if err := m.sink(ctx, &m.batch); err != nil {
		return err
	}
	m.done.Observations += int64(m.rows)
	clear(m.batch.Rows)
	m.batch.Rows, m.rows = m.batch.Rows[:0], 0
	return nil
}
