package shard

import (
	"context"
	"fmt"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/segment"
)

// Select returns the series of the shard that match f and may have observations in span: a
// snapshot, to be closed. Some may turn out to have none there. Series are in the order in which
// segments have them, so that reading them one after another reads a segment once; what else
// their order is means nothing.
func (s *Shard) Select(ctx context.Context, f index.Filter, span chunk.Span) (chunk.Selection, error) {
	if s.set.closed.Load() {
		return nil, fmt.Errorf("shard %d: select: %w", s.number, ErrClosed)
	}
	v := s.acquire()
	found, err := s.match(ctx, v, f, span)
	s.releaseVersion(v)
	if err != nil {
		return nil, fmt.Errorf("shard %d: select %v: %w", s.number, f, err)
	}
	sel := &selection{shard: s, span: span}
	sel.take(found)
	return sel, nil
}

// A selection implements chunk.Selection. What it has of the heads are lengths, what it has of
// segments is a reference to the version; pieces are made when they are asked for.
type selection struct {
	shard    *Shard
	v        *version
	span     chunk.Span
	ordinals []uint32
	heads    []headView
	inSpan   []int // places in v.segments of those that overlap the span

	mu     sync.Mutex
	mixed  []mixed // guarded by mu
	closed bool
}

// A headView is what a selection sees of one head.
type headView struct {
	head *head
	seq  uint64    // deletions after it mask the head
	refs []headRef // by series of the selection; nil where the head has none of them
}

// take takes the snapshot of the series found: the current version, and the lengths of the heads'
// columns, at one instant.
func (sel *selection) take(found *roaring.Bitmap) {
	s := sel.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	sel.v = s.cur
	sel.v.refs.Add(1)
	sel.ordinals = sel.v.inOrder(found, sel.span)
	if sel.v.sealing != nil {
		sel.view(sel.v.sealing, sel.v.sealSeq)
	}
	sel.view(sel.v.active, ^uint64(0))
	for i, g := range sel.v.segments {
		if g.span.Overlaps(sel.span) {
			sel.inSpan = append(sel.inSpan, i)
		}
	}
}

func (sel *selection) view(h *head, seq uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.count == 0 {
		return
	}
	refs := make([]headRef, len(sel.ordinals))
	found := false
	for i, o := range sel.ordinals {
		refs[i] = h.refLocked(o)
		found = found || refs[i].rows > 0
	}
	if found {
		sel.heads = append(sel.heads, headView{h, seq, refs})
	}
}

// Len implements chunk.Selection.
func (sel *selection) Len() int { return len(sel.ordinals) }

// Series implements chunk.Selection.
func (sel *selection) Series(i int) chunk.Series { return sel.shard.table.series(sel.ordinals[i]) }

// Warnings says what of the selection's span cannot be read at all, beside what Read reports.
func (sel *selection) Warnings() []string {
	var out []string
	for _, i := range sel.inSpan {
		if g := sel.v.segments[i]; g.err != nil {
			out = append(out, fmt.Sprintf("segment of %v cannot be read, its observations are missing: %v", g.span, g.err))
		}
	}
	for _, err := range sel.shard.damages() {
		out = append(out, err.Error())
	}
	return out
}

// Close implements chunk.Selection.
func (sel *selection) Close() error {
	sel.mu.Lock()
	closed := sel.closed
	sel.closed = true
	sel.mu.Unlock()
	if !closed {
		sel.shard.releaseVersion(sel.v)
	}
	return nil
}

// readState is what a chunk.Buffer keeps for selections of this package.
type readState struct {
	segment segment.Buffer
	merge   merger
	chain   chunk.Samples // of a head
}

func stateOf(buf *chunk.Buffer) *readState {
	st, ok := buf.State.(*readState)
	if !ok {
		st = new(readState)
		buf.State = st
	}
	return st
}

// Read implements chunk.Selection.
func (sel *selection) Read(ctx context.Context, p chunk.Piece, buf *chunk.Buffer) (chunk.Samples, error) {
	if err := ctx.Err(); err != nil {
		return chunk.Samples{}, context.Cause(ctx)
	}
	st := stateOf(buf)
	r := ref(p.Ref)
	switch r.form() {
	case refHead:
		return sel.readHead(&part{head: r.place(), series: r.series()}, sel.span, st), nil
	case refChunk:
		p, err := sel.partOf(p, r)
		if err != nil {
			return chunk.Samples{}, err
		}
		return sel.readChunk(&p, sel.span, st)
	}
	sel.mu.Lock()
	m := sel.mixed[r.mixed()]
	sel.mu.Unlock()
	return sel.readMixed(m, st)
}

// partOf finds the part of a piece that is a chunk.
func (sel *selection) partOf(p chunk.Piece, r ref) (part, error) {
	o := sel.ordinals[r.series()]
	out := part{series: r.series(), segment: int(p.Group >> 32), span: p.Span}
	out.meta = segment.Meta{
		Series: o, Kind: sel.shard.table.kind(o), Rows: p.Rows, Span: p.Span,
		Block: uint32(p.Group), Index: uint32(r.place()),
	}
	if p.Span.Start > sel.span.Start && p.Span.End < sel.span.End || sel.span == chunk.Always {
		return out, nil
	}
	// The selection's span may have cut the chunk's: ask the directory.
	metas, err := sel.v.segments[out.segment].reader.AppendChunks(nil, o, p.Span)
	for _, m := range metas {
		if m.Block == out.meta.Block && m.Index == out.meta.Index {
			out.meta = m
		}
	}
	return out, err
}

// readHead returns the observations of a series in a head, less what was deleted.
func (sel *selection) readHead(p *part, span chunk.Span, st *readState) chunk.Samples {
	view := &sel.heads[p.head]
	st.chain.Reset()
	s := view.head.read(view.refs[p.series], &st.chain)
	s = s.Clip(span)
	if gone := masks(nil, sel.v.deletions, view.seq, sel.ordinals[p.series], span); len(gone) > 0 {
		s = without(s, gone)
	}
	return s
}

// readChunk returns the observations of a chunk within span.
func (sel *selection) readChunk(p *part, span chunk.Span, st *readState) (chunk.Samples, error) {
	g := sel.v.segments[p.segment]
	s, err := g.reader.Read(&p.meta, &st.segment)
	if err != nil {
		return chunk.Samples{}, err
	}
	if span == chunk.Always {
		return s, nil
	}
	return s.Clip(span), nil
}

// readMixed reads several parts that overlap, or of which some was deleted.
func (sel *selection) readMixed(m mixed, st *readState) (chunk.Samples, error) {
	if m.err != nil {
		return chunk.Samples{}, m.err
	}
	st.merge.reset()
	for i := range m.parts {
		p := &m.parts[i]
		if p.segment < 0 {
			st.merge.add(sel.readHead(p, m.span, st))
			continue
		}
		s, err := sel.readChunk(p, m.span, st)
		if err != nil {
			return chunk.Samples{}, err
		}
		g := sel.v.segments[p.segment]
		if gone := masks(nil, sel.v.deletions, g.seen(), sel.ordinals[p.series], m.span); len(gone) > 0 {
			s = without(s, gone)
		}
		st.merge.add(s)
	}
	out := st.merge.result()
	out.Kind = sel.shard.table.kind(sel.ordinals[m.series])
	return out, nil
}
