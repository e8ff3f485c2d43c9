package query

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

// A run is the work on one query.
type run struct {
	engine  *Engine
	span    chunk.Span
	loc     *time.Location
	budget  budget
	quota   quota // of what is read from the store
	warn    warnings
	stats   Stats
	workers int

	mu    sync.Mutex
	parts []Stats // by part, since the last call of collect; guarded by mu
}

// A worker is the memory of one goroutine, kept from query to query.
type worker struct {
	buffers []chunk.Buffer // by part
	floats  []float64
	times   []int64
	bounds  []int32
	places  []int32
	stats   []Stats // by part
}

// buffer returns the memory to read part i with.
func (w *worker) buffer(i int) *chunk.Buffer { return &w.buffers[i] }

// Run answers q. Its errors wrap [ErrLimit], the cause of the end of ctx, or what a part reports;
// damaged chunks are no error but a warning.
func (e *Engine) Run(ctx context.Context, q *Query, req Request) (*Result, error) {
	return e.run(ctx, q, req, nil)
}

// Analyze answers q, and returns its plan with what each step did.
func (e *Engine) Analyze(ctx context.Context, q *Query, req Request) (*Plan, *Result, error) {
	plan := q.Explain()
	out, err := e.run(ctx, q, req, plan)
	return plan, out, err
}

func (e *Engine) run(ctx context.Context, q *Query, req Request, plan *Plan) (*Result, error) {
	r := &run{engine: e, span: req.Span, loc: req.Location, workers: e.Options.Workers}
	if r.span == (chunk.Span{}) {
		r.span = chunk.Always
	}
	if r.loc == nil {
		r.loc = time.UTC
	}
	if r.workers <= 0 {
		r.workers = runtime.GOMAXPROCS(0)
	}
	if r.budget.limit = e.Options.MemoryLimit; r.budget.limit <= 0 {
		r.budget.limit = defaultMemory
	}
	r.budget.total = e.Options.Reserve
	defer r.budget.close()
	r.quota.maxObservations, r.quota.maxBytes = e.Options.MaxObservations, e.Options.MaxBytes
	start := r.now()
	set, err := r.query(ctx, q, plan)
	if err != nil {
		return nil, err
	}
	r.stats.Duration = r.now().Sub(start)
	r.stats.PeakBytes = r.budget.peak.Load()
	return &Result{Series: set.rows, Warnings: r.warn.texts(), Stats: r.stats}, nil
}

func (r *run) now() time.Time {
	if r.engine.Options.Clock == nil {
		return time.Time{}
	}
	return r.engine.Options.Clock()
}

// A set is the rows that a stage made.
type set struct {
	shape shape
	rows  []ResultSeries
}

// query answers q, whose figures go to plan where that is not nil.
func (r *run) query(ctx context.Context, q *Query, plan *Plan) (*set, error) {
	in, stages, err := r.source(ctx, q, plan)
	if err != nil {
		return nil, err
	}
	for i, s := range stages {
		at := plan.stage(len(stages) - 1 - i)
		if in, err = r.stage(ctx, in, s, at); err != nil {
			return nil, err
		}
		at.rows(in)
	}
	return in, nil
}

// source answers the source of q, and where that is a selection, the stage after it, too; it
// returns the stages that are left.
func (r *run) source(ctx context.Context, q *Query, plan *Plan) (*set, []stage, error) {
	switch s := q.source.(type) {
	case *selection:
		return r.selected(ctx, s, q.stages, plan)
	case *operation:
		out, err := r.operation(ctx, s, plan.stage(len(q.stages)))
		return out, q.stages, err
	case *Query:
		out, err := r.query(ctx, s, plan.stage(len(q.stages)))
		return out, q.stages, err
	case number:
		return nil, nil, errors.New("a number is no query")
	}
	return nil, nil, fmt.Errorf("source of type %T", q.source)
}

// selected reads what s selects, and answers the first stage where it is an aggregate. Where that
// is a limit, no more series are read than it takes: what seemed to have observations may turn out to
// have none, so it may take another try.
func (r *run) selected(ctx context.Context, s *selection, stages []stage, plan *Plan) (*set, []stage, error) {
	if len(stages) == 0 {
		out, _, err := r.gather(ctx, s, everything, plan)
		return out, nil, err
	}
	switch first := stages[0].(type) {
	case *aggregate:
		plan = plan.stage(len(stages) - 1)
		if last, ok := next(stages).(*ends); ok {
			if out, err := r.lastWindows(ctx, s, first, last, plan); out != nil || err != nil {
				return out, stages[1:], err
			}
		}
		stock, err := r.open(ctx, s, everything)
		if err != nil {
			return nil, nil, err
		}
		defer stock.close() // nothing was written: what closing could say does not matter here
		plan.stage(2).selected(stock)
		out, err := r.fold(ctx, stock, first, plan.stage(1))
		if err == nil {
			plan.rows(out)
		}
		return out, stages[1:], err
	case *limit:
		before := r.stats.SeriesSelected
		for keep := first.n; ; keep *= 4 {
			r.stats.SeriesSelected = before
			out, dropped, err := r.gather(ctx, s, narrowing{keep: keep}, plan.stage(len(stages)))
			if err != nil || len(out.rows) >= first.n || !dropped {
				return out, stages, err
			}
		}
	case *ends:
		out, _, err := r.gather(ctx, s, narrowing{keep: -1, prune: first.pruned, edge: first}, plan.stage(len(stages)))
		return out, stages, err
	case *where:
		out, _, err := r.gather(ctx, s, narrowing{keep: -1, prune: first.pruned}, plan.stage(len(stages)))
		return out, stages, err
	}
	out, _, err := r.gather(ctx, s, everything, plan.stage(len(stages)))
	return out, stages, err
}

