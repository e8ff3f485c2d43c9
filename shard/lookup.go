package shard

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// Search returns the first limit series that match f and have observations, or might have, sorted
// by their dimensions, and how many there are. A limit of 0 means all.
func (s *Set) Search(ctx context.Context, f index.Filter, limit int) (found []chunk.Series, total int, err error) {
	var mu sync.Mutex
	err = s.each(func(sh *Shard) error {
		series, n, err := sh.search(ctx, f, limit)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, series...)
		total += n
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("search %v: %w", f, err)
	}
	slices.SortFunc(found, func(a, b chunk.Series) int {
		return cmp.Or(a.Dimensions.Compare(b.Dimensions), cmp.Compare(a.Kind, b.Kind))
	})
	if limit > 0 && len(found) > limit {
		found = found[:limit]
	}
	return found, total, nil
}

func (s *Shard) search(ctx context.Context, f index.Filter, limit int) ([]chunk.Series, int, error) {
	ordinals, err := s.matching(ctx, f)
	if err != nil {
		return nil, 0, err
	}
	total := int(ordinals.GetCardinality())
	return s.table.firstByName(ordinals, limit), total, nil
}

// matching returns the series that match f and may have observations.
func (s *Shard) matching(ctx context.Context, f index.Filter) (*roaring.Bitmap, error) {
	v := s.acquire()
	defer s.releaseVersion(v)
	out, err := s.match(ctx, v, f, chunk.Always)
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", s.number, err)
	}
	return out, nil
}

// firstByName returns the first limit of the series by their dimensions, in no order; all for limit 0.
func (t *table) firstByName(ordinals *roaring.Bitmap, limit int) []chunk.Series {
	list := ordinals.ToArray()
	var out []chunk.Series
	if limit > 0 && len(list) > limit {
		t.mu.RLock()
		rank := t.ranks(list)
		slices.SortFunc(list, func(a, b uint32) int {
			return slices.CompareFunc(t.members[t.first[a]:][:t.count[a]], t.members[t.first[b]:][:t.count[b]],
				func(x, y uint32) int { return cmp.Compare(rank[x], rank[y]) })
		})
		t.mu.RUnlock()
		list = list[:limit]
	}
	for _, o := range list {
		out = append(out, t.series(o))
	}
	return out
}

// A Count is a text, and how many series have it.
type Count = index.ValueCount

// Names returns the names of the dimensions of the series that match f, sorted, with the number of
// series that have each.
func (s *Set) Names(ctx context.Context, f index.Filter) ([]Count, error) {
	return s.count(ctx, f, 0,
		func(ix *index.Index, within *roaring.Bitmap) ([]Count, error) { return ix.Names(ctx, within) },
		func(d chunk.Dimensions, add func(string)) {
			for _, p := range d {
				add(p.Name)
			}
		})
}

// Values returns the values of the dimension name, of the series that match f, that begin with
// prefix: the first limit of them, sorted as bytes, with the number of series that have each; all
// where limit is 0.
func (s *Set) Values(ctx context.Context, f index.Filter, name, prefix string, limit int) ([]Count, error) {
	return s.count(ctx, f, limit,
		func(ix *index.Index, within *roaring.Bitmap) ([]Count, error) {
			return ix.Values(ctx, name, prefix, within, limit)
		},
		func(d chunk.Dimensions, add func(string)) {
			if v, ok := d.Get(name); ok && strings.HasPrefix(v, prefix) {
				add(v)
			}
		})
}

