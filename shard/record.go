package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/klauspost/compress/s2"

	"github.com/chronodex/chronodex/chunk"
)

// A record of the log begins with a byte that says what follows it. The numbers are stored, and
// never reused.
//
//	1  rows, see below
//	2  s2 block format of rows
//	3  deletion: varint start, varint end, ordinals
//
// Rows follow each other until the record ends:
//
//	uvarint  ordinal
//	byte     kind | 8 where an identity follows | 16 where the stamps are those of the row before
//	         with stamps
//	identity chunk.Dimensions.Append
//	uvarint  n, not where the stamps are those of the row before
//	stamps   n varints: t₀, t₁−t₀, and from there on the differences of the differences, all in
//	         64-bit two's complement
//	values   float64: 8 bytes each, little endian, the bits; int64: varint differences;
//	         bool: a byte each; string: uvarint length and bytes each
//
// Ordinals are written as runs: uvarint count of runs, then for each uvarint gap since the end of
// the run before, and uvarint length−1.
const (
	recRows     = 1
	recPacked   = 2
	recDeletion = 3

	rowIdentity  = 8
	rowSameTimes = 16
)

// packFrom is the size from which on rows are compressed.
const packFrom = 512

// errRecord is wrapped by every error that means: no record of ours.
var errRecord = errors.New("corrupt log record")

// A rowEncoder builds one record of rows.
type rowEncoder struct {
	buf   []byte
	pack  []byte
	times []int64 // stamps of the last row that wrote its own
}

func (e *rowEncoder) reset() {
	e.buf = append(e.buf[:0], recRows)
	e.times = nil
}

// add appends a row. Stamps equal to those of the row before, by address, are not written again.
func (e *rowEncoder) add(o uint32, identity chunk.Dimensions, s *chunk.Samples) {
	same := len(e.times) > 0 && len(e.times) == len(s.Times) && &e.times[0] == &s.Times[0]
	flags := byte(s.Kind)
	if identity != nil {
		flags |= rowIdentity
	}
	if same {
		flags |= rowSameTimes
	}
	e.buf = append(binary.AppendUvarint(e.buf, uint64(o)), flags)
	if identity != nil {
		e.buf = identity.Append(e.buf)
	}
	if !same {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(s.Times)))
		e.buf = appendStamps(e.buf, s.Times)
		e.times = s.Times
	}
	e.buf = appendValues(e.buf, s)
}

func appendStamps(dst []byte, times []int64) []byte {
	var prev, delta int64
	for i, t := range times {
		d := t - prev
		v := d - delta
		if prev = t; i > 0 {
			delta = d
		}
		z := uint64(v<<1) ^ uint64(v>>63)
		for z >= 0x80 {
			dst = append(dst, byte(z)|0x80)
			z >>= 7
		}
		dst = append(dst, byte(z))
	}
	return dst
}

func appendValues(dst []byte, s *chunk.Samples) []byte {
	switch s.Kind {
	case chunk.Float64:
		for _, v := range s.Floats {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
		}
	case chunk.Int64:
		var prev int64
		for _, v := range s.Ints {
			dst = binary.AppendVarint(dst, v-prev)
			prev = v
		}
	case chunk.Bool:
		for _, v := range s.Bools {
			b := byte(0)
			if v {
				b = 1
			}
			dst = append(dst, b)
		}
	case chunk.String:
		for _, v := range s.Strings {
			dst = append(binary.AppendUvarint(dst, uint64(len(v))), v...)
		}
	}
	return dst
}

// record returns the finished record, valid until the next reset.
func (e *rowEncoder) record() []byte {
	if len(e.buf) < packFrom {
		return e.buf
	}
	if need := s2.MaxEncodedLen(len(e.buf)) + 1; cap(e.pack) < need {
		e.pack = make([]byte, need)
	}
	e.pack = e.pack[:cap(e.pack)]
	packed := s2.Encode(e.pack[1:], e.buf[1:])
	if len(packed) >= len(e.buf)-1 || len(e.buf) > maxPackRatio*len(packed) {
		return e.buf
	}
	e.pack[0] = recPacked
	return e.pack[:1+len(packed)]
}

