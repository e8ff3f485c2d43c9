package gate

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
)

const (
	maxSubscriptions = 64
	maxRing          = 2 << 20 // bytes that one subscription keeps, roughly
	linger           = time.Minute
)

// errTaken ends a subscription that somebody else goes on with.
var errTaken = errors.New("another connection goes on with this subscription")

// A watch is all subscriptions. The zero value has none, and costs those who write one load.
type watch struct {
	watching atomic.Int64 // subscriptions, parked ones among them

	mu   sync.Mutex
	last uint64 // number of the last subscription
	subs map[uint64]*ring
}

// A ring is the latest that one subscription was told.
type ring struct {
	number uint64
	who    string // asks
	asked  string // for what
	match  index.Filter

	mu     sync.Mutex
	events []Event
	bytes  int64         // of the events
	total  int64         // observations that were ever put in
	at     int64         // of them, how many the reader has seen, or was told to have missed
	wake   chan struct{} // of the one reader; closed when another one takes its place
	parked time.Time     // since when nobody reads; zero where somebody does
}

// A Subscription is told of observations that become durable, within what who asks may see. It
// keeps the latest of them in bounded memory: who is too slow misses the older ones, and is told
// how many. It is used by one goroutine.
type Subscription struct {
	gate *Gate
	ring *ring
	wake chan struct{}
}

// An Event is what one batch had for a subscription.
type Event struct {
	ID     string           // to go on behind it, with [Gate.Resume]
	Rows   []chunk.BatchRow // shared: do not modify them
	Missed int64            // observations before it that were dropped; the event may have no rows

	before, n int64 // observations of the subscription before it, and in it
	bytes     int64
}

// Subscribe returns a subscription to the series that match f, from now on. It needs [access.Read];
// too many of them are an [*Overload]. The caller closes it.
func (g *Gate) Subscribe(ctx context.Context, f index.Filter) (*Subscription, error) {
	who := access.From(ctx)
	if !who.Rights.Has(access.Read) {
		return nil, fmt.Errorf("%q may not read: %w", who.Name, ErrForbidden)
	}
	w := &g.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep(g.o.Now())
	if len(w.subs) >= maxSubscriptions && !w.dropParked() {
		return nil, &Overload{What: "subscriptions at once", Limit: maxSubscriptions, Name: "their number", After: 10 * time.Second}
	}
	if w.last == 0 {
		w.last = uint64(g.o.Now().UnixMicro()) // other numbers than those before a restart
		w.subs = make(map[uint64]*ring)
	}
	w.last++
	match := within(ctx, f)
	r := &ring{number: w.last, who: who.Name, asked: match.String(), match: match, wake: make(chan struct{}, 1)}
	w.subs[r.number] = r
	w.watching.Store(int64(len(w.subs)))
	return &Subscription{g, r, r.wake}, nil
}

