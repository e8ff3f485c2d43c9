package index

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/blevesearch/vellum"
)

// eachTerm calls f with each term of d from prefix on that has it, in order, and what d points to.
// The term is valid during the call. It ends where f returns an error, and returns it.
func eachTerm(d *vellum.FST, a vellum.Automaton, from, until []byte, f func(term []byte, pointer uint64) error) error {
	if d == nil {
		return nil
	}
	it, err := d.Search(a, from, until)
	for ; err == nil; err = it.Next() {
		term, pointer := it.Current()
		if err := f(term, pointer); err != nil {
			return err
		}
	}
	if !errors.Is(err, vellum.ErrIteratorDone) {
		return fmt.Errorf("dictionary: %w: %w", err, ErrDamaged)
	}
	return nil
}

// anyTerm is the automaton that matches all terms.
type anyTerm = vellum.AlwaysMatch

// after returns the first key behind all that have the prefix; nil is the end.
func after(prefix string) []byte {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return b[:i+1]
		}
	}
	return nil
}

// from returns key as a lower end; nil is the start.
func from(key string) []byte {
	if key == "" {
		return nil
	}
	return []byte(key)
}

// A scan is how the terms that a matcher matches are found in a dictionary.
type scan struct {
	automaton   vellum.Automaton
	from, until []byte
	test        func(term []byte) bool // what is left to test; nil for nothing
}

// scanFor returns how to find what m matches.
func (ix *Index) scanFor(m matcher) scan {
	s := scan{automaton: &anyTerm{}}
	switch m := m.(type) {
	case anyValue:
	case *glob:
		prefix := m.prefix()
		s.from, s.until = from(prefix), after(prefix)
		s.test = m.tester()
	case *interval:
		if !m.numeric {
			s.from = from(m.low.value)
			if !m.high.open {
				s.until = append([]byte(m.high.value), 0)
			}
		}
		s.test = func(term []byte) bool { return m.match(string(term)) }
	default:
		if a := ix.automaton(m); a != nil {
			s.automaton = a
			return s
		}
		s.test = func(term []byte) bool { return m.match(string(term)) }
	}
	return s
}

// tester returns what is to be tested of terms that have the prefix of g.
func (g *glob) tester() func(term []byte) bool {
	longest := ""
	for _, t := range g.tokens {
		if len(t.literal) > len(longest) {
			longest = t.literal
		}
	}
	rest := g.tokens
	if len(rest) > 0 && rest[0].literal != "" {
		rest = rest[1:]
	}
	part := []byte(longest)
	switch shape(rest) {
	case "*":
		return nil
	case "*a*":
		if rest[0].wild == '*' && len(rest) == len(g.tokens) {
			return func(term []byte) bool { return bytes.Contains(term, part) }
		}
	case "*a":
		if len(rest) == len(g.tokens) {
			return func(term []byte) bool { return bytes.HasSuffix(term, part) }
		}
	}
	return func(term []byte) bool { return bytes.Contains(term, part) && g.match(string(term)) }
}

// shape writes tokens with an a for literal text.
func shape(tokens []globToken) string {
	var b strings.Builder
	for _, t := range tokens {
		if t.wild == 0 {
			t.wild = 'a'
		}
		b.WriteByte(t.wild)
	}
	return b.String()
}

// errEnough ends eachTerm early.
var errEnough = errors.New("enough")

// ended returns err, but nil where it is errEnough.
func ended(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