// maxPackRatio bounds how much bigger rows are than what they are packed into: what packs better
// is not packed, so that hostile bytes cannot claim to.
const maxPackRatio = 256

// unpackRows returns the rows of a record of kind recRows or recPacked. It allocates at most the
// size that an encoder packs into so few bytes.
func unpackRows(record []byte) ([]byte, error) {
	if record[0] == recRows {
		return record[1:], nil
	}
	n, err := s2.DecodedLen(record[1:])
	if err != nil || n > maxPackRatio*len(record) {
		return nil, fmt.Errorf("packed rows: length %d of %d bytes: %w", n, len(record), errRecord)
	}
	rows, err := s2.Decode(nil, record[1:])
	if err != nil {
		return nil, fmt.Errorf("packed rows: %w: %w", err, errRecord)
	}
	return rows, nil
}

// A rowDecoder reads the rows of one record.
type rowDecoder struct {
	rest  []byte
	times []int64
}

// A logRow is a row of a record. Its identity is nil where the record leaves it out.
type logRow struct {
	ordinal  uint32
	identity chunk.Dimensions
	samples  chunk.Samples // the stamps may be shared with other rows
}

// next returns the next row, and false at the end.
func (d *rowDecoder) next() (r logRow, ok bool, err error) {
	if len(d.rest) == 0 {
		return r, false, nil
	}
	o, err := d.uvarint(math.MaxUint32)
	if err != nil || len(d.rest) == 0 {
		return r, false, fmt.Errorf("row: ordinal: %w", errRecord)
	}
	flags := d.rest[0]
	d.rest = d.rest[1:]
	r.ordinal, r.samples.Kind = uint32(o), chunk.Kind(flags&7)
	if flags>>5 != 0 || !r.samples.Kind.Valid() {
		return r, false, fmt.Errorf("row of series %d: flags %#x: %w", o, flags, errRecord)
	}
	if flags&rowIdentity != 0 {
		if r.identity, d.rest, err = chunk.ParseDimensions(d.rest); err != nil {
			return r, false, fmt.Errorf("row of series %d: %w: %w", o, err, errRecord)
		}
	}
	if flags&rowSameTimes == 0 {
		if err := d.stamps(); err != nil {
			return r, false, fmt.Errorf("row of series %d: %w", o, err)
		}
	}
	r.samples.Times = d.times
	if err := d.values(&r.samples); err != nil {
		return r, false, fmt.Errorf("row of series %d: %w", o, err)
	}
	return r, true, nil
}

func (d *rowDecoder) uvarint(most uint64) (uint64, error) {
	v, k := binary.Uvarint(d.rest)
	if k <= 0 || v > most {
		return 0, errRecord
	}
	d.rest = d.rest[k:]
	return v, nil
}

func (d *rowDecoder) varint() (int64, error) {
	v, k := binary.Varint(d.rest)
	if k <= 0 {
		return 0, errRecord
	}
	d.rest = d.rest[k:]
	return v, nil
}

func (d *rowDecoder) stamps() error {
	n, err := d.uvarint(uint64(len(d.rest))) // a stamp takes a byte at least
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	times := make([]int64, n)
	var prev, delta int64
	for i := range times {
		v, err := d.varint()
		if err != nil {
			return fmt.Errorf("stamp %d of %d: %w", i, n, err)
		}
		t := prev + delta + v
		if i > 0 {
			delta = t - prev
		}
		prev, times[i] = t, t
	}
	d.times = times
	return nil
}

