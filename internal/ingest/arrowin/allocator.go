package arrowin

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// An allocator gives out memory up to a limit, and panics beyond it, which is the only way to tell
// Arrow. It is used by one goroutine at a time.
type allocator struct {
	limit, used int64
	heap        memory.GoAllocator
}

func (a *allocator) take(n int64) {
	if a.used += n; a.used > a.limit || n > a.limit {
		panic(fmt.Errorf("columns of more than %d bytes: send smaller record batches", a.limit))
	}
}

// Allocate returns size bytes.
func (a *allocator) Allocate(size int) []byte {
	a.take(int64(size))
	return a.heap.Allocate(size)
}

// Reallocate returns b with another size.
func (a *allocator) Reallocate(size int, b []byte) []byte {
	a.take(int64(size) - int64(len(b)))
	return a.heap.Reallocate(size, b)
}

// Free gives b back.
func (a *allocator) Free(b []byte) {
	a.used -= int64(len(b))
	a.heap.Free(b)
}
