package analytics

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// steps are the states of the functions that look at the step from one observation to the next, gaps
// left out: increase, rate, delta, derivative and integral. A step belongs to the window in which it
// ends, so what windows say adds up to what their whole span says.
type steps struct {
	cells []stepCell
	what  step
}

// stepCell is a run of consecutive observations of one series.
type stepCell struct {
	full        bool // there is an observation
	linked      bool // before is one
	before      sample
	first, last sample
	// sum is, for increase and rate, the sum of the values from which the counter fell back; for
	// integrals the area between first and last, in the unit of the series times nanoseconds.
	sum compensated
}

type step uint8

const (
	increase step = iota
	rate
	delta
	derivative
	integral
	integralSteps
)

func newSteps(what step) func(n int) States {
	return func(n int) States { return &steps{cells: make([]stepCell, n), what: what} }
}

func (s *steps) Len() int { return len(s.cells) }

func (s *steps) Add(i int, times []int64, values []float64) {
	if s.what == delta || s.what == derivative {
		s.addEnds(i, times, values)
		return
	}
	if len(values) == 0 {
		return
	}
	if countValues(values) < int64(len(values)) {
		for a := range values { // runs between gaps; what is across a gap is a merge
			if values[a] == values[a] {
				v := sample{times[a], values[a]}
				s.mergeCell(i, &stepCell{full: true, first: v, last: v})
			}
		}
		return
	}
	b := len(values) - 1
	c := stepCell{full: true, first: sample{times[0], values[0]}, last: sample{times[b], values[b]}}
	switch s.what {
	case increase, rate:
		c.sum = resets(values)
	case integral:
		c.sum = trapezoids(times, values)
	case integralSteps:
		c.sum = rectangles(times, values)
	}
	s.mergeCell(i, &c)
}

// addEnds is Add for what needs the first and the last value only.
func (s *steps) addEnds(i int, times []int64, values []float64) {
	a, b := 0, len(values)-1
	for a <= b && values[a] != values[a] {
		a++
	}
	for b > a && values[b] != values[b] {
		b--
	}
	if a <= b {
		s.mergeCell(i, &stepCell{full: true, first: sample{times[a], values[a]}, last: sample{times[b], values[b]}})
	}
}

func (s *steps) AddRuns(first int, bounds []int32, times []int64, values []float64) {
	for k := range len(bounds) - 1 {
		a, b := bounds[k], bounds[k+1]
		s.Add(first+k, times[a:b], values[a:b])
	}
}

// resets sums the values after which a counter fell back: there it began again at zero.
func resets(values []float64) (sum compensated) {
	prev := values[0]
	for _, v := range values[1:] {
		if v < prev {
			sum.add(prev)
		}
		prev = v
	}
	return sum
}

// trapezoids is the area under the line from observation to observation.
func trapezoids(times []int64, values []float64) compensated {
	var sum, err float64
	t, v := times[0], values[0]
	short := times[len(times)-1]-t >= 0 // every difference fits into an int64
	values = values[:len(times)]
	for i, u := range times {
		w, gap := values[i], float64(u-t)
		if !short {
			gap = elapsed(t, u)
		}
		next, lost := twoSum(sum, (v+w)*0.5*gap)
		err += lost
		sum, t, v = next, u, w
	}
	return settled(sum, err)
}

// rectangles is the area under the values, where each holds until the next.
func rectangles(times []int64, values []float64) compensated {
	var sum, err float64
	t, v := times[0], values[0]
	short := times[len(times)-1]-t >= 0
	values = values[:len(times)]
	for i, u := range times {
		gap := float64(u - t)
		if !short {
			gap = elapsed(t, u)
		}
		next, lost := twoSum(sum, v*gap)
		err += lost
		sum, t, v = next, u, values[i]
	}
	return settled(sum, err)
}

// settled is the sum with its compensation, which is dropped where the sum is not finite.
func settled(sum, err float64) compensated {
	if sum-sum != 0 {
		err = 0
	}
	return compensated{hi: sum, lo: err}
}

