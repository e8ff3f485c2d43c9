package codec

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/huff0"
)

// maxDepth bounds how deep streams nest, and so what hostile bytes can cost.
const maxDepth = 6

// A reader walks over the bytes of a column. After its first failure, all it reads is zero, and
// bad is set; so a decoder may check at the end of a step.
type reader struct {
	rest []byte
	bad  bool
	// plain says not to use unsafe. It is set by tests only.
	plain bool
	*scratch
}

// A scratch holds the memory that decoding a column needs beside its result. At each depth of
// nesting one stream is decoded at a time, which needs at most two lists.
type scratch struct {
	lists   [maxDepth + 1][2][]int64
	top     []int64 // a float column's integers
	other   []int64 // the second stream of a float column
	floats  []float64
	symbols []byte
	packed  []byte
	patches [patchBlock]int64
	huff    *huff0.Scratch
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// newReader returns a reader of data, to be given back by free.
func newReader(data []byte) reader {
	return reader{rest: data, scratch: scratches.Get().(*scratch)}
}

func (r *reader) free() { scratches.Put(r.scratch) }

// grown returns s with length n and any content.
func grown[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n, n+n/8)
	}
	*s = (*s)[:cap(*s)]
	return (*s)[:n]
}

func (r *reader) fail() { r.bad, r.rest = true, nil }

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, k := binary.Uvarint(r.rest)
	if k <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[k:]
	return v
}

func (r *reader) varint() int64 {
	v, k := binary.Varint(r.rest)
	if k <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[k:]
	return v
}

// count reads a count or index of at most limit.
func (r *reader) count(limit int) int {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail()
		return 0
	}
	return int(v)
}

// take cuts off the next n bytes.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// done reports whether all bytes were read and fitted.
func (r *reader) done() bool { return !r.bad && len(r.rest) == 0 }
