package shard

import (
	"cmp"
	"slices"
	"sync"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/segment"
)

// A part is a place with observations of one series: a chunk of a segment, or a head's columns.
type part struct {
	series  int // in the selection
	segment int // place in the version's segments; -1: a head
	head    int // place in the selection's heads
	age     int // higher is newer
	rows    int
	span    chunk.Span // within the selection's span
	meta    segment.Meta
	masked  bool // something of it was deleted
}

// A mixed piece is one that the place of one part does not tell.
type mixed struct {
	series int
	span   chunk.Span
	rows   int
	parts  []part // oldest first
	err    error  // why there is none
}

// A ref is a Piece.Ref: two bits say its form, and the others where to read. That of a chunk needs
// the piece's Group too, which holds the place of the segment and the number of the block.
type ref uint64

const (
	refChunk = 0 // 30 bits index in the block, 32 bits series in the selection
	refHead  = 1 // 30 bits place of the head, 32 bits series in the selection
	refMixed = 2 // number in the selection's mixed

	refPlaces  = 1 << 30
	groupHead  = 1 << 63
	groupMixed = 1<<63 | 1<<62
)

func makeRef(form, place, series int) uint64 {
	return uint64(form)<<62 | uint64(place)<<32 | uint64(uint32(series))
}

func (r ref) form() int { return int(r >> 62) }

func (r ref) place() int { return int(r >> 32 & (refPlaces - 1)) }

func (r ref) series() int { return int(uint32(r)) }

func (r ref) mixed() int { return int(r & (1<<62 - 1)) }

// partList is memory for making the pieces of a series.
type partList struct {
	parts []part
	metas []segment.Meta
}

var partLists = sync.Pool{New: func() any { return new(partList) }}

// AppendPieces implements chunk.Selection.
func (sel *selection) AppendPieces(dst []chunk.Piece, i int) []chunk.Piece {
	l := partLists.Get().(*partList)
	defer partLists.Put(l)
	l.parts = l.parts[:0]
	broken := sel.collect(l, i)
	if sorted(l.parts) && len(broken) == 0 && !anyMasked(l.parts) {
		for k := range l.parts {
			dst = sel.appendPlain(dst, &l.parts[k])
		}
		return dst
	}
	return sel.appendMixed(dst, i, l.parts, broken)
}

// collect finds the parts of series i, oldest first. Pieces that stand for directories that cannot
// be read are returned.
func (sel *selection) collect(l *partList, i int) (broken []mixed) {
	o := sel.ordinals[i]
	for _, at := range sel.inSpan {
		g := sel.v.segments[at]
		if !g.has.Contains(o) || g.reader == nil {
			continue
		}
		var err error
		l.metas, err = g.reader.AppendChunks(l.metas[:0], o, sel.span)
		if err != nil {
			at := chunk.Span{Start: max(g.span.Start, sel.span.Start)}
			at.End = at.Start + 1
			broken = append(broken, mixed{series: i, span: at, err: err})
		}
		for _, m := range l.metas {
			p := part{series: i, segment: at, age: at, rows: m.Rows, span: m.Span.Intersect(sel.span), meta: m}
			p.masked = len(sel.v.deletions) > 0 && len(masks(nil, sel.v.deletions, g.seen(), o, p.span)) > 0
			l.parts = append(l.parts, p)
		}
	}
	for k := range sel.heads {
		view := &sel.heads[k]
		r := view.refs[i]
		if r.rows == 0 {
			continue
		}
		p := part{series: i, segment: -1, head: k, age: len(sel.v.segments) + k, rows: r.rows}
		if p.span = view.head.span(r).Intersect(sel.span); !p.span.Empty() {
			l.parts = append(l.parts, p)
		}
	}
	return broken
}

