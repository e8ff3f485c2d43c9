package shard

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// chainRows is how many rows a chain has at most: series with more get columns.
const chainRows = 32

// A chain is what the head holds of a series with few observations, in order of arrival: rows of
// the row store, each of which knows the next one. It takes 20 bytes and 20 more a row, where
// columns take hundreds.
type chain struct {
	ordinal uint32
	kind    chunk.Kind
	rows    uint8
	first   uint32
	last    uint32
}

func (c *chain) ref() headRef { return headRef{first: c.first, kind: c.kind, rows: int(c.rows)} }

// A rowStore holds rows in blocks, which do not move.
type rowStore struct {
	blocks []*rowBlock
	used   uint32 // rows in use
}

const rowBlockRows = 1 << 12

type rowBlock struct {
	times [rowBlockRows]int64
	bits  [rowBlockRows]uint64 // of a float64 or an int64
	next  [rowBlockRows]uint32 // number of the chain's next row; means nothing in its last one
}

// add stores a row and returns its number.
func (s *rowStore) add(t int64, bits uint64) uint32 {
	n := s.used
	if int(n/rowBlockRows) == len(s.blocks) {
		s.blocks = append(s.blocks, new(rowBlock))
	}
	b := s.blocks[n/rowBlockRows]
	b.times[n%rowBlockRows], b.bits[n%rowBlockRows] = t, bits
	s.used++
	return n
}

func (s *rowStore) link(from, to uint32) {
	s.blocks[from/rowBlockRows].next[from%rowBlockRows] = to
}

// appendChain adds few rows of a series that has no columns.
func (h *head) appendChain(o uint32, s *chunk.Samples) {
	if h.at[o] == 0 {
		h.chains = append(h.chains, chain{ordinal: o, kind: s.Kind})
		h.at[o] = uint32(len(h.chains))
		h.bytes += chainBytes
		h.set.Add(o)
	}
	c := &h.chains[h.at[o]-1]
	for i, t := range s.Times {
		var bits uint64
		if c.kind == chunk.Float64 {
			bits = math.Float64bits(s.Floats[i])
		} else {
			bits = uint64(s.Ints[i])
		}
		n := h.rows.add(t, bits)
		if c.rows == 0 {
			c.first = n
		} else {
			h.rows.link(c.last, n)
		}
		c.last = n
		c.rows++
	}
	h.bytes += int64(s.Len()) * chainRowBytes
}

// appendChainTo appends the rows of r, in order of arrival, to dst. The caller holds mu.
func (h *head) appendChainTo(dst *chunk.Samples, r headRef) {
	dst.Kind = r.kind
	for i, n := 0, r.first; i < r.rows; i++ {
		b, k := h.rows.blocks[n/rowBlockRows], n%rowBlockRows
		dst.Times = append(dst.Times, b.times[k])
		if r.kind == chunk.Float64 {
			dst.Floats = append(dst.Floats, math.Float64frombits(b.bits[k]))
		} else {
			dst.Ints = append(dst.Ints, int64(b.bits[k]))
		}
		n = b.next[k]
	}
}

// copyChain returns the rows of r. The caller holds mu.
func (h *head) copyChain(r headRef) chunk.Samples {
	var s chunk.Samples
	h.appendChainTo(&s, r)
	return s
}

// chainSpan returns the span of the rows of r. The caller holds mu.
func (h *head) chainSpan(r headRef) chunk.Span {
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for i, n := 0, r.first; i < r.rows; i++ {
		b, k := h.rows.blocks[n/rowBlockRows], n%rowBlockRows
		low, high = min(low, b.times[k]), max(high, b.times[k])
		n = b.next[k]
	}
	return chunk.SpanOf(low, high)
}