// count adds up counts of the series that match f: those that the indexes tell, and those of
// series that are not in an index yet.
func (s *Set) count(ctx context.Context, f index.Filter, limit int,
	indexed func(*index.Index, *roaring.Bitmap) ([]Count, error), one func(chunk.Dimensions, func(string)),
) ([]Count, error) {
	var mu sync.Mutex
	counts := map[string]int{}
	err := s.each(func(sh *Shard) error {
		hits, err := sh.matching(ctx, f)
		if err != nil {
			return err
		}
		list, have, err := sh.index.count(hits, indexed)
		if err != nil {
			return fmt.Errorf("shard %d: %w", sh.number, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, c := range list {
			counts[c.Text] += c.Count
		}
		var dims chunk.Dimensions
		for it := roaring.AndNot(hits, have).Iterator(); it.HasNext(); {
			dims = sh.table.appendDims(dims[:0], it.Next())
			one(dims, func(text string) { counts[text]++ })
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count dimensions of %v: %w", f, err)
	}
	out := make([]Count, 0, len(counts))
	for _, text := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, Count{Text: text, Count: counts[text]})
	}
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

// count asks the index for counts of the series that it has of hits, and returns what it has.
func (x *shardIndex) count(hits *roaring.Bitmap, f func(*index.Index, *roaring.Bitmap) ([]Count, error)) ([]Count, *roaring.Bitmap, error) {
	x.mu.RLock()
	ix, have := x.ix, x.have
	x.mu.RUnlock()
	if ix == nil || !hits.Intersects(have) {
		return nil, have, nil
	}
	within := roaring.And(hits, have)
	if within.GetCardinality() == have.GetCardinality() {
		within = nil // all of the index, which is faster
	}
	list, err := f(ix, within)
	return list, have, err
}

// Complete returns ways to go on with prefix: names of dimensions, words, values; of each kind the
// first limit by their text, 20 where limit is 0.
func (s *Set) Complete(ctx context.Context, prefix string, limit int) ([]index.Completion, error) {
	return s.CompleteWithin(ctx, nil, prefix, limit)
}

// CompleteWithin is Complete for the series that match f, each of which it looks at; for all where f
// is nil.
func (s *Set) CompleteWithin(ctx context.Context, f index.Filter, prefix string, limit int) ([]index.Completion, error) {
	if limit <= 0 {
		limit = 20
	}
	type key struct {
		kind       index.CompletionKind
		name, text string
	}
	var mu sync.Mutex
	counts := map[key]int{}
	err := s.each(func(sh *Shard) error {
		list, err := sh.complete(ctx, f, prefix, limit)
		mu.Lock()
		defer mu.Unlock()
		for _, c := range list {
			counts[key{c.Kind, c.Name, c.Text}] += c.Count
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("complete %q: %w", prefix, err)
	}
	out := make([]index.Completion, 0, len(counts))
	for k, n := range counts {
		out = append(out, index.Completion{Kind: k.kind, Name: k.name, Text: k.text, Count: n})
	}
	rank := map[index.CompletionKind]int{index.NameCompletion: 0, index.WordCompletion: 1, index.ValueCompletion: 2}
	slices.SortFunc(out, func(a, b index.Completion) int {
		return cmp.Or(cmp.Compare(rank[a.Kind], rank[b.Kind]), strings.Compare(a.Text, b.Text), strings.Compare(a.Name, b.Name))
	})
	seen := map[index.CompletionKind]int{}
	return slices.DeleteFunc(out, func(c index.Completion) bool {
		seen[c.Kind]++
		return seen[c.Kind] > limit
	}), nil
}

// complete asks the index, and looks at the series that it lacks.
func (s *Shard) complete(ctx context.Context, f index.Filter, prefix string, limit int) ([]index.Completion, error) {
	if f != nil {
		return s.completeWithin(ctx, f, prefix)
	}
	s.index.mu.RLock()
	ix, have := s.index.ix, s.index.have
	s.index.mu.RUnlock()
	var out []index.Completion
	if ix != nil {
		var err error
		if out, err = ix.Complete(ctx, prefix, limit); err != nil {
			return nil, fmt.Errorf("shard %d: %w", s.number, err)
		}
	}
	var dims chunk.Dimensions
	for it := roaring.AndNot(s.present(), have).Iterator(); it.HasNext(); {
		dims = s.table.appendDims(dims[:0], it.Next())
		out = appendCompletions(out, dims, prefix)
	}
	return out, nil
}

// completeWithin looks at the series that match f.
func (s *Shard) completeWithin(ctx context.Context, f index.Filter, prefix string) ([]index.Completion, error) {
	hits, err := s.matching(ctx, f)
	if err != nil {
		return nil, err
	}
	counts := map[index.Completion]int{}
	var dims chunk.Dimensions
	var one []index.Completion
	for it := hits.Iterator(); it.HasNext(); {
		dims = s.table.appendDims(dims[:0], it.Next())
		one = appendCompletions(one[:0], dims, prefix)
		for _, c := range one {
			counts[c]++
		}
	}
	out := make([]index.Completion, 0, len(counts))
	for c, n := range counts {
		c.Count = n
		out = append(out, c)
	}
	return out, nil
}

// appendCompletions appends what one series has that begins with prefix, each once.
func appendCompletions(out []index.Completion, dims chunk.Dimensions, prefix string) []index.Completion {
	from := len(out)
	add := func(c index.Completion) {
		if c.Count = 1; !slices.Contains(out[from:], c) {
			out = append(out, c)
		}
	}
	lower := strings.ToLower(prefix)
	for _, d := range dims {
		if strings.HasPrefix(d.Name, prefix) {
			add(index.Completion{Kind: index.NameCompletion, Text: d.Name})
		}
		if strings.HasPrefix(d.Value, prefix) {
			add(index.Completion{Kind: index.ValueCompletion, Name: d.Name, Text: d.Value})
		}
		for _, w := range index.Words(d.Value) {
			if strings.HasPrefix(w, lower) {
				add(index.Completion{Kind: index.WordCompletion, Text: w})
			}
		}
	}
	return out
}
