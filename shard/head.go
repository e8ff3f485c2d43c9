package shard

import (
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

// A head holds the batches of one shard since the last seal, in columns. Columns only grow: what
// a reader has seen of them does not change, so that a snapshot is a length. A deletion replaces
// the whole headSeries instead.
type head struct {
	mu     sync.RWMutex
	at     []uint32 // by ordinal: its place in series + 1
	series []*headSeries
	set    *roaring.Bitmap // ordinals in series
	bytes  int64           // memory, roughly
	rows   int64
}

// A headSeries is what the head holds of one series, in order of arrival.
type headSeries struct {
	ordinal uint32
	kind    chunk.Kind
	rising  int // so many first rows have strictly rising stamps
	low     int64
	high    int64 // the extreme stamps
	times   []int64
	floats  []float64
	other   *otherColumns // of the other kinds
}

type otherColumns struct {
	ints    []int64
	bools   []bool
	strings []string
}

// What a series and an observation take in memory, roughly: the struct, its place, slack.
const (
	headSeriesBytes = 160
	headRowBytes    = 20
)

func newHead() *head { return &head{set: roaring.New()} }

// has reports whether series o is in h.
func (h *head) has(o uint32) bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return int(o) < len(h.at) && h.at[o] != 0
}

// append adds observations, which it copies, in the order of the log, and returns by how many
// bytes h grew.
func (h *head) append(rows []headRow) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.bytes
	for i := range rows {
		h.append1(rows[i].ordinal, &rows[i].samples)
	}
	return h.bytes - before
}

// A headRow is observations on their way into the head.
type headRow struct {
	ordinal uint32
	samples chunk.Samples
}

func (h *head) append1(o uint32, s *chunk.Samples) {
	if int(o) >= len(h.at) {
		h.at = append(h.at, make([]uint32, int(o)+1-len(h.at))...)
	}
	if h.at[o] == 0 {
		h.series = append(h.series, newHeadSeries(o, s.Kind))
		h.at[o] = uint32(len(h.series))
		h.bytes += headSeriesBytes
	}
	c := h.series[h.at[o]-1]
	if len(c.times) == 0 && s.Len() > 0 {
		h.set.Add(o)
	}
	h.bytes += c.append(s)
	h.rows += int64(s.Len())
}

func newHeadSeries(o uint32, k chunk.Kind) *headSeries {
	c := &headSeries{ordinal: o, kind: k}
	if k != chunk.Float64 {
		c.other = new(otherColumns)
	}
	return c
}

// append adds the samples and returns the bytes they take.
func (c *headSeries) append(s *chunk.Samples) int64 {
	if s.Len() == 0 {
		return 0
	}
	bytes := int64(s.Len()) * headRowBytes
	c.noteOrder(s.Times)
	c.times = append(c.times, s.Times...)
	if c.kind == chunk.Float64 {
		c.floats = append(c.floats, s.Floats...)
		return bytes
	}
	c.other.ints = append(c.other.ints, s.Ints...)
	c.other.bools = append(c.other.bools, s.Bools...)
	c.other.strings = append(c.other.strings, s.Strings...)
	for _, v := range s.Strings {
		bytes += int64(len(v)) + 8
	}
	return bytes
}

// noteOrder takes note of the order of stamps that come next.
func (c *headSeries) noteOrder(times []int64) {
	n := len(c.times)
	if n == 0 {
		c.low, c.high = times[0], times[0]
	}
	if c.rising == n {
		i := 0
		if n == 0 || times[0] > c.times[n-1] {
			for i = 1; i < len(times) && times[i] > times[i-1]; i++ {
			}
		}
		c.rising += i
		if i == len(times) {
			c.high = times[i-1]
			return
		}
	}
	for _, t := range times {
		c.low, c.high = min(c.low, t), max(c.high, t)
	}
}

// samples returns the first n rows; the columns alias those of c and do not change.
func (c *headSeries) samples(n int) chunk.Samples {
	s := chunk.Samples{Kind: c.kind, Times: c.times[:n:n]}
	switch c.kind {
	case chunk.Float64:
		s.Floats = c.floats[:n:n]
	case chunk.Int64:
		s.Ints = c.other.ints[:n:n]
	case chunk.Bool:
		s.Bools = c.other.bools[:n:n]
	case chunk.String:
		s.Strings = c.other.strings[:n:n]
	}
	return s
}

// A headRef is a snapshot of one series in a head.
type headRef struct {
	series *headSeries
	rows   int
}

// ref returns the snapshot of series o, without rows where h does not have it.
func (h *head) ref(o uint32) headRef {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.refLocked(o)
}

func (h *head) refLocked(o uint32) headRef {
	if int(o) >= len(h.at) || h.at[o] == 0 {
		return headRef{}
	}
	c := h.series[h.at[o]-1]
	return headRef{series: c, rows: len(c.times)}
}

// refs returns the snapshots of all series of h, in order of first arrival.
func (h *head) refs() []headRef {
	h.mu.RLock()
	defer h.mu.RUnlock()
	out := make([]headRef, len(h.series))
	for i, c := range h.series {
		out[i] = headRef{series: c, rows: len(c.times)}
	}
	return out
}

// read returns the observations of r: sorted, of equal stamps the last. They may alias the head,
// and do not change.
func (h *head) read(r headRef) chunk.Samples {
	h.mu.RLock()
	s, sorted := r.series.samples(r.rows), r.series.rising >= r.rows
	h.mu.RUnlock()
	if sorted {
		return s
	}
	return s.Normalize()
}

// span returns a span that holds all rows of r.
func (h *head) span(r headRef) chunk.Span {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if c := r.series; c.rising >= r.rows {
		return chunk.SpanOf(c.times[0], c.times[r.rows-1])
	}
	return chunk.SpanOf(r.series.low, r.series.high)
}

// union adds the ordinals of h to b.
func (h *head) union(b *roaring.Bitmap) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	b.Or(h.set)
}

// size returns the rows of h and the memory that they take, roughly.
func (h *head) size() (rows, bytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rows, h.bytes
}

// erase removes the observations of series within span. Snapshots taken before keep them.
func (h *head) erase(series *roaring.Bitmap, span chunk.Span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range h.series {
		if len(c.times) == 0 || !series.Contains(c.ordinal) || !chunk.SpanOf(c.low, c.high).Overlaps(span) {
			continue
		}
		all := c.samples(len(c.times))
		kept := without(all, []chunk.Span{span})
		n := newHeadSeries(c.ordinal, c.kind)
		n.append(&kept)
		h.series[i] = n
		h.rows -= int64(all.Len() - kept.Len())
		if kept.Len() == 0 {
			h.set.Remove(c.ordinal)
		}
	}
}

// extent returns a span that holds all observations of h.
func (h *head) extent() chunk.Span {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var s chunk.Span
	for _, c := range h.series {
		if len(c.times) > 0 {
			s = s.Union(chunk.SpanOf(c.low, c.high))
		}
	}
	return s
}
