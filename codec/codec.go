package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrCorrupt is wrapped by every error that means: no encoder of this package wrote these bytes.
var ErrCorrupt = errors.New("corrupt column")

// MaxRows is the largest count of rows of one column. A decoder refuses more, so that hostile
// bytes cannot make it allocate much.
const MaxRows = 1 << 16

// A Profile says how hard an encoder tries. Any profile can be decoded without being told.
type Profile uint8

const (
	Fast  Profile = iota // for sealing: no entropy coding, at most 65 ns an observation
	Dense                // for compaction: entropy coding and siblings, at most 150 ns
)

// An Encoding numbers one way in which a column's data is written. Numbers are stored, and never
// reused.
type Encoding uint32

const (
	encRaw Encoding = 1 // 8 bytes little endian a value
)

// A Column is one encoded column. It does not hold its count of rows: who keeps it knows that.
type Column struct {
	Encoding Encoding
	Ref      Ref // what it was encoded against
	Data     []byte
}

// A Ref names the column that another one is encoded against: NoRef, RefTimes, or RefColumn(i).
type Ref uint32

const (
	NoRef    Ref = 0 // stands alone
	RefTimes Ref = 1 // the time column of the same rows
)

// RefColumn refers to column i of the same group, which itself stands alone.
func RefColumn(i int) Ref { return Ref(i + 2) }

// Index returns the column that r refers to, and whether it refers to one.
func (r Ref) Index() (int, bool) { return int(r) - 2, r >= 2 }

// EncodeTimes encodes stamps, Unix nanoseconds in any order.
func EncodeTimes(times []int64, p Profile) Column { return EncodeInts(times, p) }

// DecodeTimes appends n stamps to dst.
func DecodeTimes(dst []int64, c Column, n int) ([]int64, error) { return DecodeInts(dst, c, n) }

// EncodeInts encodes one column of integers.
func EncodeInts(values []int64, p Profile) Column {
	c := Column{Encoding: encRaw}
	for _, v := range values {
		c.Data = binary.LittleEndian.AppendUint64(c.Data, uint64(v))
	}
	return c
}

// DecodeInts appends n integers to dst.
func DecodeInts(dst []int64, c Column, n int) ([]int64, error) {
	if c.Encoding != encRaw || n > MaxRows || len(c.Data) != 8*n {
		return dst, fmt.Errorf("ints: %w", ErrCorrupt)
	}
	for i := range n {
		dst = append(dst, int64(binary.LittleEndian.Uint64(c.Data[8*i:])))
	}
	return dst, nil
}

// EncodeFloats encodes the float64 columns of a group, which all have the rows of times. With
// the profile Dense, a column may be encoded against the times or another column of the group.
func EncodeFloats(cols [][]float64, times []int64, p Profile) []Column {
	out := make([]Column, len(cols))
	for k, values := range cols {
		out[k].Encoding = encRaw
		for _, v := range values {
			out[k].Data = binary.LittleEndian.AppendUint64(out[k].Data, math.Float64bits(v))
		}
	}
	return out
}

// DecodeFloats appends the n values of c to dst. Where c.Ref refers to a column, ref holds its n
// decoded values; where it refers to the times, times holds them.
func DecodeFloats(dst []float64, c Column, n int, ref []float64, times []int64) ([]float64, error) {
	if c.Encoding != encRaw || n > MaxRows || len(c.Data) != 8*n {
		return dst, fmt.Errorf("floats: %w", ErrCorrupt)
	}
	for i := range n {
		dst = append(dst, math.Float64frombits(binary.LittleEndian.Uint64(c.Data[8*i:])))
	}
	return dst, nil
}

// EncodeBools encodes one column of truth values.
func EncodeBools(values []bool, p Profile) Column {
	c := Column{Encoding: encRaw}
	for _, v := range values {
		b := byte(0)
		if v {
			b = 1
		}
		c.Data = append(c.Data, b)
	}
	return c
}

// DecodeBools appends n truth values to dst.
func DecodeBools(dst []bool, c Column, n int) ([]bool, error) {
	if c.Encoding != encRaw || n > MaxRows || len(c.Data) != n {
		return dst, fmt.Errorf("bools: %w", ErrCorrupt)
	}
	for _, b := range c.Data {
		dst = append(dst, b == 1)
	}
	return dst, nil
}

// EncodeStrings encodes one column of strings.
func EncodeStrings(values []string, p Profile) Column {
	c := Column{Encoding: encRaw}
	for _, v := range values {
		c.Data = binary.AppendUvarint(c.Data, uint64(len(v)))
		c.Data = append(c.Data, v...)
	}
	return c
}

// DecodeStrings appends n strings, which do not alias c.Data, to dst.
func DecodeStrings(dst []string, c Column, n int) ([]string, error) {
	if c.Encoding != encRaw || n > MaxRows {
		return dst, fmt.Errorf("strings: %w", ErrCorrupt)
	}
	rest := c.Data
	for range n {
		l, k := binary.Uvarint(rest)
		if k <= 0 || l > uint64(len(rest)-k) {
			return dst, fmt.Errorf("strings: %w", ErrCorrupt)
		}
		dst = append(dst, string(rest[k:k+int(l)]))
		rest = rest[k+int(l):]
	}
	return dst, nil
}
