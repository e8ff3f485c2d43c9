package ingest

import (
	"bytes"

	"github.com/chronodex/chronodex/internal/literal"
)

// space returns the length of the white space at the head of b.
func space(b []byte) int {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return i
		}
	}
	return len(b)
}

// eachMember calls f with the name, without quotes and escapes, and the value, as written, of
// each member of the JSON object at the head of b. It returns the object's length.
func eachMember(b []byte, f func(name, value []byte) error) (int, error) {
	if len(b) == 0 || b[0] != '{' {
		return 0, malformed("%s is not a JSON object", quote(b))
	}
	n := 1 + space(b[1:])
	if n < len(b) && b[n] == '}' {
		return n + 1, nil
	}
	var name []byte
	for {
		var k int
		if name, k = literal.ParseJSON(name[:0], b[n:]); k == 0 {
			return 0, malformed("%s is not the name of a member", quote(b[n:]))
		}
		n += k
		if n += space(b[n:]); n >= len(b) || b[n] != ':' {
			return 0, malformed("no : after %s", quote(name))
		}
		n++
		n += space(b[n:])
		if k = valueLen(b[n:], 0); k == 0 {
			return 0, malformed("%s is not a JSON value", quote(b[n:]))
		}
		if err := f(name, b[n:n+k]); err != nil {
			return 0, err
		}
		n += k
		n += space(b[n:])
		switch {
		case n < len(b) && b[n] == '}':
			return n + 1, nil
		case n >= len(b) || b[n] != ',':
			return 0, malformed("the object is not closed")
		}
		n++
		n += space(b[n:])
	}
}

// eachElement calls f with each element of the array b, or with b itself where it is none.
// Elements are scalars.
func eachElement(b []byte, f func([]byte) error) error {
	if b[0] != '[' {
		return f(b)
	}
	n := 1 + space(b[1:])
	if b[n] == ']' {
		return nil
	}
	for {
		k := scalarLen(b[n:])
		if k == 0 {
			return malformed("%s is not a time or value", quote(b[n:]))
		}
		if err := f(b[n : n+k]); err != nil {
			return err
		}
		n += k
		n += space(b[n:])
		if b[n] == ']' {
			return nil
		}
		n++ // valueLen has seen the comma
		n += space(b[n:])
	}
}

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

// valueLen returns the length of the JSON value at the head of b, or 0. Of scalars it checks only
// where they end; who reads them checks the rest.
func valueLen(b []byte, depth int) int {
	if len(b) == 0 || depth > maxDepth {
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
	n := 1 + space(b[1:])
	if n < len(b) && b[n] == ']' {
		return n + 1
	}
	for {
		k := valueLen(b[n:], depth+1)
		if k == 0 {
			return 0
		}
		n += k
		n += space(b[n:])
		switch {
		case n < len(b) && b[n] == ']':
			return n + 1
		case n >= len(b) || b[n] != ',':
			return 0
		}
		n++
		n += space(b[n:])
	}
}

// objectLen is valueLen of an object.
func objectLen(b []byte, depth int) int {
	n := 1 + space(b[1:])
	if n < len(b) && b[n] == '}' {
		return n + 1
	}
	for {
		k := scalarLen(b[n:])
		if k == 0 || b[n] != '"' {
			return 0
		}
		n += k
		if n += space(b[n:]); n >= len(b) || b[n] != ':' {
			return 0
		}
		n++
		n += space(b[n:])
		if k = valueLen(b[n:], depth+1); k == 0 {
			return 0
		}
		n += k
		n += space(b[n:])
		switch {
		case n < len(b) && b[n] == '}':
			return n + 1
		case n >= len(b) || b[n] != ',':
			return 0
		}
		n++
		n += space(b[n:])
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
