package chunk

import "math"

// statsBlock is how many values are summed, then squared about their mean, while they are in the
// first cache.
const statsBlock = 256

// StatsOf returns the statistics of s, whose stamps are sorted. Means and M2 are computed in two
// passes over blocks of 256 values that are then merged (Chan, Golub and LeVeque 1983); the sum
// carries the rounding error of every addition along (Neumaier 1974). An infinite value makes M2
// NaN, and Sum infinite, or NaN where both infinities occur.
func StatsOf(s Samples) Stats {
	a := accumulator{}
	var buf [statsBlock]float64
	for i := 0; i < s.Len(); i += statsBlock {
		j := min(i+statsBlock, s.Len())
		switch s.Kind {
		case Float64:
			a.addFloats(s.Times[i:j], s.Floats[i:j], &buf)
		case Int64:
			for k, v := range s.Ints[i:j] {
				buf[k] = float64(v)
			}
			a.add(s.Times[i], s.Times[j-1], buf[:j-i])
		case Bool:
			for k, v := range s.Bools[i:j] {
				buf[k] = 0
				if v {
					buf[k] = 1
				}
			}
			a.add(s.Times[i], s.Times[j-1], buf[:j-i])
		}
	}
	if s.Kind == String {
		return stringStats(s)
	}
	a.stats.Count = int64(s.Len())
	a.stats.Sum = a.result()
	return a.stats
}

// stringStats are the statistics of strings: how many there are, and when.
func stringStats(s Samples) Stats {
	if s.Len() == 0 {
		return Stats{}
	}
	return Stats{Count: int64(s.Len()), FirstTime: s.Times[0], LastTime: s.Times[s.Len()-1]}
}

// An accumulator is Stats in the making. Its Count is the number of values so far.
type accumulator struct {
	stats Stats
	sum   float64 // Σv
	low   float64 // what sum has lost to rounding
	plain float64 // Σv without compensation: for when infinities have spoilt low
}

// result is the compensated sum.
func (a *accumulator) result() float64 {
	if r := a.sum + a.low; !math.IsNaN(r) {
		return r
	}
	return a.plain
}

// addFloats folds in a block of at most statsBlock values, gaps among them.
func (a *accumulator) addFloats(times []int64, values []float64, buf *[statsBlock]float64) {
	gaps := 0
	for _, v := range values {
		if v != v {
			gaps++
		}
	}
	if gaps == 0 {
		a.add(times[0], times[len(times)-1], values)
		return
	}
	a.stats.NaNs += int64(gaps)
	n, first, last := 0, 0, 0
	for i, v := range values {
		if v != v {
			continue
		}
		if n == 0 {
			first = i
		}
		buf[n], last = v, i
		n++
	}
	if n > 0 {
		a.add(times[first], times[last], buf[:n])
	}
}

// meanOf divides a compensated sum by n. What the quotient is rounded by is returned as rest.
func meanOf(sum, low, n float64) (mean, rest float64) {
	mean = (sum + low) / n
	return mean, (math.FMA(-mean, n, sum) + low) / n
}

// add folds in a block of at most statsBlock values without gaps, whose first and last have these
// stamps. Squares may be about the rounded mean: with d its error, Σ(v−mean)² is too large by n·d²
// only, far below its last digit. The difference of two means must have all its digits.
func (a *accumulator) add(firstTime, lastTime int64, values []float64) {
	sum, low, plain := sumBlock(values)
	least, most := boundsBlock(values)
	n := float64(len(values))
	mean, rest := meanOf(sum, low, n)
	s := &a.stats
	if s.Count == 0 {
		s.FirstTime, s.First, s.Min, s.Max = firstTime, values[0], least, most
	}
	constant := least == s.Min && most == s.Min && s.Max == s.Min
	if !constant { // else M2 stays 0, whatever the mean was rounded to
		s.M2 += squaresBlock(values, mean)
	}
	s.LastTime, s.Last = lastTime, values[len(values)-1]
	if least < s.Min {
		s.Min = least
	}
	if most > s.Max {
		s.Max = most
	}
	if s.Count > 0 && !constant {
		m := float64(s.Count)
		before, rest0 := meanOf(a.sum, a.low, m)
		d := (mean - before) + (rest - rest0)
		s.M2 += d * d * (m / (m + n) * n)
	}
	s.Count += int64(len(values))
	a.low += low
	a.plain += plain
	t := a.sum + sum
	a.low += lost(a.sum, sum, t)
	a.sum = t
}

