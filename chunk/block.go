package chunk

import (
	"fmt"
	"math"
	"slices"

	"github.com/chronodex/chronodex/codec"
	"google.golang.org/protobuf/encoding/protowire"
)

// A Block is a parsed block: the chunks of one source, or several small ones, over one span.
//
// # Format
//
// A block is one message of block.proto, in this order:
//
//	version  1
//	times    each: encoding, ref, rows, data      time columns; codec.EncodeTimes
//	groups   each: time, offset, rows             its chunks' stamps: rows of a time column
//	               kind                           of its values
//	               series                         packed differences of ordinals, one a chunk
//	               column                         packed, one a chunk; absent: chunk i has column i
//	               columns: encoding, ref, data   value columns; codec.EncodeFloats, …Ints, …
//
// Chunks are numbered through all groups. A ref of a value column is to another column of its
// group, or to its stamps, as package codec says. A block has no checksum of its own: whoever
// stores it has one over all of it.
//
// # Use
//
// Parsing aliases the bytes and copies no column; a Block is parsed anew, by [Block.Parse], with
// the memory it has. Reading decodes a time column, and a value column that others refer to or
// share, once a block. A Block is used by one goroutine at a time.
type Block struct {
	times   []timeColumn
	groups  []group
	chunks  []chunkRef
	columns []valueColumn

	floats numbers[float64]
	ints   numbers[int64]
	stamps [][]int64 // memory of time columns
	own    Samples   // the bools or strings that the last Read decoded
}

// A timeColumn is a time column, and its stamps once they are decoded.
type timeColumn struct {
	codec.Column
	rows  int
	times []int64
}

// A group is rows of a time column, and value columns [first, end) beside them.
type group struct {
	time, offset, rows int
	kind               Kind
	first, end         int // of Block.columns
}

// A chunkRef is one chunk.
type chunkRef struct {
	series uint32
	group  uint32
	column uint32 // of Block.columns
}

// A valueColumn is a value column.
type valueColumn struct {
	codec.Column
	uses int32 // chunks that have it, and columns that refer to it
	slot int32 // of numbers.shared plus 1, once it is decoded; 0 if not
}

// ParseBlock parses a block. The result aliases data.
func ParseBlock(data []byte) (*Block, error) {
	b := new(Block)
	return b, b.Parse(data)
}

// Parse makes b the block in data, which it aliases. What b gave out before is no longer valid. On
// error, which wraps [ErrCorrupt], b is empty.
func (b *Block) Parse(data []byte) error {
	b.Reset()
	if err := b.parse(data); err != nil {
		b.Reset()
		return fmt.Errorf("block: %w", err)
	}
	return nil
}

// Reset empties b and keeps its memory.
func (b *Block) Reset() {
	for i := range b.times {
		if t := b.times[i].times; t != nil {
			b.stamps = append(b.stamps, t)
		}
	}
	clear(b.times) // they alias data
	clear(b.columns)
	b.times, b.groups, b.chunks, b.columns = b.times[:0], b.groups[:0], b.chunks[:0], b.columns[:0]
	b.floats.slots, b.ints.slots = 0, 0
}

// Len is the number of chunks.
func (b *Block) Len() int { return len(b.chunks) }

// Series is the ordinal of the series of chunk i.
func (b *Block) Series(i int) uint32 { return b.chunks[i].series }

// Kind is the type of values of chunk i.
func (b *Block) Kind(i int) Kind { return b.groups[b.chunks[i].group].kind }

// Rows is the number of observations of chunk i.
func (b *Block) Rows(i int) int { return b.groups[b.chunks[i].group].rows }

// Span is the span of chunk i. It decodes its time column.
func (b *Block) Span(i int) (Span, error) {
	t, err := b.timesOf(int(b.chunks[i].group))
	if err != nil {
		return Span{}, err
	}
	return SpanOf(t[0], t[len(t)-1]), nil
}

