package promwrite

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// ErrMessage is wrapped by every error that means: these bytes are not the message that they are
// said to be.
var ErrMessage = errors.New("malformed message")

// A field is one field of a message.
type field struct {
	num  protowire.Number
	typ  protowire.Type
	val  uint64 // of a number
	data []byte // of what has a length, aliasing the message
}

// next returns the first field of m, and what follows it.
func next(m []byte) (f field, rest []byte, err error) {
	tag, n := uint64(0), 0
	if len(m) > 0 && m[0] < 0x80 {
		tag, n = uint64(m[0]), 1
	} else if tag, n = protowire.ConsumeVarint(m); n < 0 {
		return f, nil, malformed("tag", n)
	}
	if f.num, f.typ = protowire.DecodeTag(tag); f.num < protowire.MinValidNumber {
		return f, nil, fmt.Errorf("field number %d: %w", tag>>3, ErrMessage)
	}
	m = m[n:]
	switch f.typ {
	case protowire.VarintType:
		f.val, n = protowire.ConsumeVarint(m)
	case protowire.Fixed64Type:
		f.val, n = protowire.ConsumeFixed64(m)
	case protowire.BytesType:
		f.data, n = protowire.ConsumeBytes(m)
	default: // nothing that is known here: a group is skipped, anything else refused
		n = protowire.ConsumeFieldValue(f.num, f.typ, m)
	}
	if n < 0 {
		return f, nil, malformed("field", n)
	}
	return f, m[n:], nil
}

func malformed(what string, n int) error {
	return fmt.Errorf("%s: %w: %w", what, protowire.ParseError(n), ErrMessage)
}

// is reports an error where a field of a known number has another type than it should.
func (f *field) is(typ protowire.Type) error {
	if f.typ != typ {
		return fmt.Errorf("field %d of wire type %d, want %d: %w", f.num, f.typ, typ, ErrMessage)
	}
	return nil
}

func (f *field) float() float64 { return math.Float64frombits(f.val) }

// appendNumbers appends the numbers of a repeated field to dst, packed or not. Wanted is the type of
// a number that is not packed: varint or fixed64.
func appendNumbers(dst []uint64, f *field, wanted protowire.Type) ([]uint64, error) {
	if f.typ != protowire.BytesType {
		return append(dst, f.val), f.is(wanted)
	}
	for m := f.data; len(m) > 0; {
		v, n := uint64(0), 0
		switch {
		case wanted == protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(m)
		case m[0] < 0x80:
			v, n = uint64(m[0]), 1
		default:
			v, n = protowire.ConsumeVarint(m)
		}
		if n < 0 {
			return dst, malformed(fmt.Sprintf("field %d", f.num), n)
		}
		dst, m = append(dst, v), m[n:]
	}
	return dst, nil
}
