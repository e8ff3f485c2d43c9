package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/shard"
)

// A gatherer gathers what one sender sends. [gather.Rows] is most of it.
type gatherer interface {
	Batch() *chunk.Batch
	Points() int
	Refused() (int64, []gather.Refusal)
	Reset()
}

const (
	// drainTime is how long a write may go on after the server was told to stop.
	drainTime = 10 * time.Second
	// retryLeast and retryMost bound how long a protocol without answers waits before it offers a
	// batch to the store again.
	retryLeast, retryMost = 50 * time.Millisecond, 10 * time.Second
)

// listening is what the listeners that are not HTTP share.
type listening struct {
	put   func(context.Context, *chunk.Batch) (gate.Outcome, error) // the gate's Append
	turns chan struct{}                                             // of connections to decode and store what they have read
	large *semaphore.Weighted                                       // memory of buffers beyond the usual
}

func newListening(g *gate.Gate) listening {
	return listening{put: g.Append, turns: make(chan struct{}, mostTurns), large: semaphore.NewWeighted(mostLarge)}
}

// draining returns a context for writes, which outlives ctx by drainTime, and what ends it.
func draining(ctx context.Context) (context.Context, context.CancelFunc) {
	writes, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(drainTime)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-writes.Done():
		}
	})
	return writes, func() { stop(); cancel() }
}

// store stores what d has gathered from a sender, counts it, and resets d. It is for protocols that
// cannot tell their senders what became of it: where the store does not take the batch now, store
// offers it again until it does, so that its caller reads no more meanwhile; when ctx is done it
// gives up. It returns why something was not stored, nil where all was.
func (r *Receiver) store(ctx context.Context, protocol, from string, d gatherer) error {
	defer d.Reset()
	refused, first := d.Refused()
	var reason error
	if refused > 0 {
		reason = fmt.Errorf("%q: %w", first[0].Text, first[0].Reason)
		r.refuse(protocol, from, refused, reason)
	}
	points := int64(d.Points())
	if points == 0 {
		return reason
	}
	writes, cancel := draining(ctx)
	defer cancel()
	for {
		out, err := r.put(writes, d.Batch())
		switch {
		case err == nil:
			if len(out.Refused) == 0 {
				r.count(protocol, out.Stored, 0)
				return reason
			}
			r.count(protocol, out.Stored, 0)
			reason = out.Refused[0].Reason
			r.refuse(protocol, from, points-out.Stored, reason)
			return reason
		case errors.Is(err, gate.ErrInvalid), errors.Is(err, gate.ErrForbidden), errors.Is(err, shard.ErrInvalid):
			r.refuse(protocol, from, points, err)
			return err
		}
		if !r.wait(ctx, protocol, err) {
			r.counter(protocol).dropped.Add(points)
			r.o.Logger.Error("lost what was received, since the server stops", "protocol", protocol, "from", from, "observations", points, "error", err)
			return err
		}
	}
}

// wait waits until the store may take what it did not take, and reports whether there is time left
// to try.
func (r *Receiver) wait(ctx context.Context, protocol string, err error) bool {
	after := time.Second
	var overload *gate.Overload
	if errors.As(err, &overload) {
		after = overload.After
	}
	r.complain(protocol, err)
	timer := time.NewTimer(min(max(after, retryLeast), retryMost))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// accept serves each connection of l with handle, at most as many at once as the options allow,
// until ctx is done; then it closes l, waits for handle, which ends by itself, and returns nil. An
// error is one of l.
func (r *Receiver) accept(ctx context.Context, l net.Listener, protocol string, handle func(context.Context, net.Conn)) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var open sync.WaitGroup
	defer open.Wait()
	c := r.counter(protocol)
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("%s: %w", protocol, err)
		case err != nil: // too many open files, or the sender is gone already
			r.complain(protocol, err)
			pause(ctx, retryLeast)
			continue
		}
		if c.connections.Add(1) > int64(r.o.Connections) {
			c.connections.Add(-1)
			c.turnedAway.Add(1)
			_ = conn.Close()
			continue
		}
		open.Go(func() {
			defer c.connections.Add(-1)
			defer conn.Close()
			handle(ctx, conn)
		})
	}
}

// pause waits for a time, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