// Read returns the observations of chunk i, sorted. The stamps are valid until the next Parse, and
// are the very same slice for all chunks of a group; the values are valid until the next Read. No
// column may be modified. An error wraps [ErrCorrupt]; other chunks may still be readable.
func (b *Block) Read(i int) (Samples, error) {
	c := b.chunks[i]
	g := &b.groups[c.group]
	times, err := b.timesOf(int(c.group))
	if err != nil {
		return Samples{}, fmt.Errorf("chunk %d: %w", i, err)
	}
	s := Samples{Kind: g.kind, Times: times}
	col := &b.columns[c.column]
	switch g.kind {
	case Float64:
		s.Floats, err = b.floats.read(b, g, int(c.column), decoding[float64]{times, codec.DecodeFloats})
	case Int64:
		s.Ints, err = b.ints.read(b, g, int(c.column), decoding[int64]{times, codec.DecodeIntsRef})
	case Bool:
		b.own.Bools, err = codec.DecodeBools(b.own.Bools[:0], col.Column, g.rows)
		s.Bools = b.own.Bools
	case String:
		clear(b.own.Strings)
		b.own.Strings, err = codec.DecodeStrings(b.own.Strings[:0], col.Column, g.rows)
		s.Strings = b.own.Strings
	}
	if err == nil && !s.Valid() {
		err = codec.ErrCorrupt
	}
	if err != nil {
		return Samples{}, fmt.Errorf("chunk %d: column %d of group %d: %w: %w",
			i, int(c.column)-g.first, c.group, err, ErrCorrupt)
	}
	return s, nil
}

// timesOf returns the stamps of a group's chunks.
func (b *Block) timesOf(i int) ([]int64, error) {
	g := &b.groups[i]
	t := &b.times[g.time]
	if t.times == nil {
		var room []int64
		if n := len(b.stamps); n > 0 {
			room, b.stamps = b.stamps[n-1][:0], b.stamps[:n-1]
		}
		times, err := codec.DecodeTimes(slices.Grow(room, t.rows), t.Column, t.rows)
		if err == nil && (len(times) != t.rows || !sorted(times)) {
			err = codec.ErrCorrupt
		}
		if err != nil {
			return nil, fmt.Errorf("time column %d: %w: %w", g.time, err, ErrCorrupt)
		}
		t.times = times
	}
	return t.times[g.offset : g.offset+g.rows : g.offset+g.rows], nil
}

// sorted reports whether stamps rise strictly.
func sorted(t []int64) bool {
	s := Samples{Times: t}
	return s.Sorted()
}

// corrupt is the error of bytes that break the rules of the message.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrCorrupt)
}

// A field is one field of a message: of wire type varint, or bytes.
type field struct {
	num   protowire.Number
	value uint64 // of a varint
	data  []byte // of bytes, aliasing the message; nil for a varint
	known bool   // and of the right type
}

// nextField reads the first field of a message, and returns the rest of it. Fields up to number
// varints must be varints of 31 bits, those after them up to number last must be bytes; of others
// nothing is known.
func nextField(m []byte, varints, last protowire.Number) (f field, rest []byte, err error) {
	num, typ, n := consumeTag(m)
	if n < 0 {
		return f, nil, corrupt("tag of a field")
	}
	m = m[n:]
	f.num, f.known = num, num <= last
	switch typ {
	case protowire.VarintType:
		f.value, n = consumeVarint(m)
	case protowire.BytesType:
		var size uint64
		if size, n = consumeVarint(m); n >= 0 && size <= uint64(len(m)-n) {
			f.data = m[n : n+int(size) : n+int(size)]
			n += int(size)
		} else {
			n = -1
		}
	default:
		n = protowire.ConsumeFieldValue(num, typ, m)
	}
	switch {
	case n < 0:
		return f, nil, corrupt("field %d", num)
	case !f.known:
	case num <= varints && (typ != protowire.VarintType || f.value > math.MaxInt32),
		num > varints && typ != protowire.BytesType:
		return f, nil, corrupt("field %d of type %d with value %d", num, typ, f.value)
	}
	return f, m[n:], nil
}

// consumeTag is protowire.ConsumeTag, with a short way for tags of one byte.
func consumeTag(m []byte) (protowire.Number, protowire.Type, int) {
	if len(m) > 0 && m[0] < 0x80 && m[0] >= 8 {
		return protowire.Number(m[0] >> 3), protowire.Type(m[0] & 7), 1
	}
	return protowire.ConsumeTag(m)
}

// consumeVarint is protowire.ConsumeVarint, with a short way for numbers of one or two bytes.
func consumeVarint(m []byte) (uint64, int) {
	if len(m) > 1 {
		if m[0] < 0x80 {
			return uint64(m[0]), 1
		}
		if m[1] < 0x80 {
			return uint64(m[0]&0x7f) | uint64(m[1])<<7, 2
		}
	}
	return protowire.ConsumeVarint(m)
}
