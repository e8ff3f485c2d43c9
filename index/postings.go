package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"
	zap "github.com/blevesearch/zapx/v17"
)

// Postings are the documents of one term in one segment: either one document, or the bytes of a
// roaring bitmap in its portable form, of which those without runs, the only ones that Bleve
// writes, are read in place. They alias the segment's file.
type postings struct {
	one  uint32
	data []byte // nil for one
}

// Numbers of the portable form of roaring bitmaps (RoaringFormatSpec).
const (
	cookieNoRuns = 12346
	arrayMax     = 4096 // values of the largest array container
	wordsPerKey  = 1024 // 64-bit words of a bitmap container
)

// newPostings finds the postings that a dictionary of the segment with the bytes data points to.
func newPostings(data []byte, pointer uint64) (postings, error) {
	if pointer&zap.FSTValEncodingMask == zap.FSTValEncoding1Hit {
		doc, _ := zap.FSTValDecode1Hit(pointer)
		return postings{one: uint32(doc)}, nil
	}
	if pointer >= uint64(len(data)) {
		return postings{}, fmt.Errorf("postings at %d of %d bytes: %w", pointer, len(data), ErrDamaged)
	}
	rest := data[pointer:]
	var size uint64
	for range 3 { // where frequencies and places are, and the length
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return postings{}, fmt.Errorf("postings at %d: %w", pointer, ErrDamaged)
		}
		size, rest = v, rest[n:]
	}
	if size > uint64(len(rest)) || size < 8 {
		return postings{}, fmt.Errorf("postings at %d: %d bytes: %w", pointer, size, ErrDamaged)
	}
	return postings{data: rest[:size]}, nil
}

// bitmap returns the documents; the bitmap aliases the segment's file, and is not to be modified.
func (p postings) bitmap() (*roaring.Bitmap, error) {
	if p.data == nil {
		return roaring.BitmapOf(p.one), nil
	}
	bm := roaring.New()
	if _, err := bm.FromBuffer(p.data); err != nil {
		return nil, fmt.Errorf("postings: %w: %w", err, ErrDamaged)
	}
	return bm, nil
}

// A container is 65,536 possible documents of a bitmap, those from base.
type container struct {
	base  uint32
	count int
	body  []byte // 2 bytes a value up to arrayMax values, else 8,192 bytes of bits
}

// each calls f with each container; ok is false for a form that is not read in place.
func (p postings) each(f func(c container)) (ok bool) {
	if binary.LittleEndian.Uint32(p.data) != cookieNoRuns {
		return false
	}
	n := int(binary.LittleEndian.Uint32(p.data[4:]))
	head := p.data[8:]
	if n < 0 || n > 1<<16 || len(head) < 8*n {
		return false
	}
	body := head[8*n:]
	for i := range n {
		c := container{
			base:  uint32(binary.LittleEndian.Uint16(head[4*i:])) << 16,
			count: int(binary.LittleEndian.Uint16(head[4*i+2:])) + 1,
		}
		size := 2 * c.count
		if c.count > arrayMax {
			size = 8 * wordsPerKey
		}
		c.body, body = body[:size], body[size:]
		f(c)
	}
	return true
}

// dense is a set of documents as bits; its length is a multiple of wordsPerKey.
type dense []uint64

func newDense(docs uint32) dense {
	return make(dense, (uint64(docs)+1<<16-1)>>16*wordsPerKey)
}

// add adds the documents of p to d.
func (d dense) add(p postings) error {
	if p.data == nil {
		d[p.one/64] |= 1 << (p.one % 64)
		return nil
	}
	if p.each(d.addContainer) {
		return nil
	}
	bm, err := p.bitmap()
	if err != nil {
		return err
	}
	for it := bm.Iterator(); it.HasNext(); {
		v := it.Next()
		d[v/64] |= 1 << (v % 64)
	}
	return nil
}

func (d dense) addContainer(c container) {
	words := d[c.base/64:][:wordsPerKey]
	if c.count > arrayMax {
		for i := range words {
			words[i] |= binary.LittleEndian.Uint64(c.body[8*i:])
		}
		return
	}
	for body := c.body; len(body) >= 2; body = body[2:] {
		v := uint(body[0]) | uint(body[1])<<8
		words[v/64] |= 1 << (v % 64)
	}
}

// count returns how many documents of p are in d; where d is nil, how many there are.
func (d dense) count(p postings) (int, error) {
	if p.data == nil {
		if d == nil {
			return 1, nil
		}
		return int(d[p.one/64] >> (p.one % 64) & 1), nil
	}
	n := 0
	ok := p.each(func(c container) {
		if d == nil {
			n += c.count
		} else {
			n += d.countContainer(c)
		}
	})
	if ok {
		return n, nil
	}
	bm, err := p.bitmap()
	if err != nil || d == nil {
		return int(bm.GetCardinality()), err
	}
	return int(bm.AndCardinality(roaring.FromDense(d, true))), nil
}

func (d dense) countContainer(c container) int {
	n := 0
	words := d[c.base/64:][:wordsPerKey]
	if c.count > arrayMax {
		for i, w := range words {
			n += bits.OnesCount64(w & binary.LittleEndian.Uint64(c.body[8*i:]))
		}
		return n
	}
	for body := c.body; len(body) >= 2; body = body[2:] {
		v := uint(body[0]) | uint(body[1])<<8
		n += int(words[v/64] >> (v % 64) & 1)
	}
	return n
}

// bitmap returns d as a bitmap; d is not to be used any more.
func (d dense) bitmap() *roaring.Bitmap { return roaring.FromDense(d, true) }
