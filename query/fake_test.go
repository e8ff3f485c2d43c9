package query

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// A fakePart is a Selector in memory. What it hands out is garbled by the next Read with the buffer,
// as the rules of chunk.Selection allow.
type fakePart struct {
	series []fakeSeries
	reads  atomic.Int64
	broken func(fakePiece) error // makes a Read fail
	onRead func()
}

type fakeSeries struct {
	chunk.Series
	chunks []fakeChunk // by time, not overlapping
}

type fakeChunk struct {
	samples chunk.Samples
	group   uint64
	exact   bool // has statistics
}

type fakePiece struct {
	series *fakeSeries
	chunk  *fakeChunk
}

type fakeSelection struct {
	part   *fakePart
	series []*fakeSeries
	span   chunk.Span
	closed atomic.Bool
	pieces []fakePiece
	refs   []int // by series: its first piece
}

func (p *fakePart) Select(_ context.Context, f index.Filter, span chunk.Span) (chunk.Selection, error) {
	s := &fakeSelection{part: p, span: span}
	for i := range p.series {
		if f.Match(p.series[i].Dimensions) {
			s.refs = append(s.refs, len(s.pieces))
			s.series = append(s.series, &p.series[i])
			for k := range p.series[i].chunks {
				s.pieces = append(s.pieces, fakePiece{&p.series[i], &p.series[i].chunks[k]})
			}
		}
	}
	return s, nil
}

func (s *fakeSelection) Len() int                  { return len(s.series) }
func (s *fakeSelection) Series(i int) chunk.Series { return s.series[i].Series }

func (s *fakeSelection) Close() error {
	if s.closed.Swap(true) {
		panic("closed twice")
	}
	return nil
}

func (s *fakeSelection) AppendPieces(dst []chunk.Piece, i int) []chunk.Piece {
	for k := range s.series[i].chunks {
		c := &s.series[i].chunks[k]
		t := c.samples.Times
		whole := chunk.SpanOf(t[0], t[len(t)-1])
		span := whole.Intersect(s.span)
		if span.Empty() {
			continue
		}
		p := chunk.Piece{Span: span, Rows: len(t), Group: c.group, Ref: uint64(s.refs[i] + k)}
		if st := chunk.StatsOf(c.samples); s.span.Covers(whole) {
			if p.Whole = st.NaNs == 0; c.exact {
				p.Exact, p.Stats = true, st
			}
		}
		dst = append(dst, p)
	}
	return dst
}

// fakeState is what a fakePart keeps in a buffer: the stamps that it gave out last.
type fakeState struct {
	group uint64
	part  *fakePart
	times []int64
}

func (s *fakeSelection) Read(ctx context.Context, p chunk.Piece, buf *chunk.Buffer) (chunk.Samples, error) {
	if s.closed.Load() {
		panic("read after close")
	}
	s.part.reads.Add(1)
	if s.part.onRead != nil {
		s.part.onRead()
	}
	if err := ctx.Err(); err != nil {
		return chunk.Samples{}, err
	}
	piece := s.pieces[p.Ref]
	if s.part.broken != nil {
		if err := s.part.broken(piece); err != nil {
			return chunk.Samples{}, err
		}
	}
	clipped := piece.chunk.samples.Clip(s.span)
	st, _ := buf.State.(*fakeState)
	if st == nil {
		st = new(fakeState)
		buf.State = st
	}
	garble(&buf.Samples)
	buf.Samples.Reset()
	buf.Samples.Append(clipped)
	if st.part != s.part || st.group != p.Group || !slices.Equal(st.times, clipped.Times) {
		for i := range st.times {
			st.times[i] = -77
		}
		st.times = append(st.times[:0], clipped.Times...)
		st.part, st.group = s.part, p.Group
	}
	out := buf.Samples
	out.Times = st.times
	return out, nil
}

// garble overwrites what a reader may no longer look at.
func garble(s *chunk.Samples) {
	for i := range s.Floats {
		s.Floats[i] = math.Inf(-1)
	}
	for i := range s.Ints {
		s.Ints[i] = -12345
	}
	for i := range s.Bools {
		s.Bools[i] = !s.Bools[i]
	}
	for i := range s.Strings {
		s.Strings[i] = "garbled"
	}
}

// fakeStore spreads whole series over parts, and cuts each into chunks of at most rows rows; with a
// generator at random. Series with equal stamps are in one group.
func fakeStore(list []fakeSeries, parts, rows int, rng *rand.Rand) []*fakePart {
	out := make([]*fakePart, parts)
	for i := range out {
		out[i] = new(fakePart)
	}
	groups := make(map[string]uint64)
	for i, s := range list {
		all := s.chunks[0].samples
		s.chunks = nil
		for from := 0; from < all.Len(); {
			n := rows
			if rng != nil {
				n = 1 + rng.IntN(rows)
			}
			to := min(from+n, all.Len())
			key := fmt.Sprint(all.Times[from:to])
			if groups[key] == 0 {
				groups[key] = uint64(len(groups) + 1)
			}
			s.chunks = append(s.chunks, fakeChunk{
				samples: all.Slice(from, to), group: groups[key], exact: rng == nil || rng.IntN(4) > 0,
			})
			from = to
		}
		part := i % parts
		if rng != nil {
			part = rng.IntN(parts)
		}
		out[part].series = append(out[part].series, s)
	}
	return out
}

// engineOver returns an engine that asks parts.
func engineOver(parts []*fakePart) *Engine {
	e := &Engine{}
	for _, p := range parts {
		e.Parts = append(e.Parts, p)
	}
	return e
}
