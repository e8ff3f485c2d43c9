package shard

import "time"

// A calm watches a head: one that hardly grows is sealed before it is full, so that a store that
// rests takes little memory, opens at once, and has statistics of all that it holds.
type calm struct {
	head  *head
	begun time.Time // when head was first seen with something in it
	since time.Time // when its size was looked at
	bytes int64     // its size then
}

// due reports whether h, the active head as of now, is to be sealed: it grew by less than an eighth in
// the last period, or was begun many periods ago.
func (c *calm) due(h *head, now time.Time, period time.Duration) bool {
	rows, bytes := h.size()
	switch {
	case rows == 0:
		*c = calm{}
		return false
	case h != c.head:
		*c = calm{head: h, begun: now, since: now, bytes: bytes}
		return false
	case now.Sub(c.begun) >= mostPeriods*period:
		return true
	case now.Sub(c.since) < period:
		return false
	}
	grown := bytes - c.bytes
	c.since, c.bytes = now, bytes
	return grown <= bytes/8
}

// mostPeriods is after how many periods a head is sealed that goes on growing.
const mostPeriods = 12
