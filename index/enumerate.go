package index

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/blevesearch/vellum"
)

// A scan is how the terms that a matcher matches are found in a dictionary.
type scan struct {
	automaton   vellum.Automaton // nil for none: all terms
	from, until []byte           // half-open; nil is the start, and the end
	test        func(term []byte) bool
}

// each calls f, in order, with each term of field that s finds, and with what the dictionary has
// for it. The term is valid during the call. It ends where f returns an error, and returns it.
func (q *query) each(field string, s scan, f func(term []byte, pointer uint64) error) error {
	limit := often{ctx: q.ctx}
	visit := func(term []byte, pointer uint64) error {
		if err := limit.err(); err != nil {
			return err
		}
		if s.test != nil && !s.test(term) {
			return nil
		}
		return f(term, pointer)
	}
	list, err := q.termList(field)
	if err != nil {
		return err
	}
	if list != nil {
		return list.each(s, visit)
	}
	if s.automaton == nil {
		s.automaton = &vellum.AlwaysMatch{}
	}
	d, err := q.seg.dict(field)
	if err != nil || d == nil {
		return err
	}
	return eachTerm(d, s.automaton, s.from, s.until, visit)
}

func eachTerm(d *vellum.FST, a vellum.Automaton, from, until []byte, f func(term []byte, pointer uint64) error) error {
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

// A termList is a dictionary in memory: twenty times faster to go over, and larger.
type termList struct {
	text     []byte   // the terms, one after the other, sorted
	ends     []uint32 // of each, in text
	pointers []uint64
}

// fewTerms is below what a dictionary is not worth to be kept.
const fewTerms = 8

// termList returns the terms of field, or nil where they are too few or too many.
func (q *query) termList(field string) (*termList, error) {
	d, err := q.seg.dict(field)
	if err != nil || d == nil || d.Len() < fewTerms {
		return nil, err
	}
	key := cacheKey{file: q.seg.number, field: field}
	if list, ok := q.ix.terms.get(key); ok {
		return list, nil
	}
	most := q.ix.terms.limit - 4096
	if int64(d.Len())*12 > most {
		return nil, nil
	}
	list := &termList{ends: make([]uint32, 0, d.Len()), pointers: make([]uint64, 0, d.Len())}
	limit := often{ctx: q.ctx}
	err = ended(eachTerm(d, &vellum.AlwaysMatch{}, nil, nil, func(term []byte, pointer uint64) error {
		list.text = append(list.text, term...)
		list.ends = append(list.ends, uint32(len(list.text)))
		list.pointers = append(list.pointers, pointer)
		if list.size() > most {
			list = nil
			return errEnough
		}
		return limit.err()
	}))
	if err != nil {
		return nil, err
	}
	if list == nil { // kept, too, so as not to try again
		q.ix.terms.put(key, nil, 0)
		return nil, nil
	}
	q.ix.terms.put(key, list, list.size())
	return list, nil
}

func (l *termList) size() int64 { return int64(cap(l.text)) + 12*int64(cap(l.ends)) }

func (l *termList) term(i int) []byte {
	if i == 0 {
		return l.text[:l.ends[0]]
	}
	return l.text[l.ends[i-1]:l.ends[i]]
}

func (l *termList) each(s scan, f func(term []byte, pointer uint64) error) error {
	i, j := 0, len(l.ends)
	if s.from != nil {
		i = sort.Search(j, func(i int) bool { return bytes.Compare(l.term(i), s.from) >= 0 })
	}
	if s.until != nil {
		j = sort.Search(j, func(i int) bool { return bytes.Compare(l.term(i), s.until) >= 0 })
	}
	for ; i < j; i++ {
		term := l.term(i)
		if s.automaton != nil && !accepts(s.automaton, term) {
			continue
		}
		if err := f(term, l.pointers[i]); err != nil {
			return err
		}
	}
	return nil
}

// accepts reports whether a matches the whole term.
func accepts(a vellum.Automaton, term []byte) bool {
	state := a.Start()
	for _, b := range term {
		if !a.CanMatch(state) {
			return false
		}
		state = a.Accept(state, b)
	}
	return a.IsMatch(state)
}

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

// scanFor returns how to find what m matches.
func (ix *Index) scanFor(m matcher) scan {
	s := scan{}
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
		if p, ok := m.(*pattern); ok {
			prefix := p.prefix()
			s.from, s.until = from(prefix), after(prefix)
		}
		if s.automaton = ix.automaton(m); s.automaton != nil {
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
