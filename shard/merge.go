package shard

import (
	"github.com/chronodex/chronodex/chunk"
)

// without returns sorted or unsorted samples less those in one of the spans. It is s itself where
// nothing is in them, and else a copy.
func without(s chunk.Samples, spans []chunk.Span) chunk.Samples {
	in := func(t int64) bool {
		for _, span := range spans {
			if span.Contains(t) {
				return true
			}
		}
		return false
	}
	i := 0
	for i < len(s.Times) && !in(s.Times[i]) {
		i++
	}
	if i == len(s.Times) {
		return s
	}
	out := chunk.Samples{Kind: s.Kind}
	out.Append(s.Slice(0, i))
	for i < len(s.Times) {
		for i < len(s.Times) && in(s.Times[i]) {
			i++
		}
		j := i
		for j < len(s.Times) && !in(s.Times[j]) {
			j++
		}
		out.Append(s.Slice(i, j))
		i = j
	}
	return out
}

// mergeTwo appends the union of older and newer, both sorted and of one kind, to dst, which must
// alias neither. Of two observations with one stamp the newer stays. It copies run by run, so that
// columns that hardly interleave are merged at the speed of copying.
func mergeTwo(dst *chunk.Samples, older, newer chunk.Samples) {
	i, j := 0, 0
	for i < len(older.Times) && j < len(newer.Times) {
		switch a, b := older.Times[i], newer.Times[j]; {
		case a < b:
			n := runBelow(older.Times[i:], b)
			dst.Append(older.Slice(i, i+n))
			i += n
		case b < a:
			n := runBelow(newer.Times[j:], a)
			dst.Append(newer.Slice(j, j+n))
			j += n
		default:
			dst.AppendIndex(&newer, j)
			i++
			j++
		}
	}
	dst.Append(older.Slice(i, len(older.Times)))
	dst.Append(newer.Slice(j, len(newer.Times)))
}

// runBelow counts the first stamps of times, which is sorted, that are below t, by galloping.
func runBelow(times []int64, t int64) int {
	lo, hi := 0, 1
	for hi < len(times) && times[hi] < t {
		lo, hi = hi, 2*hi
	}
	hi = min(hi, len(times))
	for lo < hi {
		if m := (lo + hi) / 2; times[m] < t {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

// A merger unites the samples of one series from several places, oldest first. It is used again
// and again, and then allocates nothing.
type merger struct {
	a, b chunk.Samples // the union so far, and room for the next one
	n    int
}

func (m *merger) reset() {
	m.n = 0
	m.a.Reset()
	m.b.Reset()
}

// add unites s, which is sorted and newer than what was added before, and copied.
func (m *merger) add(s chunk.Samples) {
	n := s.Len()
	if n == 0 {
		return
	}
	if have := m.a.Len(); have == 0 || m.a.Times[have-1] < s.Times[0] {
		m.a.Append(s)
	} else {
		m.b.Reset()
		m.b.Kind = s.Kind
		mergeTwo(&m.b, m.a, s)
		m.a, m.b = m.b, m.a
	}
	m.n += n
}

// result returns the union. It is valid until the next reset.
func (m *merger) result() chunk.Samples { return m.a }

// take returns the union, which is the caller's from now on.
func (m *merger) take() chunk.Samples {
	s := m.a
	m.a = chunk.Samples{}
	return s
}
