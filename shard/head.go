package shard

import (
	"math"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

// A head holds the batches of one shard since the last seal. A series begins as a chain of rows in
// memory that all of them share, and gets columns of its own when it has many rows. Both only grow:
// what a reader has seen of them does not change, so that a snapshot is a length. A deletion gives
// the series new columns instead.
type head struct {
	mu      sync.RWMutex
	at      []uint32 // by ordinal: its place in chains or columns + 1, 0 for none
	chains  []chain
	columns []*columns
	rows    rowStore        // of the chains
	set     *roaring.Bitmap // ordinals of series that have observations
	bytes   int64           // memory, roughly
	count   int64           // observations
	low     int64           // no stamp is before it
}

// inColumns marks a place in head.at as one in columns.
const inColumns = 1 << 31

// What a series and an observation take in memory, roughly: the structs, their places, slack.
const (
	chainBytes     = 24
	chainRowBytes  = 20
	columnsBytes   = 160
	columnRowBytes = 20
)

// A headRow is observations on their way into the head.
type headRow struct {
	ordinal uint32
	samples *chunk.Samples
}

// A headRef is a snapshot of one series in a head.
type headRef struct {
	columns *columns // nil for a chain
	first   uint32   // of a chain
	kind    chunk.Kind
	rows    int
}

func newHead() *head { return &head{set: roaring.New(), low: math.MaxInt64} }

// mark notes which rows are of series that are in h, or were.
func (h *head) mark(rows []routedRow) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i := range rows {
		o := int(rows[i].ordinal)
		rows[i].inHead = o < len(h.at) && h.at[o] != 0
	}
}

// append adds observations, which it copies, in the order of the log, and returns by how many
// bytes h grew.
func (h *head) append(rows []headRow) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.bytes
	for i := range rows {
		if rows[i].samples.Len() > 0 {
			h.append1(rows[i].ordinal, rows[i].samples)
		}
	}
	return h.bytes - before
}

func (h *head) append1(o uint32, s *chunk.Samples) {
	for len(h.at) <= int(o) {
		h.at = append(h.at, 0)
	}
	h.count += int64(s.Len())
	for _, t := range s.Times {
		h.low = min(h.low, t)
	}
	if place := h.at[o]; place&inColumns != 0 {
		c := h.columns[place&^inColumns-1]
		if len(c.times) == 0 {
			h.set.Add(o) // it was deleted
		}
		h.bytes += c.append(s)
		return
	}
	had := 0
	if place := h.at[o]; place != 0 {
		had = int(h.chains[place-1].rows)
	}
	if had+s.Len() <= chainRows && (s.Kind == chunk.Float64 || s.Kind == chunk.Int64) {
		h.appendChain(o, s)
		return
	}
	c := newColumns(o, s.Kind)
	if had > 0 {
		old := h.copyChain(h.chains[h.at[o]-1].ref())
		h.bytes += c.append(&old)
	}
	h.bytes += c.append(s)
	h.setColumns(o, c)
}

// setColumns makes c the columns of series o, which has none yet.
func (h *head) setColumns(o uint32, c *columns) {
	if place := h.at[o]; place != 0 {
		h.chains[place-1].rows = 0 // snapshots have their own count
	}
	h.columns = append(h.columns, c)
	h.at[o] = uint32(len(h.columns)) | inColumns
	h.bytes += columnsBytes
	if len(c.times) > 0 {
		h.set.Add(o)
	}
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
	place := h.at[o]
	if place&inColumns == 0 {
		return h.chains[place-1].ref()
	}
	c := h.columns[place&^inColumns-1]
	return headRef{columns: c, kind: c.kind, rows: len(c.times)}
}

// read returns the observations of r, which has some: sorted, of equal stamps the last. Those of
// columns alias the head, and do not change; those of a chain are appended to dst, which is empty.
func (h *head) read(r headRef, dst *chunk.Samples) chunk.Samples {
	h.mu.RLock()
	var s chunk.Samples
	sorted := false
	if r.columns == nil {
		h.appendChainTo(dst, r)
		s = *dst
	} else {
		s, sorted = r.columns.samples(r.rows), r.columns.rising >= r.rows
	}
	h.mu.RUnlock()
	if sorted {
		return s
	}
	return s.Normalize()
}

