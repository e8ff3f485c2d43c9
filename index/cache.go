package index

import (
	"container/list"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum"
	"github.com/blevesearch/vellum/levenshtein"
	"github.com/blevesearch/vellum/regexp"
)

const defaultCacheBytes = 8 << 20

// cacheKey names what many terms of one file match.
type cacheKey struct {
	file  uint64
	field string
	text  string // of the matcher
}

// A cache keeps the results that were used last. Its bitmaps are not to be modified.
type cache struct {
	mu      sync.Mutex
	limit   int64
	size    int64
	entries map[cacheKey]*list.Element
	order   list.List // of *cacheEntry, the last used first
}

type cacheEntry struct {
	key  cacheKey
	docs *roaring.Bitmap
	size int64
}

func newCache(limit int64) *cache {
	if limit == 0 {
		limit = defaultCacheBytes
	}
	return &cache{limit: limit, entries: map[cacheKey]*list.Element{}}
}

func (c *cache) get(key cacheKey) *roaring.Bitmap {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cacheEntry).docs
}

func (c *cache) put(key cacheKey, docs *roaring.Bitmap) {
	size := int64(docs.GetSizeInBytes()) + int64(len(key.text)+len(key.field)) + 200
	c.mu.Lock()
	defer c.mu.Unlock()
	if size > c.limit/2 || c.entries[key] != nil {
		return
	}
	c.entries[key] = c.order.PushFront(&cacheEntry{key, docs, size})
	for c.size += size; c.size > c.limit; {
		last := c.order.Back()
		e := c.order.Remove(last).(*cacheEntry)
		delete(c.entries, e.key)
		c.size -= e.size
	}
}

// fuzzies makes the automata of fuzzy words; the tables behind them are made once.
type fuzzies struct {
	once [maxEdits + 1]sync.Once
	by   [maxEdits + 1]*levenshtein.LevenshteinAutomatonBuilder
	err  [maxEdits + 1]error
}

// What is longer than that is compared value by value: the automaton would be large.
const maxFuzzyRunes = 48

// automaton returns the automaton for m, or nil where m has none, and values must be looked at.
func (ix *Index) automaton(m matcher) vellum.Automaton {
	switch m := m.(type) {
	case *pattern:
		if tree := m.plain(); tree != nil {
			if a, err := regexp.NewParsedWithLimit(m.source, tree, 1<<20); err == nil {
				return a
			}
		}
	case *fuzzy:
		if len(m.runes) > maxFuzzyRunes {
			return nil
		}
		fz := &ix.fuzzies
		fz.once[m.edits].Do(func() {
			fz.by[m.edits], fz.err[m.edits] = levenshtein.NewLevenshteinAutomatonBuilder(uint8(m.edits), true)
		})
		if fz.err[m.edits] != nil {
			return nil
		}
		if a, err := fz.by[m.edits].BuildDfa(m.word, uint8(m.edits)); err == nil {
			return a
		}
	}
	return nil
}
