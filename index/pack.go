package index

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum"
	zap "github.com/blevesearch/zapx/v16"
)

// A packer writes one file of Bleve's segment format, zap version 16, out of others: what Bleve's
// own merge does, but without the frequency of each term in each document, which nothing here
// asks for and which takes a byte each, and with runs in the bitmaps: a third of the size, and
// several times faster. Bleve reads such files.
//
//	documents      for each, its id as the only stored field
//	their offsets  8 bytes each
//	for each field the postings of each term, the dictionary, and where it is
//	fields         for each, its name and where it is; then the offsets of these, 8 bytes each
//	footer         numbers, offsets and a CRC-32 (IEEE) of all before
type packer struct {
	w     *bufio.Writer
	n     uint64 // bytes written
	sum   uint32
	parts []packPart
	docs  int
	list  []uint32
	err   error // of the first write that failed
}

// A packPart is a segment on its way into a file.
type packPart struct {
	segment
	offset  uint32   // of its documents in the new file, where none is dropped and they stay together
	numbers []uint32 // of its documents in the new file otherwise; dropped ones have the number dropped
	it      vellum.Iterator
	term    []byte
	pointer uint64
}

const dropped = math.MaxUint32

// pack writes what is not deleted of segments to a new file, in the order of the ordinals, which
// it returns.
func pack(ctx context.Context, path string, segments []segment, durable bool) (ordinals []uint32, err error) {
	p := &packer{}
	ordinals = p.number(segments)
	err = createFile(path, durable, func(w io.Writer) (err error) {
		defer guard(&err)
		p.w = bufio.NewWriterSize(w, 1<<20)
		return p.write(ctx, ordinals)
	})
	return ordinals, err
}

// number decides which number each document gets.
func (p *packer) number(segments []segment) []uint32 {
	type place struct{ ordinal, part, doc uint32 }
	var places []place
	together := true
	for i, s := range segments {
		for doc := range s.entry.Documents {
			if s.deleted == nil || !s.deleted.Contains(doc) {
				places = append(places, place{s.ordinal(doc), uint32(i), doc})
			}
		}
		together = together && s.deleted == nil
		p.parts = append(p.parts, packPart{segment: s})
	}
	byOrdinal := func(a, b place) int { return cmp.Compare(a.ordinal, b.ordinal) }
	if !slices.IsSortedFunc(places, byOrdinal) {
		slices.SortFunc(places, byOrdinal)
		together = false
	}
	p.docs = len(places)
	ordinals := make([]uint32, len(places))
	next := uint32(0)
	for i := range p.parts {
		part := &p.parts[i]
		if part.offset = next; together {
			next += part.entry.Documents
			continue
		}
		part.numbers = make([]uint32, part.entry.Documents)
		for doc := range part.numbers {
			part.numbers[doc] = dropped
		}
	}
	for n, at := range places {
		ordinals[n] = at.ordinal
		if !together {
			p.parts[at.part].numbers[at.doc] = uint32(n)
		}
	}
	return ordinals
}

func (p *packer) write(ctx context.Context, ordinals []uint32) error {
	stored := p.documents(ordinals)
	var fields []string
	for _, part := range p.parts {
		for _, name := range part.zap.Fields() {
			if name != idField {
				fields = append(fields, name)
			}
		}
	}
	slices.Sort(fields)
	fields = append([]string{idField}, slices.Compact(fields)...)
	addresses := make([]uint64, len(fields))
	for i, field := range fields {
		var err error
		if addresses[i], err = p.field(ctx, field); err != nil {
			return err
		}
	}
	p.footer(stored, p.fields(fields, addresses))
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

func (p *packer) bytes(b []byte) {
	if p.err == nil {
		_, p.err = p.w.Write(b)
	}
	p.n += uint64(len(b))
	p.sum = crc32.Update(p.sum, crc32.IEEETable, b)
}

func (p *packer) uvarint(v uint64) {
	var buf [binary.MaxVarintLen64]byte
	p.bytes(buf[:binary.PutUvarint(buf[:], v)])
}

func (p *packer) uint64(v uint64) {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], v)
	p.bytes(buf[:])
}

// documents writes the stored fields, and returns where their offsets are.
func (p *packer) documents(ordinals []uint32) uint64 {
	const size = 8
	var b [size]byte
	for _, ordinal := range ordinals {
		// 1 byte of what follows, which says that the id has 4; 5 bytes of data: the id, and that
		// the other fields are compressed to no bytes.
		b = [size]byte{1, 5, 4}
		binary.BigEndian.PutUint32(b[3:], ordinal)
		p.bytes(b[:])
	}
	at := p.n
	for i := range ordinals {
		p.uint64(uint64(i) * size)
	}
	return at
}

