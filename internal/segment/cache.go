package segment

import (
	"sync"
	"sync/atomic"
)

// How many bytes of decoded pages a Reader keeps, by type, roughly. Those of half a million series
// of one chunk each fit, so that asking for a few of them here and there decodes no page again.
const (
	cachedDirectory = 20 << 20
	cachedLookups   = 8 << 20
	cachedSeries    = 1 << 20
	seriesPageBytes = 256 << 10
)

// A pageCache keeps decoded pages of one type, those that are asked for again above all others.
type pageCache[T any] struct {
	mu    sync.RWMutex
	pages map[int]*cachedPage[T]
	ring  []int // the numbers of the pages, for a clock to go round
	hand  int
	bytes int64
}

// A cachedPage is a decoded page.
type cachedPage[T any] struct {
	page  *T
	bytes int64
	used  atomic.Bool // since the hand of the clock passed
}

// find returns page n if it is there.
func (c *pageCache[T]) find(n int) *T {
	c.mu.RLock()
	defer c.mu.RUnlock()
	p := c.pages[n]
	if p == nil {
		return nil
	}
	if !p.used.Load() {
		p.used.Store(true)
	}
	return p.page
}

// keep keeps page n of so many bytes, and lets others go where all are more than limit.
func (c *pageCache[T]) keep(n int, page *T, bytes, limit int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages == nil {
		c.pages = map[int]*cachedPage[T]{}
	}
	if c.pages[n] != nil {
		return // another goroutine decoded it, too
	}
	for c.bytes+bytes > limit && len(c.ring) > 0 {
		c.evict()
	}
	c.pages[n] = &cachedPage[T]{page: page, bytes: bytes}
	c.ring = append(c.ring, n)
	c.bytes += bytes
}

// evict lets the next page go that was not used since the hand passed it.
func (c *pageCache[T]) evict() {
	for {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		n := c.ring[c.hand]
		p := c.pages[n]
		if p.used.Swap(false) {
			c.hand++
			continue
		}
		delete(c.pages, n)
		c.bytes -= p.bytes
		last := len(c.ring) - 1
		c.ring[c.hand] = c.ring[last]
		c.ring = c.ring[:last]
		return
	}
}
