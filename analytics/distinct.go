package analytics

import (
	"math"
	"math/bits"

	"github.com/chronodex/chronodex/chunk"
)

// distincts are the states of distinct: exact sets of values.
type distincts struct {
	cells []valueSet
}

// A valueSet is a hash set of the bits of values, open addressing, at most three quarters full. −0
// is kept as 0; NaN is not kept.
type valueSet struct {
	table []uint64 // 1<<k places, 0 where empty
	n     int      // values in table
	zero  bool     // the value 0 is in the set; its bits cannot be in the table
}

func newDistincts(n int) States { return &distincts{cells: make([]valueSet, n)} }

func (s *distincts) Len() int { return len(s.cells) }

func (s *distincts) Add(i int, _ []int64, values []float64) { s.cells[i].add(values) }

func (s *distincts) AddRuns(first int, bounds []int32, _ []int64, values []float64) {
	for k := range len(bounds) - 1 {
		s.cells[first+k].add(values[bounds[k]:bounds[k+1]])
	}
}

// add adds values; those that repeat the one before cost next to nothing.
func (s *valueSet) add(values []float64) {
	prev := math.NaN()
	for _, v := range values {
		if v == prev || v != v {
			continue
		}
		prev = v
		s.insert(math.Float64bits(v))
	}
}

// insert adds the value with these bits, which is not NaN.
func (s *valueSet) insert(key uint64) {
	if key<<1 == 0 {
		s.zero = true
		return
	}
	s.reserve(1)
	mask := uint64(len(s.table) - 1)
	for at := place(key, len(s.table)); ; at = (at + 1) & mask {
		switch s.table[at] {
		case key:
			return
		case 0:
			s.table[at] = key
			s.n++
			return
		}
	}
}

// place is where the search for key begins in a table of size 1<<k: the upper k bits of a product
// with 2⁶⁴ divided by the golden ratio (TAOCP 3, 6.4). Bits are folded first, since the lower half
// of most doubles is zero.
func place(key uint64, size int) uint64 {
	return ((key ^ key>>32) * 0x9E3779B97F4A7C15) >> (65 - bits.Len(uint(size)))
}

// reserve makes room for n more values. Whoever adds many in the order of another table must reserve
// room for all of them first: in that order they would crowd a smaller table.
func (s *valueSet) reserve(n int) {
	if 4*(s.n+n) <= 3*len(s.table) {
		return
	}
	size := max(8, 2*len(s.table))
	if size < 4096 {
		size *= 2
	}
	for 4*(s.n+n) > 3*size {
		size *= 2
	}
	old := s.table
	s.table, s.n = make([]uint64, size), 0
	for _, key := range old {
		if key != 0 {
			s.insert(key)
		}
	}
}

// len is the number of values in the set.
func (s *valueSet) len() int {
	if s.zero {
		return s.n + 1
	}
	return s.n
}

func (s *distincts) AddStats(i int, st *chunk.Stats) bool {
	if st.Values() == 0 {
		return true
	}
	if st.Min != st.Max {
		return false
	}
	s.cells[i].insert(math.Float64bits(st.Min))
	return true
}

func (s *distincts) Merge(i int, other States, j int) {
	o := &other.(*distincts).cells[j]
	s.cells[i].zero = s.cells[i].zero || o.zero
	s.cells[i].reserve(o.n)
	for _, key := range o.table {
		if key != 0 {
			s.cells[i].insert(key)
		}
	}
}

func (s *distincts) Result(dst []float64, i int) []float64 {
	return append(dst, float64(s.cells[i].len()))
}

func (s *distincts) Reset(i int) {
	c := &s.cells[i]
	clear(c.table)
	c.n, c.zero = 0, false
}

func (s *distincts) Bytes() int64 {
	n := int64(cap(s.cells)) * sizeOf[valueSet]()
	for i := range s.cells {
		n += 8 * int64(cap(s.cells[i].table))
	}
	return n
}

func (s *distincts) AppendState(dst []byte, i int) []byte {
	c := &s.cells[i]
	dst = appendCount(append(dst, tagDistinct), int64(c.len()))
	if c.zero {
		dst = appendFloat(dst, 0)
	}
	for _, key := range c.table {
		if key != 0 {
			dst = appendFloat(dst, math.Float64frombits(key))
		}
	}
	return dst
}

func (s *distincts) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("distinct", tagDistinct, src)
	var c valueSet
	n := p.length("values", 8)
	c.reserve(n)
	for range n {
		v := p.float("value")
		if v != v {
			p.fail("value")
			break
		}
		c.insert(math.Float64bits(v))
	}
	if p.err != nil {
		return src, p.err
	}
	s.cells[i] = c
	return p.rest, nil
}
