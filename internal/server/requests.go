package server

import "sync"

// requests counts the requests that are being answered: the store is not closed under them.
type requests struct {
	mu     sync.Mutex
	n      int
	closed bool
	idle   chan struct{} // closed when there are none, and there will be none
}

func newRequests() *requests { return &requests{idle: make(chan struct{})} }

// enter reports whether one more may begin.
func (r *requests) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.n++
	return true
}

func (r *requests) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 && r.closed {
		close(r.idle)
	}
}

// close lets none begin any more, and waits until there are none. Their connections are closed by
// then, so they have nothing to wait for.
func (r *requests) close() {
	r.mu.Lock()
	r.closed = true
	if r.n == 0 {
		close(r.idle)
	}
	r.mu.Unlock()
	<-r.idle
}
