// Package gather makes batches of observations that arrive one by one, as senders on a network
// send them: a row for each series, and the dimensions of a series once for all batches in which
// it comes again. It knows nothing of what senders write.
//
// Start at [Rows].
package gather

import (
	"hash/maphash"
	"strings"

	"github.com/chronodex/chronodex/chunk"
)

const (
	maxSeries   = 1 << 16 // that are remembered
	maxText     = 8 << 20 // bytes of their dimensions
	maxRefusals = 20      // that are described; the others are counted
	keptRows    = 1 << 13 // whose memory is kept for the next batch
	keptPoints  = 1 << 18 // that have room in it
	maxExcerpt  = 80      // bytes of what was refused
)

// A Refusal is a line, point or message that is not in the batch.
type Refusal struct {
	Number int    // from 1, of all since the last Reset; 0 where that means nothing
	Text   string // its beginning
	Reason error
}

// A Series is one that [Rows] has defined, for observations of its batches.
type Series struct {
	dimensions chunk.Dimensions
	row        int
	generation int
}

// Rows is a batch that grows. The zero value is empty and ready. It is used by one goroutine at a
// time; its memory is bounded by that of the largest batch, and 64 Ki series.
type Rows struct {
	batch      chunk.Batch
	points     int
	generation int // of the batch
	known      map[key]*Series
	text       int
	seeds      [2]maphash.Seed
	refused    int64
	refusals   []Refusal
}

// A key is the hash, by two seeds that nobody can know, of how a sender writes a series.
type key [2]uint64

// Lookup returns the series that was defined for a text and a kind, or nil.
func (r *Rows) Lookup(text []byte, kind chunk.Kind) *Series {
	if r.known == nil {
		return nil
	}
	return r.known[r.key(text, kind)]
}

func (r *Rows) key(text []byte, kind chunk.Kind) key {
	return key{maphash.Bytes(r.seeds[0], text) + uint64(kind), maphash.Bytes(r.seeds[1], text) + uint64(kind)}
}

// Define remembers that text is how the sender writes the series of pairs, for values of a kind.
// It keeps the strings of pairs, and neither pairs nor text. Different texts may mean one series.
// An error wraps [chunk.ErrDimensions].
func (r *Rows) Define(text []byte, kind chunk.Kind, pairs []chunk.Dimension) (*Series, error) {
	d, err := chunk.NewDimensions(append([]chunk.Dimension(nil), pairs...)...)
	if err != nil {
		return nil, err
	}
	if r.known == nil {
		r.known = make(map[key]*Series)
		r.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	size := 0
	for _, p := range d {
		size += len(p.Name) + len(p.Value)
	}
	if len(r.known) >= maxSeries || r.text+size > maxText {
		clear(r.known)
		r.text = 0
	}
	r.text += size
	s := &Series{dimensions: d, generation: -1}
	r.known[r.key(text, kind)] = s
	return s, nil
}

// Row returns the index of the row of s, of which the last observation was added to the batch in
// hand.
func (s *Series) Row() int { return s.row }

// samples returns the row of s.
func (r *Rows) samples(s *Series, kind chunk.Kind) *chunk.Samples {
	rows := r.batch.Rows
	if s.generation == r.generation {
		return &rows[s.row].Samples
	}
	if n := len(rows); n < cap(rows) {
		rows = rows[:n+1]
	} else {
		rows = append(rows, chunk.BatchRow{})
	}
	s.row, s.generation = len(rows)-1, r.generation
	row := &rows[s.row]
	if row.Samples.Kind != kind {
		row.Samples = chunk.Samples{Kind: kind, Times: row.Samples.Times}
	}
	row.Dimensions = s.dimensions
	r.batch.Rows = rows
	return &row.Samples
}

// Float appends an observation of s, which was defined for [chunk.Float64], at t in Unix
// nanoseconds.
func (r *Rows) Float(s *Series, t int64, v float64) {
	x := r.samples(s, chunk.Float64)
	x.Times, x.Floats = append(x.Times, t), append(x.Floats, v)
	r.points++
}

// Int is Float for [chunk.Int64].
func (r *Rows) Int(s *Series, t, v int64) {
	x := r.samples(s, chunk.Int64)
	x.Times, x.Ints = append(x.Times, t), append(x.Ints, v)
	r.points++
}

// Refuse counts something that is not in the batch, and remembers it if it is among the first.
func (r *Rows) Refuse(number int, text []byte, reason error) {
	if r.refused++; len(r.refusals) < maxRefusals {
		r.refusals = append(r.refusals, Refusal{Number: number, Text: Excerpt(text), Reason: reason})
	}
}

// Excerpt returns the beginning of what a sender wrote, for messages.
func Excerpt(text []byte) string {
	if len(text) > maxExcerpt {
		return strings.ToValidUTF8(string(text[:maxExcerpt]), "\ufffd") + "…"
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}

// Batch returns what was gathered since the last Reset, a row for each series in the order of
// their first observations. Two texts that mean one series make two rows. It is valid until then.
func (r *Rows) Batch() *chunk.Batch { return &r.batch }

// Points counts the observations in the batch.
func (r *Rows) Points() int { return r.points }

// Refused returns how much was refused since the last Reset, and the first 20 of it, valid until
// then.
func (r *Rows) Refused() (int64, []Refusal) { return r.refused, r.refusals }

// Reset begins a new batch. What was defined stays defined.
func (r *Rows) Reset() {
	rows, room := r.batch.Rows, 0
	for i := range rows {
		rows[i].Dimensions = nil
		rows[i].Samples.Reset()
	}
	for _, row := range rows[:cap(rows)] {
		room += cap(row.Samples.Times)
	}
	if cap(rows) > keptRows || room > keptPoints {
		rows = nil
	}
	clear(r.refusals)
	r.batch.Rows, r.refusals = rows[:0], r.refusals[:0]
	r.points, r.refused = 0, 0
	r.generation++
}

// TagName returns the name of the dimension for what a sender calls a tag: the same, but that a
// tag named metric, which has underscores behind it or not, gets one underscore more, since
// [chunk.MetricName] is taken.
func TagName(tag string) string {
	if strings.HasPrefix(tag, chunk.MetricName) && strings.Trim(tag[len(chunk.MetricName):], "_") == "" {
		return tag + "_"
	}
	return tag
}
