package index

import (
	"container/list"
	"sync"

	"github.com/blevesearch/vellum"
	"github.com/blevesearch/vellum/levenshtein"
	"github.com/blevesearch/vellum/regexp"
)

const defaultCacheBytes = 64 << 20

// cacheKey names what is known of a field of one file.
type cacheKey struct {
	file  uint64
	field string
	text  string // of the matcher, for what matches it
}

// A cache keeps the values that were used last. They are not to be modified.
type cache[V any] struct {
	mu      sync.Mutex
	limit   int64
	size    int64
	entries map[cacheKey]*list.Element
	order   list.List // of *cacheEntry[V], the last used first
}

type cacheEntry[V any] struct {
	key   cacheKey
	value V
	size  int64
}

func newCache[V any](limit int64) *cache[V] {
	return &cache[V]{limit: limit, entries: map[cacheKey]*list.Element{}}
}

func (c *cache[V]) get(key cacheKey) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cacheEntry[V]).value, true
}

// put keeps value, of size bytes, where there is room for it at all.
func (c *cache[V]) put(key cacheKey, value V, size int64) {
	size += int64(len(key.text)+len(key.field)) + 200
	c.mu.Lock()
	defer c.mu.Unlock()
	if size > c.limit || c.entries[key] != nil {
		return
	}
	c.entries[key] = c.order.PushFront(&cacheEntry[V]{key, value, size})
	for c.size += size; c.size > c.limit; {
		e := c.order.Remove(c.order.Back()).(*cacheEntry[V])
		delete(c.entries, e.key)
		c.size -= e.size
	}
}

// clear forgets all.
func (c *cache[V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.order.Init()
	c.size = 0
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
