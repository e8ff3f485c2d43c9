package source

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

// tries is how often a slice is read, where the source fails in a way that may pass.
const tries = 6

// late is how old a slice must be to be remembered as done: before, the source may still get some.
const late = time.Hour

// A run is one Import.
type run struct {
	o   *Options
	f   *fetcher
	r   reader
	c   *collector
	sum Summary

	planning bool
}

func (r *run) all(ctx context.Context) error {
	st, err := openState(r.o)
	if err != nil {
		return err
	}
	defer st.close()
	settled := r.o.Now().Add(-late).UnixNano()
	slices, err := r.plan(ctx)
	if err != nil {
		return err
	}
	for i, s := range slices {
		tell := func() {
			r.o.Progress(Progress{Slices: i, Of: len(slices), Observations: r.c.done, Bytes: r.f.bytes.Load(), At: s.String()})
		}
		tell()
		if st.has(s) {
			r.sum.Skipped++
			continue
		}
		r.c.tell = tell
		if err := r.slice(ctx, s); err != nil {
			return err
		}
		r.sum.Slices++
		if s.span.End > settled {
			continue
		}
		if err := st.done(s); err != nil {
			return err
		}
	}
	r.o.Progress(Progress{Slices: len(slices), Of: len(slices), Observations: r.c.done, Bytes: r.f.bytes.Load()})
	return nil
}

// plan asks the source what there is, again where that fails in a way that may pass; but not where
// nobody answers, since then the address may be wrong.
func (r *run) plan(ctx context.Context) (out []slice, err error) {
	r.planning = true
	err = r.again(ctx, func() error {
		out, err = r.r.plan(ctx)
		return err
	})
	r.planning = false
	return out, err
}

// slice reads one slice, from its beginning again where that fails in a way that may pass.
func (r *run) slice(ctx context.Context, s slice) error {
	r.c.span = s.span
	err := r.again(ctx, func() error {
		r.c.drop()
		if err := r.r.read(ctx, s, r.c); err != nil {
			return err
		}
		return r.c.flush(ctx)
	})
	if err != nil {
		return fmt.Errorf("%v: %w", s, err)
	}
	return nil
}

func (r *run) again(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		var t *temporary
		if err == nil || try == tries || ctx.Err() != nil || !errors.As(err, &t) || t.unanswered && r.planning {
			return err
		}
		pause := max(t.after, time.Duration(250<<try)*time.Millisecond)
		r.o.Warn(fmt.Sprintf("%v; trying again in %v", err, pause))
		if werr := r.o.Wait(ctx, pause); werr != nil {
			return err
		}
	}
}

// cutSpan cuts a span into slices of one unit: at multiples of the width, so that another import cuts
// at the same places.
func cutSpan(unit string, span chunk.Span, width time.Duration) []slice {
	var out []slice
	w := int64(width)
	for at := span.Start; at < span.End; {
		n := at / w
		if at%w < 0 {
			n--
		}
		end := span.End
		if next := (n + 1) * w; next > at && next < end {
			end = next
		}
		out = append(out, slice{unit, chunk.Span{Start: at, End: end}})
		at = end
	}
	return out
}

// wait waits by the clock.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
