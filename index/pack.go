package index

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum"
	zap "github.com/blevesearch/zapx/v16"
)

// A packer writes a file in Bleve's segment format, zap version 16, which Bleve reads. It does what
// Bleve's own writer does, but for two things: there are no frequencies of terms in documents,
// which nothing here asks for and which take a byte for each, and the bitmaps have runs. So a file
// takes a third of the bytes, and a fifth of the time.
//
//	documents      for each, its id as the only stored field
//	their offsets  8 bytes each
//	for each field the postings of each term, the dictionary, and where it is
//	fields         for each, its name and where it is; then the offsets of these, 8 bytes each
//	footer         numbers, offsets and a CRC-32 (IEEE) of all before
//
// The id of a document is the ordinal of its series, 4 bytes, big-endian. The field of a dimension
// is its name after a dot; its terms are the values. The field w has the words of all values as its
// terms.
type packer struct {
	w      *bufio.Writer
	n      uint64 // bytes written
	sum    uint32
	bitmap *roaring.Bitmap
	dict   *vellum.Builder // used again and again, as it is large
	fst    bytes.Buffer    // of dict
	err    error           // of the first write that failed
}

// A source has what goes into a file.
type source interface {
	// fields returns the fields' names, in any order, some perhaps twice.
	fields() []string
	// open goes to the first term of a field.
	open(field string) error
	// next returns the terms of the field in order, and the documents of each, in order; they are
	// valid until the next call. A nil term ends them. A term may have no documents.
	next() (term []byte, docs []uint32, err error)
}

// pack writes a new file of the documents with the ordinals, numbered as they are there.
func pack(ctx context.Context, path string, ordinals []uint32, src source, durable bool) error {
	return createFile(path, durable, func(w io.Writer) (err error) {
		defer guard(&err)
		p := &packer{w: bufio.NewWriterSize(w, 1<<20), bitmap: roaring.New()}
		return p.write(ctx, ordinals, src)
	})
}

func (p *packer) write(ctx context.Context, ordinals []uint32, src source) error {
	stored := p.documents(ordinals)
	fields := src.fields()
	slices.Sort(fields)
	fields = append([]string{idField}, slices.Compact(fields)...)
	addresses := make([]uint64, len(fields))
	for i, field := range fields {
		var err error
		if i == 0 {
			addresses[i], err = p.dictionary(ctx, &ids{ordinals: ordinals})
		} else if err = src.open(field); err == nil {
			addresses[i], err = p.dictionary(ctx, src)
		}
		if err != nil {
			return fmt.Errorf("field %q: %w", field, err)
		}
	}
	p.footer(len(ordinals), stored, p.fields(fields, addresses))
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

// ids is the source for the ids, each the one term of its document.
type ids struct {
	source
	ordinals []uint32 // of the documents that are left
	id       []byte
	doc      [1]uint32
	n        uint32
}

func (s *ids) next() ([]byte, []uint32, error) {
	if len(s.ordinals) == 0 {
		return nil, nil, nil
	}
	s.id = binary.BigEndian.AppendUint32(s.id[:0], s.ordinals[0])
	s.ordinals, s.doc[0] = s.ordinals[1:], s.n
	s.n++
	return s.id, s.doc[:], nil
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

// dictionary writes the postings and the dictionary of the field that src is at, and returns where
// that is said.
func (p *packer) dictionary(ctx context.Context, src source) (uint64, error) {
	if err := p.newDict(); err != nil {
		return 0, err
	}
	limit := often{ctx: ctx}
	for {
		term, docs, err := src.next()
		if err != nil {
			return 0, err
		}
		if term == nil {
			break
		}
		if len(docs) == 0 {
			continue
		}
		pointer, err := p.postings(docs)
		if err != nil {
			return 0, err
		}
		if err := p.dict.Insert(term, pointer); err != nil {
			return 0, err
		}
		if err := limit.err(); err != nil {
			return 0, err
		}
	}
	if err := p.dict.Close(); err != nil {
		return 0, err
	}
	dict := p.n
	p.uvarint(uint64(p.fst.Len()))
	p.bytes(p.fst.Bytes())
	at := p.n
	p.uvarint(math.MaxUint64) // no doc values: neither start
	p.uvarint(math.MaxUint64) // nor end
	p.uvarint(dict)
	return at, nil
}

// newDict makes dict an empty one.
func (p *packer) newDict() (err error) {
	p.fst.Reset()
	if p.dict != nil {
		return p.dict.Reset(&p.fst)
	}
	p.dict, err = vellum.New(&p.fst, nil)
	return err
}

// postings writes documents, in order, and returns what the dictionary has for them.
func (p *packer) postings(docs []uint32) (pointer uint64, err error) {
	if len(docs) == 1 && docs[0] <= math.MaxInt32 {
		return zap.FSTValEncode1Hit(uint64(docs[0]), 1), nil
	}
	p.bitmap.Clear()
	p.bitmap.AddMany(docs)
	p.bitmap.RunOptimize()
	data, err := p.bitmap.ToBytes()
	if err != nil {
		return 0, err
	}
	pointer = p.n
	p.uvarint(0) // no frequencies
	p.uvarint(0) // no places
	p.uvarint(uint64(len(data)))
	p.bytes(data)
	return pointer, nil
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

func (p *packer) footer(docs int, stored, fields uint64) {
	p.uint64(uint64(docs))
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
