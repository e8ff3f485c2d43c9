package chunk

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"sync/atomic"
)

// Kind is the type of a series' values. The numbers are stored, and never reused.
type Kind uint8

// The kinds of values. The zero Kind is none of them.
const (
	Float64 Kind = 1
	Int64   Kind = 2
	Bool    Kind = 3
	String  Kind = 4
)

// String returns the name of the kind, as formats and errors write it.
func (k Kind) String() string {
	switch k {
	case Float64:
		return "float64"
	case Int64:
		return "int64"
	case Bool:
		return "bool"
	case String:
		return "string"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Valid reports whether k is one of the kinds.
func (k Kind) Valid() bool { return k >= Float64 && k <= String }

// A Series is the identity of one series: its whole set of dimensions, and the type of its values.
// Two series with equal dimensions and different kinds are different series.
type Series struct {
	Dimensions Dimensions
	Kind       Kind
}

// Samples are observations of one series in columns: stamps, Unix nanoseconds, and beside them
// the one value column that Kind names; the others are nil. Who hands samples out says who may
// keep or change them, and for how long.
type Samples struct {
	Kind    Kind
	Times   []int64
	Floats  []float64
	Ints    []int64
	Bools   []bool
	Strings []string
}

// Len is the number of observations.
func (s *Samples) Len() int { return len(s.Times) }

// Valid reports whether the columns fit: a kind, and as many values as stamps.
func (s *Samples) Valid() bool {
	n := 0
	switch s.Kind {
	case Float64:
		n = len(s.Floats)
	case Int64:
		n = len(s.Ints)
	case Bool:
		n = len(s.Bools)
	case String:
		n = len(s.Strings)
	default:
		return false
	}
	return n == len(s.Times) && len(s.Floats)+len(s.Ints)+len(s.Bools)+len(s.Strings) == n
}

// Slice returns the observations [i, j). The columns alias those of s.
func (s *Samples) Slice(i, j int) Samples {
	r := Samples{Kind: s.Kind, Times: s.Times[i:j]}
	switch s.Kind {
	case Float64:
		r.Floats = s.Floats[i:j]
	case Int64:
		r.Ints = s.Ints[i:j]
	case Bool:
		r.Bools = s.Bools[i:j]
	case String:
		r.Strings = s.Strings[i:j]
	}
	return r
}

// Clip returns the observations of sorted samples that are in span. The columns alias those of s.
func (s *Samples) Clip(span Span) Samples {
	i := sort.Search(len(s.Times), func(i int) bool { return s.Times[i] >= span.Start })
	j := i
	if !span.Empty() {
		j = i + sort.Search(len(s.Times)-i, func(k int) bool { return !span.Contains(s.Times[i+k]) })
	}
	return s.Slice(i, j)
}

// Append appends o, which must be of the same kind, to s. The zero Samples takes the kind of o.
func (s *Samples) Append(o Samples) {
	s.Kind = o.Kind
	s.Times = append(s.Times, o.Times...)
	s.Floats = append(s.Floats, o.Floats...)
	s.Ints = append(s.Ints, o.Ints...)
	s.Bools = append(s.Bools, o.Bools...)
	s.Strings = append(s.Strings, o.Strings...)
}

// AppendIndex appends observation i of o, which must be of the same kind, to s.
func (s *Samples) AppendIndex(o *Samples, i int) {
	s.Kind = o.Kind
	s.Times = append(s.Times, o.Times[i])
	switch o.Kind {
	case Float64:
		s.Floats = append(s.Floats, o.Floats[i])
	case Int64:
		s.Ints = append(s.Ints, o.Ints[i])
	case Bool:
		s.Bools = append(s.Bools, o.Bools[i])
	case String:
		s.Strings = append(s.Strings, o.Strings[i])
	}
}

// Reset empties s and keeps its memory.
func (s *Samples) Reset() {
	clear(s.Strings)
	*s = Samples{
		Kind: s.Kind, Times: s.Times[:0], Floats: s.Floats[:0],
		Ints: s.Ints[:0], Bools: s.Bools[:0], Strings: s.Strings[:0],
	}
}

// Sorted reports whether the stamps rise strictly: in order, and none twice.
func (s *Samples) Sorted() bool {
	for i := 1; i < len(s.Times); i++ {
		if s.Times[i] <= s.Times[i-1] {
			return false
		}
	}
	return true
}

// Normalize returns s with rising stamps; of observations with one stamp the last written (the
// last in s) stays. The result is s itself where it is sorted, and else a copy.
func (s *Samples) Normalize() Samples {
	if s.Sorted() {
		return *s
	}
	if out, ok := s.joinRuns(); ok {
		return out
	}
	order := make([]int, s.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case s.Times[a] < s.Times[b]:
			return -1
		case s.Times[a] > s.Times[b]:
			return 1
		}
		return 0
	})
	out := makeSamples(s.Kind, s.Len())
	for i, k := range order {
		if i+1 < len(order) && s.Times[order[i+1]] == s.Times[k] {
			continue
		}
		out.AppendIndex(s, k)
	}
	return out
}

// joinRuns returns a sorted copy of s where it is sorted runs that only have to be put in order, as
// batches are that overtook each other.
func (s *Samples) joinRuns() (out Samples, ok bool) {
	type run struct{ from, to int }
	var runs []run
	for i, t := range s.Times {
		if i > 0 && t > s.Times[i-1] {
			runs[len(runs)-1].to = i + 1
			continue
		}
		if len(runs) > len(s.Times)/4 {
			return out, false // not runs but disorder
		}
		runs = append(runs, run{i, i + 1})
	}
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(s.Times[a.from], s.Times[b.from]) })
	for i := 1; i < len(runs); i++ {
		if s.Times[runs[i-1].to-1] >= s.Times[runs[i].from] {
			return out, false
		}
	}
	out = makeSamples(s.Kind, s.Len())
	for _, r := range runs {
		out.Append(s.Slice(r.from, r.to))
	}
	return out, true
}

// makeSamples returns empty samples with room for n observations.
func makeSamples(k Kind, n int) Samples {
	s := Samples{Kind: k, Times: make([]int64, 0, n)}
	switch k {
	case Float64:
		s.Floats = make([]float64, 0, n)
	case Int64:
		s.Ints = make([]int64, 0, n)
	case Bool:
		s.Bools = make([]bool, 0, n)
	case String:
		s.Strings = make([]string, 0, n)
	}
	return s
}

// A Batch is observations of several series on their way into a store, in order of arrival. A
// series may occur several times; of equal stamps the last one wins.
type Batch struct {
	Rows []BatchRow
}

// A BatchRow is observations of one series.
type BatchRow struct {
	Dimensions Dimensions // canonical; may be shared between batches, and is kept
	Samples    Samples    // copied by whoever stores it
	Ref        *Ref       // of this series, or nil; once it is known, Dimensions may be nil
}

// A Ref is where a store notes how it knows a series, so that whoever sends batches again and again
// need not name it again. The zero value is not known yet. A Ref belongs to one series and to one
// store, as long as that is open. It is safe for concurrent use.
type Ref struct{ id atomic.Uint64 }

// Load returns what the store has noted, and 0 as long as it has not.
func (r *Ref) Load() uint64 { return r.id.Load() }

// Store is for the store to note how it knows the series.
func (r *Ref) Store(id uint64) { r.id.Store(id) }

// Observations counts the observations of the batch.
func (b *Batch) Observations() int {
	n := 0
	for i := range b.Rows {
		n += b.Rows[i].Samples.Len()
	}
	return n
}
