package gate

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chronodex/chronodex/query"
)

// Counts are what came through a gate since it was made, and what is going on now.
type Counts struct {
	Batches  int64            // stored, in whole or in part
	Stored   int64            // observations
	Refused  map[string]int64 // rows of stored batches, by reason: forbidden, invalid, or the name of a limit
	Rejected map[string]int64 // batches and bodies of which nothing was taken, by reason: as of Refused, disk full, closing, gone, timeout, error

	QueriesRunning int
	QueriesWaiting int
	Queries        map[string]int64 // by what came of them: ok, forbidden, gone, timeout, limit, the name of a limit of the gate, closing, error
	WaitSeconds    float64          // of all turns
	QuerySeconds   float64          // of turns that have ended
	SlowQueries    int64
	Read           query.Stats      // what queries that have an answer read, added up: pieces, observations and bytes
	Deletes        map[string]int64 // by what came of them, as of Queries

	InFlightBytes int64 // of bodies and batches
	QueryBytes    int64 // reserved by running queries
	DiskFull      bool
}

// counters are the parts of Counts that only grow.
type counters struct {
	batches, rows, slow atomic.Int64
	queue, run          atomic.Int64 // nanoseconds

	mu       sync.Mutex
	stats    query.Stats
	refused  map[string]int64
	rejected map[string]int64
	asked    map[string]int64
	deleted  map[string]int64
}

// Counts returns the counts as of now.
func (g *Gate) Counts() Counts {
	c := &g.counts
	out := Counts{
		Batches: c.batches.Load(), Stored: c.rows.Load(), SlowQueries: c.slow.Load(),
		WaitSeconds: time.Duration(c.queue.Load()).Seconds(), QuerySeconds: time.Duration(c.run.Load()).Seconds(),
		InFlightBytes: g.bodies.used.Load() + g.batches.used.Load(), QueryBytes: g.memory.used.Load(),
	}
	out.QueriesRunning, out.QueriesWaiting = g.turns.now()
	g.disk.mu.Lock()
	out.DiskFull = g.disk.full
	g.disk.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	out.Refused, out.Rejected = maps.Clone(c.refused), maps.Clone(c.rejected)
	out.Read = c.stats
	out.Queries, out.Deletes = maps.Clone(c.asked), maps.Clone(c.deleted)
	return out
}

// count adds n to one of the maps of c.
func (c *counters) count(in *map[string]int64, reason string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *in == nil {
		*in = map[string]int64{}
	}
	(*in)[reason] += n
}

// read adds what a query read.
func (c *counters) read(s *query.Stats) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.SeriesSelected += s.SeriesSelected
	c.stats.Chunks += s.Chunks
	c.stats.ChunksFromStats += s.ChunksFromStats
	c.stats.ChunksDecoded += s.ChunksDecoded
	c.stats.ChunksCorrupt += s.ChunksCorrupt
	c.stats.Observations += s.Observations
	c.stats.BytesDecoded += s.BytesDecoded
}

// stored counts a batch that the store took.
func (c *counters) stored(out Outcome) {
	c.batches.Add(1)
	c.rows.Add(out.Stored)
	for _, r := range out.Refused {
		c.count(&c.refused, reasonOf(r.Reason), 1)
	}
}

func (c *counters) reject(reason string)   { c.count(&c.rejected, reason, 1) }
func (c *counters) ask(err error)          { c.count(&c.asked, reasonOf(err), 1) }
func (c *counters) delete(err error)       { c.count(&c.deleted, reasonOf(err), 1) }
func (c *counters) waited(d time.Duration) { c.queue.Add(int64(max(0, d))) }
func (c *counters) ran(d time.Duration)    { c.run.Add(int64(max(0, d))) }

// reasonOf names what an error is, for counts.
func reasonOf(err error) string {
	var o *Overload
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &o):
		return o.Name
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case errors.Is(err, ErrInvalid):
		return "invalid"
	case errors.Is(err, ErrFull):
		return "disk full"
	case errors.Is(err, ErrClosing):
		return "closing"
	case errors.Is(err, query.ErrLimit):
		return "limit"
	case errors.Is(err, context.Canceled):
		return "gone"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}
