package index

import (
	"context"
	"fmt"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// Search returns the ordinals of the series that match f, in a bitmap of the caller's. f is made
// by [Parse], [All] or [And]. An error of a file that cannot be read wraps [ErrDamaged].
func (ix *Index) Search(ctx context.Context, f Filter) (*roaring.Bitmap, error) {
	out := roaring.New()
	err := ix.eachSegment(ctx, func(q *query) error {
		docs, err := q.eval(f)
		if err != nil || docs.IsEmpty() {
			return err
		}
		if q.seg.deleted != nil {
			docs = roaring.AndNot(docs, q.seg.deleted)
		}
		found := q.seg.toOrdinals(docs)
		if out.IsEmpty() {
			out = found
		} else {
			out.Or(found)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachSegment calls f with each segment of now. Panics of Bleve's become errors.
func (ix *Index) eachSegment(ctx context.Context, f func(q *query) error) (err error) {
	v, err := ix.acquire()
	if err != nil {
		return err
	}
	defer v.release()
	defer ix.where(&err)
	defer guard(&err)
	scans := map[matcher]scan{}
	for _, s := range v.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(&query{ix: ix, seg: s, ctx: ctx, scans: scans}); err != nil {
			return err
		}
	}
	return nil
}

// A query is the search in one segment. The bitmaps that its methods return are of documents, may
// be shared or alias the file, and are not to be modified; deleted documents may be in them.
type query struct {
	ix    *Index
	seg   segment
	ctx   context.Context
	scans map[matcher]scan // of the whole search
}

func (q *query) eval(f Filter) (*roaring.Bitmap, error) {
	switch f := f.(type) {
	case allFilter:
		return q.seg.all(), nil
	case notFilter:
		docs, err := q.eval(f.f)
		if err != nil {
			return nil, err
		}
		all := q.seg.all()
		all.AndNot(docs)
		return all, nil
	case *listFilter:
		if f.op == opAnd {
			return q.and(f.list)
		}
		return q.or(f.list)
	case *fieldFilter:
		return q.terms(valuePrefix+f.name, f.m)
	case *phraseFilter:
		return q.phrase(f)
	}
	return nil, fmt.Errorf("cannot search for a %T", f)
}

// cost orders what AND joins: what is cheap to find first, so that the rest need not be looked for
// where nothing is left.
func cost(f Filter) int {
	switch f := f.(type) {
	case allFilter:
		return 0
	case *fieldFilter:
		if _, ok := f.m.(exact); ok {
			return 1
		}
		return 3
	case *phraseFilter:
		if len(f.list) > 1 || f.list[0].parts != nil {
			return 5
		}
		if _, ok := f.list[0].whole.(exact); ok {
			return 1
		}
		return 3
	case *listFilter:
		worst := 2
		for _, f := range f.list {
			worst = max(worst, cost(f))
		}
		return worst
	}
	return 6
}

func (q *query) and(list []Filter) (*roaring.Bitmap, error) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Filter) int { return cost(a) - cost(b) })
	var found, not []*roaring.Bitmap
	for i, f := range list {
		inner, isNot := f.(notFilter)
		if isNot {
			f = inner.f
		} else if _, ok := f.(allFilter); ok {
			continue
		}
		docs, err := q.eval(f)
		if err != nil {
			return nil, err
		}
		if isNot {
			not = append(not, docs)
			continue
		}
		if docs.IsEmpty() {
			return docs, nil
		}
		found = append(found, docs)
		if i+1 < len(list) && cost(list[i+1]) >= 3 && len(found) > 1 {
			if found = append(found[:0], intersect(found)); found[0].IsEmpty() {
				return found[0], nil
			}
		}
	}
	var docs *roaring.Bitmap
	if len(found) > 0 {
		docs = intersect(found)
	} else {
		docs = q.seg.all()
	}
	for _, n := range not {
		docs = roaring.AndNot(docs, n)
	}
	return docs, nil
}

// intersect returns what is in all of list, which it reorders; the smallest first.
func intersect(list []*roaring.Bitmap) *roaring.Bitmap {
	if len(list) == 1 {
		return list[0]
	}
	slices.SortFunc(list, func(a, b *roaring.Bitmap) int {
		return int(int64(a.GetCardinality()) - int64(b.GetCardinality()))
	})
	docs := roaring.And(list[0], list[1])
	for _, l := range list[2:] {
		docs.And(l)
	}
	return docs
}

func (q *query) or(list []Filter) (*roaring.Bitmap, error) {
	found := make([]*roaring.Bitmap, 0, len(list))
	for _, f := range list {
		docs, err := q.eval(f)
		if err != nil {
			return nil, err
		}
		found = append(found, docs)
	}
	return roaring.FastOr(found...), nil
}

// terms returns the documents with a term of field that m matches.
func (q *query) terms(field string, m matcher) (*roaring.Bitmap, error) {
	d, err := q.seg.dict(field)
	if err != nil || d == nil {
		return roaring.New(), err
	}
	if e, ok := m.(exact); ok {
		pointer, ok, err := d.Get([]byte(e))
		if err != nil || !ok {
			return roaring.New(), err
		}
		p, err := newPostings(q.seg.data, pointer)
		if err != nil {
			return nil, err
		}
		return p.bitmap()
	}
	return q.cached(field, m.text(true), func(docs dense) error {
		s, ok := q.scans[m]
		if !ok {
			s = q.ix.scanFor(m)
			q.scans[m] = s
		}
		return q.each(field, s, func(_ []byte, pointer uint64) error { return q.add(docs, pointer) })
	})
}

func (q *query) add(docs dense, pointer uint64) error {
	p, err := newPostings(q.seg.data, pointer)
	if err != nil {
		return err
	}
	docs.add(p)
	return nil
}

// cached returns the documents that fill adds, or those that it added when it was asked last.
func (q *query) cached(field, text string, fill func(dense) error) (*roaring.Bitmap, error) {
	key := cacheKey{q.seg.number, field, text}
	if docs, ok := q.ix.results.get(key); ok {
		return docs, nil
	}
	bits := newDense(q.seg.entry.Documents)
	if err := fill(bits); err != nil {
		return nil, err
	}
	docs := bits.bitmap()
	q.ix.results.put(key, docs, int64(docs.GetSizeInBytes()))
	return docs, nil
}

// fewCandidates is how many documents are looked up one by one rather than all values.
const fewCandidates = 2048

// phrase returns the documents with the elements of p in a row. Documents that have all the words
// are candidates; whether the words are in a row is looked up in the value.
func (q *query) phrase(p *phraseFilter) (*roaring.Bitmap, error) {
	var sure *roaring.Bitmap
	var all []*roaring.Bitmap
	for _, e := range p.list {
		if e.whole == (anyValue{}) {
			continue
		}
		docs, err := q.terms(wordsField, e.whole)
		if err != nil {
			return nil, err
		}
		if e.parts != nil {
			sure = docs
			parts, err := q.allWords(e.parts)
			if err != nil {
				return nil, err
			}
			docs = roaring.Or(docs, parts)
		}
		if docs.IsEmpty() {
			return docs, nil
		}
		all = append(all, docs)
	}
	if len(p.list) == 1 && p.list[0].parts == nil {
		return all[0], nil
	}
	if len(p.list) > 1 {
		sure = roaring.New()
	}
	candidates := q.seg.all()
	if len(all) > 0 {
		candidates = intersect(all)
	}
	candidates = roaring.AndNot(candidates, sure)
	if candidates.IsEmpty() {
		return sure, nil
	}
	verified, err := q.verify(p, candidates)
	if err != nil {
		return nil, err
	}
	return roaring.Or(sure, verified), nil
}

// allWords returns the documents that have all words.
func (q *query) allWords(words []string) (*roaring.Bitmap, error) {
	var all []*roaring.Bitmap
	for _, w := range words {
		docs, err := q.terms(wordsField, exact(w))
		if err != nil || docs.IsEmpty() {
			return docs, err
		}
		all = append(all, docs)
	}
	return intersect(all), nil
}

// verify returns the documents among the candidates, at least, that p matches.
func (q *query) verify(p *phraseFilter, candidates *roaring.Bitmap) (*roaring.Bitmap, error) {
	if identity := q.ix.options.Identity; identity != nil && candidates.GetCardinality() <= fewCandidates {
		docs := roaring.New()
		for it := candidates.Iterator(); it.HasNext(); {
			doc := it.Next()
			d, ok := identity(q.seg.ordinal(doc))
			if !ok && (q.seg.deleted == nil || !q.seg.deleted.Contains(doc)) {
				return q.phraseByValue(p)
			}
			if ok && p.Match(d) {
				docs.Add(doc)
			}
		}
		return docs, nil
	}
	return q.phraseByValue(p)
}

// ordinal returns that of one document.
func (f *file) ordinal(doc uint32) uint32 {
	if f.ordinals != nil {
		return f.ordinals[doc]
	}
	return f.entry.First + doc
}

// phraseField stands for a field in the names of cached phrases.
const phraseField = "phrase"

// phraseByValue returns the documents with a value that p matches: it looks at all values.
func (q *query) phraseByValue(p *phraseFilter) (*roaring.Bitmap, error) {
	return q.cached(phraseField, p.String(), func(docs dense) error {
		var words []word
		must := p.longest()
		s := scan{test: func(term []byte) bool {
			if must != "" && !containsFold(term, must) {
				return false
			}
			words = appendWords(words[:0], string(term))
			return p.matchWords(words)
		}}
		for _, name := range q.seg.fields {
			err := q.each(valuePrefix+name, s, func(_ []byte, pointer uint64) error { return q.add(docs, pointer) })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// longest returns the longest text in ASCII that a value of the phrase has, but for case.
func (p *phraseFilter) longest() string {
	longest := ""
	for _, e := range p.list {
		text, _ := e.whole.(exact)
		parts := e.parts
		if parts == nil {
			parts = []string{string(text)}
		}
		for _, s := range parts {
			if len(s) > len(longest) && isASCII(s) {
				longest = s
			}
		}
	}
	return longest
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// containsFold reports whether b has s, which is in small letters of ASCII, but for case.
func containsFold(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		k := 0
		for k < len(s) && (b[i+k] == s[k] || b[i+k] >= 'A' && b[i+k] <= 'Z' && b[i+k]|0x20 == s[k]) {
			k++
		}
		if k == len(s) {
			return true
		}
	}
	return false
}
