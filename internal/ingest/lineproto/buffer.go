package lineproto

import "github.com/chronodex/chronodex/chunk"

// A Buffer is memory for the batch of one text. The zero value is ready.
type Buffer struct {
	batch   chunk.Batch
	lines   []int     // by row: the line that it begins with
	opened  []opened  // in order of their rows
	times   [][]int64 // by number of an opened group; what is behind them is spare
	strings []byte    // of the line being read, without escapes
}

// An opened group has rows in the batch.
type opened struct {
	first int // of its rows
	rows  int
}

// mostKept bounds the memory that a buffer keeps for the next text.
const (
	mostKeptRows         = 1 << 16
	mostKeptObservations = 1 << 20
)

// Reset empties the buffer, whose batch must not be used any more, and keeps its memory.
func (b *Buffer) Reset() {
	if len(b.batch.Rows) > mostKeptRows || b.batch.Observations() > mostKeptObservations {
		*b = Buffer{}
		return
	}
	for i := range b.batch.Rows {
		r := &b.batch.Rows[i]
		r.Samples.Times = nil // of several rows
		r.Samples.Reset()
		r.Dimensions, r.Ref = nil, nil
	}
	b.batch.Rows, b.lines, b.opened = b.batch.Rows[:0], b.lines[:0], b.opened[:0]
}

// Batch returns what was decoded, valid until Reset. Rows share their columns of stamps.
func (b *Buffer) Batch() *chunk.Batch { return &b.batch }

// Line returns the number of the line that a row begins with, from 1.
func (b *Buffer) Line(row int) int { return b.lines[row] }

// open adds n rows, and returns the number of their group.
func (b *Buffer) open(n, line int) int {
	first := len(b.batch.Rows)
	b.opened = append(b.opened, opened{first, n})
	if len(b.times) < len(b.opened) {
		b.times = append(b.times, nil)
	}
	at := len(b.opened) - 1
	b.times[at] = b.times[at][:0]
	for range n {
		if k := len(b.batch.Rows); k < cap(b.batch.Rows) {
			b.batch.Rows = b.batch.Rows[:k+1]
		} else {
			b.batch.Rows = append(b.batch.Rows, chunk.BatchRow{})
		}
		b.lines = append(b.lines, line)
	}
	return at
}

// finish gives all rows their stamps.
func (b *Buffer) finish() {
	for i, o := range b.opened {
		for k := range o.rows {
			b.batch.Rows[o.first+k].Samples.Times = b.times[i]
		}
	}
}
