package segment

import (
	"fmt"
	"iter"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/vfs"
)

// A Reader reads a segment. It maps the file, and keeps its index and a few decoded pages in
// memory. Its methods are safe for concurrent use, until Close. Their errors name the file, and
// wrap [chunk.ErrCorrupt] where the file is not as it was written; what else is in the file stays
// readable.
type Reader struct {
	path  string
	file  vfs.File
	data  []byte
	index *index

	directory pageCache[metaPage]
	series    pageCache[[]chunk.Series]
	lookups   pageCache[placePage]
	recent    atomic.Pointer[metaPage] // the directory page that was asked for last
}

// Open opens a segment. It reads the header, the footer and the index.
func Open(fs vfs.FS, name string) (*Reader, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", name, err)
	}
	r := &Reader{path: name, file: f}
	if r.data, err = f.Map(); err == nil {
		r.index, err = parseFile(r.data)
	}
	if err != nil {
		f.Close() //nolint:errcheck // the first error says more
		return nil, fmt.Errorf("segment %s: %w", name, err)
	}
	return r, nil
}

// parseFile reads the fixed parts and the index of a file.
func parseFile(data []byte) (*index, error) {
	if err := parseHeader(data); err != nil {
		return nil, err
	}
	size := int64(len(data))
	offset, err := parseFooter(data[max(headerSize, size-footerSize):], size)
	if err != nil {
		return nil, err
	}
	payload, err := parseFrame(data[offset:size-footerSize], frameIndex)
	if err != nil {
		return nil, fmt.Errorf("offset %d: %w", offset, err)
	}
	x, err := parseIndex(payload, offset)
	if err != nil {
		return nil, fmt.Errorf("offset %d: index: %w", offset, err)
	}
	return x, nil
}

// Close releases the file. Samples that were read stay valid, since they do not alias it.
func (r *Reader) Close() error {
	r.data = nil
	return r.file.Close()
}

// Path is the name of the file.
func (r *Reader) Path() string { return r.path }

// Size is the length of the file in bytes.
func (r *Reader) Size() int64 { return int64(len(r.data)) }

// Span is the span of all observations, empty where there is none.
func (r *Reader) Span() chunk.Span { return r.index.span }

// Len is the number of series, chunks, and observations.
func (r *Reader) Len() (series int, chunks, observations int64) {
	return r.index.series, r.index.chunks, r.index.observations
}

// frame returns what is in a frame, whose checksum it verifies.
func (r *Reader) frame(n int) ([]byte, error) {
	f := r.index.frames[n]
	b, err := parseFrame(r.data[f.offset:f.offset+f.size:f.offset+f.size], f.kind)
	if err != nil {
		return nil, r.where(f, err)
	}
	return b, nil
}

// where adds to err what it is about.
func (r *Reader) where(f frame, err error) error {
	return &Damage{Path: r.path, Offset: f.offset, Part: f.kind.String(), Err: err}
}

// A Damage is the error of a frame that is not as it was written.
type Damage struct {
	Path   string // of the segment
	Offset int64  // where the frame begins
	Part   string // what the frame is
	Err    error  // what is wrong with it
}

// Error says all of it.
func (d *Damage) Error() string {
	return fmt.Sprintf("segment %s: offset %d: %s: %v", d.Path, d.Offset, d.Part, d.Err)
}

// Unwrap returns Err.
func (d *Damage) Unwrap() error { return d.Err }

// page decodes a page.
func page[T any](r *Reader, frame int, parse func([]byte) (T, error)) (*T, error) {
	b, err := r.frame(frame)
	if err != nil {
		return nil, err
	}
	v, err := parse(b)
	if err != nil {
		return nil, r.where(r.index.frames[frame], err)
	}
	return &v, nil
}

// place returns where a series is in source order, and whether it is in the file.
func (r *Reader) place(series uint32) (int64, bool, error) {
	n := sort.Search(len(r.index.lookups), func(i int) bool { return r.index.lookups[i].ordinal > int64(series) }) - 1
	if n < 0 {
		return 0, false, nil
	}
	l, err := r.placesOf(n)
	if err != nil {
		return 0, false, err
	}
	i, ok := slices.BinarySearch(l.ordinals, series)
	if !ok || int64(l.places[i]) >= int64(r.index.series) {
		return 0, false, nil
	}
	return int64(l.places[i]), true, nil
}

// Has reports whether the file has the series with this ordinal.
func (r *Reader) Has(series uint32) (bool, error) {
	_, ok, err := r.place(series)
	return ok, err
}

// Identity returns the identity of the series with this ordinal, and whether it is in the file.
func (r *Reader) Identity(series uint32) (chunk.Series, bool, error) {
	place, ok, err := r.place(series)
	if !ok || err != nil {
		return chunk.Series{}, false, err
	}
	s, err := r.identity(place)
	return s, err == nil, err
}

// identity returns the identity of the series at a place.
func (r *Reader) identity(place int64) (chunk.Series, error) {
	n, i := int(place/pageSeries), int(place%pageSeries)
	p := r.series.find(n)
	if p == nil {
		var err error
		if p, err = page(r, r.index.seriesPages[n], parseSeries); err != nil {
			return chunk.Series{}, err
		}
		r.series.keep(n, p, seriesPageBytes, cachedSeries)
	}
	if i >= len(*p) {
		return chunk.Series{}, r.where(r.index.frames[r.index.seriesPages[n]], corrupt("no series %d", i))
	}
	return (*p)[i], nil
}

