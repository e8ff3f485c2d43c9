package server

import (
	"context"
	"runtime"
	"time"
)

// Impatient has the server wait for clients no longer than d.
func (s *Server) Impatient(d time.Duration) {
	s.patience = patience{header: d, idle: d, body: d, write: d}
}

// Done is closed when the server begins to shut down.
func (s *Server) Done() <-chan struct{} { return s.done }

// WaitRequests returns when n requests are being answered.
func (s *Server) WaitRequests(n int) {
	for {
		s.requests.mu.Lock()
		now := s.requests.n
		s.requests.mu.Unlock()
		if now == n {
			return
		}
		runtime.Gosched()
	}
}

// StoreOwn stores the server's own metrics now.
func (s *Server) StoreOwn(ctx context.Context) error { return s.storeOwn(ctx) }

// Retain has the store look for what is too old now.
func (s *Server) Retain(ctx context.Context) error { return s.opened.Load().set.Retain(ctx) }

// SecretIn returns the secret of a header Authorization.
func SecretIn(header string) string {
	_, secret := authorization(header)
	return secret
}

// Routes returns the routes that are served once the store is open, as METHOD PATTERN.
func (s *Server) Routes() (all []string) {
	for _, r := range s.routes(s.opened.Load()) {
		all = append(all, r.Method+" "+r.Pattern)
	}
	return all
}
