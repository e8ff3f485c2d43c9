package segment

import (
	"encoding/binary"
	"math"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
)

// An index is what is known of a file without reading its pages.
type index struct {
	series       int        // in the file
	chunks       int64      // in the file
	observations int64      // in the file
	span         chunk.Span // of all of them; empty where there is none
	frames       []frame    // all before the index, as they lie in the file without gaps
	blocks       []int      // numbers of frames
	directory    []directoryPage
	seriesPages  []int // numbers of frames
	lookups      []lookupPage
}

// A frame is a place in the file.
type frame struct {
	kind   frameType
	offset int64
	size   int64 // with its head
}

// A directoryPage is what the index knows of one.
type directoryPage struct {
	frame int        // its number
	place int64      // of the first chunk's series, in source order
	rows  int64      // chunks
	span  chunk.Span // of them
}

// A lookupPage is what the index knows of one.
type lookupPage struct {
	frame   int
	ordinal int64 // the first in it
}

// add appends a frame of size bytes, and returns its number.
func (x *index) add(kind frameType, size int) int {
	offset := int64(headerSize)
	if n := len(x.frames); n > 0 {
		offset = x.frames[n-1].offset + x.frames[n-1].size
	}
	x.frames = append(x.frames, frame{kind: kind, offset: offset, size: int64(size)})
	return len(x.frames) - 1
}

// end is where the last frame ends.
func (x *index) end() int64 {
	if n := len(x.frames); n > 0 {
		return x.frames[n-1].offset + x.frames[n-1].size
	}
	return headerSize
}

// appendIndex appends the payload of the index frame: counts; the span; type and size of every
// frame; of directory pages the place of their first chunk's series, chunks and span; of lookup
// pages their first ordinal.
func appendIndex(dst []byte, x *index, p codec.Profile) []byte {
	for _, v := range []int64{int64(x.series), x.chunks, x.observations} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	dst = binary.AppendVarint(dst, x.span.Start)
	dst = binary.AppendVarint(dst, x.span.End)
	var kinds, sizes, places, rows, starts, widths, ordinals []int64
	for _, f := range x.frames {
		kinds, sizes = append(kinds, int64(f.kind)), append(sizes, f.size)
	}
	for _, d := range x.directory {
		places, rows = append(places, d.place), append(rows, d.rows)
		starts, widths = append(starts, d.span.Start), append(widths, d.span.End-d.span.Start)
	}
	for _, l := range x.lookups {
		ordinals = append(ordinals, l.ordinal)
	}
	dst = binary.AppendUvarint(dst, uint64(len(kinds)))
	dst = appendInts(appendInts(dst, kinds, p), sizes, p)
	for _, v := range [][]int64{places, rows, starts, widths, ordinals} {
		dst = appendInts(dst, v, p)
	}
	return dst
}

// parseIndex reads the payload of an index frame that is at offset end.
func parseIndex(b []byte, end int64) (*index, error) {
	r := pageReader{rest: b}
	x := &index{
		series: r.count(math.MaxUint32), chunks: int64(r.count(math.MaxInt64)),
		observations: int64(r.count(math.MaxInt64)),
	}
	x.span = chunk.Span{Start: r.varint(), End: r.varint()}
	// A frame has a head, so there cannot be more of them than this.
	n := r.count(int(min(end/frameHead, math.MaxInt32)))
	kinds, sizes := r.bounded(n, 1, int64(frameLookup)), r.bounded(n, frameHead, maxFrameLen)
	if r.err != nil {
		return nil, r.err
	}
	for i := range n {
		k := frameType(kinds[i])
		id := x.add(k, int(sizes[i]))
		switch k {
		case frameBlock:
			x.blocks = append(x.blocks, id)
		case frameDirectory:
			x.directory = append(x.directory, directoryPage{frame: id})
		case frameSeries:
			x.seriesPages = append(x.seriesPages, id)
		case frameLookup:
			x.lookups = append(x.lookups, lookupPage{frame: id})
		}
	}
	if x.end() != end {
		return nil, corrupt("frames end at %d, and the index begins at %d", x.end(), end)
	}
	x.parsePages(&r)
	return x, r.end()
}

// parsePages reads what the index knows of pages.
func (x *index) parsePages(r *pageReader) {
	n, chunks := len(x.directory), int64(0)
	places, rows := r.bounded(n, 0, math.MaxUint32), r.bounded(n, 0, pageChunks)
	starts, widths := r.ints(n), r.ints(n)
	ordinals := r.bounded(len(x.lookups), 0, math.MaxUint32)
	if r.err != nil {
		return
	}
	for i := range x.directory {
		d := &x.directory[i]
		d.place, d.rows = places[i], rows[i]
		d.span = chunk.Span{Start: starts[i], End: starts[i] + widths[i]}
		chunks += rows[i]
		if i > 0 && d.place < x.directory[i-1].place {
			r.fail("directory page %d begins with series %d, after %d", i, d.place, x.directory[i-1].place)
		}
	}
	for i := range x.lookups {
		x.lookups[i].ordinal = ordinals[i]
		if i > 0 && ordinals[i] <= ordinals[i-1] {
			r.fail("lookup page %d begins with ordinal %d, after %d", i, ordinals[i], ordinals[i-1])
		}
	}
	pages := func(rows int) int { return (x.series + rows - 1) / rows }
	if chunks != x.chunks || len(x.seriesPages) != pages(pageSeries) || len(x.lookups) != pages(pageLookups) {
		r.fail("%d chunks of %d, %d series pages and %d lookup pages of %d series",
			chunks, x.chunks, len(x.seriesPages), len(x.lookups), x.series)
	}
}

// varint reads a signed integer.
func (r *pageReader) varint() int64 {
	v, k := binary.Varint(r.rest)
	if k <= 0 {
		r.fail("an integer")
		return 0
	}
	r.rest = r.rest[k:]
	return v
}
