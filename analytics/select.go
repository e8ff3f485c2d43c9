package analytics

import (
	"math"
	"slices"
)

const (
	sortRows    = 12  // so few are sorted rather than divided
	sampleRows  = 128 // at most, to choose a pivot from
	selectTries = 40  // divisions of one part, before it is sorted after all
)

// A selection finds values by rank. It holds the memory for that.
//
// It is quickselect for several ranks at once. The pivot comes from a sample, a little beside the
// rank that is looked for, so that after one or two divisions nearly nothing is left (Floyd and
// Rivest 1975, "Expected time bounds for selection"); the division has no branch that depends on a
// value. A part that stays large for too long is sorted, so the worst case is n·log n.
type selection struct {
	out    []float64
	sample [sampleRows]float64
}

// ranks sets out[k] to the value that a would have at ranks[k] if it were sorted, and reorders a on
// the way. The ranks rise; a has no NaN.
func (s *selection) ranks(a []float64, ranks []int, out []float64) {
	s.out = out
	s.run(a, ranks, 0, 0)
	s.out = nil
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
	lo, hi := ranks[0]-base, ranks[len(ranks)-1]-base
	rank := ranks[len(ranks)/2] - base
	if len(a) < 256 {
		return middle(a, rank), false
	}
	size := min(sampleRows, len(a)/16)
	sample := s.sample[:size]
	stride := len(a) / size
	for i := range sample {
		sample[i] = a[i*stride+(i*7)%stride]
	}
	part := float64(rank) / float64(len(a))
	at := part * float64(size)
	if hi-lo < len(a)/16 {
		slack := 1.5*math.Sqrt(float64(size)*part*(1-part)) + 0.5
		if part > 0.5 {
			at -= slack
		} else {
			at += slack
		}
	}
	pivot = nth(sample, min(max(int(at), 0), size-1))
	same := 0
	for _, v := range sample {
		if v == pivot {
			same++
		}
	}
	return pivot, same > size/8+1
}

// middle is the median of three values of a, from around the place of rank, as if a were in order
// already.
func middle(a []float64, rank int) float64 {
	n := len(a)
	x, y, z := a[n/4], a[min(rank, n-1)], a[n-1-n/4]
	return max(min(x, y), min(max(x, y), z))
}

// nth returns the value that a, which is short, would have at k if it were sorted, and reorders it.
func nth(a []float64, k int) float64 {
	for len(a) > sortRows {
		pivot := middle(a, k)
		cut := divide(a, pivot)
		if k < cut {
			a = a[:cut]
			continue
		}
		a, k = a[cut:], k-cut
		if cut > len(a)/8 {
			continue
		}
		equal := divideEqual(a, pivot)
		if k < equal {
			return pivot
		}
		a, k = a[equal:], k-equal
	}
	insertionSort(a)
	return a[k]
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
