package analytics

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// ends are the states of first, last, diff and sdiff.
type ends struct {
	cells []endCell
	what  ending
}

// endCell is the earliest and the latest observation that is not a gap.
type endCell struct {
	full        bool // there is one
	first, last sample
}

// A sample is one observation.
type sample struct {
	time  int64
	value float64
}

type ending uint8

const (
	firstValue ending = iota
	lastValue
	difference
	distanceOf
)

func newEnds(what ending) func(n int) States {
	return func(n int) States { return &ends{cells: make([]endCell, n), what: what} }
}

func (s *ends) Len() int { return len(s.cells) }

func (s *ends) Add(i int, times []int64, values []float64) {
	for a := range values {
		if values[a] != values[a] {
			continue
		}
		b := len(values) - 1
		for values[b] != values[b] {
			b--
		}
		s.cells[i].merge(&endCell{true, sample{times[a], values[a]}, sample{times[b], values[b]}})
		return
	}
}

func (s *ends) AddRuns(first int, bounds []int32, times []int64, values []float64) {
	for k := range len(bounds) - 1 {
		a, b := bounds[k], bounds[k+1]
		s.Add(first+k, times[a:b], values[a:b])
	}
}

// merge folds o in. Two series of a group may have observations with one stamp: of these the
// greater value counts, so that the order of merging does not matter.
func (c *endCell) merge(o *endCell) {
	switch {
	case !o.full:
		return
	case !c.full:
		*c = *o
		return
	}
	if o.first.time < c.first.time || o.first.time == c.first.time && above(o.first.value, c.first.value) {
		c.first = o.first
	}
	if o.last.time > c.last.time || o.last.time == c.last.time && above(o.last.value, c.last.value) {
		c.last = o.last
	}
}

// above reports whether v comes after w, 0 after −0.
func above(v, w float64) bool { return v > w || v == w && !math.Signbit(v) && math.Signbit(w) }

func (s *ends) AddStats(i int, st *chunk.Stats) bool {
	if st.Values() > 0 {
		s.cells[i].merge(&endCell{true, sample{st.FirstTime, st.First}, sample{st.LastTime, st.Last}})
	}
	return true
}

func (s *ends) Merge(i int, other States, j int) { s.cells[i].merge(&other.(*ends).cells[j]) }

func (s *ends) Result(dst []float64, i int) []float64 {
	c := &s.cells[i]
	if !c.full {
		return append(dst, math.NaN())
	}
	switch s.what {
	case firstValue:
		return append(dst, c.first.value)
	case lastValue:
		return append(dst, c.last.value)
	case difference:
		return append(dst, c.last.value-c.first.value)
	}
	return append(dst, math.Abs(c.last.value-c.first.value))
}

func (s *ends) Reset(i int) { s.cells[i] = endCell{} }

func (s *ends) Bytes() int64 { return int64(cap(s.cells)) * sizeOf[endCell]() }

func (s *ends) AppendState(dst []byte, i int) []byte {
	c := &s.cells[i]
	if !c.full {
		return append(dst, tagEnds, 0)
	}
	dst = append(dst, tagEnds, 1)
	return appendSample(appendSample(dst, c.first), c.last)
}

func (s *ends) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("first and last", tagEnds, src)
	c := endCell{full: p.count("presence") != 0}
	if c.full {
		c.first, c.last = p.sample("first"), p.sample("last")
		if c.first.time > c.last.time {
			p.fail("order of times")
		}
	}
	if p.err != nil {
		return src, p.err
	}
	s.cells[i] = c
	return p.rest, nil
}

// appendSample appends v.
func appendSample(dst []byte, v sample) []byte { return appendFloat(appendTime(dst, v.time), v.value) }

// sample reads what appendSample wrote.
func (p *parser) sample(field string) sample { return sample{p.time(field), p.float(field)} }
