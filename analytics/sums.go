package analytics

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// sums are the states of sum and mean.
type sums struct {
	cells []sumCell
	mean  bool
}

type sumCell struct {
	n   int64 // values that are not NaN
	sum compensated
}

func newSums(n int) States  { return &sums{cells: make([]sumCell, n)} }
func newMeans(n int) States { return &sums{cells: make([]sumCell, n), mean: true} }

func (s *sums) Len() int { return len(s.cells) }

func (s *sums) Add(i int, _ []int64, values []float64) { s.cells[i].add(values) }

func (s *sums) AddRuns(first int, bounds []int32, _ []int64, values []float64) {
	for k := range len(bounds) - 1 {
		s.cells[first+k].add(values[bounds[k]:bounds[k+1]])
	}
}

// add folds values in, by blocks. A block whose sum is not finite is looked at again.
func (c *sumCell) add(values []float64) {
	for len(values) > 0 {
		block := values[:min(len(values), blockRows)]
		values = values[len(block):]
		if part := sumLanes(block); part.finite() {
			c.n += int64(len(block))
			c.sum.merge(part)
		} else {
			c.addGaps(block)
		}
	}
}

// addGaps folds in a block that has gaps, infinities, or a sum beyond the range of a float64.
func (c *sumCell) addGaps(block []float64) {
	var buf [blockRows]float64
	dense := appendValues(buf[:0], block)
	c.n += int64(len(dense))
	if part := sumLanes(dense); part.finite() {
		c.sum.merge(part)
		return
	}
	for _, v := range dense {
		c.sum.add(v)
	}
}

func (s *sums) AddStats(i int, st *chunk.Stats) bool {
	if n := st.Values(); n > 0 {
		if st.Sum-st.Sum != 0 {
			return false // overflow depends on the order: look at the values
		}
		s.cells[i].n += n
		s.cells[i].sum.add(st.Sum)
	}
	return true
}

func (s *sums) Merge(i int, other States, j int) {
	o := other.(*sums).cells[j]
	s.cells[i].n += o.n
	s.cells[i].sum.merge(o.sum)
}

func (s *sums) Result(dst []float64, i int) []float64 {
	c := &s.cells[i]
	switch {
	case c.n == 0:
		return append(dst, math.NaN())
	case s.mean:
		return append(dst, c.sum.value()/float64(c.n))
	}
	return append(dst, c.sum.value())
}

func (s *sums) Reset(i int) { s.cells[i] = sumCell{} }

func (s *sums) Bytes() int64 { return int64(cap(s.cells)) * sizeOf[sumCell]() }

func (s *sums) AppendState(dst []byte, i int) []byte {
	c := &s.cells[i]
	return appendFloat(appendFloat(appendCount(append(dst, tagSums), c.n), c.sum.hi), c.sum.lo)
}

func (s *sums) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("sum", tagSums, src)
	c := sumCell{n: p.count("values"), sum: compensated{hi: p.float("sum"), lo: p.float("compensation")}}
	if p.err != nil {
		return src, p.err
	}
	s.cells[i] = c
	return p.rest, nil
}

// compensated is a sum and, beside it, what rounding took from it (Neumaier 1974, "Rundungsfehler-
// analyse einiger Verfahren zur Summation endlicher Summen"). Of n values its error is about one
// unit in the last place of the sum, plus n²·2⁻¹⁰⁶ times the sum of the magnitudes. Once the sum is
// infinite or NaN, so it stays, as with plain addition.
type compensated struct {
	hi, lo float64
}

// add adds v by Knuth's two-sum, which, unlike Neumaier's, needs no comparison (TAOCP 2, 4.2.2,
// theorem B).
func (c *compensated) add(v float64) {
	t, e := twoSum(c.hi, v)
	if t-t != 0 { // infinite or NaN: there is nothing left to compensate
		c.hi, c.lo = t, 0
		return
	}
	c.hi, c.lo = t, c.lo+e
}

// merge adds o.
func (c *compensated) merge(o compensated) {
	c.add(o.hi)
	if c.finite() {
		c.lo += o.lo
	}
}

// finite reports whether the sum and its compensation are.
func (c *compensated) finite() bool { return c.hi-c.hi == 0 && c.lo-c.lo == 0 }

// value is the sum.
func (c *compensated) value() float64 { return c.hi + c.lo }

// sumLanes adds values in four lanes, each compensated. The result is finite only if all values are.
func sumLanes(values []float64) compensated {
	var a, b, c, d, ea, eb, ec, ed float64
	for len(values) >= 4 {
		v, w, x, y := values[0], values[1], values[2], values[3]
		t, u := a+v, b+w
		z, q := t-a, u-b
		ea += (a - (t - z)) + (v - z)
		eb += (b - (u - q)) + (w - q)
		a, b = t, u
		t, u = c+x, d+y
		z, q = t-c, u-d
		ec += (c - (t - z)) + (x - z)
		ed += (d - (u - q)) + (y - q)
		c, d = t, u
		values = values[4:]
	}
	var e float64
	for _, v := range values {
		d, e = twoSum(d, v)
		ed += e
	}
	ab, eab := twoSum(a, b)
	cd, ecd := twoSum(c, d)
	sum, e := twoSum(ab, cd)
	return compensated{hi: sum, lo: ((ea + eb) + (ec + ed)) + ((eab + ecd) + e)}
}

// twoSum is a + b, rounded, and what rounding took from it. Beside what is not finite the latter
// is NaN.
func twoSum(a, b float64) (sum, lost float64) {
	sum = a + b
	z := sum - a
	return sum, (a - (sum - z)) + (b - z)
}
