package index

import (
	"slices"
	"strings"

	"github.com/chronodex/chronodex/chunk"
)

// A Filter is a parsed selector: a set of series, described. It is immutable, and safe for
// concurrent use. [Parse] makes the filters that [Index.Search] can search for.
type Filter interface {
	// String returns the canonical text of the filter; parsing it gives an equal filter.
	String() string
	// Match reports whether the series named d is in the set. It is the definition of the filter.
	Match(d chunk.Dimensions) bool
}

// All returns the filter that every series matches, even one without dimensions.
func All() Filter { return allFilter{} }

// And returns the filter of the series that match all of filters; all series where there are none.
func And(filters ...Filter) Filter { return join(opAnd, filters) }

// allFilter is "*".
type allFilter struct{}

func (allFilter) String() string              { return "*" }
func (allFilter) Match(chunk.Dimensions) bool { return true }

// notFilter is all series but those of f.
type notFilter struct{ f Filter }

func (n notFilter) Match(d chunk.Dimensions) bool { return !n.f.Match(d) }

func (n notFilter) String() string {
	if _, ok := n.f.(*listFilter); ok {
		return "NOT (" + n.f.String() + ")"
	}
	return "NOT " + n.f.String()
}

// An operator joins the filters of a list.
type operator string

const (
	opAnd operator = " AND "
	opOr  operator = " OR "
)

// listFilter joins two or more filters, none of which is a list of the same operator.
type listFilter struct {
	op   operator
	list []Filter
}

// join returns the filter that joins list; lists of the same operator are merged into it.
func join(op operator, list []Filter) Filter {
	var flat []Filter
	for _, f := range list {
		if l, ok := f.(*listFilter); ok && l.op == op {
			flat = append(flat, l.list...)
		} else {
			flat = append(flat, f)
		}
	}
	switch len(flat) {
	case 0:
		return allFilter{}
	case 1:
		return flat[0]
	}
	return &listFilter{op, flat}
}

func (l *listFilter) Match(d chunk.Dimensions) bool {
	miss := func(f Filter) bool { return f.Match(d) != (l.op == opAnd) }
	return slices.ContainsFunc(l.list, miss) == (l.op == opOr)
}

func (l *listFilter) String() string {
	var b strings.Builder
	for i, f := range l.list {
		if i > 0 {
			b.WriteString(string(l.op))
		}
		if _, ok := f.(*listFilter); ok {
			b.WriteString("(" + f.String() + ")")
		} else {
			b.WriteString(f.String())
		}
	}
	return b.String()
}

// fieldFilter is name:m, the series whose dimension name has a value that m matches.
type fieldFilter struct {
	name string
	m    matcher
}

func (f *fieldFilter) Match(d chunk.Dimensions) bool {
	v, ok := d.Get(f.name)
	return ok && f.m.match(v)
}

func (f *fieldFilter) String() string { return quoteName(f.name) + ":" + f.m.text(false) }

// phraseFilter is free words: the series with a value that has the elements in a row.
type phraseFilter struct{ list []element }

// An element of a phrase matches a word, or, where it was written as HeapMemoryUsage, the words of
// its parts in a row.
type element struct {
	whole matcher
	parts []string // at least two, or nil
	camel string   // as written, where it has parts
}

func (p *phraseFilter) Match(d chunk.Dimensions) bool {
	var words []word
	for _, pair := range d {
		words = appendWords(words[:0], pair.Value)
		if p.matchWords(words) {
			return true
		}
	}
	return false
}

// matchWords reports whether the words of one value, by start, have the elements in a row.
func (p *phraseFilter) matchWords(words []word) bool {
	if len(p.list) == 1 && p.list[0].parts == nil {
		return slices.ContainsFunc(words, func(w word) bool { return p.list[0].whole.match(w.text) })
	}
	places := 0
	for _, w := range words {
		places = max(places, w.end)
	}
	at := make([]bool, places+1)
	for i := range at {
		at[i] = true
	}
	for _, e := range p.list {
		next := step(words, at, e.whole.match)
		if e.parts != nil {
			for _, part := range e.parts {
				at = step(words, at, func(s string) bool { return s == part })
			}
			for i := range next {
				next[i] = next[i] || at[i]
			}
		}
		at = next
	}
	return slices.Contains(at, true)
}

// step returns the places to which a word that match accepts leads from the places at.
func step(words []word, at []bool, match func(string) bool) []bool {
	next := make([]bool, len(at))
	for _, w := range words {
		if at[w.start] && !next[w.end] && match(w.text) {
			next[w.end] = true
		}
	}
	return next
}

func (p *phraseFilter) String() string {
	quoted := len(p.list) > 1
	var texts []string
	for _, e := range p.list {
		if _, ok := e.whole.(exact); !ok {
			quoted = false
		}
		if e.parts != nil {
			texts = append(texts, e.camel)
		} else {
			texts = append(texts, e.whole.text(true))
		}
	}
	if quoted {
		return `"` + strings.Join(texts, " ") + `"`
	}
	for i, e := range p.list {
		if f, ok := e.whole.(*fuzzy); ok && i < len(p.list)-1 {
			texts[i] = f.word // the edits are said once, at the end
		}
	}
	return strings.Join(texts, "-")
}
