package analytics

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"sync"

	"github.com/chronodex/chronodex/chunk"
)

// quantiles are the states of median and percentiles: all values, so that the answer is exact. What
// is known to be constant is kept as one value and a count.
type quantiles struct {
	cells []quantileCell
	qs    []float64 // from 0 to 1
	bytes int64     // that the cells point to
	work  sync.Pool // of *rankWork: results of several states may be made at once
}

// rankWork is memory that is reused from result to result.
type rankWork struct {
	ranks  []int64   // wanted, rising, each once
	at     []float64 // the value at each of ranks
	own    []int     // those of ranks that are among the values and not in a run, counted there
	where  []int     // for each of own, which of ranks it is
	got    []float64 // the value at each of own
	chosen selection
}

type quantileCell struct {
	values []float64 // in no order, no NaN
	runs   []valueRun
}

// A valueRun is a value that occurs n times.
type valueRun struct {
	value float64
	n     int64
}

// maxRun bounds what a state that was read may count, so that merging many cannot overflow.
const maxRun = 1 << 48

// newPercentiles binds the aggregate with one output for each q.
func newPercentiles(qs []float64) Aggregate {
	f := &function{states: func(n int) States { return &quantiles{cells: make([]quantileCell, n), qs: qs} }}
	for _, q := range qs {
		f.outputs = append(f.outputs, "p"+strconv.FormatFloat(q, 'g', -1, 64))
	}
	return f
}

func newMedians(n int) States { return &quantiles{cells: make([]quantileCell, n), qs: []float64{0.5}} }

func (s *quantiles) Len() int { return len(s.cells) }

func (s *quantiles) Add(i int, _ []int64, values []float64) {
	if countValues(values) == int64(len(values)) {
		s.setValues(i, append(s.cells[i].values, values...))
		return
	}
	s.setValues(i, appendValues(s.cells[i].values, values))
}

// AddRuns copies the values once, and states that were empty share the copy, each its own part.
func (s *quantiles) AddRuns(first int, bounds []int32, _ []int64, values []float64) {
	if len(bounds) == 0 {
		return
	}
	base := bounds[0]
	values = values[base:bounds[len(bounds)-1]]
	if countValues(values) < int64(len(values)) {
		for k := range len(bounds) - 1 {
			s.Add(first+k, nil, values[bounds[k]-base:bounds[k+1]-base])
		}
		return
	}
	values = slices.Clone(values)
	for k := range len(bounds) - 1 {
		a, b := bounds[k]-base, bounds[k+1]-base
		if cell := &s.cells[first+k]; cap(cell.values) == 0 {
			s.setValues(first+k, values[a:b:b])
		} else {
			s.setValues(first+k, append(cell.values, values[a:b]...))
		}
	}
}

// Grow implements [Grower].
func (s *quantiles) Grow(i, n int) { s.setValues(i, slices.Grow(s.cells[i].values, n)) }

// setValues sets the values of state i, and keeps account of the memory.
func (s *quantiles) setValues(i int, values []float64) {
	s.bytes += 8 * int64(cap(values)-cap(s.cells[i].values))
	s.cells[i].values = values
}

func (s *quantiles) AddStats(i int, st *chunk.Stats) bool {
	if st.Values() == 0 {
		return true
	}
	if st.Min != st.Max {
		return false
	}
	s.addRun(i, valueRun{st.Min, st.Values()})
	return true
}

// addRun folds a run of equal values into state i.
func (s *quantiles) addRun(i int, r valueRun) {
	c := &s.cells[i]
	if k := len(c.runs) - 1; k >= 0 && c.runs[k].value == r.value {
		c.runs[k].n += r.n
		return
	}
	before := cap(c.runs)
	c.runs = append(c.runs, r)
	s.bytes += int64(cap(c.runs)-before) * sizeOf[valueRun]()
}

func (s *quantiles) Merge(i int, other States, j int) {
	o := &other.(*quantiles).cells[j]
	s.setValues(i, append(s.cells[i].values, o.values...))
	for _, r := range o.runs {
		s.addRun(i, r)
	}
}

// Result selects the values at the ranks that the qs fall on or between. It reorders what the state
// holds, which has no order anyway.
func (s *quantiles) Result(dst []float64, i int) []float64 {
	c := &s.cells[i]
	total := int64(len(c.values))
	for _, r := range c.runs {
		total += r.n
	}
	if total == 0 {
		for range s.qs {
			dst = append(dst, math.NaN())
		}
		return dst
	}
	w, _ := s.work.Get().(*rankWork)
	if w == nil {
		w = new(rankWork)
	}
	defer s.work.Put(w)
	w.ranks = w.ranks[:0]
	for _, q := range s.qs {
		rank := min(int64(float64(total-1)*q), total-1)
		w.ranks = append(w.ranks, rank)
		if rank+1 < total {
			w.ranks = append(w.ranks, rank+1)
		}
	}
	if len(s.qs) > 1 {
		slices.Sort(w.ranks)
		w.ranks = slices.Compact(w.ranks)
	}
	c.find(w)
	for _, q := range s.qs {
		h := float64(total-1) * q
		rank := min(int64(h), total-1)
		k, _ := slices.BinarySearch(w.ranks, rank)
		dst = append(dst, between(w.at[k], w.at[min(k+1, len(w.at)-1)], h-float64(rank)))
	}
	return dst
}

