package segment

import (
	"encoding/binary"
	"math"

	"github.com/chronodex/chronodex/codec"
)

// Pages are made of counts (uvarint) and columns: encoding, ref, length (uvarint), data. A column
// of more than codec.MaxRows rows is written as several, all but the last of that many.

// appendColumn appends one encoded column.
func appendColumn(dst []byte, c codec.Column) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.Encoding))
	dst = binary.AppendUvarint(dst, uint64(c.Ref))
	dst = binary.AppendUvarint(dst, uint64(len(c.Data)))
	return append(dst, c.Data...)
}

// appendInts appends a column of integers.
func appendInts(dst []byte, v []int64, p codec.Profile) []byte {
	for len(v) > codec.MaxRows {
		dst = appendColumn(dst, codec.EncodeInts(v[:codec.MaxRows], p))
		v = v[codec.MaxRows:]
	}
	return appendColumn(dst, codec.EncodeInts(v, p))
}

// appendStrings appends a column of strings.
func appendStrings(dst []byte, v []string, p codec.Profile) []byte {
	for len(v) > codec.MaxRows {
		dst = appendColumn(dst, codec.EncodeStrings(v[:codec.MaxRows], p))
		v = v[codec.MaxRows:]
	}
	return appendColumn(dst, codec.EncodeStrings(v, p))
}

// appendFloats appends columns of numbers that all have the rows of times, at most codec.MaxRows.
func appendFloats(dst []byte, cols [][]float64, times []int64, p codec.Profile) []byte {
	for _, c := range codec.EncodeFloats(cols, times, p) {
		dst = appendColumn(dst, c)
	}
	return dst
}

// A pageReader reads what the functions above wrote. After the first error it returns zeros.
type pageReader struct {
	rest []byte
	err  error
}

// count reads a count of at most limit.
func (r *pageReader) count(limit int) int {
	v, k := binary.Uvarint(r.rest)
	if k <= 0 || v > uint64(limit) {
		r.fail("a count of more than %d", limit)
		return 0
	}
	r.rest = r.rest[k:]
	return int(v)
}

// fail keeps the first error.
func (r *pageReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = corrupt(format, args...)
	}
	r.rest = nil
}

// column reads one encoded column.
func (r *pageReader) column() codec.Column {
	var c codec.Column
	c.Encoding = codec.Encoding(r.count(math.MaxInt32))
	c.Ref = codec.Ref(r.count(math.MaxInt32))
	n := r.count(len(r.rest))
	if n > len(r.rest) {
		r.fail("a column of %d bytes in %d", n, len(r.rest))
		return c
	}
	c.Data = r.rest[:n:n]
	r.rest = r.rest[n:]
	return c
}

// ints reads a column of n integers.
func (r *pageReader) ints(n int) []int64 {
	var out []int64
	for r.err == nil {
		rows := min(n-len(out), codec.MaxRows)
		v, err := codec.DecodeInts(out, r.column(), rows)
		if r.decoded(err, len(v)-len(out), rows); len(v) >= n || r.err != nil {
			return r.whole(v, n)
		}
		out = v
	}
	return r.whole(nil, n)
}

// decoded notes the outcome of decoding a column.
func (r *pageReader) decoded(err error, got, want int) {
	if err == nil && got != want {
		err = codec.ErrCorrupt
	}
	if err != nil {
		r.fail("%v", err)
	}
}

// whole returns v, or after an error n zeros: callers need not check for it at each column.
func (r *pageReader) whole(v []int64, n int) []int64 {
	if r.err != nil {
		return make([]int64, n)
	}
	return v
}

// bounded reads a column of n integers from low to high.
func (r *pageReader) bounded(n int, low, high int64) []int64 {
	v := r.ints(n)
	for _, x := range v {
		if r.err == nil && (x < low || x > high) {
			r.fail("%d, should be in [%d, %d]", x, low, high)
			clear(v)
		}
	}
	if r.err != nil {
		for i := range v {
			v[i] = low
		}
	}
	return v
}

// strings reads a column of n strings.
func (r *pageReader) strings(n int) []string {
	var out []string
	for r.err == nil {
		rows := min(n-len(out), codec.MaxRows)
		v, err := codec.DecodeStrings(out, r.column(), rows)
		r.decoded(err, len(v)-len(out), rows)
		if out = v; len(out) >= n {
			break
		}
	}
	if r.err != nil {
		return make([]string, n)
	}
	return out
}

// floats reads k columns of n numbers each, which were encoded together.
func (r *pageReader) floats(k, n int, times []int64) [][]float64 {
	cols, out := make([]codec.Column, k), make([][]float64, k)
	for i := range cols {
		cols[i] = r.column()
	}
	decode := func(i int, ref []float64) {
		v, err := codec.DecodeFloats(nil, cols[i], n, ref, times)
		r.decoded(err, len(v), n)
		out[i] = v
	}
	for i, c := range cols { // those that stand alone, then those that need them
		if _, ok := c.Ref.Index(); !ok && r.err == nil {
			decode(i, nil)
		}
	}
	for i, c := range cols {
		if k, ok := c.Ref.Index(); ok && r.err == nil {
			if k >= len(cols) || out[k] == nil && n > 0 {
				r.fail("column %d refers to %d", i, k)
				break
			}
			decode(i, out[k])
		}
	}
	if r.err != nil {
		for i := range out {
			out[i] = make([]float64, n)
		}
	}
	return out
}

// end reports the first error, or that something is left.
func (r *pageReader) end() error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("%d bytes too many", len(r.rest))
	}
	return r.err
}
