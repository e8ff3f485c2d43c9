package ingest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/chronodex/chronodex/chunk"
)

// Run reads sources, several at once, and hands their observations to sink in batches. The
// batches come in the order of the sources and, within one, of its lines, whatever the number of
// workers, so that of two observations with one stamp the later one wins and a repeated run
// writes the same. A batch is valid until sink returns. Run ends with the first error of sink or of
// ctx; the summary says how far it came. A source that cannot be read to its end is told and
// counted, and the others are read, unless the options are strict or it is the only one.
func Run(ctx context.Context, sources []Source, o Options, sink func(context.Context, *chunk.Batch) error) (Summary, error) {
	g, ctx := errgroup.WithContext(ctx)
	r := &runner{o: &o, sink: sink, free: make(chan *buffer, 64), total: len(sources)}
	for _, s := range sources {
		r.totalBytes += s.Size
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	order, jobs := make(chan *job, 2*workers), make(chan *job)
	g.Go(func() error {
		defer close(order)
		defer close(jobs)
		return dispatch(ctx, sources, order, jobs)
	})
	for range workers {
		g.Go(func() error {
			var w workspace
			for j := range jobs {
				r.work(ctx, &w, j)
			}
			return nil
		})
	}
	g.Go(func() error { return r.consume(ctx, order) })
	err := g.Wait()
	return r.sum, err
}

// A job is one source, and the buffers read from it; the last one may carry an error.
type job struct {
	source Source
	out    chan *buffer
}

// dispatch hands out the sources in their order: first to the consumer, then to a worker.
func dispatch(ctx context.Context, sources []Source, order, jobs chan<- *job) error {
	for _, s := range sources {
		j := &job{source: s, out: make(chan *buffer, 2)}
		for _, c := range []chan<- *job{order, jobs} {
			select {
			case c <- j:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// A runner is one call of [Run].
type runner struct {
	o          *Options
	sink       func(context.Context, *chunk.Batch) error
	free       chan *buffer
	sum        Summary
	total      int
	totalBytes int64

	batch chunk.Batch // waits for more, from the buffers in held
	held  []*buffer
	n     int
}

// empty returns a buffer to fill.
func (r *runner) empty() *buffer {
	select {
	case b := <-r.free:
		return b
	default:
		return new(buffer)
	}
}

// work reads one source.
func (r *runner) work(ctx context.Context, w *workspace, j *job) {
	defer close(j.out)
	send := func(b *buffer) error {
		select {
		case j.out <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	file, err := j.source.Open()
	if err != nil {
		_ = send(r.failed(ctx, j, err))
		return
	}
	defer file.Close()
	counted := &countingReader{r: file}
	pass := func(b *buffer) (*buffer, error) {
		b.stored = counted.n.Swap(0)
		return r.empty(), send(b)
	}
	err = w.decode(ctx, input{j.source.Name, counted, r.o}, r.empty(), pass)
	if err != nil {
		_ = send(r.failed(ctx, j, err))
	}
}

// failed returns the last buffer of a source that could not be read to its end.
func (r *runner) failed(ctx context.Context, j *job, err error) *buffer {
	if r.o.Strict || r.total == 1 || ctx.Err() != nil {
		return &buffer{err: err}
	}
	e := &LineError{File: j.source.Name, Reason: err}
	_ = errors.As(err, &e) // it may say more
	return &buffer{failed: true, errors: []*LineError{e}}
}

// countingReader counts the bytes that pass.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// consume takes the buffers in order, joins small ones to batches, and calls the sink.
func (r *runner) consume(ctx context.Context, order <-chan *job) error {
	for j := range order {
		err := r.consumeJob(ctx, j)
		if err != nil { // what was read before the error is kept
			if ferr := r.flush(ctx); ferr != nil {
				return ferr
			}
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.flush(ctx)
}

// consumeJob takes the buffers of one source. A job that no worker has taken when ctx ends has
// none, and its channel stays open.
func (r *runner) consumeJob(ctx context.Context, j *job) error {
	broken := false
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-j.out:
			if !ok {
				if !broken {
					r.sum.Files++
				}
				return ctx.Err()
			}
			broken = broken || b.failed
			r.sum.add(b)
			r.sum.Observations -= int64(b.n) // flush counts what the sink has taken
			r.o.report(b)
			if b.err != nil {
				return b.err
			}
			r.batch.Rows = append(r.batch.Rows, b.batch.Rows...)
			r.held, r.n = append(r.held, b), r.n+b.n
			if r.n < r.o.batchSize() && len(r.batch.Rows) < batchRows {
				continue
			}
			if err := r.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// flush hands what waits to the sink, and gives the buffers back.
func (r *runner) flush(ctx context.Context) error {
	if r.n > 0 {
		if err := r.sink(ctx, &r.batch); err != nil {
			return err
		}
		r.sum.Observations += int64(r.n)
	}
	r.batch.Rows, r.n = r.batch.Rows[:0], 0
	for _, b := range r.held {
		b.reset(r.o.batchSize())
		select {
		case r.free <- b:
		default:
		}
	}
	r.held = r.held[:0]
	if r.o.Progress != nil {
		r.o.Progress(Progress{
			Files: r.sum.Files, TotalFiles: r.total, Bytes: r.sum.Bytes, TotalBytes: r.totalBytes,
			Observations: r.sum.Observations, Skipped: r.sum.Skipped,
		})
	}
	return nil
}
