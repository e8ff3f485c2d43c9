package index

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
)

// A ValueCount is a text, and how many series have it.
type ValueCount struct {
	Text  string
	Count int
}

// Names returns the names of the dimensions that the series within have, sorted, each with the
// number of those series. A nil within means all series.
func (ix *Index) Names(ctx context.Context, within *roaring.Bitmap) ([]ValueCount, error) {
	counts := map[string]int{}
	err := ix.eachSegment(ctx, func(q *query) error {
		docs := q.seg.all()
		if within != nil {
			docs.And(q.seg.toDocs(within))
		}
		if docs.IsEmpty() {
			return nil
		}
		for _, name := range q.seg.fields {
			have, err := q.terms(valuePrefix+name, anyValue{})
			if err != nil {
				return err
			}
			if n := int(docs.AndCardinality(have)); n > 0 {
				counts[name] += n
			}
		}
		return nil
	})
	return sorted(counts, 0), err
}

// Values returns the values of the dimension name that begin with prefix, sorted as bytes, each
// with the number of series within that have it: the first limit of those that any has; all where
// limit is 0. A nil within means all series.
func (ix *Index) Values(ctx context.Context, name, prefix string, within *roaring.Bitmap, limit int) ([]ValueCount, error) {
	counts := map[string]int{}
	err := ix.eachSegment(ctx, func(q *query) error {
		docs, ok := q.among(within)
		if !ok {
			return nil
		}
		return q.countTerms(counts, valuePrefix+name, prefix, docs, limit)
	})
	return sorted(counts, limit), err
}

// among returns the documents of the series within as bits; nil are all, where none was deleted;
// ok is false where there are none.
func (q *query) among(within *roaring.Bitmap) (docs dense, ok bool) {
	if within == nil && q.seg.deleted == nil {
		return nil, true
	}
	live := q.seg.all()
	if within != nil {
		live.And(q.seg.toDocs(within))
	}
	docs = newDense(q.seg.entry.Documents)
	live.WriteDenseTo(docs)
	return docs, !live.IsEmpty()
}

// countTerms adds to counts, for each of the first limit terms of field with prefix that occur in
// docs, in how many.
func (q *query) countTerms(counts map[string]int, field, prefix string, docs dense, limit int) error {
	found := 0
	s := scan{from: from(prefix), until: after(prefix)}
	return ended(q.each(field, s, func(term []byte, pointer uint64) error {
		p, err := newPostings(q.seg.data, pointer)
		if err != nil {
			return err
		}
		n := docs.count(p)
		if n == 0 {
			return nil
		}
		counts[string(term)] += n
		if found++; found == limit {
			return errEnough
		}
		return nil
	}))
}

// sorted returns the first limit counts by their text; all where limit is 0.
func sorted(counts map[string]int, limit int) []ValueCount {
	list := make([]ValueCount, 0, len(counts))
	for text, n := range counts {
		list = append(list, ValueCount{text, n})
	}
	slices.SortFunc(list, func(a, b ValueCount) int { return strings.Compare(a.Text, b.Text) })
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list
}

// A CompletionKind says what a [Completion] is.
type CompletionKind string

// The kinds of completions.
const (
	NameCompletion  CompletionKind = "name"  // a dimension's name
	ValueCompletion CompletionKind = "value" // a value of the dimension Name
	WordCompletion  CompletionKind = "word"  // a word of some value
)

// A Completion is one way to go on with what was typed.
type Completion struct {
	Kind  CompletionKind
	Name  string // of the dimension, for a value
	Text  string
	Count int // series that have it
}

// Complete returns what begins with prefix: names of dimensions, then words, in lower case, then
// values; of each kind the first limit by their text. A limit of 0 means 20.
func (ix *Index) Complete(ctx context.Context, prefix string, limit int) ([]Completion, error) {
	if limit <= 0 {
		limit = 20
	}
	names, words, values := map[string]int{}, map[string]int{}, map[string]map[string]int{}
	err := ix.eachSegment(ctx, func(q *query) error {
		docs, ok := q.among(nil)
		if !ok {
			return nil
		}
		for _, name := range q.seg.fields {
			if strings.HasPrefix(name, prefix) {
				n, err := q.countName(name, docs)
				if err != nil {
					return err
				}
				names[name] += n
			}
			if values[name] == nil {
				values[name] = map[string]int{}
			}
			if err := q.countTerms(values[name], valuePrefix+name, prefix, docs, limit); err != nil {
				return err
			}
		}
		return q.countTerms(words, wordsField, lower(prefix), docs, limit)
	})
	if err != nil {
		return nil, err
	}
	list := completions(nil, NameCompletion, "", sorted(names, limit))
	list = completions(list, WordCompletion, "", sorted(words, limit))
	var all []Completion
	for name, counts := range values {
		all = completions(all, ValueCompletion, name, sorted(counts, limit))
	}
	slices.SortFunc(all, func(a, b Completion) int {
		return cmp.Or(strings.Compare(a.Text, b.Text), strings.Compare(a.Name, b.Name))
	})
	return append(list, all[:min(limit, len(all))]...), nil
}

// countName returns in how many of docs the dimension is: each has one value at most.
func (q *query) countName(name string, docs dense) (n int, err error) {
	err = q.each(valuePrefix+name, scan{}, func(_ []byte, pointer uint64) error {
		p, err := newPostings(q.seg.data, pointer)
		if err == nil {
			n += docs.count(p)
		}
		return err
	})
	return n, err
}

func completions(dst []Completion, kind CompletionKind, name string, counts []ValueCount) []Completion {
	for _, c := range counts {
		dst = append(dst, Completion{kind, name, c.Text, c.Count})
	}
	return dst
}
