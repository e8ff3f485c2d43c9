package segment

import "sync"

// cachedPages is how many pages of each type a Reader keeps decoded.
const cachedPages = 4

// A pageCache keeps the pages of one type that were used last.
type pageCache[T any] struct {
	mu    sync.Mutex
	pages [cachedPages]cachedPage[T] // most recently used first
}

// A cachedPage is a decoded page; the zero one is none.
type cachedPage[T any] struct {
	number int
	page   *T
}

// get returns page number n, which it decodes by load where it is not there. Two goroutines may
// decode the same page at once.
func (c *pageCache[T]) get(n int, load func(n int) (*T, error)) (*T, error) {
	if p := c.find(n); p != nil {
		return p, nil
	}
	p, err := load(n)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	copy(c.pages[1:], c.pages[:])
	c.pages[0] = cachedPage[T]{n, p}
	return p, nil
}

// find returns page n if it is there, and makes it the most recently used one.
func (c *pageCache[T]) find(n int) *T {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, p := range c.pages {
		if p.page != nil && p.number == n {
			copy(c.pages[1:i+1], c.pages[:i])
			c.pages[0] = p
			return p.page
		}
	}
	return nil
}

// any returns a page for which found is true, if there is one.
func (c *pageCache[T]) any(found func(*T) bool) *T {
	c.mu.Lock()
	pages := c.pages
	c.mu.Unlock()
	for _, p := range pages {
		if p.page != nil && found(p.page) {
			return p.page
		}
	}
	return nil
}
