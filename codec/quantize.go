package codec

import (
	"math"
	"slices"
)

// QuantizeTimes appends to dst stamps that differ from times by at most within, and take less
// space: each is a period after the one before, or beside that by a multiple of within where the
// bound asks for it. Where times rise, stay or fall from one row to the next, so do the stamps.
// This is lossy. The date-delta compaction of Chronix (Lautenschlager et al., FAST 2017, section
// 4.1) has the same purpose, but breaks its bound on bursts of stamps.
//
// Where within is not positive, the stamps are the times.
func QuantizeTimes(dst, times []int64, within int64) []int64 {
	from := len(dst)
	if within <= 0 || len(times) < 2 {
		return append(dst, times...)
	}
	within = min(within, 1<<60)
	period := periodOf(times)
	last := times[0]
	dst = append(dst, last)
	for i, t := range times[1:] {
		next := gridded(last+period, t, within)
		switch {
		case t == times[i]:
			next = last
		case t < times[i] && last > math.MinInt64:
			next = min(next, last-1)
		case t > times[i] && last < math.MaxInt64:
			next = max(next, last+1)
		default: // no room for a stamp beyond the last one
			return append(dst[:from], times...)
		}
		dst = append(dst, next)
		last = next
	}
	return dst
}

// periodOf returns about the mean of the usual differences of times: those of at most twice their
// median.
func periodOf(times []int64) int64 {
	var rises []int64
	for i, t := range times[1:] {
		if d := t - times[i]; d > 0 {
			rises = append(rises, d)
		}
	}
	if len(rises) == 0 {
		return 0
	}
	slices.Sort(rises)
	limit := rises[len(rises)/2] * 2
	mean, n := 0.0, 0.0
	for _, d := range rises {
		if d > limit {
			break
		}
		n++
		mean += (float64(d) - mean) / n
	}
	return int64(min(mean, 1<<61))
}

// gridded returns a stamp within the bound of t: expected, or beside it by a multiple of the
// bound; or t, where these are too far apart.
func gridded(expected, t, within int64) int64 {
	off := t - expected
	if (t > expected) != (off > 0) || off > 1<<61 || off < -1<<61 {
		return t
	}
	if off <= within && off >= -within {
		return expected
	}
	step := within * floorDiv(off+within/2, within)
	if step > 0 != (expected+step > expected) { // beyond the edge of int64
		return t
	}
	return expected + step
}
