package segment

import (
	"cmp"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// A metaPage is a decoded directory page. It keeps what a Meta says in fewer bytes, since many
// pages are kept, and has the statistics apart, which small chunks do not have.
type metaPage struct {
	chunks []leanMeta
	stats  []chunk.Stats // by chunk; nil where none has any
	starts []pageStart   // by ordinal
}

// What a chunk, its statistics, and a series take in a page.
const (
	leanMetaBytes  = 32
	statsBytes     = 80
	pageStartBytes = 8
)

// A leanMeta is a Meta without statistics.
type leanMeta struct {
	span   chunk.Span
	series uint32
	block  uint32
	index  uint32
	rows   uint16 // at most codec.MaxRows
	kind   chunk.Kind
	form   uint8 // statsNone, statsFull for any that are kept, or statsNoGaps
}

// A pageStart is where in a page the chunks of a series begin.
type pageStart struct {
	series     uint32
	first, end uint16
}

// newMetaPage makes a page of at most pageChunks chunks.
func newMetaPage(metas []Meta) *metaPage {
	p := &metaPage{chunks: make([]leanMeta, len(metas))}
	series := 0
	for i := range metas {
		m := &metas[i]
		form := uint8(statsNone)
		if m.HasStats {
			form = statsFull
		} else if m.NoGaps {
			form = statsNoGaps
		}
		p.chunks[i] = leanMeta{m.Span, m.Series, m.Block, m.Index, uint16(m.Rows), m.Kind, form}
		if m.HasStats && p.stats == nil {
			p.stats = make([]chunk.Stats, len(metas))
		}
		if m.HasStats {
			p.stats[i] = m.Stats
		}
		if i == 0 || m.Series != metas[i-1].Series {
			series++
		}
	}
	p.starts = make([]pageStart, 0, series)
	for i := range metas {
		if i == 0 || metas[i].Series != metas[i-1].Series {
			p.starts = append(p.starts, pageStart{series: metas[i].Series, first: uint16(i)})
		}
		p.starts[len(p.starts)-1].end = uint16(i + 1)
	}
	slices.SortFunc(p.starts, func(a, b pageStart) int { return cmp.Compare(a.series, b.series) })
	return p
}

// bytes is the memory of p, roughly.
func (p *metaPage) bytes() int64 {
	return int64(leanMetaBytes*len(p.chunks) + statsBytes*len(p.stats) + pageStartBytes*len(p.starts))
}

// of returns which chunks a series has here, and whether there are none of it in other pages.
func (p *metaPage) of(series uint32) (first, end int, all bool) {
	i, ok := slices.BinarySearchFunc(p.starts, series, func(s pageStart, o uint32) int { return cmp.Compare(s.series, o) })
	if !ok {
		return 0, 0, false
	}
	s := p.starts[i]
	return int(s.first), int(s.end), s.first > 0 && int(s.end) < len(p.chunks)
}

// meta returns chunk i.
func (p *metaPage) meta(i int) Meta {
	c := &p.chunks[i]
	m := Meta{
		Series: c.series, Kind: c.kind, HasStats: c.form == statsFull, NoGaps: c.form == statsNoGaps,
		Rows: int(c.rows), Span: c.span, Block: c.block, Index: c.index,
	}
	if m.HasStats {
		m.Stats = p.stats[i]
	}
	return m
}

// appendOverlapping appends those of the chunks from first to before end that overlap span.
func (p *metaPage) appendOverlapping(dst []Meta, first, end int, span chunk.Span) []Meta {
	for i := first; i < end; i++ {
		if p.chunks[i].span.Overlaps(span) {
			dst = append(dst, p.meta(i))
		}
	}
	return dst
}

// metas returns all chunks, in a new slice.
func (p *metaPage) metas() []Meta {
	out := make([]Meta, len(p.chunks))
	for i := range out {
		out[i] = p.meta(i)
	}
	return out
}

// metas returns a directory page.
func (r *Reader) metas(n int) (*metaPage, error) {
	if p := r.directory.find(n); p != nil {
		return p, nil
	}
	d := r.index.directory[n]
	metas, err := page(r, d.frame, parseDirectory)
	if err != nil {
		return nil, err
	}
	if int64(len(*metas)) != d.rows {
		return nil, r.where(r.index.frames[d.frame], corrupt("%d chunks, not %d", len(*metas), d.rows))
	}
	p := newMetaPage(*metas)
	r.directory.keep(n, p, p.bytes(), cachedDirectory)
	return p, nil
}

// A placePage is a decoded lookup page.
type placePage struct {
	ordinals []uint32 // rising
	places   []uint32 // of each
}

// placesOf returns a lookup page.
func (r *Reader) placesOf(n int) (*placePage, error) {
	if p := r.lookups.find(n); p != nil {
		return p, nil
	}
	l, err := page(r, r.index.lookups[n].frame, parseLookups)
	if err != nil {
		return nil, err
	}
	p := &placePage{ordinals: make([]uint32, len(l.ordinals)), places: make([]uint32, len(l.places))}
	for i := range l.ordinals {
		p.ordinals[i], p.places[i] = uint32(l.ordinals[i]), uint32(l.places[i])
	}
	r.lookups.keep(n, p, int64(8*len(p.places)), cachedLookups)
	return p, nil
}
