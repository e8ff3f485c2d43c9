// Package gate is the one way from a network to the store. Whatever a protocol is called, its
// writes and its questions come through here, and here it is decided who may do what, how much of
// it at a time, and what is said when it is too much. It knows nothing of HTTP.
//
// Start at [Gate.Append] for writing, at [Gate.Query] for asking.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// What a caller may want to tell apart, and what protocols make statuses of.
var (
	ErrForbidden = errors.New("not allowed")          // who asks may not do this
	ErrInvalid   = errors.New("invalid observations") // sending them again will not help
	ErrOverload  = errors.New("too much at once")     // wraps in *Overload: try again later
	ErrFull      = errors.New("the disk is full")     // writes are refused until there is room
	ErrClosing   = errors.New("shutting down")        // try again in a moment
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

// Limits bound what comes through. A zero is no bound.
type Limits struct {
	Series            int64         // in the store
	NewSeries         int64         // created a minute
	Queries           int           // running at once
	QueueTime         time.Duration // that a query waits for its turn
	QueryTime         time.Duration // that it takes
	QueryMemory       int64         // bytes that it reserves; 0 is the query engine's own default
	QueryObservations int64         // that it reads
	QueryBytes        int64         // that it decodes
	FreeDisk          int64         // bytes that writes leave free
}

// Options configure a [Gate]. The zero value is usable.
type Options struct {
	Limits    Limits
	SlowQuery time.Duration    // queries that take longer are logged with their plan; 0 means none
	Now       func() time.Time // nil means time.Now
	Logger    *slog.Logger     // nil means that nothing is logged
}

// A Gate guards one store. It is safe for concurrent use.
type Gate struct {
	set *shard.Set
	o   Options
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
	return &Gate{set: set, o: o}
}

// A Refusal is a row of a batch that was not stored.
type Refusal struct {
	Row    int   // of the batch
	Reason error // wraps one of the sentinels of this package
}

// An Outcome is what became of a batch that the store took.
type Outcome struct {
	Stored  int64 // observations, durable
	Refused []Refusal
}

// Append stores a batch for who asks in ctx, see package access. When the error is nil, all rows but
// the refused ones are durable and visible: so a batch that is bad in part is stored in part, and
// the caller tells which rows were not, in the words of its protocol. Any other error means that
// nothing is acknowledged. It needs [access.Write]. The batch is not kept, but its rows may be
// reordered in place.
func (g *Gate) Append(ctx context.Context, b *chunk.Batch) (Outcome, error) {
	if err := need(ctx, access.Write, "write"); err != nil {
		return Outcome{}, err
	}
	if err := g.set.Append(ctx, b); err != nil {
		return Outcome{}, err
	}
	return Outcome{Stored: int64(b.Observations())}, nil
}

// Query answers q about what who asks may see. It needs [access.Read].
func (g *Gate) Query(ctx context.Context, q *query.Query, req query.Request) (*query.Result, error) {
	if err := need(ctx, access.Read, "read"); err != nil {
		return nil, err
	}
	return g.engine(ctx).Run(ctx, q, req)
}

// Analyze is Query that returns the plan, with what each step did.
func (g *Gate) Analyze(ctx context.Context, q *query.Query, req query.Request) (*query.Plan, *query.Result, error) {
	if err := need(ctx, access.Read, "read"); err != nil {
		return nil, nil, err
	}
	return g.engine(ctx).Analyze(ctx, q, req)
}

// engine returns what answers queries of who asks.
func (g *Gate) engine(ctx context.Context) *query.Engine {
	return &query.Engine{Parts: g.Parts(ctx), Options: query.Options{MemoryLimit: g.o.Limits.QueryMemory, Clock: g.o.Now}}
}

// Parts returns the parts of the store as who asks may see them, for whoever reads observations
// without the language: exports, other query languages.
func (g *Gate) Parts(ctx context.Context) []query.Selector {
	within := access.From(ctx).Within
	var out []query.Selector
	for _, p := range g.set.Parts() {
		if within == nil {
			out = append(out, p)
		} else {
			out = append(out, confined{p, within})
		}
	}
	return out
}

// confined is a part of which only the series within a filter are seen.
type confined struct {
	query.Selector
	within index.Filter
}

// Select returns the series that match both f and the confinement.
func (c confined) Select(ctx context.Context, f index.Filter, span chunk.Span) (chunk.Selection, error) {
	return c.Selector.Select(ctx, index.And(f, c.within), span)
}

// Search is [shard.Set.Search] within what who asks may see.
func (g *Gate) Search(ctx context.Context, f index.Filter, limit int) ([]chunk.Series, int, error) {
	if err := need(ctx, access.Read, "read"); err != nil {
		return nil, 0, err
	}
	return g.set.Search(ctx, within(ctx, f), limit)
}

// Names is [shard.Set.Names] within what who asks may see.
func (g *Gate) Names(ctx context.Context, f index.Filter) ([]shard.Count, error) {
	if err := need(ctx, access.Read, "read"); err != nil {
		return nil, err
	}
	return g.set.Names(ctx, within(ctx, f))
}

// Values is [shard.Set.Values] within what who asks may see.
func (g *Gate) Values(ctx context.Context, f index.Filter, name, prefix string, limit int) ([]shard.Count, error) {
	if err := need(ctx, access.Read, "read"); err != nil {
		return nil, err
	}
	return g.set.Values(ctx, within(ctx, f), name, prefix, limit)
}

// Delete is [shard.Set.Delete] within what who asks may see. It needs [access.Admin].
func (g *Gate) Delete(ctx context.Context, f index.Filter, span chunk.Span) (int64, error) {
	if err := need(ctx, access.Admin, "delete"); err != nil {
		return 0, err
	}
	return g.set.Delete(ctx, within(ctx, f), span)
}

// Stats are figures of the whole store. They need [access.Admin], and no confinement.
func (g *Gate) Stats(ctx context.Context) (shard.Stats, error) {
	if err := need(ctx, access.Admin, "see the state of the server"); err != nil {
		return shard.Stats{}, err
	}
	return g.set.Stats(), nil
}

// Set returns the store itself, for what belongs to the server and to nobody who asks: sealing,
// backup, retention.
func (g *Gate) Set() *shard.Set { return g.set }

// Now returns the time by the gate's clock.
func (g *Gate) Now() time.Time { return g.o.Now() }

func within(ctx context.Context, f index.Filter) index.Filter {
	if w := access.From(ctx).Within; w != nil {
		return index.And(f, w)
	}
	return f
}

func need(ctx context.Context, r access.Rights, what string) error {
	if who := access.From(ctx); !who.Rights.Has(r) {
		return fmt.Errorf("%q may not %s: %w", who.Name, what, ErrForbidden)
	}
	return nil
}