// next returns the stage after the first, or nil.
func next(stages []stage) stage {
	if len(stages) < 2 {
		return nil
	}
	return stages[1]
}

// gather reads what s selects, narrowed by n. It reports whether there are more series.
func (r *run) gather(ctx context.Context, s *selection, n narrowing, plan *Plan) (*set, bool, error) {
	stock, err := r.open(ctx, s, n)
	if err != nil {
		return nil, false, err
	}
	defer stock.close() // nothing was written: what closing could say does not matter here
	stock.edge = n.edge
	plan.stage(2).selected(stock)
	out, err := r.read(ctx, stock, plan.stage(1))
	if err == nil {
		plan.rows(out)
	}
	return out, stock.dropped, err
}

// open selects from all parts, in parallel.
func (r *run) open(ctx context.Context, s *selection, n narrowing) (*survey, error) {
	parts := make([]chunk.Selection, len(r.engine.Parts))
	err := r.parallel(ctx, len(parts), func(_ *worker, i int) (err error) {
		parts[i], err = r.engine.Parts[i].Select(ctx, s.filter, r.span)
		return err
	})
	stock := &survey{parts: parts}
	if err == nil {
		stock, err = r.takeStock(ctx, parts, n)
	}
	if err != nil {
		for _, p := range parts {
			if p != nil {
				p.Close()
			}
		}
		return nil, err
	}
	r.stats.SeriesSelected += int64(len(stock.series))
	for _, p := range parts {
		if w, ok := p.(interface{ Warnings() []string }); ok {
			for _, text := range w.Warnings() {
				r.warn.add("%s", text)
			}
		}
	}
	return stock, nil
}

// stage makes one stage of in.
func (r *run) stage(ctx context.Context, in *set, s stage, plan *Plan) (*set, error) {
	switch s := s.(type) {
	case *aggregate:
		stock, err := r.takeStock(ctx, []chunk.Selection{&memory{rows: in.rows}}, everything)
		if err != nil {
			return nil, err
		}
		stock.stable = true
		return r.fold(ctx, stock, s, plan)
	case *transform:
		return r.transform(ctx, in, s)
	case *arithmetic:
		return r.arithmetic(ctx, in, s, plan)
	case *fill:
		return r.fill(in, s)
	case *limit:
		return &set{shape: in.shape, rows: in.rows[:min(s.n, len(in.rows))]}, nil
	case *order:
		return r.order(ctx, in, s)
	case *ends:
		return s.keep(in), nil
	case *where:
		return r.where(ctx, in, s, plan)
	}
	return nil, fmt.Errorf("stage of type %T", s)
}

// parallel calls f for each i < n, at most one call for each worker at a time. The first error, by
// i of those that occurred, ends the work, and so does the end of ctx.
func (r *run) parallel(ctx context.Context, n int, f func(w *worker, i int) error) error {
	var next atomic.Int64
	var mu sync.Mutex
	var failed error
	at := n
	work := func() {
		w := r.worker()
		defer r.release(w)
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			err := context.Cause(ctx)
			if err == nil {
				err = f(w, i)
			}
			if err != nil {
				next.Store(int64(n))
				mu.Lock()
				if i < at {
					at, failed = i, err
				}
				mu.Unlock()
				return
			}
		}
	}
	var wg sync.WaitGroup
	for range min(r.workers, n) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return failed
}

// worker takes the memory of a goroutine.
func (r *run) worker() *worker {
	w, _ := r.engine.pool().workers.Get().(*worker)
	if w == nil {
		w = new(worker)
	}
	n := max(len(r.engine.Parts), 1)
	if len(w.buffers) != n {
		w.buffers, w.stats = make([]chunk.Buffer, n), make([]Stats, n)
	}
	return w
}

// release gives it back, and takes what it counted.
func (r *run) release(w *worker) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) < len(w.stats) {
		r.parts = make([]Stats, len(w.stats))
	}
	for i := range w.stats {
		r.parts[i].add(&w.stats[i])
		w.stats[i] = Stats{}
	}
	r.engine.pool().workers.Put(w)
}

// collect counts what was done with stock since the last call, where it is a part of the store.
func (r *run) collect(stock *survey, plan *Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.parts) < len(stock.parts) {
		r.parts = make([]Stats, len(stock.parts))
	}
	if !stock.stable {
		for i := range r.parts {
			r.stats.add(&r.parts[i])
		}
		plan.read(r.parts, stock)
	}
	clear(r.parts)
}
