package ingest

import (
	"hash/maphash"

	"github.com/chronodex/chronodex/chunk"
)

const (
	maxReported = 20      // bad lines that a buffer describes; the others are counted
	maxKeys     = 1 << 20 // series that a collector remembers from batch to batch
	maxWords    = 1 << 20 // strings that their dimensions are made of
	maxText     = 64 << 20
	maxMembers  = 1 << 24
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
	failed  bool  // the source could not be read to its end; errors say why
	err     error // ends the run
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
// found without comparing dimensions. There may be a million of them: the dimensions are numbers
// of words, and are put together for each batch that the series is in.
type series struct {
	first      uint32 // of the members of the collector
	count      uint16 // dimensions
	kind       chunk.Kind
	row        uint32
	generation int32
}

// A collector gathers the observations of one source in order of arrival.
type collector struct {
	file       string
	set        []chunk.Dimension
	strict     bool
	buf        *buffer
	generation int32
	seeds      [2]maphash.Seed
	keys       map[seriesKey]*series
	slab       []series // memory for the next ones
	members    []uint32 // numbers of a name and a value for each dimension
	words      []string
	numbers    map[string]uint32 // of words
	wordBytes  int
	epoch      int // grows when all series are forgotten
	pairs      []chunk.Dimension
	dimensions []chunk.Dimension // memory for the rows of the current batch
	line       int64             // of the record being read, from 1
}

// samples returns the row of s in the current batch, for the caller to append to.
func (c *collector) samples(s *series) *chunk.Samples {
	rows := c.buf.batch.Rows
	if s.generation == c.generation && int(s.row) < len(rows) {
		return &rows[s.row].Samples
	}
	if n := len(rows); n < cap(rows) {
		rows = rows[:n+1]
	} else {
		rows = append(rows, chunk.BatchRow{})
	}
	s.row, s.generation = uint32(len(rows)-1), c.generation
	row := &rows[s.row]
	row.Dimensions, row.Samples.Kind = c.dimensionsOf(s), s.kind
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

// remember keeps s under key.
func (c *collector) remember(key seriesKey, s *series) { c.keys[key] = s }

// forget forgets all series, where there have become too many.
func (c *collector) forget() {
	if len(c.keys) < maxKeys && len(c.words) < maxWords && c.wordBytes < maxText && len(c.members) < maxMembers {
		return
	}
	clear(c.keys)
	clear(c.numbers)
	c.slab, c.members, c.words, c.wordBytes = nil, nil, nil, 0
	c.epoch++
}

// number returns the number of a word.
func (c *collector) number(w string) uint32 {
	n, ok := c.numbers[w]
	if !ok {
		if c.numbers == nil {
			c.numbers = make(map[string]uint32)
		}
		n = uint32(len(c.words))
		c.words = append(c.words, w)
		c.numbers[w] = n
		c.wordBytes += len(w)
	}
	return n
}

// word returns b as a string, the same one for the same bytes where they come again: dimensions
// are few words in many series.
func (c *collector) word(b []byte) string {
	if n, ok := c.numbers[string(b)]; ok {
		return c.words[n]
	}
	return string(b)
}

// newSeries returns the series of pairs, to which the dimensions of all series of the source are
// added, as far as pairs do not name them. It does not keep pairs. What was remembered may be
// forgotten: series of an earlier epoch must not be used any more.
func (c *collector) newSeries(kind chunk.Kind, pairs []chunk.Dimension) (*series, error) {
	c.forget()
	c.pairs = append(c.pairs[:0], pairs...)
next:
	for _, p := range c.set {
		for _, q := range pairs {
			if p.Name == q.Name {
				continue next
			}
		}
		c.pairs = append(c.pairs, p)
	}
	d, err := chunk.NewDimensions(c.pairs...)
	if err != nil {
		return nil, err
	}
	if len(c.slab) == cap(c.slab) {
		c.slab = make([]series, 0, min(4096, 2*cap(c.slab)+16))
	}
	c.slab = append(c.slab, series{first: uint32(len(c.members)), count: uint16(len(d)), kind: kind, generation: -1})
	for _, p := range d {
		c.members = append(c.members, c.number(p.Name), c.number(p.Value))
	}
	return &c.slab[len(c.slab)-1], nil
}

// dimensionsOf returns the dimensions of s, in memory that is not used again: who takes the batch
// may keep them.
func (c *collector) dimensionsOf(s *series) chunk.Dimensions {
	n := int(s.count)
	if cap(c.dimensions)-len(c.dimensions) < n {
		c.dimensions = make([]chunk.Dimension, 0, max(n, min(4096, 2*cap(c.dimensions))))
	}
	at := len(c.dimensions)
	for i := range n {
		name, value := c.members[int(s.first)+2*i], c.members[int(s.first)+2*i+1]
		c.dimensions = append(c.dimensions, chunk.Dimension{Name: c.words[name], Value: c.words[value]})
	}
	return c.dimensions[at : at+n : at+n]
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
