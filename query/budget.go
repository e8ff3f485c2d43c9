package query

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// defaultMemory is what a query may reserve where Options say nothing.
const defaultMemory = 1 << 30

// A budget counts the memory of one query. What is reserved is about what is held: columns and
// states, not the small change. Safe for concurrent use.
type budget struct {
	limit int64
	used  atomic.Int64
	peak  atomic.Int64
	total func(n int64) error // counts the bytes of all queries; nil: nobody does
}

// reserve counts n more bytes, or fewer where n is negative. Its error is a [*LimitError], and then
// nothing was counted.
func (b *budget) reserve(n int64) error {
	used := b.used.Add(n)
	if n > 0 && used > b.limit {
		b.used.Add(-n)
		return b.over(used)
	}
	if b.total != nil {
		if err := b.total(n); err != nil && n > 0 {
			b.used.Add(-n)
			return err
		}
	}
	for {
		peak := b.peak.Load()
		if used <= peak || b.peak.CompareAndSwap(peak, used) {
			return nil
		}
	}
}

// close gives back what is reserved.
func (b *budget) close() {
	if n := b.used.Swap(0); b.total != nil {
		_ = b.total(-n) // giving back is not refused
	}
}

// reserveMany is reserve of n things of size bytes each, whose product may be beyond an int64.
func (b *budget) reserveMany(n, size int64) error {
	if size > 0 && n > b.limit/size {
		need, ok := addMul(0, n, size)
		if !ok {
			need = 1<<63 - 1
		}
		return b.over(need)
	}
	return b.reserve(n * size)
}

func (b *budget) over(need int64) error {
	return &LimitError{
		What: "memory", Limit: b.limit, Need: need,
		Cure: "select fewer series or a shorter range, aggregate before other stages, or raise the limit",
	}
}

// A quota counts what a query reads from chunks. Zero limits are none. Safe for concurrent use.
type quota struct {
	maxObservations, maxBytes int64
	observations, bytes       atomic.Int64
}

// take counts n more observations, whose columns have so many bytes. Its error is a [*LimitError].
func (q *quota) take(n, bytes int64) error {
	if all := q.observations.Add(n); q.maxObservations > 0 && all > q.maxObservations {
		return q.over("observations", q.maxObservations, all)
	}
	if all := q.bytes.Add(bytes); q.maxBytes > 0 && all > q.maxBytes {
		return q.over("bytes of columns", q.maxBytes, all)
	}
	return nil
}

// expect says early that so many more observations will be too many.
func (q *quota) expect(n int64) error {
	if all := q.observations.Load() + n; q.maxObservations > 0 && all > q.maxObservations {
		return q.over("observations", q.maxObservations, all)
	}
	return nil
}

func (q *quota) over(what string, limit, need int64) error {
	return &LimitError{
		What: what, Limit: limit, Need: need,
		Cure: "select fewer series or a shorter range, ask for what statistics answer (such as mean, min or max over longer windows), or raise the limit",
	}
}

// maxWarnings is how many warnings a result lists; the others are counted.
const maxWarnings = 50

// warnings collects what a result should say. Safe for concurrent use.
type warnings struct {
	mu    sync.Mutex
	list  []string
	seen  map[string]bool
	extra int
}

// add adds a warning, once. The order of the first ones is that of the calls: callers that run in
// parallel collect their own, and add them in order.
func (w *warnings) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[text] {
		return
	}
	if len(w.list) >= maxWarnings {
		w.extra++
		return
	}
	if w.seen == nil {
		w.seen = make(map[string]bool)
	}
	w.seen[text] = true
	w.list = append(w.list, text)
}

// texts returns what was added.
func (w *warnings) texts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.extra > 0 {
		return append(w.list[:len(w.list):len(w.list)], fmt.Sprintf("%d more warnings", w.extra))
	}
	return w.list
}
