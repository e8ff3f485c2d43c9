package analytics

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// counts are the states of count and nans.
type counts struct {
	cells []countCell
	gaps  bool // the result is the number of gaps
}

type countCell struct {
	values int64 // not NaN
	gaps   int64 // NaN
}

func newCounts(n int) States { return &counts{cells: make([]countCell, n)} }
func newGaps(n int) States   { return &counts{cells: make([]countCell, n), gaps: true} }

func (s *counts) Len() int { return len(s.cells) }

func (s *counts) Add(i int, _ []int64, values []float64) {
	n := countValues(values)
	s.cells[i].values += n
	s.cells[i].gaps += int64(len(values)) - n
}

func (s *counts) AddRuns(first int, bounds []int32, times []int64, values []float64) {
	if len(bounds) == 0 {
		return
	}
	whole := values[bounds[0]:bounds[len(bounds)-1]]
	if countValues(whole) < int64(len(whole)) {
		for k := range len(bounds) - 1 {
			s.Add(first+k, nil, values[bounds[k]:bounds[k+1]])
		}
		return
	}
	for k := range len(bounds) - 1 {
		s.cells[first+k].values += int64(bounds[k+1] - bounds[k])
	}
}

func (s *counts) AddStats(i int, st *chunk.Stats) bool {
	s.cells[i].values += st.Values()
	s.cells[i].gaps += st.NaNs
	return true
}

func (s *counts) Merge(i int, other States, j int) {
	o := other.(*counts).cells[j]
	s.cells[i].values += o.values
	s.cells[i].gaps += o.gaps
}

func (s *counts) Result(dst []float64, i int) []float64 {
	if s.gaps {
		return append(dst, float64(s.cells[i].gaps))
	}
	return append(dst, float64(s.cells[i].values))
}

func (s *counts) Reset(i int) { s.cells[i] = countCell{} }

func (s *counts) Bytes() int64 { return int64(cap(s.cells)) * sizeOf[countCell]() }

func (s *counts) AppendState(dst []byte, i int) []byte {
	return appendCount(appendCount(append(dst, tagCounts), s.cells[i].values), s.cells[i].gaps)
}

func (s *counts) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("count", tagCounts, src)
	c := countCell{values: p.count("values"), gaps: p.count("gaps")}
	if p.err != nil {
		return src, p.err
	}
	s.cells[i] = c
	return p.rest, nil
}

// countValues counts the values that are not NaN. A block whose sum is not NaN has none that is; the
// others are counted one by one.
func countValues(values []float64) int64 {
	n := int64(len(values))
	for len(values) > 0 {
		block := values[:min(len(values), blockRows)]
		values = values[len(block):]
		if s := plainSum(block); s == s {
			continue
		}
		for _, v := range block {
			if v != v {
				n--
			}
		}
	}
	return n
}

// blockRows is how many values are looked at as one where two passes are needed: they stay in the
// first level of the cache.
const blockRows = 256

// plainSum adds in four lanes, with nothing compensated. It is NaN if a value is, or with infinities
// of both signs.
func plainSum(values []float64) float64 {
	var a, b, c, d float64
	for len(values) >= 4 {
		a += values[0]
		b += values[1]
		c += values[2]
		d += values[3]
		values = values[4:]
	}
	for _, v := range values {
		a += v
	}
	return (a + b) + (c + d)
}

// isInf reports whether v is +Inf or −Inf.
func isInf(v float64) bool { return math.IsInf(v, 0) }
