package query

import (
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

const day = int64(24 * time.Hour)

// windows cut time into half-open windows, one after another, without gaps:
//
//   - of n days, weeks, months or years: from local midnight; weeks begin on Monday; n of them are
//     counted from 1970-01-01, from Monday 1970-01-05, from January of the year 0. A day is 23 or 25
//     hours long where clocks change.
//   - of a fixed length that divides 24 hours: counted from each local midnight, so that hours and
//     quarters of the day are those on the wall; the last window of a day ends with the day.
//   - of any other fixed length: counted from the Unix epoch.
//
// An offset moves all of it to later: the days of "1d" with an offset of 6h begin at six on the wall.
type windows struct {
	period period
	offset int64 // nanoseconds
	loc    *time.Location
}

// floor returns the start of the window that stamp t is in; where that is before all stamps, the
// first of them.
func (w *windows) floor(t int64) int64 {
	if w.period.unit != fixed {
		return w.dateStart(w.dateOf(t))
	}
	local, ok := subtract(t, w.offset)
	if !ok {
		return edgeOf(t)
	}
	start := local
	if w.daily() {
		y, m, d := time.Unix(0, local).In(w.loc).Date()
		midnight := startOfDay(y, m, d, w.loc)
		start = midnight + (local-midnight)/w.period.n*w.period.n
	} else if start, ok = subtract(local, modulo(local, w.period.n)); !ok {
		return math.MinInt64
	}
	if start == math.MinInt64 {
		return start
	}
	return saturate(start, w.offset)
}

// next returns the start of the window after the one that stamp t is in; after the last one,
// [math.MaxInt64], which as an end means that there is none.
func (w *windows) next(t int64) int64 {
	if w.period.unit != fixed {
		return w.dateStart(w.dateOf(t) + w.period.n)
	}
	local, ok := subtract(t, w.offset)
	switch {
	case !ok && t < 0:
		local = math.MinInt64
	case !ok:
		return math.MaxInt64
	}
	end := saturate(local, w.period.n-modulo(local, w.period.n))
	if w.daily() {
		y, m, d := time.Unix(0, local).In(w.loc).Date()
		midnight, tomorrow := startOfDay(y, m, d, w.loc), startOfDay(y, m, d+1, w.loc)
		end = min(saturate(midnight+(local-midnight)/w.period.n*w.period.n, w.period.n), tomorrow)
	}
	if end == math.MaxInt64 {
		return end
	}
	return saturate(end, w.offset)
}

// dateOf returns the number of the first unit of the window that stamp t is in.
func (w *windows) dateOf(t int64) int64 {
	local, ok := subtract(t, w.offset)
	if !ok {
		local = edgeOf(-w.offset)
	}
	n := w.dateNumber(local) // which an offset may miss by one, where clocks change in between
	for w.dateStart(n) > t {
		n -= w.period.n
	}
	for next := w.dateStart(n + w.period.n); next <= t && next != math.MaxInt64; next = w.dateStart(n + w.period.n) {
		n += w.period.n
	}
	return n
}

// daily reports whether windows of fixed length are counted from local midnight.
func (w *windows) daily() bool {
	return w.period.unit == fixed && w.loc != time.UTC && day%w.period.n == 0
}

// even reports whether all windows have one length and are counted from the epoch, so that their
// number is a division.
func (w *windows) even() bool { return w.period.unit == fixed && !w.daily() }

// dateNumber returns the number of the first unit (day, week, month, year) of the window that
// stamp t is in: a multiple of w.period.n.
func (w *windows) dateNumber(t int64) int64 {
	y, m, d := time.Unix(0, t).In(w.loc).Date()
	var n int64
	switch w.period.unit {
	case years:
		n = int64(y)
	case months:
		n = 12*int64(y) + int64(m) - 1
	case weeks:
		n = floorDiv(dayNumber(y, m, d)-4, 7) // 1970-01-05 was a Monday
	case days, fixed:
		n = dayNumber(y, m, d)
	}
	return floorDiv(n, w.period.n) * w.period.n
}

// dateStart returns the first stamp of the window that begins with unit n: local midnight, or where
// there is an offset, the time on the wall that it says.
func (w *windows) dateStart(n int64) int64 {
	y, m, d := 1970, time.January, 1
	switch w.period.unit {
	case years:
		y = int(n)
	case months:
		y = int(floorDiv(n, 12))
		m = time.Month(n-12*int64(y)) + 1
	case weeks:
		d = 5 + 7*int(n)
	case days, fixed:
		d = 1 + int(n)
	}
	if w.offset == 0 {
		return startOfDay(y, m, d, w.loc)
	}
	const second = int64(time.Second)
	ns, _ := unixNano(time.Date(y, m, d, 0, 0, int(w.offset/second), int(w.offset%second), w.loc))
	return ns
}

// dayNumber counts days from 1970-01-01.
func dayNumber(y int, m time.Month, d int) int64 {
	return floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 24*3600)
}

