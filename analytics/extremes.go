package analytics

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// extremes are the states of min, max and range.
type extremes struct {
	cells []extremeCell
	what  extreme
}

// extremeCell is the least and the greatest value; NaN where there is none yet. The one that is not
// asked for stays NaN.
type extremeCell struct {
	least, greatest float64
}

type extreme uint8

const (
	least extreme = 1 << iota
	greatest
	spread = least | greatest
)

func newExtremes(what extreme) func(n int) States {
	return func(n int) States {
		s := &extremes{cells: make([]extremeCell, n), what: what}
		for i := range s.cells {
			s.Reset(i)
		}
		return s
	}
}

func (s *extremes) Len() int { return len(s.cells) }

func (s *extremes) Add(i int, _ []int64, values []float64) {
	if s.what&least != 0 {
		s.cells[i].low(minOf(values))
	}
	if s.what&greatest != 0 {
		s.cells[i].high(maxOf(values))
	}
}

func (s *extremes) AddRuns(first int, bounds []int32, _ []int64, values []float64) {
	for k := range len(bounds) - 1 {
		s.Add(first+k, nil, values[bounds[k]:bounds[k+1]])
	}
}

// low takes v, which may be NaN for none, as a candidate for the least value.
func (c *extremeCell) low(v float64) {
	if v < c.least || c.least != c.least {
		c.least = v
	}
}

// high takes v, which may be NaN for none, as a candidate for the greatest value.
func (c *extremeCell) high(v float64) {
	if v > c.greatest || c.greatest != c.greatest {
		c.greatest = v
	}
}

func (s *extremes) AddStats(i int, st *chunk.Stats) bool {
	if st.Values() > 0 {
		s.cells[i].low(st.Min)
		s.cells[i].high(st.Max)
	}
	return true
}

func (s *extremes) Merge(i int, other States, j int) {
	o := other.(*extremes).cells[j]
	s.cells[i].low(o.least)
	s.cells[i].high(o.greatest)
}

func (s *extremes) Result(dst []float64, i int) []float64 {
	c := s.cells[i]
	switch s.what {
	case least:
		return append(dst, c.least+0) // −0 + 0 is 0
	case greatest:
		return append(dst, c.greatest+0)
	}
	return append(dst, c.greatest-c.least)
}

func (s *extremes) Reset(i int) { s.cells[i] = extremeCell{math.NaN(), math.NaN()} }

func (s *extremes) Bytes() int64 { return int64(cap(s.cells)) * sizeOf[extremeCell]() }

func (s *extremes) AppendState(dst []byte, i int) []byte {
	return appendFloat(appendFloat(append(dst, tagExtremes), s.cells[i].least), s.cells[i].greatest)
}

func (s *extremes) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("min and max", tagExtremes, src)
	c := extremeCell{least: p.float("least"), greatest: p.float("greatest")}
	if p.err != nil {
		return src, p.err
	}
	s.cells[i] = c
	return p.rest, nil
}

// minOf returns the least value, NaN where there is none. A comparison with NaN is false, so gaps
// need no look; and the branches are nearly always foretold, since a minimum of n values in random
// order changes ln n times.
func minOf(values []float64) float64 {
	all := values
	inf := math.Inf(1)
	a, b, c, d := inf, inf, inf, inf
	for len(values) >= 4 {
		if v := values[0]; v < a {
			a = v
		}
		if v := values[1]; v < b {
			b = v
		}
		if v := values[2]; v < c {
			c = v
		}
		if v := values[3]; v < d {
			d = v
		}
		values = values[4:]
	}
	for _, v := range values {
		if v < a {
			a = v
		}
	}
	if m := min(a, b, c, d); m < inf || anyValue(all) {
		return m
	}
	return math.NaN()
}

// maxOf returns the greatest value, NaN where there is none.
func maxOf(values []float64) float64 {
	all := values
	inf := math.Inf(-1)
	a, b, c, d := inf, inf, inf, inf
	for len(values) >= 4 {
		if v := values[0]; v > a {
			a = v
		}
		if v := values[1]; v > b {
			b = v
		}
		if v := values[2]; v > c {
			c = v
		}
		if v := values[3]; v > d {
			d = v
		}
		values = values[4:]
	}
	for _, v := range values {
		if v > a {
			a = v
		}
	}
	if m := max(a, b, c, d); m > inf || anyValue(all) {
		return m
	}
	return math.NaN()
}

// anyValue reports whether one of values is not NaN.
func anyValue(values []float64) bool {
	for _, v := range values {
		if v == v {
			return true
		}
	}
	return false
}