func (d *rowDecoder) values(s *chunk.Samples) error {
	n, least := len(s.Times), 1
	if s.Kind == chunk.Float64 {
		least = 8
	}
	if n*least > len(d.rest) {
		return fmt.Errorf("%d values in %d bytes: %w", n, len(d.rest), errRecord)
	}
	switch s.Kind {
	case chunk.Float64:
		s.Floats = make([]float64, n)
		for i := range s.Floats {
			s.Floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(d.rest[8*i:]))
		}
		d.rest = d.rest[8*n:]
	case chunk.Int64:
		s.Ints = make([]int64, n)
		var prev int64
		for i := range s.Ints {
			v, err := d.varint()
			if err != nil {
				return fmt.Errorf("value %d of %d: %w", i, n, err)
			}
			prev += v
			s.Ints[i] = prev
		}
	case chunk.Bool:
		s.Bools = make([]bool, n)
		for i := range s.Bools {
			if d.rest[i] > 1 {
				return fmt.Errorf("value %d of %d: %w", i, n, errRecord)
			}
			s.Bools[i] = d.rest[i] == 1
		}
		d.rest = d.rest[n:]
	case chunk.String:
		return d.texts(s, n)
	}
	return nil
}

func (d *rowDecoder) texts(s *chunk.Samples, n int) error {
	s.Strings = make([]string, n)
	for i := range s.Strings {
		l, err := d.uvarint(uint64(len(d.rest)))
		if err != nil || l > uint64(len(d.rest)) {
			return fmt.Errorf("value %d of %d: %w", i, n, errRecord)
		}
		s.Strings[i] = string(d.rest[:l])
		d.rest = d.rest[l:]
	}
	return nil
}

// appendDeletion appends the record of a deletion to dst.
func appendDeletion(dst []byte, span chunk.Span, series *roaring.Bitmap) []byte {
	dst = append(dst, recDeletion)
	dst = binary.AppendVarint(dst, span.Start)
	dst = binary.AppendVarint(dst, span.End)
	return appendOrdinals(dst, series)
}

// parseDeletion reads a record of kind recDeletion.
func parseDeletion(record []byte) (chunk.Span, *roaring.Bitmap, error) {
	d := rowDecoder{rest: record[1:]}
	start, err1 := d.varint()
	end, err2 := d.varint()
	if err := errors.Join(err1, err2); err != nil {
		return chunk.Span{}, nil, fmt.Errorf("deletion: span: %w", err)
	}
	series, err := parseOrdinals(d.rest)
	if err != nil {
		return chunk.Span{}, nil, fmt.Errorf("deletion: %w", err)
	}
	return chunk.Span{Start: start, End: end}, series, nil
}

// appendOrdinals appends a set of ordinals as runs.
func appendOrdinals(dst []byte, b *roaring.Bitmap) []byte {
	type run struct{ first, last uint64 }
	var runs []run
	for it := b.Iterator(); it.HasNext(); {
		o := uint64(it.Next())
		if n := len(runs); n > 0 && runs[n-1].last+1 == o {
			runs[n-1].last = o
			continue
		}
		runs = append(runs, run{o, o})
	}
	dst = binary.AppendUvarint(dst, uint64(len(runs)))
	var next uint64
	for _, r := range runs {
		dst = binary.AppendUvarint(dst, r.first-next)
		dst = binary.AppendUvarint(dst, r.last-r.first)
		next = r.last + 1
	}
	return dst
}

// maxRunEnd bounds ordinals, and so what a bitmap of hostile runs can take.
const maxRunEnd = 1 << 28

// parseOrdinals reads what appendOrdinals wrote, up to the end of b. Runs take little memory
// however long they are.
func parseOrdinals(b []byte) (*roaring.Bitmap, error) {
	d := rowDecoder{rest: b}
	n, err := d.uvarint(uint64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("ordinals: count: %w", err)
	}
	out := roaring.New()
	var next uint64
	for i := range n {
		gap, err1 := d.uvarint(math.MaxUint32)
		more, err2 := d.uvarint(math.MaxUint32)
		first := next + gap
		if next = first + more + 1; err1 != nil || err2 != nil || next > maxRunEnd || i > 0 && gap == 0 {
			return nil, fmt.Errorf("ordinals: run %d of %d: %w", i, n, errRecord)
		}
		out.AddRange(first, next)
	}
	if len(d.rest) > 0 {
		return nil, fmt.Errorf("ordinals: %d bytes too many: %w", len(d.rest), errRecord)
	}
	out.RunOptimize()
	return out, nil
}