// field writes the postings and the dictionary of one field, and returns where that is said.
func (p *packer) field(ctx context.Context, field string) (uint64, error) {
	var fst bytes.Buffer
	builder, err := vellum.New(&fst, nil)
	if err != nil {
		return 0, err
	}
	if err := p.openDicts(field); err != nil {
		return 0, err
	}
	limit := often{ctx: ctx}
	var term []byte
	for {
		least := -1
		for i := range p.parts {
			if t := p.parts[i].term; t != nil && (least < 0 || bytes.Compare(t, p.parts[least].term) < 0) {
				least = i
			}
		}
		if least < 0 {
			break
		}
		term = append(term[:0], p.parts[least].term...)
		pointer, ok, err := p.term(term)
		if err == nil && ok {
			err = builder.Insert(term, pointer)
		}
		if err = cmp.Or(err, limit.err()); err != nil {
			return 0, fmt.Errorf("field %q: %w", field, err)
		}
	}
	if err := builder.Close(); err != nil {
		return 0, err
	}
	dict := p.n
	p.uvarint(uint64(fst.Len()))
	p.bytes(fst.Bytes())
	at := p.n
	p.uvarint(math.MaxUint64) // no doc values: neither start
	p.uvarint(math.MaxUint64) // nor end
	p.uvarint(dict)
	return at, nil
}

// openDicts goes to the first term of field in each part.
func (p *packer) openDicts(field string) error {
	for i := range p.parts {
		part := &p.parts[i]
		part.it, part.term = nil, nil
		if field == idField {
			continue // it has no terms
		}
		d, err := part.dict(field)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		it, err := d.Iterator(nil, nil)
		if err := part.at(it, err); err != nil {
			return err
		}
	}
	return nil
}

// at notes the term that the iterator is at.
func (part *packPart) at(it vellum.Iterator, err error) error {
	part.it, part.term = it, nil
	if err == nil {
		part.term, part.pointer = it.Current()
		if part.term == nil {
			part.term = []byte{}
		}
	} else if !errors.Is(err, vellum.ErrIteratorDone) {
		return fmt.Errorf("dictionary: %w: %w", err, ErrDamaged)
	}
	return nil
}

// term writes the postings of one term, and goes to the next; ok is false where there are none.
func (p *packer) term(term []byte) (pointer uint64, ok bool, err error) {
	p.list = p.list[:0]
	for i := range p.parts {
		part := &p.parts[i]
		if part.term == nil || !bytes.Equal(part.term, term) {
			continue
		}
		docs, err := newPostings(part.data, part.pointer)
		if err != nil {
			return 0, false, err
		}
		from := len(p.list)
		p.list = docs.appendDocs(p.list)
		part.renumber(p.list[from:])
		if err := part.at(part.it, part.it.Next()); err != nil {
			return 0, false, err
		}
	}
	if !slices.IsSorted(p.list) {
		slices.Sort(p.list)
	}
	if n := len(p.list); n > 0 && p.list[n-1] == dropped {
		i, _ := slices.BinarySearch(p.list, dropped)
		p.list = p.list[:i]
	}
	switch n := len(p.list); {
	case n == 0:
		return 0, false, nil
	case n == 1 && p.list[0] <= math.MaxInt32:
		return zap.FSTValEncode1Hit(uint64(p.list[0]), 1), true, nil
	}
	bm := roaring.New()
	bm.AddMany(p.list)
	bm.RunOptimize()
	data, err := bm.ToBytes()
	if err != nil {
		return 0, false, err
	}
	pointer = p.n
	p.uvarint(0) // no frequencies
	p.uvarint(0) // no places
	p.uvarint(uint64(len(data)))
	p.bytes(data)
	return pointer, true, nil
}

// renumber replaces documents of the part by their new numbers.
func (part *packPart) renumber(docs []uint32) {
	for i, doc := range docs {
		if part.numbers != nil {
			docs[i] = part.numbers[doc]
		} else {
			docs[i] = doc + part.offset
		}
	}
}

// fields writes where the fields are, and returns where that is.
func (p *packer) fields(names []string, addresses []uint64) uint64 {
	offsets := make([]uint64, len(names))
	for i, name := range names {
		offsets[i] = p.n
		p.uvarint(uint64(len(name)))
		p.bytes([]byte(name))
		p.uvarint(1)          // one section
		p.bytes([]byte{0, 0}) // which is the dictionary and the postings
		p.uint64(addresses[i])
	}
	at := p.n
	p.uvarint(uint64(len(names)))
	for _, offset := range offsets {
		p.uint64(offset)
	}
	return at
}

func (p *packer) footer(stored, fields uint64) {
	p.uint64(uint64(p.docs))
	p.uint64(stored)
	p.uint64(fields)
	p.uint64(fields)
	p.uint64(0) // no doc values
	var b [12]byte
	binary.BigEndian.PutUint32(b[0:], zap.DefaultChunkMode)
	binary.BigEndian.PutUint32(b[4:], zap.Version)
	p.bytes(b[:8])
	binary.BigEndian.PutUint32(b[8:], p.sum)
	p.bytes(b[8:])
}
