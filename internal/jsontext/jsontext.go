// Package jsontext walks through JSON that is in memory: the members of an object, the elements of
// an array, each as it is written, without building values and without copies. It knows nothing of
// what the JSON means; of numbers it checks only where they end.
//
// Start at [Members] and [Elements].
package jsontext

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/chronodex/chronodex/internal/literal"
)

// MaxDepth is how deep objects and arrays may be nested.
const MaxDepth = 64

// ErrSyntax is wrapped by every error that means: this is not JSON, or not the kind of value that
// was asked for.
var ErrSyntax = errors.New("malformed JSON")

func malformed(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrSyntax)...)
}

// excerpt quotes the beginning of b.
func excerpt(b []byte) string {
	more := ""
	if len(b) > 60 {
		b, more = b[:60], "…"
	}
	return fmt.Sprintf("%q%s", strings.ToValidUTF8(string(b), "\ufffd"), more)
}

// Space returns the length of the white space at the head of b.
func Space(b []byte) int {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return i
		}
	}
	return len(b)
}

// Members calls f with the name, without quotes and escapes, and the value, as written, of each
// member of the object at the head of b. It returns the object's length. name is valid until f
// returns, value aliases b. An error is one of f, or wraps [ErrSyntax].
func Members(b []byte, f func(name, value []byte) error) (int, error) {
	if len(b) == 0 || b[0] != '{' {
		return 0, malformed("%s is not a JSON object", excerpt(b))
	}
	n := 1 + Space(b[1:])
	if n < len(b) && b[n] == '}' {
		return n + 1, nil
	}
	for {
		name, k := nameOf(b[n:])
		if k == 0 {
			return 0, malformed("%s is not the name of a member", excerpt(b[n:]))
		}
		n += k
		if n += Space(b[n:]); n >= len(b) || b[n] != ':' {
			return 0, malformed("no : after %s", excerpt(name))
		}
		n++
		n += Space(b[n:])
		if k = Len(b[n:]); k == 0 {
			return 0, malformed("%s is not a JSON value", excerpt(b[n:]))
		}
		if err := f(name, b[n:n+k]); err != nil {
			return 0, err
		}
		n += k
		n += Space(b[n:])
		switch {
		case n < len(b) && b[n] == '}':
			return n + 1, nil
		case n >= len(b) || b[n] != ',':
			return 0, malformed("the object is not closed")
		}
		n++
		n += Space(b[n:])
	}
}

// nameOf returns the string at the head of b, without quotes and escapes, and its length as it is
// written; 0 where there is none.
func nameOf(b []byte) ([]byte, int) {
	if len(b) == 0 || b[0] != '"' {
		return nil, 0
	}
	k := scalarLen(b)
	if k > 1 && bytes.IndexByte(b[:k], '\\') < 0 {
		return b[1 : k-1], k
	}
	return literal.ParseJSON(nil, b)
}

// Elements calls f with each element, as written, of the array at the head of b. It returns the
// array's length. What f is given aliases b. An error is one of f, or wraps [ErrSyntax].
func Elements(b []byte, f func(value []byte) error) (int, error) {
	if len(b) == 0 || b[0] != '[' {
		return 0, malformed("%s is not a JSON array", excerpt(b))
	}
	n := 1 + Space(b[1:])
	if n < len(b) && b[n] == ']' {
		return n + 1, nil
	}
	for {
		k := Len(b[n:])
		if k == 0 {
			return 0, malformed("%s is not a JSON value", excerpt(b[n:]))
		}
		if err := f(b[n : n+k]); err != nil {
			return 0, err
		}
		n += k
		n += Space(b[n:])
		switch {
		case n < len(b) && b[n] == ']':
			return n + 1, nil
		case n >= len(b) || b[n] != ',':
			return 0, malformed("the array is not closed")
		}
		n++
		n += Space(b[n:])
	}
}

// Text returns the text of a scalar value, as written: of a string without its quotes and escapes,
// of a number, true, false or null itself. It is in dst where there are escapes, and else aliases
// value.
func Text(dst, value []byte) []byte {
	if len(value) == 0 || value[0] != '"' {
		return value
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	out, _ := literal.ParseJSON(dst[:0], value)
	return out
}

// Len returns the length of the JSON value at the head of b, or 0 where it is malformed. Of
// numbers and words it checks only where they end.
func Len(b []byte) int { return valueLen(b, 0) }

// scalarLen returns the length of the string, number or word at the head of b, or 0.
func scalarLen(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if b[0] == '"' {
		for i := 1; i < len(b); i++ {
			switch b[i] {
			case '"':
				return i + 1
			case '\\':
				i++
			}
		}
		return 0
	}
	i := 0
	for i < len(b) {
		c := b[i]
		if c-'0' > 9 && (c|0x20)-'a' > 25 && c != '-' && c != '+' && c != '.' {
			break
		}
		i++
	}
	return i
}

// valueLen is Len, at a depth.
func valueLen(b []byte, depth int) int {
	if len(b) == 0 || depth > MaxDepth {
		return 0
	}
	switch b[0] {
	case '"':
		if k := scalarLen(b); k > 0 && wellFormed(b[:k]) {
			return k
		}
		return 0
	case '{':
		return objectLen(b, depth)
	case '[':
	default:
		return scalarLen(b)
	}
	n := 1 + Space(b[1:])
	if n < len(b) && b[n] == ']' {
		return n + 1
	}
	for {
		k := valueLen(b[n:], depth+1)
		if k == 0 {
			return 0
		}
		n += k
		n += Space(b[n:])
		switch {
		case n < len(b) && b[n] == ']':
			return n + 1
		case n >= len(b) || b[n] != ',':
			return 0
		}
		n++
		n += Space(b[n:])
	}
}

// objectLen is valueLen of an object.
func objectLen(b []byte, depth int) int {
	n := 1 + Space(b[1:])
	if n < len(b) && b[n] == '}' {
		return n + 1
	}
	for {
		k := scalarLen(b[n:])
		if k == 0 || b[n] != '"' {
			return 0
		}
		n += k
		if n += Space(b[n:]); n >= len(b) || b[n] != ':' {
			return 0
		}
		n++
		n += Space(b[n:])
		if k = valueLen(b[n:], depth+1); k == 0 {
			return 0
		}
		n += k
		n += Space(b[n:])
		switch {
		case n < len(b) && b[n] == '}':
			return n + 1
		case n >= len(b) || b[n] != ',':
			return 0
		}
		n++
		n += Space(b[n:])
	}
}

// wellFormed reports whether a string that ends with its quote has only good escapes.
func wellFormed(b []byte) bool {
	if bytes.IndexByte(b, '\\') < 0 {
		return true
	}
	_, n := literal.ParseJSON(nil, b)
	return n == len(b)
}