// lost is what the addition t = a + b has rounded away (Knuth's TwoSum: exact for any order of
// magnitude of a and b).
func lost(a, b, t float64) float64 {
	z := t - a
	return (a - (t - z)) + (b - z)
}

// sumBlock returns Σv, what that has lost to rounding, and the plain sum, over four lanes so that
// the additions need not wait for each other.
func sumBlock(v []float64) (sum, low, plain float64) {
	var s0, s1, s2, s3, l0, l1, l2, l3 float64
	i := 0
	for ; i+4 <= len(v); i += 4 {
		w := v[i : i+4 : i+4]
		t0, t1, t2, t3 := s0+w[0], s1+w[1], s2+w[2], s3+w[3]
		z0, z1, z2, z3 := t0-s0, t1-s1, t2-s2, t3-s3
		l0 += (s0 - (t0 - z0)) + (w[0] - z0)
		l1 += (s1 - (t1 - z1)) + (w[1] - z1)
		l2 += (s2 - (t2 - z2)) + (w[2] - z2)
		l3 += (s3 - (t3 - z3)) + (w[3] - z3)
		s0, s1, s2, s3 = t0, t1, t2, t3
	}
	for ; i < len(v); i++ {
		t := s0 + v[i]
		l0 += lost(s0, v[i], t)
		s0 = t
	}
	low = l0 + l1 + l2 + l3
	sum = s0
	for _, x := range [3]float64{s1, s2, s3} {
		t := sum + x
		low += lost(sum, x, t)
		sum = t
	}
	return sum, low, sum
}

// boundsBlock returns the least and the greatest of v, which is not empty and has no gaps.
func boundsBlock(v []float64) (least, most float64) {
	a0, a1, b0, b1 := v[0], v[0], v[0], v[0]
	i := 0
	for ; i+2 <= len(v); i += 2 {
		x, y := v[i], v[i+1]
		if x < a0 {
			a0 = x
		}
		if x > b0 {
			b0 = x
		}
		if y < a1 {
			a1 = y
		}
		if y > b1 {
			b1 = y
		}
	}
	if i < len(v) {
		a0, b0 = min(a0, v[i]), max(b0, v[i])
	}
	if a1 < a0 {
		a0 = a1
	}
	if b1 > b0 {
		b0 = b1
	}
	return a0, b0
}

// squaresBlock returns Σ(v−mean)².
func squaresBlock(v []float64, mean float64) float64 {
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(v); i += 4 {
		w := v[i : i+4 : i+4]
		d0, d1, d2, d3 := w[0]-mean, w[1]-mean, w[2]-mean, w[3]-mean
		s0 += d0 * d0
		s1 += d1 * d1
		s2 += d2 * d2
		s3 += d3 * d3
	}
	for ; i < len(v); i++ {
		d := v[i] - mean
		s0 += d * d
	}
	return (s0 + s1) + (s2 + s3)
}

// Merge folds in o, the statistics of later observations of the same series (Chan, Golub and
// LeVeque 1983). Up to rounding it does not matter how observations were split.
func (s *Stats) Merge(o Stats) {
	switch {
	case o.Count == 0:
		return
	case o.Values() == 0 || s.Values() == 0:
		count, nans := s.Count+o.Count, s.NaNs+o.NaNs
		if s.Values() == 0 {
			*s = o
		}
		s.Count, s.NaNs = count, nans
		return
	}
	n, m := float64(s.Values()), float64(o.Values())
	if s.Min != o.Min || s.Max != o.Max || s.Min != s.Max { // else all are equal, and M2 stays 0
		d := o.Sum/m - s.Sum/n
		s.M2 += o.M2 + d*d*(n/(n+m)*m)
	}
	s.Sum += o.Sum
	s.Count += o.Count
	s.NaNs += o.NaNs
	s.LastTime, s.Last = o.LastTime, o.Last
	if o.Min < s.Min {
		s.Min = o.Min
	}
	if o.Max > s.Max {
		s.Max = o.Max
	}
}
