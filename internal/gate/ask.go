package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// A turn is the right to ask, once somebody was let in.
type turn struct {
	gate   *Gate
	limits *Limits
	cancel context.CancelFunc
	waited time.Duration
	start  time.Time
}

type turnKey struct{}

// Begin waits for the turn of who asks, and returns a context that has it, and that ends after the
// time that a query may take: for whoever asks several things as one, or reads [Gate.Parts]. All
// methods that ask do it by themselves where ctx has no turn. The caller calls end. It needs
// [access.Read]; an error is an [*Overload], or that of ctx.
func (g *Gate) Begin(ctx context.Context) (_ context.Context, end func(), err error) {
	ctx, t, err := g.begin(ctx)
	if err != nil {
		g.counts.ask(err)
		return nil, nil, err
	}
	return ctx, t.end, nil
}

// begin takes a turn, or has that of ctx, whose end is somebody else's.
func (g *Gate) begin(ctx context.Context) (context.Context, *turn, error) {
	who := access.From(ctx)
	if err := need(who, access.Read, "read"); err != nil {
		return nil, nil, err
	}
	if t, ok := ctx.Value(turnKey{}).(*turn); ok && t.gate == g {
		return ctx, &turn{gate: g, limits: t.limits, start: g.o.Now()}, nil
	}
	t := &turn{gate: g, limits: g.limits.Load()}
	came := g.o.Now()
	err := g.turns.enter(ctx, who.Name, t.limits.QueueTime)
	t.start = g.o.Now()
	t.waited = t.start.Sub(came)
	g.counts.waited(t.waited)
	if errors.Is(err, errQueueTime) {
		err = &Overload{
			What: fmt.Sprintf("queries at once, after waiting %v (%s)", t.limits.QueueTime, nameQueueTime),
			Name: nameQueries, Limit: int64(t.limits.Queries), After: time.Second,
		}
	}
	if err != nil {
		return nil, nil, err
	}
	ctx = context.WithValue(ctx, turnKey{}, t)
	if most := t.limits.QueryTime; most > 0 {
		ctx, t.cancel = context.WithTimeoutCause(ctx, most,
			fmt.Errorf("the query took longer than %v (%s): %w", most, nameQueryTime, context.DeadlineExceeded))
	} else {
		ctx, t.cancel = context.WithCancel(ctx)
	}
	return ctx, t, nil
}

// end gives the turn to the next one.
func (t *turn) end() {
	if t.cancel != nil {
		t.cancel()
		t.gate.turns.leave()
		t.gate.counts.ran(t.gate.o.Now().Sub(t.start))
	}
}

// ask calls f in a turn of who asks, and counts what came of it.
func (g *Gate) ask(ctx context.Context, f func(context.Context, *turn) error) error {
	inner, t, err := g.begin(ctx)
	if err == nil {
		if err = f(inner, t); err != nil && inner.Err() != nil && errors.Is(err, inner.Err()) {
			err = context.Cause(inner) // which says more
		}
		t.end()
	}
	err = meaning(err)
	g.counts.ask(err)
	return err
}

// Query answers q about what who asks may see. It needs [access.Read].
func (g *Gate) Query(ctx context.Context, q *query.Query, req query.Request) (*query.Result, error) {
	var out *query.Result
	err := g.ask(ctx, func(ctx context.Context, t *turn) (err error) {
		out, err = g.engine(ctx, t).Run(ctx, q, req)
		g.keep(ctx, out)
		g.note(ctx, t, q, req, out)
		return err
	})
	return out, err
}

// Analyze is Query that returns the plan, with what each step did.
func (g *Gate) Analyze(ctx context.Context, q *query.Query, req query.Request) (*query.Plan, *query.Result, error) {
	var plan *query.Plan
	var out *query.Result
	err := g.ask(ctx, func(ctx context.Context, t *turn) (err error) {
		plan, out, err = g.engine(ctx, t).Analyze(ctx, q, req)
		g.keep(ctx, out)
		g.note(ctx, t, q, req, out)
		return err
	})
	return plan, out, err
}

// engine returns what answers queries of who asks.
func (g *Gate) engine(ctx context.Context, t *turn) *query.Engine {
	l := t.limits
	return &query.Engine{Parts: g.Parts(ctx), Pool: &g.readers, Options: query.Options{
		MemoryLimit: l.QueryMemory, MaxObservations: l.QueryObservations, MaxBytes: l.QueryBytes,
		Reserve: g.reserve, Clock: g.o.Now,
	}}
}