// between returns the value at part (0 to 1) of the way from a to b, a ≤ b. Beside an infinite
// value everything is infinite; between −Inf and +Inf nothing is known. The answer is never −0.
func between(a, b, part float64) float64 {
	switch {
	case part == 0 || a == b:
		return a + 0
	case isInf(a) && isInf(b):
		return math.NaN()
	case isInf(a):
		return a
	case isInf(b - a): // b is infinite, or the difference too large
		return a*(1-part) + b*part
	}
	return a + part*(b-a)
}

// find sets w.at to what is at w.ranks if all values of the cell were sorted.
func (c *quantileCell) find(w *rankWork) {
	w.own, w.where, w.at = w.own[:0], w.where[:0], w.at[:0]
	c.sortRuns()
	for k, r := range w.ranks {
		v, rank := c.locate(r)
		if rank >= 0 {
			w.own, w.where = append(w.own, rank), append(w.where, k)
		}
		w.at = append(w.at, v)
	}
	w.got = slices.Grow(w.got[:0], len(w.own))[:len(w.own)]
	w.chosen.ranks(c.values, w.own, w.got)
	for k, v := range w.got {
		w.at[w.where[k]] = v
	}
}

// sortRuns sorts the runs by value, each value once.
func (c *quantileCell) sortRuns() {
	if len(c.runs) == 0 {
		return
	}
	slices.SortFunc(c.runs, func(a, b valueRun) int { return cmp.Compare(a.value, b.value) })
	kept := c.runs[:1]
	for _, r := range c.runs[1:] {
		if last := &kept[len(kept)-1]; last.value == r.value {
			last.n += r.n
		} else {
			kept = append(kept, r)
		}
	}
	c.runs = kept
}

// locate finds what has rank r among values and sorted runs together: the value of a run, and a rank
// of −1, or a rank among the values. A run comes before the values that equal it.
func (c *quantileCell) locate(r int64) (float64, int) {
	if len(c.runs) == 0 {
		return 0, int(r)
	}
	before := make([]int64, len(c.runs)+1) // observations in the runs up to each
	for k, run := range c.runs {
		before[k+1] = before[k] + run.n
	}
	lo, hi := 0, len(c.runs) // the last run that begins at or before r is lo−1
	var start int64          // rank of the first observation of run lo−1
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if at := int64(countBelow(c.values, c.runs[mid].value)) + before[mid]; at <= r {
			lo, start = mid+1, at
		} else {
			hi = mid
		}
	}
	if lo > 0 && r < start+c.runs[lo-1].n {
		return c.runs[lo-1].value, -1
	}
	return 0, int(r - before[lo])
}

// countBelow counts the values that are less than v.
func countBelow(values []float64, v float64) int {
	n := 0
	for _, w := range values {
		if w < v {
			n++
		}
	}
	return n
}

func (s *quantiles) Reset(i int) {
	c := &s.cells[i]
	c.values, c.runs = c.values[:0], c.runs[:0]
}

func (s *quantiles) Bytes() int64 {
	return s.bytes + int64(cap(s.cells))*sizeOf[quantileCell]()
}

func (s *quantiles) AppendState(dst []byte, i int) []byte {
	c := &s.cells[i]
	dst = appendCount(append(dst, tagQuantiles), int64(len(c.runs)))
	for _, r := range c.runs {
		dst = appendCount(appendFloat(dst, r.value), r.n)
	}
	dst = appendCount(dst, int64(len(c.values)))
	for _, v := range c.values {
		dst = appendFloat(dst, v)
	}
	return dst
}

func (s *quantiles) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("percentiles", tagQuantiles, src)
	var c quantileCell
	var total int64
	c.runs = make([]valueRun, p.length("runs", 9))
	for k := range c.runs {
		r := valueRun{p.float("value"), p.count("observations")}
		if r.value != r.value || r.n < 1 || r.n > maxRun || total > maxRun-r.n {
			p.fail("run")
			break
		}
		total += r.n
		c.runs[k] = r
	}
	c.values = make([]float64, p.length("values", 8))
	for k := range c.values {
		if c.values[k] = p.float("value"); c.values[k] != c.values[k] {
			p.fail("value")
			break
		}
	}
	if p.err != nil {
		return src, p.err
	}
	s.bytes += int64(cap(c.runs)-cap(s.cells[i].runs)) * sizeOf[valueRun]()
	s.setValues(i, c.values)
	s.cells[i].runs = c.runs
	return p.rest, nil
}