// SortBySource sorts ordinals, rising, into source order, in which the pages of the directory are,
// and drops those that are not in the file. Looking up many series in this order reads each page once.
func (r *Reader) SortBySource(ordinals []uint32) ([]uint32, error) {
	type entry struct {
		place   int64
		ordinal uint32
	}
	entries := make([]entry, 0, len(ordinals))
	for _, o := range ordinals {
		p, ok, err := r.place(o)
		if err != nil {
			return nil, err
		}
		if ok {
			entries = append(entries, entry{p, o})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return int(a.place - b.place) })
	ordinals = ordinals[:0]
	for _, e := range entries {
		ordinals = append(ordinals, e.ordinal)
	}
	return ordinals, nil
}

// AppendChunks appends what the directory has of the chunks of a series that overlap span, in time
// order, to dst. It is fastest where the series before, in source order, was asked for before.
func (r *Reader) AppendChunks(dst []Meta, series uint32, span chunk.Span) ([]Meta, error) {
	if !r.index.span.Overlaps(span) {
		return dst, nil
	}
	if p := r.recent.Load(); p != nil {
		if first, end, all := p.of(series); all {
			return p.appendOverlapping(dst, first, end, span), nil
		}
	}
	place, ok, err := r.place(series)
	if !ok || err != nil {
		return dst, err
	}
	pages := r.index.directory
	// The first page that begins with this series or a later one; the page before may end with it.
	n := max(0, sort.Search(len(pages), func(i int) bool { return pages[i].place >= place })-1)
	for ; n < len(pages) && pages[n].place <= place; n++ {
		if !pages[n].span.Overlaps(span) {
			continue
		}
		p, err := r.metas(n)
		if err != nil {
			return dst, err
		}
		r.recent.Store(p)
		first, end, _ := p.of(series)
		dst = p.appendOverlapping(dst, first, end, span)
	}
	return dst, nil
}

// An Entry is one series of a segment.
type Entry struct {
	Series   uint32 // ordinal
	Identity chunk.Series
	Chunks   []Meta // in time order
}

// Entries yields all series in source order ([chunk.Series.Compare]), as compaction merges them.
// An entry may be kept, but not changed. An error, with an empty entry, tells of a page that cannot
// be read; what else the file has follows, if the loop goes on. Of a series with chunks in that
// page, those of other pages are yielded.
func (r *Reader) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var e Entry
		place, badNames := int64(0), int64(-1)
		emit := func() bool {
			if len(e.Chunks) == 0 {
				return true
			}
			var err error
			done := e
			e = Entry{}
			done.Identity, err = r.identity(place)
			switch {
			case err == nil:
				return yield(done, nil)
			case badNames == place/pageSeries:
				return true // said before
			}
			badNames = place / pageSeries
			return yield(Entry{}, err)
		}
		for n, d := range r.index.directory {
			p, err := r.metas(n)
			if err != nil {
				if !emit() || !yield(Entry{}, err) {
					return
				}
				continue
			}
			at, metas := d.place, p.metas()
			for i := 0; i < len(metas); at++ {
				k := i + 1
				for k < len(metas) && metas[k].Series == metas[i].Series {
					k++
				}
				if len(e.Chunks) > 0 && place == at && e.Series == metas[i].Series {
					e.Chunks = append(slices.Clip(e.Chunks), metas[i:k]...)
				} else {
					if !emit() {
						return
					}
					place, e = at, Entry{Series: metas[i].Series, Chunks: metas[i:k:k]}
				}
				i = k
			}
		}
		emit()
	}
}

// A Buffer is the memory for reading blocks, used by one goroutine at a time and from read to read.
// The zero value is ready. It keeps the block that was read last.
type Buffer struct {
	reader *Reader
	number uint32
	block  chunk.Block
}

// Read returns the observations of a chunk. Stamps are valid until Read is called for a chunk of
// another block with buf, values until Read is called with it at all; nothing may be modified.
// Chunks of one block that have equal stamps get the very same slice of them.
func (r *Reader) Read(m *Meta, buf *Buffer) (chunk.Samples, error) {
	if err := r.load(m.Block, buf); err != nil {
		return chunk.Samples{}, r.lost(m, err)
	}
	b, i := &buf.block, int(m.Index)
	if i >= b.Len() || b.Series(i) != m.Series || b.Kind(i) != m.Kind || b.Rows(i) != m.Rows {
		return chunk.Samples{}, r.lost(m, r.where(r.index.frames[r.index.blocks[m.Block]], corrupt("no chunk %d as in the directory", i)))
	}
	s, err := b.Read(i)
	if err == nil && chunk.SpanOf(s.Times[0], s.Times[len(s.Times)-1]) != m.Span {
		err = corrupt("chunk %d has another span", i)
	}
	if err != nil {
		return chunk.Samples{}, r.lost(m, r.where(r.index.frames[r.index.blocks[m.Block]], err))
	}
	return s, nil
}

// lost adds to err whose observations it is about.
func (r *Reader) lost(m *Meta, err error) error {
	return fmt.Errorf("series %d, %d observations in %v: %w", m.Series, m.Rows, m.Span, err)
}

// load makes buf hold a block.
func (r *Reader) load(number uint32, buf *Buffer) error {
	if buf.reader == r && buf.number == number {
		return nil
	}
	buf.reader = nil
	if int64(number) >= int64(len(r.index.blocks)) {
		return corrupt("segment %s: no block %d", r.path, number)
	}
	data, err := r.frame(r.index.blocks[number])
	if err != nil {
		return err
	}
	if err := buf.block.Parse(data); err != nil {
		return r.where(r.index.frames[r.index.blocks[number]], err)
	}
	buf.reader, buf.number = r, number
	return nil
}