// note counts what a query read, and logs it with its plan where it took long; out is nil where it
// failed.
func (g *Gate) note(ctx context.Context, t *turn, q *query.Query, req query.Request, out *query.Result) {
	if out != nil {
		g.counts.read(&out.Stats)
	}
	took := g.o.Now().Sub(t.start)
	if g.o.SlowQuery <= 0 || took < g.o.SlowQuery {
		return
	}
	g.counts.slow.Add(1)
	stats := "it failed"
	if out != nil {
		stats = out.Stats.String()
	}
	span := req.Span
	if span == (chunk.Span{}) {
		span = chunk.Always
	}
	g.o.Logger.Warn("slow query", "query", q.String(), "span", span.String(), "who", access.From(ctx).Name,
		"took", took.String(), "waited", t.waited.String(), "did", stats, "plan", q.Explain().String())
}

// Parts returns the parts of the store as who asks may see them, for whoever reads observations
// without the language: exports, other query languages. They are bounded by nothing but ctx: see
// [Gate.Begin]. Who has no [access.Read] sees none.
func (g *Gate) Parts(ctx context.Context) []query.Selector {
	who := access.From(ctx)
	if !who.Rights.Has(access.Read) {
		return nil
	}
	var out []query.Selector
	for _, p := range g.set.Parts() {
		if who.Within == nil {
			out = append(out, p)
		} else {
			out = append(out, confined{p, who.Within})
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
func (g *Gate) Search(ctx context.Context, f index.Filter, limit int) (found []chunk.Series, total int, err error) {
	err = g.ask(ctx, func(ctx context.Context, _ *turn) (err error) {
		found, total, err = g.set.Search(ctx, within(ctx, f), limit)
		return err
	})
	return found, total, err
}

// Names is [shard.Set.Names] within what who asks may see.
func (g *Gate) Names(ctx context.Context, f index.Filter) (names []shard.Count, err error) {
	err = g.ask(ctx, func(ctx context.Context, _ *turn) (err error) {
		names, err = g.set.Names(ctx, within(ctx, f))
		return err
	})
	return names, err
}

// Values is [shard.Set.Values] within what who asks may see.
func (g *Gate) Values(ctx context.Context, f index.Filter, name, prefix string, limit int) (values []shard.Count, err error) {
	err = g.ask(ctx, func(ctx context.Context, _ *turn) (err error) {
		values, err = g.set.Values(ctx, within(ctx, f), name, prefix, limit)
		return err
	})
	return values, err
}

// Complete is [shard.Set.Complete] within what who asks may see.
func (g *Gate) Complete(ctx context.Context, prefix string, limit int) (list []index.Completion, err error) {
	err = g.ask(ctx, func(ctx context.Context, _ *turn) (err error) {
		list, err = g.set.CompleteWithin(ctx, access.From(ctx).Within, prefix, limit)
		return err
	})
	return list, err
}

// Delete is [shard.Set.Delete] within what who asks may see. It needs [access.Admin]. What it did
// is logged.
func (g *Gate) Delete(ctx context.Context, f index.Filter, span chunk.Span) (int64, error) {
	who := access.From(ctx)
	err := need(who, access.Admin, "delete")
	n := int64(0)
	if err == nil {
		f = within(ctx, f)
		n, err = g.set.Delete(ctx, f, span)
		err = meaning(err)
	}
	g.counts.delete(err)
	if err != nil {
		g.o.Logger.Warn("not deleted", "audit", true, "who", who.Name, "selector", f.String(), "span", span.String(), "series", n, "err", err)
		return n, err
	}
	g.o.Logger.Info("deleted", "audit", true, "who", who.Name, "selector", f.String(), "span", span.String(), "series", n)
	return n, nil
}

// Stats are figures of the whole store. They need [access.Admin], and no confinement.
func (g *Gate) Stats(ctx context.Context) (shard.Stats, error) {
	who := access.From(ctx)
	err := need(who, access.Admin, "see the state of the server")
	if err == nil && who.Within != nil {
		err = fmt.Errorf("%q may see only %v, not the state of the server: %w", who.Name, who.Within, ErrForbidden)
	}
	if err != nil {
		return shard.Stats{}, err
	}
	return g.set.Stats(), nil
}

// within returns the filter of what matches f and who asks may see.
func within(ctx context.Context, f index.Filter) index.Filter {
	if w := access.From(ctx).Within; w != nil {
		return index.And(f, w)
	}
	return f
}