// span returns a span that holds all rows of r, which has some.
func (h *head) span(r headRef) chunk.Span {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if r.columns == nil {
		return h.chainSpan(r)
	}
	if c := r.columns; c.rising >= r.rows {
		return chunk.SpanOf(c.times[0], c.times[r.rows-1])
	}
	return chunk.SpanOf(r.columns.low, r.columns.high)
}

// union adds the ordinals of h to b.
func (h *head) union(b *roaring.Bitmap) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	b.Or(h.set)
}

// size returns the observations of h and the memory that they take, roughly.
func (h *head) size() (rows, bytes int64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.count, h.bytes
}

// sparse reports whether a series has few observations in h, on average.
func (h *head) sparse() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.count <= chainRows/2*int64(len(h.chains)+len(h.columns))
}

// refs returns snapshots of all series that have observations, and their ordinals.
func (h *head) refs() (ordinals []uint32, refs []headRef) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	ordinals = h.set.ToArray()
	refs = make([]headRef, len(ordinals))
	for i, o := range ordinals {
		refs[i] = h.refLocked(o)
	}
	return ordinals, refs
}

// extent returns a span that holds all observations of h.
func (h *head) extent() chunk.Span {
	var s chunk.Span
	_, refs := h.refs()
	for _, r := range refs {
		s = s.Union(h.span(r))
	}
	return s
}

// erase removes the observations of series within span. Snapshots taken before keep them.
func (h *head) erase(series *roaring.Bitmap, span chunk.Span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range roaring.And(h.set, series).ToArray() {
		r := h.refLocked(o)
		var all chunk.Samples
		if r.columns == nil {
			all = h.copyChain(r)
		} else {
			all = r.columns.samples(r.rows)
		}
		kept := without(all, []chunk.Span{span})
		gone := all.Len() - kept.Len()
		if gone == 0 {
			continue
		}
		c := newColumns(o, r.kind)
		c.append(&kept)
		if r.columns == nil {
			h.setColumns(o, c)
		} else {
			h.columns[h.at[o]&^inColumns-1] = c
		}
		if h.count -= int64(gone); kept.Len() == 0 {
			h.set.Remove(o)
		}
	}
}

// sort sorts the columns of all series. Snapshots taken before keep the old ones.
func (h *head) sort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range h.columns {
		if c.rising == len(c.times) {
			continue
		}
		s := c.samples(len(c.times))
		s = s.Normalize() // a copy, as it was not sorted
		h.columns[i] = ownColumns(c.ordinal, &s)
	}
}

// lowest returns a stamp that none in h is before.
func (h *head) lowest() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.low
}

// partitions returns, by number of a partition, the series that have observations in it, of the
// partitions that begin before a stamp; of all, MaxInt64 included, where that is MaxInt64. It looks
// at each series only where h has such stamps.
func (h *head) partitions(width, before int64) map[int64]*roaring.Bitmap {
	out := map[int64]*roaring.Bitmap{}
	early := chunk.Span{Start: math.MinInt64, End: before}
	if !early.Contains(h.lowest()) {
		return out
	}
	last, in := int64(0), (*roaring.Bitmap)(nil)
	var buf chunk.Samples
	ordinals, refs := h.refs()
	for i, o := range ordinals {
		if before != math.MaxInt64 && !early.Contains(h.span(refs[i]).Start) {
			continue
		}
		buf.Reset()
		all := h.read(refs[i], &buf)
		rest := all.Clip(early)
		for rest.Len() > 0 {
			if n := partitionOf(rest.Times[0], width); in == nil || n != last {
				if out[n] == nil {
					out[n] = roaring.New()
				}
				last, in = n, out[n]
			}
			in.Add(o)
			here := rest.Clip(partitionSpan(last, width))
			rest = rest.Slice(here.Len(), rest.Len())
		}
	}
	return out
}
