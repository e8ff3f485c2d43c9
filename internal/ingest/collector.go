package ingest

import (
	"hash/maphash"

	"github.com/chronodex/chronodex/chunk"
)

const (
	maxReported = 20      // bad lines that a buffer describes; the others are counted
	maxKeys     = 1 << 20 // series that a collector remembers from batch to batch
	maxWords    = 1 << 16 // strings of dimensions that it remembers, of at most maxWord bytes
	maxWord     = 256
	bufferRows  = 1 << 14 // rows of a buffer
	batchRows   = 1 << 16 // rows of a batch, about
)

// A buffer is one batch on its way from a decoder to the sink, with the bad lines met in between.
type buffer struct {
	batch   chunk.Batch
	n       int // observations
	text    int64
	stored  int64
	skipped int64
	errors  []*LineError
	err     error // ends the source
}

// reset empties b and keeps the memory of its rows, unless that has grown out of proportion.
func (b *buffer) reset(limit int) {
	size := 0
	for i := range b.batch.Rows {
		r := &b.batch.Rows[i]
		size += cap(r.Samples.Times)
		r.Dimensions = nil
		r.Samples.Reset()
	}
	rows := b.batch.Rows[:0]
	if size > 4*limit {
		rows = nil
	}
	*b = buffer{batch: chunk.Batch{Rows: rows}, errors: b.errors[:0]}
}

// A series is what a collector remembers of one series, so that its row in the current batch is
// found without comparing dimensions.
type series struct {
	dimensions chunk.Dimensions
	kind       chunk.Kind
	row        int
	generation int
}

// A collector gathers the observations of one source in order of arrival.
type collector struct {
	file       string
	set        []chunk.Dimension
	strict     bool
	buf        *buffer
	generation int
	seeds      [2]maphash.Seed
	keys       map[seriesKey]*series
	words      map[string]string
	line       int64 // of the record being read, from 1
}

// samples returns the row of s in the current batch, for the caller to append to.
func (c *collector) samples(s *series) *chunk.Samples {
	rows := c.buf.batch.Rows
	if s.generation == c.generation && s.row < len(rows) {
		return &rows[s.row].Samples
	}
	if n := len(rows); n < cap(rows) {
		rows = rows[:n+1]
	} else {
		rows = append(rows, chunk.BatchRow{})
	}
	s.row, s.generation = len(rows)-1, c.generation
	row := &rows[s.row]
	row.Dimensions, row.Samples.Kind = s.dimensions, s.kind
	c.buf.batch.Rows = rows
	return &row.Samples
}

// A seriesKey is the hash of how a source writes a series, by two seeds that nobody can know.
type seriesKey [2]uint64

// key returns the key of text.
func (c *collector) key(text []byte) seriesKey {
	if c.keys == nil {
		c.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
		c.keys = make(map[seriesKey]*series)
	}
	return seriesKey{maphash.Bytes(c.seeds[0], text), maphash.Bytes(c.seeds[1], text)}
}

// lookup returns the series remembered under key, or nil.
func (c *collector) lookup(key seriesKey) *series { return c.keys[key] }

// remember keeps s under key, and forgets all others where they have become too many.
func (c *collector) remember(key seriesKey, s *series) {
	if len(c.keys) >= maxKeys {
		clear(c.keys)
	}
	c.keys[key] = s
}

// word returns b as a string, the same one for the same bytes where they come again: dimensions
// are few words in many series.
func (c *collector) word(b []byte) string {
	if w, ok := c.words[string(b)]; ok {
		return w
	}
	w := string(b)
	if len(b) > maxWord {
		return w
	}
	if c.words == nil {
		c.words = make(map[string]string)
	} else if len(c.words) >= maxWords {
		clear(c.words)
	}
	c.words[w] = w
	return w
}

// newSeries returns the series of pairs, to which the dimensions of all series of the source are
// added, as far as pairs do not name them. It does not keep pairs.
func (c *collector) newSeries(kind chunk.Kind, pairs []chunk.Dimension) (*series, error) {
	all := append(make([]chunk.Dimension, 0, len(pairs)+len(c.set)), pairs...)
next:
	for _, p := range c.set {
		for _, q := range pairs {
			if p.Name == q.Name {
				continue next
			}
		}
		all = append(all, p)
	}
	d, err := chunk.NewDimensions(all...)
	if err != nil {
		return nil, err
	}
	return &series{dimensions: d, kind: kind, generation: -1}, nil
}

// bad counts the current line as bad. It returns an error where that ends the source.
func (c *collector) bad(reason error) error {
	e := &LineError{File: c.file, Line: c.line, Reason: reason}
	c.buf.skipped++
	if len(c.buf.errors) < maxReported {
		c.buf.errors = append(c.buf.errors, e)
	}
	if c.strict {
		return e
	}
	return nil
}
