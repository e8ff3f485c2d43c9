package analytics

import (
	"math"
	"slices"
)

const (
	sortRows    = 24 // so few are sorted rather than divided
	sampleRows  = 128
	selectTries = 40 // divisions of one part, before it is sorted after all
)

// selectRanks sets out[k] to the value that a would have at ranks[k] if it were sorted, and reorders
// a on the way. The ranks rise; a has no NaN.
//
// It is quickselect for several ranks at once. The pivot comes from a sorted sample, a little beside
// the rank that is looked for, so that after one or two divisions nearly nothing is left (Floyd and
// Rivest 1975, "Expected time bounds for selection"); the division has no branch that depends on a
// value. A part that stays large for too long is sorted, so the worst case is n·log n.
func selectRanks(a []float64, ranks []int, out []float64) {
	s := selection{out: out}
	s.run(a, ranks, 0, 0)
}

// A selection is the work of one selectRanks.
type selection struct {
	out    []float64
	sample [sampleRows]float64
}

// run answers ranks from a, which begins at rank base of the whole; the first of them is number k.
func (s *selection) run(a []float64, ranks []int, base, k int) {
	for tries := 0; len(ranks) > 0; tries++ {
		switch {
		case len(a) <= sortRows:
			insertionSort(a)
			s.take(a, ranks, base, k)
			return
		case tries > selectTries:
			slices.Sort(a)
			s.take(a, ranks, base, k)
			return
		case ranks[0] == base: // nothing is below it; −0 and 0 are alike
			s.out[k] = minOf(a)
			ranks, k = ranks[1:], k+1
			continue
		case ranks[len(ranks)-1] == base+len(a)-1:
			s.out[k+len(ranks)-1] = maxOf(a)
			ranks = ranks[:len(ranks)-1]
			continue
		}
		pivot, many := s.pivot(a, ranks, base)
		cut := divide(a, pivot)
		if n := below(ranks, base+cut); n > 0 {
			if n < len(ranks) {
				s.run(a[:cut], ranks[:n], base, k)
			} else {
				a = a[:cut]
				continue
			}
			ranks, k = ranks[n:], k+n
		}
		a, base = a[cut:], base+cut
		if !many && cut > len(a)/8 {
			continue
		}
		equal := divideEqual(a, pivot)
		for len(ranks) > 0 && ranks[0] < base+equal {
			s.out[k] = pivot
			ranks, k = ranks[1:], k+1
		}
		a, base = a[equal:], base+equal
	}
}

// take answers ranks from a, which is sorted.
func (s *selection) take(a []float64, ranks []int, base, k int) {
	for i, r := range ranks {
		s.out[k+i] = a[r-base]
	}
}

// pivot returns a value of a to divide it by, and whether many of a seem to equal it. For ranks all
// close together it lies on their farther side, so that the smaller part has them.
func (s *selection) pivot(a []float64, ranks []int, base int) (pivot float64, many bool) {
	size := min(sampleRows, max(5, len(a)/32))
	sample := s.sample[:size]
	stride := len(a) / size
	for i := range sample {
		sample[i] = a[i*stride+(i*7)%stride]
	}
	slices.Sort(sample)
	lo, hi := ranks[0]-base, ranks[len(ranks)-1]-base
	part := float64(lo+hi) / 2 / float64(len(a))
	at := part * float64(size)
	if hi-lo < len(a)/16 {
		slack := 1.5*math.Sqrt(float64(size)*part*(1-part)) + 0.5
		if part > 0.5 {
			at -= slack
		} else {
			at += slack
		}
	} else {
		mid := ranks[len(ranks)/2] - base
		at = float64(mid) / float64(len(a)) * float64(size)
	}
	i := min(max(int(at), 0), size-1)
	pivot = sample[i]
	same := 0
	for _, v := range sample {
		if v == pivot {
			same++
		}
	}
	return pivot, same > size/8+1
}

// below counts the ranks that are less than r.
func below(ranks []int, r int) int {
	n, _ := slices.BinarySearch(ranks, r)
	return n
}

// divide reorders a so that what is less than pivot comes first, and returns how many these are.
func divide(a []float64, pivot float64) int {
	n := 0
	for i, v := range a {
		a[i] = a[n]
		a[n] = v
		less := 0
		if v < pivot {
			less = 1
		}
		n += less
	}
	return n
}

// divideEqual is divide for what is not greater than pivot.
func divideEqual(a []float64, pivot float64) int {
	n := 0
	for i, v := range a {
		a[i] = a[n]
		a[n] = v
		less := 0
		if v <= pivot {
			less = 1
		}
		n += less
	}
	return n
}

// insertionSort sorts a few values.
func insertionSort(a []float64) {
	for i := 1; i < len(a); i++ {
		v, j := a[i], i
		for ; j > 0 && a[j-1] > v; j-- {
			a[j] = a[j-1]
		}
		a[j] = v
	}
}
