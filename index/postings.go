package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/RoaringBitmap/roaring/v2"
	zap "github.com/blevesearch/zapx/v16"
)

// Postings are the documents of one term in one segment: either one document, or the bytes of a
// roaring bitmap in its portable form, which is read in place. They alias the segment's file.
type postings struct {
	one  uint32
	data []byte // nil for one
}

// Numbers of the portable form of roaring bitmaps (RoaringFormatSpec).
const (
	cookieNoRuns = 12346
	cookieRuns   = 12347
	arrayMax     = 4096 // values of the largest array container
	wordsPerKey  = 1024 // 64-bit words of a bitmap container
	fewKeys      = 4    // with runs and fewer containers, there are no offsets
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
	runs  bool
	body  []byte // pairs of 2-byte start and length - 1 of runs; else 2 bytes a value up to arrayMax values; else bits
}

// each calls f with each container. The header was written by us or Bleve and is under a checksum;
// still, what does not fit panics, which the caller's caller turns into an error.
func (p postings) each(f func(c container)) {
	cookie, head := binary.LittleEndian.Uint32(p.data), p.data[4:]
	var runs []byte
	var n int
	if cookie&0xffff == cookieRuns {
		n = int(cookie>>16) + 1
		runs, head = head[:(n+7)/8], head[(n+7)/8:]
	} else {
		n = int(binary.LittleEndian.Uint32(head))
		head = head[4:]
	}
	body := head[4*n:]
	if runs == nil || n >= fewKeys {
		body = body[4*n:]
	}
	for i := range n {
		c := container{
			base:  uint32(binary.LittleEndian.Uint16(head[4*i:])) << 16,
			count: int(binary.LittleEndian.Uint16(head[4*i+2:])) + 1,
			runs:  runs != nil && runs[i/8]>>(i%8)&1 != 0,
		}
		size := 2 * c.count
		switch {
		case c.runs:
			size = 4 * int(binary.LittleEndian.Uint16(body))
			body = body[2:]
		case c.count > arrayMax:
			size = 8 * wordsPerKey
		}
		c.body, body = body[:size], body[size:]
		f(c)
	}
}

// eachRun calls f with the first and the last value of each run.
func (c container) eachRun(f func(first, last uint)) {
	for body := c.body; len(body) >= 4; body = body[4:] {
		first := uint(binary.LittleEndian.Uint16(body))
		f(first, first+uint(binary.LittleEndian.Uint16(body[2:])))
	}
}

// eachMask calls f with each word of bits that values from first to last touch, and their bits.
func eachMask(first, last uint, f func(word uint, mask uint64)) {
	for word := first / 64; word <= last/64; word++ {
		mask := ^uint64(0)
		if word == first/64 {
			mask <<= first % 64
		}
		if word == last/64 {
			mask &= ^uint64(0) >> (63 - last%64)
		}
		f(word, mask)
	}
}

// appendDocs appends the documents to dst, in order.
func (p postings) appendDocs(dst []uint32) []uint32 {
	if p.data == nil {
		return append(dst, p.one)
	}
	p.each(func(c container) {
		switch {
		case c.runs:
			c.eachRun(func(first, last uint) {
				for v := first; v <= last; v++ {
					dst = append(dst, c.base+uint32(v))
				}
			})
		case c.count > arrayMax:
			for i := range wordsPerKey {
				for w := binary.LittleEndian.Uint64(c.body[8*i:]); w != 0; w &= w - 1 {
					dst = append(dst, c.base+uint32(64*i+bits.TrailingZeros64(w)))
				}
			}
		default:
			for body := c.body; len(body) >= 2; body = body[2:] {
				dst = append(dst, c.base+uint32(binary.LittleEndian.Uint16(body)))
			}
		}
	})
	return dst
}

// dense is a set of documents as bits; its length is a multiple of wordsPerKey.
type dense []uint64

func newDense(docs uint32) dense {
	return make(dense, (uint64(docs)+1<<16-1)>>16*wordsPerKey)
}

// add adds the documents of p to d.
func (d dense) add(p postings) {
	if p.data == nil {
		d[p.one/64] |= 1 << (p.one % 64)
		return
	}
	p.each(d.addContainer)
}

func (d dense) addContainer(c container) {
	words := d[c.base/64:][:wordsPerKey]
	switch {
	case c.runs:
		c.eachRun(func(first, last uint) {
			eachMask(first, last, func(word uint, mask uint64) { words[word] |= mask })
		})
	case c.count > arrayMax:
		for i := range words {
			words[i] |= binary.LittleEndian.Uint64(c.body[8*i:])
		}
	default:
		for body := c.body; len(body) >= 2; body = body[2:] {
			v := uint(body[0]) | uint(body[1])<<8
			words[v/64] |= 1 << (v % 64)
		}
	}
}

// count returns how many documents of p are in d; where d is nil, how many there are.
func (d dense) count(p postings) int {
	n := 0
	switch {
	case d == nil && p.data == nil:
		return 1
	case d == nil:
		p.each(func(c container) { n += c.count })
	case p.data == nil:
		return int(d[p.one/64] >> (p.one % 64) & 1)
	default:
		p.each(func(c container) { n += d.countContainer(c) })
	}
	return n
}

func (d dense) countContainer(c container) int {
	n := 0
	words := d[c.base/64:][:wordsPerKey]
	switch {
	case c.runs:
		c.eachRun(func(first, last uint) {
			eachMask(first, last, func(word uint, mask uint64) { n += bits.OnesCount64(words[word] & mask) })
		})
	case c.count > arrayMax:
		for i, w := range words {
			n += bits.OnesCount64(w & binary.LittleEndian.Uint64(c.body[8*i:]))
		}
	default:
		for body := c.body; len(body) >= 2; body = body[2:] {
			v := uint(body[0]) | uint(body[1])<<8
			n += int(words[v/64] >> (v % 64) & 1)
		}
	}
	return n
}

// bitmap returns d as a bitmap of its own.
func (d dense) bitmap() *roaring.Bitmap { return roaring.FromDense(d, true) }
