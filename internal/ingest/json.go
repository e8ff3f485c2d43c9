package ingest

import (
	"errors"
	"strings"

	"github.com/chronodex/chronodex/internal/jsontext"
)

// eachMember is [jsontext.Members], whose errors wrap [ErrFormat].
func eachMember(b []byte, f func(name, value []byte) error) (int, error) {
	n, err := jsontext.Members(b, f)
	return n, ofFormat(err)
}

// eachElement calls f with each element of the array b, or with b itself where it is none.
// Elements are scalars.
func eachElement(b []byte, f func([]byte) error) error {
	if b[0] != '[' {
		return f(b)
	}
	_, err := jsontext.Elements(b, func(v []byte) error {
		if v[0] == '[' || v[0] == '{' {
			return malformed("%s is not a time or value", quote(v))
		}
		return f(v)
	})
	return ofFormat(err)
}

func ofFormat(err error) error {
	if errors.Is(err, jsontext.ErrSyntax) && !errors.Is(err, ErrFormat) {
		return malformed("%s", strings.TrimSuffix(err.Error(), ": "+jsontext.ErrSyntax.Error()))
	}
	return err
}
