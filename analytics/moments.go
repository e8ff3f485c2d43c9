package analytics

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// spreads are the states of stddev and stdvar, of the sample or of the population.
type spreads struct {
	cells []moments
	less  int64 // 1: sample, the sum of squares is divided by n−1; 0: population, by n
	root  bool
}

// moments are the first two of some values, in the form that can be merged.
type moments struct {
	n    int64   // values that are not NaN
	mean float64 // in the unit of the series
	m2   float64 // Σ(v−mean)², in that unit squared
}

func newSpreads(less int64, root bool) func(n int) States {
	return func(n int) States { return &spreads{cells: make([]moments, n), less: less, root: root} }
}

func (s *spreads) Len() int { return len(s.cells) }

func (s *spreads) Add(i int, _ []int64, values []float64) { s.cells[i].add(values) }

func (s *spreads) AddRuns(first int, bounds []int32, _ []int64, values []float64) {
	for k := range len(bounds) - 1 {
		s.cells[first+k].add(values[bounds[k]:bounds[k+1]])
	}
}

// add folds values in, in blocks of two passes each, which is both faster and more exact than
// Welford's update for every value.
func (m *moments) add(values []float64) {
	for len(values) > 0 {
		block := values[:min(len(values), blockRows)]
		values = values[len(block):]
		if sum := plainSum(block); sum == sum {
			m.merge(momentsOf(block, sum))
		} else {
			m.addGaps(block)
		}
	}
}

// addGaps folds in a block that has gaps, or infinities of both signs.
func (m *moments) addGaps(block []float64) {
	var buf [blockRows]float64
	if dense := appendValues(buf[:0], block); len(dense) > 0 {
		m.merge(momentsOf(dense, plainSum(dense)))
	}
}

// appendValues appends those of values that are not NaN to dst.
func appendValues(dst, values []float64) []float64 {
	for _, v := range values {
		if v == v {
			dst = append(dst, v)
		}
	}
	return dst
}

// momentsOf returns the moments of a block whose plain sum is known. The second pass takes the
// deviations from the rounded mean, and then corrects both moments by what they sum to (Chan, Golub
// and LeVeque 1983, equation 1.7).
func momentsOf(block []float64, sum float64) moments {
	n := float64(len(block))
	mean := sum / n
	var a, b, c, d, sa, sb float64
	for rest := block; ; rest = rest[4:] {
		if len(rest) < 4 {
			for _, v := range rest {
				v -= mean
				a += v * v
				sa += v
			}
			break
		}
		v, w, x, y := rest[0]-mean, rest[1]-mean, rest[2]-mean, rest[3]-mean
		a += v * v
		b += w * w
		c += x * x
		d += y * y
		sa += v + w
		sb += x + y
	}
	e := sa + sb
	return moments{n: int64(len(block)), mean: mean + e/n, m2: max(0, (a+b)+(c+d)-e*e/n)}
}

// merge folds o in (Chan, Golub and LeVeque 1983, equation 2.1).
func (m *moments) merge(o moments) {
	if o.n == 0 {
		return
	}
	if m.n == 0 {
		*m = o
		return
	}
	n, d := m.n+o.n, o.mean-m.mean
	w := float64(o.n) / float64(n)
	m.m2 += o.m2 + d*d*w*float64(m.n)
	m.mean, m.n = m.mean+d*w, n
}

func (s *spreads) AddStats(i int, st *chunk.Stats) bool {
	n := st.Values()
	if n == 0 {
		return true
	}
	if st.Sum-st.Sum != 0 || st.M2-st.M2 != 0 {
		return false
	}
	s.cells[i].merge(moments{n: n, mean: st.Sum / float64(n), m2: st.M2})
	return true
}

func (s *spreads) Merge(i int, other States, j int) { s.cells[i].merge(other.(*spreads).cells[j]) }

func (s *spreads) Result(dst []float64, i int) []float64 {
	m := s.cells[i]
	if m.n <= s.less {
		return append(dst, math.NaN())
	}
	variance := m.m2 / float64(m.n-s.less)
	if isInf(m.mean) {
		variance = math.NaN()
	}
	if s.root {
		return append(dst, math.Sqrt(variance))
	}
	return append(dst, variance)
}

func (s *spreads) Reset(i int) { s.cells[i] = moments{} }

func (s *spreads) Bytes() int64 { return int64(cap(s.cells)) * sizeOf[moments]() }

func (s *spreads) AppendState(dst []byte, i int) []byte {
	m := s.cells[i]
	return appendFloat(appendFloat(appendCount(append(dst, tagMoments), m.n), m.mean), m.m2)
}

func (s *spreads) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("stddev", tagMoments, src)
	m := moments{n: p.count("values"), mean: p.float("mean"), m2: p.float("M2")}
	if p.err != nil {
		return src, p.err
	}
	s.cells[i] = m
	return p.rest, nil
}
