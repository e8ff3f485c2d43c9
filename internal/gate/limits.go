package gate

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what comes through. A zero is no bound, where it does not say otherwise.
type Limits struct {
	Series            int64         // that the store knows: existing ones go on, new ones are refused
	NewSeries         int64         // created a minute, and at once
	InFlight          int64         // bytes of all requests that are being read, and of all batches that are being stored
	FreeDisk          int64         // bytes that writes leave free
	Queries           int           // running at once
	Queue             int           // that wait for their turn; 0 is 16 for each one that may run
	QueueTime         time.Duration // that a query waits for its turn
	QueryTime         time.Duration // that it takes
	QueryMemory       int64         // bytes that it reserves; 0 is the query engine's own default
	QueriesMemory     int64         // bytes that all running ones reserve together
	QueryObservations int64         // that it reads
	QueryBytes        int64         // that it decodes
}

// Names of limits, as in the configuration.
const (
	nameSeries        = "limits.series"
	nameNewSeries     = "limits.new_series_per_minute"
	nameInFlight      = "limits.in_flight"
	nameFreeDisk      = "limits.free_disk"
	nameQueries       = "limits.queries"
	nameQueueTime     = "limits.queue_time"
	nameQueryTime     = "limits.query_time"
	nameQueriesMemory = "limits.queries_memory"
)

// SetLimits changes the limits, also for what is waiting; what runs already goes on under the old
// ones.
func (g *Gate) SetLimits(l Limits) {
	g.limits.Store(&l)
	g.bodies.limit.Store(l.InFlight)
	g.batches.limit.Store(l.InFlight)
	g.memory.limit.Store(l.QueriesMemory)
	g.turns.bound(l.Queries, l.Queue)
}

// Limits returns the limits as of now.
func (g *Gate) Limits() Limits { return *g.limits.Load() }

// A pool counts bytes that many hold together. A limit of 0 is none.
type pool struct {
	limit atomic.Int64
	used  atomic.Int64
}

// take counts n more bytes, and reports whether there was room; else nothing was counted. Who comes
// when nothing is held gets any number: what is allowed alone must pass.
func (p *pool) take(n int64) bool {
	used, limit := p.used.Add(n), p.limit.Load()
	if limit > 0 && used > limit && used > n {
		p.used.Add(-n)
		return false
	}
	return true
}

func (p *pool) give(n int64) { p.used.Add(-n) }

// Hold counts n bytes that a body takes while it is read and decoded, with those of all other
// writers, until the caller gives them back by Release. Its error is an [*Overload].
func (g *Gate) Hold(n int64) error {
	if g.bodies.take(n) {
		return nil
	}
	g.counts.reject(nameInFlight)
	return &Overload{What: "bytes of requests", Limit: g.bodies.limit.Load(), Name: nameInFlight, After: time.Second}
}

// Release gives back what Hold counted.
func (g *Gate) Release(n int64) { g.bodies.give(n) }

// reserve is Hold for the memory of queries; see query.Options.
func (g *Gate) reserve(n int64) error {
	if n <= 0 {
		g.memory.give(-n)
		return nil
	}
	if g.memory.take(n) {
		return nil
	}
	return &Overload{
		What: "bytes of memory of all queries together", Limit: g.memory.limit.Load(), Name: nameQueriesMemory, After: time.Second,
	}
}

// A bucket counts series that are made: a minute's worth of them may be made at once, and it is
// filled again in a minute.
type bucket struct {
	mu    sync.Mutex
	spent float64 // of what fits, as of last
	last  time.Time
}

// take takes one of so many a minute, or says how long to wait for it.
func (b *bucket) take(limit int64, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	perSecond := float64(limit) / 60
	if passed := now.Sub(b.last).Seconds(); passed > 0 {
		b.spent, b.last = max(0, b.spent-passed*perSecond), now
	}
	if b.spent+1 > float64(limit) {
		more := (b.spent + 1 - float64(limit)) / perSecond
		return time.Duration(math.Ceil(more)) * time.Second, false
	}
	b.spent++
	return 0, true
}

// A disk remembers how much room there is, so that it is not asked for every batch.
type disk struct {
	mu     sync.Mutex
	asked  time.Time
	taken  int64 // bytes of batches since then
	full   bool
	free   int64
	silent bool // it does not say
}

// How long, and for how many bytes of batches, what the disk said is believed.
const (
	diskFor   = time.Second
	diskBytes = 16 << 20
)

// room says whether there is room for a batch of so many bytes.
func (g *Gate) room(bytes int64) error {
	floor := g.limits.Load().FreeDisk
	if floor <= 0 {
		return nil
	}
	d := &g.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	now := g.o.Now()
	d.taken += bytes
	if age := now.Sub(d.asked); d.full || d.taken >= min(diskBytes, floor/4) || age < 0 || age >= diskFor {
		d.look(g, now, floor)
	}
	if !d.full {
		return nil
	}
	return fmt.Errorf("%w: %d bytes are free, and writes leave %d (%s)", ErrFull, d.free, floor, nameFreeDisk)
}

// look asks the disk. Where it does not say, it is taken for one with room.
func (d *disk) look(g *Gate, now time.Time, floor int64) {
	free, err := g.set.Free()
	d.asked, d.taken = now, 0
	if err != nil {
		if !d.silent {
			g.o.Logger.Warn("the free space of the disk is not known, and not watched", "err", err)
		}
		d.silent, d.full = true, false
		return
	}
	d.silent, d.free = false, free
	switch full := free < floor; {
	case full && !d.full:
		g.o.Logger.Error("the disk is full: writes are refused until there is room", "free", free, "floor", floor)
		g.set.SealSoon() // which frees the log
	case !full && d.full:
		g.o.Logger.Info("the disk has room again: writes are taken", "free", free)
	}
	d.full = free < floor
}
