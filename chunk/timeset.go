package chunk

import (
	"slices"
	"sort"
)

// findTries is how many time columns that might hold some stamps are compared with them. Stamps
// that begin and end alike are nearly always equal, so one comparison nearly always suffices.
const findTries = 8

// A TimeSet collects distinct time columns. Stamps are offered longest first, so that the column
// that they are a part of is there before them. The zero value is empty.
type TimeSet struct {
	Columns [][]int64        // what was found so far: the slices that were offered
	byEnds  map[timeEnds]int // of whole columns
}

// timeEnds are what equal columns have in common.
type timeEnds struct {
	first, last int64
	rows        int
}

// Find returns the number of the column that holds the stamps t, which are sorted and not empty,
// and t's first row in it. If there is none it adds t itself. A part is looked for among the
// columns found last only, so it may be added though an older one holds it.
func (f *TimeSet) Find(t []int64) (column, offset int) {
	ends := timeEnds{t[0], t[len(t)-1], len(t)}
	if i, ok := f.byEnds[ends]; ok && sameTimes(f.Columns[i], t) {
		return i, 0
	}
	tries := findTries
	// The columns found last are the likeliest: rows come by source.
	for i := len(f.Columns) - 1; i >= 0 && i >= len(f.Columns)-4*findTries && tries > 0; i-- {
		c := f.Columns[i]
		if len(c) < len(t) || c[0] > ends.first || c[len(c)-1] < ends.last {
			continue
		}
		k := sort.Search(len(c), func(k int) bool { return c[k] >= ends.first })
		if k+len(t) > len(c) || c[k] != ends.first || c[k+len(t)-1] != ends.last {
			continue
		}
		if sameTimes(c[k:k+len(t)], t) {
			return i, k
		}
		tries--
	}
	if f.byEnds == nil {
		f.byEnds = make(map[timeEnds]int)
	}
	f.byEnds[ends] = len(f.Columns)
	f.Columns = append(f.Columns, t)
	return len(f.Columns) - 1, 0
}

// sameTimes reports whether a and b, of one length, are equal: at once where they are one slice.
func sameTimes(a, b []int64) bool { return &a[0] == &b[0] || slices.Equal(a, b) }
