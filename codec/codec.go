package codec

import (
	"errors"
	"fmt"
	"slices"
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
	encRaw     Encoding = 1 // reserved: 8 bytes little endian a value
	encInts    Encoding = 2 // a stream: integers, times, truth values as 0 and 1
	encDecimal Encoding = 3 // doubles: a power of ten, exceptions, a stream
	encBits    Encoding = 4 // doubles: a stream of their bits, in the order of the numbers
	encNear    Encoding = 5 // doubles: a model, a stream of its arguments, a stream of corrections
	encDict    Encoding = 6 // strings: distinct ones, and a stream of indexes
	encPlain   Encoding = 7 // strings: a stream of lengths, and all bytes
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

// DecodeTimes appends n stamps to dst. It fails as [DecodeInts] does.
func DecodeTimes(dst []int64, c Column, n int) ([]int64, error) { return DecodeInts(dst, c, n) }

// EncodeInts encodes one column of integers, in any order.
func EncodeInts(values []int64, p Profile) Column {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.profile = p
	return Column{Encoding: encInts, Data: slices.Clip(e.stream(nil, values, 0))}
}

// EncodeIntGroup encodes the int64 columns of a group, which all have the rows of times. With the
// profile Dense, a column may be encoded against the times or another column of the group.
func EncodeIntGroup(cols [][]int64, times []int64, p Profile) []Column {
	e := encoders.Get().(*encoder)
	defer encoders.Put(e)
	e.profile = p
	members := make([]member, len(cols))
	for k, values := range cols {
		data := slices.Clip(e.stream(nil, values, 0))
		members[k] = member{column: Column{Encoding: encInts, Data: data}, ints: values, ok: len(values) > 0}
	}
	if p == Dense {
		e.siblings(members, times)
	}
	out := make([]Column, len(cols))
	for k := range members {
		out[k] = members[k].column
	}
	return out
}

// DecodeInts appends the n integers of a column without reference to dst, which grows by no more
// than that. Where c is not such a column, it returns dst as it was and an error that wraps
// [ErrCorrupt].
func DecodeInts(dst []int64, c Column, n int) ([]int64, error) {
	if c.Ref != NoRef {
		return dst, fmt.Errorf("ints: reference %d: %w", c.Ref, ErrCorrupt)
	}
	return DecodeIntsRef(dst, c, n, nil, nil)
}

// DecodeIntsRef is [DecodeInts] for any column of a group. Where c.Ref refers to a column, ref
// holds its n decoded values; where it refers to the times, times holds them.
func DecodeIntsRef(dst []int64, c Column, n int, ref, times []int64) ([]int64, error) {
	if c.Encoding != encInts || n < 0 || n > MaxRows {
		return dst, fmt.Errorf("ints: encoding %d, %d rows: %w", c.Encoding, n, ErrCorrupt)
	}
	out := slices.Grow(dst, n)[:len(dst)+n]
	r := newReader(c.Data)
	defer r.free()
	if c.Ref == NoRef {
		r.stream(out[len(dst):], 0)
	} else {
		r.intsAgainst(out[len(dst):], c.Ref, ref, times)
	}
	if !r.done() {
		return dst, fmt.Errorf("ints: %d rows of %d bytes: %w", n, len(c.Data), ErrCorrupt)
	}
	return out, nil
}

// intsAgainst decodes integers against another column or the times.
func (r *reader) intsAgainst(dst []int64, ref Ref, other, times []int64) {
	how, unit := r.how(ref, len(dst), len(other), len(times))
	r.stream(dst, 0)
	if r.bad {
		return
	}
	switch how {
	case howTimes:
		addTimes(dst, times, unit)
	case howMinus:
		for i, y := range other {
			dst[i] += y
		}
	default:
		for i, y := range other {
			dst[i] -= y
		}
	}
}

// EncodeBools encodes one column of truth values.
func EncodeBools(values []bool, p Profile) Column {
	ints := make([]int64, len(values))
	for i, v := range values {
		if v {
			ints[i] = 1
		}
	}
	return EncodeInts(ints, p)
}

// DecodeBools appends n truth values to dst. It fails as [DecodeInts] does.
func DecodeBools(dst []bool, c Column, n int) ([]bool, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	ints, err := DecodeInts(s.other[:0], c, n)
	s.other = ints
	if err != nil {
		return dst, fmt.Errorf("bools: %w", err)
	}
	dst = slices.Grow(dst, n)
	for _, v := range ints {
		dst = append(dst, v == 1)
	}
	return dst, nil
}