// elapsed is the nanoseconds from stamp a to stamp b, which is not before a. The difference of two
// stamps may not fit into an int64.
func elapsed(a, b int64) float64 {
	if d := b - a; d >= 0 {
		return float64(d)
	}
	return float64(uint64(b) - uint64(a))
}

// across is what the step from a to b adds to the sum.
func (s *steps) across(sum *compensated, a, b sample) {
	switch s.what {
	case increase, rate:
		if b.value < a.value {
			sum.add(a.value)
		}
	case integral:
		sum.add((a.value + b.value) * 0.5 * elapsed(a.time, b.time))
	case integralSteps:
		sum.add(a.value * elapsed(a.time, b.time))
	}
}

// mergeCell folds o, which is all before or all after it, into cell i.
func (s *steps) mergeCell(i int, o *stepCell) {
	c := &s.cells[i]
	switch {
	case !o.full:
		return
	case !c.full:
		linked, before := c.linked, c.before
		*c = *o
		c.linked, c.before = linked, before
		return
	}
	a, b := *c, *o
	if b.first.time < a.first.time {
		a, b = b, a
	}
	s.across(&a.sum, a.last, b.first)
	a.sum.merge(b.sum)
	c.first, c.last, c.sum = a.first, b.last, a.sum
}

// AddStats suffices for what needs the ends only, and where nothing happened between them.
func (s *steps) AddStats(i int, st *chunk.Stats) bool {
	if st.Values() == 0 {
		return true
	}
	c := stepCell{full: true, first: sample{st.FirstTime, st.First}, last: sample{st.LastTime, st.Last}}
	switch s.what {
	case increase, rate:
		if st.Min != st.Max {
			return false
		}
	case integral, integralSteps:
		if st.Min != st.Max {
			return false
		}
		c.sum.hi = st.First * elapsed(st.FirstTime, st.LastTime)
	}
	s.mergeCell(i, &c)
	return true
}

func (s *steps) Merge(i int, other States, j int) { s.mergeCell(i, &other.(*steps).cells[j]) }

// Link implements [Linker].
func (s *steps) Link(from, to int) {
	var before *stepCell
	for i := from; i < to; i++ {
		c := &s.cells[i]
		c.linked = before != nil
		if c.linked {
			c.before = before.last
		}
		if c.full {
			before = c
		}
	}
}

func (s *steps) Result(dst []float64, i int) []float64 {
	c := &s.cells[i]
	from, sum := c.first, c.sum
	if c.linked && c.full {
		from = c.before
		s.across(&sum, c.before, c.first)
	}
	if !c.full || from.time == c.last.time {
		return append(dst, math.NaN()) // no step ends here
	}
	seconds := elapsed(from.time, c.last.time) / 1e9
	change := c.last.value - from.value
	switch s.what {
	case increase, rate: // beside the sum, the change may be too small to be rounded first
		sum.add(c.last.value)
		sum.add(-from.value)
		if s.what == rate {
			return append(dst, sum.value()/seconds)
		}
		return append(dst, sum.value())
	case delta:
		return append(dst, change)
	case derivative:
		return append(dst, change/seconds)
	}
	return append(dst, sum.value()/1e9)
}

func (s *steps) Reset(i int) { s.cells[i] = stepCell{} }

func (s *steps) Bytes() int64 { return int64(cap(s.cells)) * sizeOf[stepCell]() }

// AppendState leaves out what Link told.
func (s *steps) AppendState(dst []byte, i int) []byte {
	c := &s.cells[i]
	dst = append(dst, tagSteps, byte(s.what))
	if !c.full {
		return append(dst, 0)
	}
	dst = appendSample(appendSample(append(dst, 1), c.first), c.last)
	return appendFloat(appendFloat(dst, c.sum.hi), c.sum.lo)
}

func (s *steps) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("increase and its like", tagSteps, src)
	if p.count("function") != int64(s.what) {
		p.fail("function")
	}
	c := stepCell{full: p.count("presence") != 0}
	if c.full {
		c.first, c.last = p.sample("first"), p.sample("last")
		c.sum = compensated{hi: p.float("sum"), lo: p.float("compensation")}
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