// Resume goes on behind the event with that ID, for the same asker and the same series, so that
// nothing is lost where a connection was; one that still waits for more ends. It is false where
// the subscription is not kept any more.
func (g *Gate) Resume(ctx context.Context, f index.Filter, id string) (*Subscription, bool) {
	first, second, _ := strings.Cut(id, "-")
	number, err := strconv.ParseUint(first, 16, 64)
	at, err2 := strconv.ParseInt(second, 16, 64)
	if err != nil || err2 != nil || at < 0 {
		return nil, false
	}
	w := &g.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep(g.o.Now())
	r := w.subs[number]
	who := access.From(ctx)
	if r == nil || !who.Rights.Has(access.Read) || r.who != who.Name || r.asked != within(ctx, f).String() {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if at > r.total {
		return nil, false
	}
	close(r.wake)
	r.wake = make(chan struct{}, 1)
	r.parked, r.at = time.Time{}, at
	return &Subscription{g, r, r.wake}, true
}

// Close leaves what the subscription is told to [Gate.Resume], for a minute.
func (s *Subscription) Close() {
	r := s.ring
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake == s.wake {
		r.parked = s.gate.o.Now()
	}
}

// sweep drops the subscriptions that nobody came back for. The lock is held.
func (w *watch) sweep(now time.Time) {
	for number, s := range w.subs {
		s.mu.Lock()
		gone := !s.parked.IsZero() && now.Sub(s.parked) > linger
		s.mu.Unlock()
		if gone {
			delete(w.subs, number)
		}
	}
	w.watching.Store(int64(len(w.subs)))
}

// dropParked drops the subscription that waits the longest for somebody to come back. The lock is
// held.
func (w *watch) dropParked() bool {
	var oldest *ring
	var since time.Time
	for _, s := range w.subs {
		s.mu.Lock()
		if !s.parked.IsZero() && (oldest == nil || s.parked.Before(since)) {
			oldest, since = s, s.parked
		}
		s.mu.Unlock()
	}
	if oldest != nil {
		delete(w.subs, oldest.number)
	}
	return oldest != nil
}

// Next waits for the next event. The error is that of ctx, or that another one took the place of s.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		e, ok, err := s.ring.take(s.wake)
		if ok || err != nil {
			return e, err
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// take returns the next event, where there is one.
func (r *ring) take(wake chan struct{}) (Event, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake != wake {
		return Event{}, false, errTaken
	}
	if r.at == r.total {
		return Event{}, false, nil
	}
	e := Event{before: r.total}
	if i := sort.Search(len(r.events), func(i int) bool { return r.events[i].before+r.events[i].n > r.at }); i < len(r.events) {
		e = r.events[i]
	}
	e.Missed = max(0, e.before-r.at)
	r.at = e.before + e.n
	e.ID = strconv.FormatUint(r.number, 16) + "-" + strconv.FormatInt(r.at, 16)
	return e, true, nil
}

// publish tells the subscriptions of the rows of a batch that were stored, but the refused ones.
// The rows are copied, once for all subscriptions, where one wants them.
func (g *Gate) publish(b *chunk.Batch, refused []Refusal) {
	w := &g.watch
	if w.watching.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep(g.o.Now())
	if len(w.subs) == 0 {
		return
	}
	skip := make(map[int]bool, len(refused))
	for _, r := range refused {
		skip[r.Row] = true
	}
	copies := make([]chunk.BatchRow, len(b.Rows))
	told := make(map[string]*Event, 1) // by what is asked: many tails ask for the same
	for _, s := range w.subs {
		e := told[s.asked]
		if e == nil {
			e = new(Event)
			for i := range b.Rows {
				if !skip[i] && b.Rows[i].Samples.Len() > 0 && s.match.Match(b.Rows[i].Dimensions) {
					if copies[i].Samples.Len() == 0 {
						copies[i].Dimensions = b.Rows[i].Dimensions
						copies[i].Samples.Append(b.Rows[i].Samples)
					}
					e.add(&copies[i])
				}
			}
			told[s.asked] = e
		}
		s.put(*e)
	}
}

// add adds a row. One that is too much by itself, or after the others, is missed.
func (e *Event) add(row *chunk.BatchRow) {
	n, size := int64(row.Samples.Len()), rowSize(row)
	if e.bytes+size > maxRing {
		e.Missed += n
		return
	}
	e.Rows = append(e.Rows, *row)
	e.bytes += size
	e.n += n
}

// put appends an event, and drops the oldest ones where memory demands it. What the event misses
// itself is missed before it.
func (r *ring) put(e Event) {
	if e.n+e.Missed == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total += e.n + e.Missed
	if e.before, e.Missed = r.total-e.n, 0; e.n > 0 {
		r.events = append(r.events, e)
		r.bytes += e.bytes
	}
	drop := 0
	for ; r.bytes > maxRing; drop++ {
		r.bytes -= r.events[drop].bytes
	}
	clear(r.events[:drop]) // for the garbage collector
	r.events = r.events[drop:]
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// rowSize is the memory of a row, roughly.
func rowSize(r *chunk.BatchRow) int64 {
	size := int64(200 + 16*r.Samples.Len())
	for _, v := range r.Samples.Strings {
		size += int64(len(v))
	}
	return size
}
