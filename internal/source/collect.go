package source

import (
	"context"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
)

// Sizes of a batch.
const (
	batchObservations = 128 << 10
	batchRows         = 16 << 10
)

// A collector gathers what is read into batches.
type collector struct {
	sink    Sink
	set     []chunk.Dimension
	span    chunk.Span // of the slice; what is beside it is left out
	warn    func(string)
	tell    func() // of progress
	batch   chunk.Batch
	n       int   // observations in it
	done    int64 // that the sink has taken
	rows    int64
	refused int64
	warned  int
}

// row returns the column for the next observations of a series, to be appended to until the next
// call of the collector.
func (c *collector) row(d chunk.Dimensions, k chunk.Kind) *chunk.Samples {
	rows := c.batch.Rows
	if n := len(rows); n < cap(rows) {
		rows = rows[:n+1] // with the memory of an earlier batch
	} else {
		rows = append(rows, chunk.BatchRow{})
	}
	c.batch.Rows = rows
	row := &rows[len(rows)-1]
	row.Dimensions = d
	row.Samples.Reset()
	row.Samples.Kind = k
	return &row.Samples
}

// ended says that the last row has all its observations: those beside the slice go.
func (c *collector) ended(ctx context.Context) error {
	last := len(c.batch.Rows) - 1
	s := &c.batch.Rows[last].Samples
	c.clip(s)
	if s.Len() == 0 {
		c.batch.Rows = c.batch.Rows[:last]
		return nil
	}
	if c.n += s.Len(); c.n >= batchObservations || len(c.batch.Rows) >= batchRows {
		return c.flush(ctx)
	}
	return nil
}

// clip removes what is beside the slice, in place.
func (c *collector) clip(s *chunk.Samples) {
	k := 0
	for i, t := range s.Times {
		if !c.span.Contains(t) {
			continue
		}
		if k < i {
			s.Times[k] = t
			switch s.Kind {
			case chunk.Float64:
				s.Floats[k] = s.Floats[i]
			case chunk.Int64:
				s.Ints[k] = s.Ints[i]
			case chunk.Bool:
				s.Bools[k] = s.Bools[i]
			case chunk.String:
				s.Strings[k] = s.Strings[i]
			}
		}
		k++
	}
	*s = s.Slice(0, k)
}

// dimensions returns the canonical form of pairs, with those that every series is given.
func (c *collector) dimensions(pairs []chunk.Dimension) (chunk.Dimensions, error) {
	all := append(make([]chunk.Dimension, 0, len(pairs)+len(c.set)), pairs...)
next:
	for _, p := range c.set {
		for _, q := range pairs {
			if p.Name == q.Name && q.Value != "" {
				continue next
			}
		}
		all = append(all, p)
	}
	return chunk.NewDimensions(all...)
}

// refuse counts observations that cannot be kept.
func (c *collector) refuse(n int, format string, args ...any) {
	c.refused += int64(n)
	if c.warned++; c.warned <= 20 {
		c.warn(fmt.Sprintf(format, args...))
	}
}

// flush hands over what was gathered.
func (c *collector) flush(ctx context.Context) error {
	if c.n == 0 {
		c.drop()
		return nil
	}
	if err := c.sink(ctx, &c.batch); err != nil {
		return err
	}
	c.done += int64(c.n)
	c.rows += int64(len(c.batch.Rows))
	c.drop()
	if c.tell != nil {
		c.tell()
	}
	return nil
}

// drop empties the batch.
func (c *collector) drop() {
	for i := range c.batch.Rows {
		clear(c.batch.Rows[i].Samples.Strings)
	}
	c.batch.Rows, c.n = c.batch.Rows[:0], 0
}
