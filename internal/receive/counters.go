package receive

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A ProtocolCount is what has come in by one protocol since the receiver was made.
type ProtocolCount struct {
	Protocol    string // as in the configuration and the documentation, such as graphite
	Stored      int64  // observations, durable
	Refused     int64  // lines, points or messages that will never be stored as they are
	Dropped     int64  // observations, or datagrams of them, lost because the store did not take them and nobody sends them again
	Connections int64  // open now; 0 for HTTP, whose server counts its own
	TurnedAway  int64  // connections closed at once because there were too many
}

// A protocolCounter is a [ProtocolCount] that grows.
type protocolCounter struct {
	stored, refused, dropped, connections, turnedAway atomic.Int64

	refusals, troubles quieted
}

// quieted says when something may be logged again.
type quieted struct {
	mu     sync.Mutex
	told   time.Time // when it was last logged
	untold int64     // how often it has happened since
}

// tell adds n to what happened, and returns how often it has and whether that may be logged.
func (q *quieted) tell(now time.Time, n int64) (int64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.untold += n
	n = q.untold
	if !q.told.IsZero() && now.Sub(q.told) < quiet {
		return n, false
	}
	q.told, q.untold = now, 0
	return n, true
}

// quiet is how long nothing is logged about what a protocol refuses, or cannot do, after something
// was: a sender that is wrong is wrong with every line.
const quiet = 10 * time.Second

// counter returns the counter of a protocol.
func (r *Receiver) counter(protocol string) *protocolCounter {
	if c, ok := r.counters.Load(protocol); ok {
		return c.(*protocolCounter)
	}
	c, _ := r.counters.LoadOrStore(protocol, new(protocolCounter))
	return c.(*protocolCounter)
}

// count adds to what a protocol has stored, in observations, and refused, in whatever it sends.
func (r *Receiver) count(protocol string, stored, refused int64) {
	c := r.counter(protocol)
	c.stored.Add(stored)
	c.refused.Add(refused)
}

// refuse counts n refusals and logs the first one's reason, unless the protocol has just logged
// one. It is for protocols that cannot tell their senders.
func (r *Receiver) refuse(protocol, from string, n int64, reason error) {
	if n == 0 {
		return
	}
	c := r.counter(protocol)
	c.refused.Add(n)
	if n, tell := c.refusals.tell(r.o.Now(), n); tell {
		r.o.Logger.Warn("refused what was sent", "protocol", protocol, "from", from, "refused", n, "reason", reason)
	}
}

// complain logs why a protocol cannot go on, unless it has just done so.
func (r *Receiver) complain(protocol string, err error) {
	if n, tell := r.counter(protocol).troubles.tell(r.o.Now(), 1); tell {
		r.o.Logger.Warn("cannot go on, trying again", "protocol", protocol, "times", n, "error", err)
	}
}

// Counters returns what each protocol has received, sorted by protocol: those by which something
// came.
func (r *Receiver) Counters() []ProtocolCount {
	var all []ProtocolCount
	r.counters.Range(func(protocol, counter any) bool {
		c := counter.(*protocolCounter)
		all = append(all, ProtocolCount{
			Protocol: protocol.(string), Stored: c.stored.Load(), Refused: c.refused.Load(), Dropped: c.dropped.Load(),
			Connections: c.connections.Load(), TurnedAway: c.turnedAway.Load(),
		})
		return true
	})
	slices.SortFunc(all, func(a, b ProtocolCount) int { return strings.Compare(a.Protocol, b.Protocol) })
	return all
}
