package analytics

import "github.com/chronodex/chronodex/chunk"

// A Text is one result of a function over string values: a number, or a string.
type Text struct {
	Number float64 // where not IsText; NaN where undefined
	Text   string
	IsText bool
}

// StringStates are [States] for values of kind string, of the functions whose [Spec.Strings] holds:
// count, distinct, first and last. The same rules apply; no string is a gap.
type StringStates interface {
	// Len is the number of states.
	Len() int
	// Add folds observations of one series into state i. The slices stay the caller's, and the
	// states keep copies of what bytes they need.
	Add(i int, times []int64, values []string)
	// AddRuns is as in [States].
	AddRuns(first int, bounds []int32, times []int64, values []string)
	// AddStats is as in [States].
	AddStats(i int, s *chunk.Stats) bool
	// Merge folds state j of o, which must be of the same function, into state i.
	Merge(i int, o StringStates, j int)
	// Result returns the result of state i.
	Result(i int) Text
	// Bytes is the memory that the states hold.
	Bytes() int64
	// AppendState appends the binary form of state i to dst.
	AppendState(dst []byte, i int) []byte
	// ParseState is as in [States].
	ParseState(i int, src []byte) (rest []byte, err error)
}