// sorted reports whether parts follow each other in time without overlapping.
func sorted(parts []part) bool {
	for k := 1; k < len(parts); k++ {
		if parts[k].span.Start < parts[k-1].span.End || parts[k-1].span.End == chunk.Always.End {
			return false
		}
	}
	return true
}

func anyMasked(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool { return p.masked })
}

// appendPlain appends the piece of a part that overlaps no other one.
func (sel *selection) appendPlain(dst []chunk.Piece, p *part) []chunk.Piece {
	if p.segment < 0 {
		return append(dst, chunk.Piece{
			Span: p.span, Rows: p.rows, Ref: makeRef(refHead, p.head, p.series),
			Group: groupHead | uint64(sel.shard.table.source(sel.ordinals[p.series])),
		})
	}
	if p.meta.Index >= refPlaces {
		return sel.appendOne(dst, mixed{series: p.series, span: p.span, rows: p.rows, parts: []part{*p}})
	}
	piece := chunk.Piece{Span: p.span, Rows: p.rows, Group: group(p), Ref: makeRef(refChunk, int(p.meta.Index), p.series)}
	if p.meta.HasStats && sel.span.Covers(p.meta.Span) {
		piece.Exact, piece.Stats = true, p.meta.Stats
	}
	piece.Whole = p.meta.NoGaps && sel.span.Covers(p.meta.Span)
	return append(dst, piece)
}

// group is equal for the chunks of one block.
func group(p *part) uint64 { return uint64(p.segment)<<32 | uint64(p.meta.Block) }

func (sel *selection) appendOne(dst []chunk.Piece, m mixed) []chunk.Piece {
	sel.mu.Lock()
	defer sel.mu.Unlock()
	n := len(sel.mixed)
	sel.mixed = append(sel.mixed, m)
	p := chunk.Piece{Span: m.span, Rows: m.rows, Group: groupMixed, Ref: refMixed<<62 | uint64(n)}
	if len(m.parts) > 0 && m.parts[0].segment >= 0 {
		p.Group = group(&m.parts[0])
	}
	return append(dst, p)
}

// mixedRows is how many rows a mixed piece has before it is cut at the next part's start.
const mixedRows = 1 << 16

// appendMixed appends the pieces of parts that overlap or are masked. Parts that overlap are cut
// at their starts into spans that share no stamp, each of which is read from all parts in it.
func (sel *selection) appendMixed(dst []chunk.Piece, i int, parts []part, broken []mixed) []chunk.Piece {
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(a.span.Start, b.span.Start) })
	for _, m := range broken {
		dst = sel.appendOne(dst, m)
	}
	for len(parts) > 0 {
		n, end := 1, parts[0].span
		for n < len(parts) && parts[n].span.Overlaps(end) {
			end = end.Union(parts[n].span)
			n++
		}
		if n == 1 && !parts[0].masked {
			dst = sel.appendPlain(dst, &parts[0])
		} else {
			dst = sel.appendCluster(dst, i, parts[:n], end)
		}
		parts = parts[n:]
	}
	return dst
}

// appendCluster appends the pieces of parts, sorted by their starts, that make up span.
func (sel *selection) appendCluster(dst []chunk.Piece, i int, parts []part, span chunk.Span) []chunk.Piece {
	start := span.Start
	for k := 0; k < len(parts); {
		rows := 0
		for ; k < len(parts) && (rows < mixedRows || parts[k].span.Start == start); k++ {
			rows += parts[k].rows
		}
		cut := chunk.Span{Start: start, End: span.End}
		if k < len(parts) {
			cut.End = parts[k].span.Start
		}
		m := mixed{series: i, span: cut}
		for _, p := range parts[:k] {
			if p.span.Overlaps(cut) {
				m.parts = append(m.parts, p)
				m.rows += p.rows
			}
		}
		slices.SortStableFunc(m.parts, func(a, b part) int { return cmp.Compare(a.age, b.age) })
		dst = sel.appendOne(dst, m)
		start = cut.End
	}
	return dst
}
