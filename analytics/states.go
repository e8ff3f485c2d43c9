package analytics

import "github.com/chronodex/chronodex/chunk"

// An Aggregate is one aggregate function with its arguments bound. It is immutable and safe for
// concurrent use.
type Aggregate interface {
	// Outputs names the numbers of one result, in the order of [States.Result].
	Outputs() []string
	// NewStates returns n empty states.
	NewStates(n int) States
}

// States are the partial results of one aggregate: numbered states, such as one for each group or
// for each window, each of which takes observations, statistics of observations, and other states
// of the same aggregate. Indexes out of range are a bug of the caller, as with a slice.
//
// States are used by one goroutine at a time, but for Result, which several goroutines may call for
// different states at once. Which of several workers saw which observations does
// not matter; see the package comment for what may differ. The states of a function that is
// [Spec.PerSeries] hold observations of one series each, and these must not overlap in time between
// two states that are merged.
type States interface {
	// Len is the number of states.
	Len() int
	// Add folds observations of one series into state i: stamps that rise, and as many values.
	// Both slices stay the caller's.
	Add(i int, times []int64, values []float64)
	// AddRuns folds consecutive runs of observations of one series into consecutive states: rows
	// bounds[k] up to bounds[k+1] into state first+k, for each k < len(bounds)−1. Runs may be
	// empty. It is what windows use; [AppendBounds] makes the bounds.
	AddRuns(first int, bounds []int32, times []int64, values []float64)
	// AddStats folds observations that are described by s into state i, and reports whether their
	// statistics sufficed. If not, state i is as it was, and the observations must be decoded and
	// given to Add.
	AddStats(i int, s *chunk.Stats) bool
	// Merge folds state j of o, which must be of the same aggregate, into state i. State j stays
	// as it was and shares no memory with state i afterwards.
	Merge(i int, o States, j int)
	// Result appends the numbers of state i to dst, one for each output. More can be added after.
	Result(dst []float64, i int) []float64
	// Reset makes state i empty again. It may keep its memory for what is added next, so that one
	// state can serve one series after the other.
	Reset(i int)
	// Bytes is the memory that the states hold, for the bound of a query.
	Bytes() int64
	// AppendState appends the binary form of state i to dst. It is the same on all machines.
	AppendState(dst []byte, i int) []byte
	// ParseState replaces state i by what [States.AppendState] of the same aggregate wrote at the
	// head of src, and returns the rest of src. On error, which wraps [chunk.ErrCorrupt], state i
	// is as it was. It allocates at most a small multiple of the bytes it reads.
	ParseState(i int, src []byte) (rest []byte, err error)
}

// A Linker is the [States] of a function that looks at the step from one observation to the next,
// as increase does. A step that crosses the border of two windows belongs to the window of its
// later observation, so the later window must know the last observation before it.
type Linker interface {
	// Link tells states [from, to), which are the consecutive windows of one series in order of
	// time, of each other. Call it once all observations are in, before Result. It may be called
	// again. States that were never linked know of no observation before their first.
	Link(from, to int)
}

// A Grower is the [States] of a function that keeps all values: Grow makes room for n more of them
// in state i, so that they are not moved when more come.
type Grower interface {
	Grow(i, n int)
}

// AppendBounds appends to dst the bounds that cut rising times at rising edges, for
// [States.AddRuns]: row numbers b such that rows b[k] up to b[k+1] are the stamps in
// [edges[k], edges[k+1]). It appends as many numbers as there are edges.
func AppendBounds(dst []int32, times, edges []int64) []int32 {
	row := 0
	for _, edge := range edges {
		row = searchFrom(times, row, edge)
		dst = append(dst, int32(row))
	}
	return dst
}

// searchFrom returns the first row at or after from whose stamp is not before t, in the time of the
// logarithm of its distance: first with growing strides, then by bisection.
func searchFrom(times []int64, from int, t int64) int {
	step := 1
	lo, hi := from, from
	for hi < len(times) && times[hi] < t {
		lo = hi + 1
		hi += step
		step *= 2
	}
	hi = min(hi, len(times))
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if times[mid] < t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