// startOfDay returns the first stamp of a day in loc, which is not 00:00 where clocks are set
// forward at midnight, and the earlier 00:00 where there are two; clamped to what an int64 holds.
func startOfDay(y int, m time.Month, d int, loc *time.Location) int64 {
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	if loc != time.UTC {
		t = firstOfDay(t, time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
	}
	ns, _ := unixNano(t)
	return ns
}

// firstOfDay corrects t, what package time makes of the midnight whose clock reads wall.
func firstOfDay(t, wall time.Time) time.Time {
	from, to := t.ZoneBounds()
	if t.Hour() != 0 { // 00:00 was skipped
		if t.Day() != wall.Day() {
			return to
		}
		return from
	}
	if !from.IsZero() { // is there a 00:00 of this day before the clocks were set back?
		_, before := from.Add(-1).Zone()
		earlier := time.Unix(wall.Unix()-int64(before), 0)
		if earlier.Before(from) && earlier.Before(t) {
			return earlier
		}
	}
	return t
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// modulo returns a modulo b, which is positive, from 0 on.
func modulo(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// subtract returns a − b, and whether it is an int64.
func subtract(a, b int64) (int64, bool) {
	d := a - b
	return d, (d < a) == (b > 0)
}

// saturate returns a + b, clamped to an int64.
func saturate(a, b int64) int64 {
	s := a + b
	if (s > a) == (b > 0) {
		return s
	}
	return edgeOf(b)
}

// edgeOf returns the end of the int64 that is on the side of sign.
func edgeOf(sign int64) int64 {
	if sign < 0 {
		return math.MinInt64
	}
	return math.MaxInt64
}

// A grid is the windows that observations can be in: window k is [edges[k], edges[k+1]). Where
// data is far apart, the windows in between are left out, and what is between is one window that
// is a gap. The zero grid has none.
type grid struct {
	windows
	edges []int64
	gaps  []bool // by window; nil: none is a gap
}

// maxDense is the number of windows up to which a grid is made without looking for gaps.
const maxDense = 1 << 16

// newGrid returns the grid of the windows that overlap any of spans, which it sorts. It fails where
// these are more than limit.
func newGrid(w windows, spans []chunk.Span, limit int64) (*grid, error) {
	g := &grid{windows: w}
	if len(spans) == 0 {
		return g, nil
	}
	whole := spans[0]
	for _, s := range spans {
		whole = chunk.Span{Start: min(whole.Start, s.Start), End: max(whole.End, s.End)}
	}
	if n := w.count(whole); n <= maxDense {
		g.extend(whole)
		return g, nil
	}
	slices.SortFunc(spans, func(a, b chunk.Span) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
	runs, total := joinRuns(w, spans), int64(0)
	for _, run := range runs {
		n := w.count(run)
		if total += n; n > limit || total > limit {
			return nil, &LimitError{
				What: "windows", Limit: limit, Need: max(total, n),
				Cure: "make the windows longer than " + w.period.String() + ", or the range shorter",
			}
		}
	}
	for _, run := range runs {
		g.extend(run)
	}
	if g.gaps != nil {
		g.gaps = append(g.gaps, make([]bool, len(g.edges)-1-len(g.gaps))...)
	}
	return g, nil
}

// joinRuns joins sorted spans to runs between which there is at least one window without data.
func joinRuns(w windows, spans []chunk.Span) []chunk.Span {
	runs := []chunk.Span{spans[0]}
	for _, s := range spans[1:] {
		last := &runs[len(runs)-1]
		if s.Start < w.next(lastStamp(*last)) {
			last.End = max(last.End, s.End)
			continue
		}
		runs = append(runs, s)
	}
	return runs
}

// extend appends the windows of a run to g, and before it a gap where there is one.
func (g *grid) extend(run chunk.Span) {
	start, last := g.floor(run.Start), lastStamp(run)
	if n := len(g.edges); n == 0 {
		g.edges = append(g.edges, start)
	} else if g.edges[n-1] != start {
		g.gaps = append(g.gaps, make([]bool, n-len(g.gaps))...)
		g.gaps[n-1] = true
		g.edges = append(g.edges, start)
	}
	if n := g.count(run); g.even() && n < math.MaxInt32 {
		g.edges = slices.Grow(g.edges, int(n))
	}
	for edge := start; ; {
		if g.daily() {
			edge = g.restOfDay(edge, last)
		}
		if edge = g.next(edge); edge == math.MaxInt64 || edge > last {
			g.edges = append(g.edges, edge)
			return
		}
		g.edges = append(g.edges, edge)
	}
}

// restOfDay appends the starts of the windows of a day after the one that begins at edge, up to the
// one that stamp last is in, and returns the latest start.
func (g *grid) restOfDay(edge, last int64) int64 {
	local, ok := subtract(edge, g.offset)
	if !ok {
		return edge
	}
	y, m, d := time.Unix(0, local).In(g.loc).Date()
	end := saturate(startOfDay(y, m, d+1, g.loc), g.offset)
	for next := saturate(edge, g.period.n); next < end && next <= last; next = saturate(edge, g.period.n) {
		g.edges = append(g.edges, next)
		edge = next
	}
	return edge
}

// count returns about how many windows overlap s, at least one; never less than there are, but for
// days on which clocks change.
func (w *windows) count(s chunk.Span) int64 {
	size := w.period.n
	switch w.period.unit {
	case days:
		size *= day
	case weeks:
		size *= 7 * day
	case months:
		size *= 28 * day
	case years:
		size *= 365 * day
	case fixed:
	}
	if size <= 0 || w.period.n > math.MaxInt64/(366*day) && w.period.unit != fixed {
		size = math.MaxInt64
	}
	q, _ := bits.Div64(0, uint64(lastStamp(s))-uint64(s.Start), uint64(size))
	return int64(min(q, math.MaxInt64-2)) + 2
}

// lastStamp returns the last stamp that may be in s, which is not empty.
func lastStamp(s chunk.Span) int64 {
	if s.End == math.MaxInt64 {
		return s.End
	}
	return s.End - 1
}

// len is the number of windows of g, gaps among them.
func (g *grid) len() int { return max(len(g.edges)-1, 0) }

// gap reports whether window k is a gap.
func (g *grid) gap(k int) bool { return g.gaps != nil && g.gaps[k] }

// find returns the number of the window that stamp t, which is in one of g, is in.
func (g *grid) find(t int64) int {
	if g.gaps == nil && g.even() && g.edges[0] != math.MinInt64 {
		return int((uint64(t) - uint64(g.edges[0])) / uint64(g.period.n))
	}
	i, found := slices.BinarySearch(g.edges[:len(g.edges)-1], t)
	if !found {
		i--
	}
	return i
}

// newWholeGrid returns the grid of all windows that overlap s, at most limit.
func newWholeGrid(w windows, s chunk.Span, limit int64) (*grid, error) {
	g := &grid{windows: w}
	if n := w.count(s); n > limit {
		return nil, &LimitError{
			What: "windows", Limit: limit, Need: n, Cure: "make the windows longer than " + w.period.String() + ", or the range shorter",
		}
	}
	g.extend(s)
	return g, nil
}
