// Package gate is the one way from a network to the store. Whatever a protocol is called, its
// writes and its questions come through here, and here it is decided who may do what, how much of
// it at a time, and what is said when it is too much. It knows nothing of HTTP.
//
// Start at [Gate.Append] for writing, at [Gate.Query] for asking.
package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// What a caller may want to tell apart, and what protocols make statuses of.
var (
	ErrForbidden = errors.New("not allowed")      // who asks may not do this
	ErrInvalid   = shard.ErrInvalid               // sending the same again will not help
	ErrOverload  = errors.New("too much at once") // wraps in *Overload: try again later
	ErrFull      = errors.New("the disk is full") // writes are refused until there is room
	ErrClosing   = errors.New("shutting down")    // try again in a moment
)

// An Overload says that something was refused for now, and when to try again.
type Overload struct {
	What  string        // what there is too much of, such as "queries at once"
	Limit int64         // how much there may be
	Name  string        // of the limit, as in the configuration
	After time.Duration // when to try again
}

// Error returns one line that names the limit.
func (o *Overload) Error() string {
	return fmt.Sprintf("too much at once: %s (%s is %d); try again in %v", o.What, o.Name, o.Limit, o.After)
}

// Unwrap returns [ErrOverload].
func (o *Overload) Unwrap() error { return ErrOverload }

// Options configure a [Gate]. The zero value is usable.
type Options struct {
	Limits    Limits
	SlowQuery time.Duration    // queries that take longer are logged with their plan; 0 means none
	Now       func() time.Time // nil means time.Now
	Logger    *slog.Logger     // nil means that nothing is logged
}

// A Gate guards one store: a turnstile for queries, which lets in so many at once, each identity in
// its turn, and budgets for what all writers and all queries hold together. It is safe for concurrent use.
type Gate struct {
	set     *shard.Set
	o       Options
	limits  atomic.Pointer[Limits]
	turns   turns
	newborn bucket // series that may be made
	bodies  pool   // bytes of requests that are read and decoded
	batches pool   // bytes of batches that are stored
	memory  pool   // bytes of running queries
	disk    disk
	counts  counters
	watch   watch
	readers query.Pool
}

// New returns a gate before set, which the caller closes, after all calls of the gate have
// returned.
func New(set *shard.Set, o Options) *Gate {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gate{set: set, o: o}
	g.SetLimits(o.Limits)
	return g
}

// Set returns the store itself, for what belongs to the server and to nobody who asks: sealing,
// backup, retention.
func (g *Gate) Set() *shard.Set { return g.set }

// Now returns the time by the gate's clock.
func (g *Gate) Now() time.Time { return g.o.Now() }

// need fails where who asks lacks a right.
func need(who *access.Identity, r access.Rights, what string) error {
	if !who.Rights.Has(r) {
		return fmt.Errorf("%q may not %s: %w", who.Name, what, ErrForbidden)
	}
	return nil
}

// meaning gives an error of the store the sentinel of this package that it is.
func meaning(err error) error {
	switch {
	case errors.Is(err, shard.ErrClosed):
		return fmt.Errorf("%w: %w", ErrClosing, err)
	case errors.Is(err, shard.ErrReadOnly):
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	case vfs.IsFull(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
