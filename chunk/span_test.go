package chunk_test

import (
	"math"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"pgregory.net/rapid"
)

// drawStamp draws stamps that meet often, and the ends of time.
func drawStamp(t *rapid.T, name string) int64 {
	return rapid.SampledFrom([]int64{math.MinInt64, -2, -1, 0, 1, 2, math.MaxInt64 - 1, math.MaxInt64}).Draw(t, name)
}

// Each operation on spans means the same operation on sets of stamps.
func TestSpanLaw(t *testing.T) {
	stamps := []int64{math.MinInt64, -3, -2, -1, 0, 1, 2, 3, math.MaxInt64 - 1, math.MaxInt64}
	rapid.Check(t, func(t *rapid.T) {
		a := chunk.Span{Start: drawStamp(t, "a0"), End: drawStamp(t, "a1")}
		b := chunk.Span{Start: drawStamp(t, "b0"), End: drawStamp(t, "b1")}
		both, empty, covered := false, true, true
		for _, s := range stamps {
			inA, inB := a.Contains(s), b.Contains(s)
			both = both || inA && inB
			empty = empty && !inA
			covered = covered && (inA || !inB)
			if got := a.Intersect(b).Contains(s); got != (inA && inB) {
				t.Fatalf("%d in both %v and %v: %v", s, a, b, got)
			}
			if u := a.Union(b); (inA || inB) && !u.Contains(s) {
				t.Fatalf("%d in %v or %v, not in %v", s, a, b, u)
			}
		}
		if a.Empty() != empty || a.Overlaps(b) != both || a.Covers(b) != covered {
			t.Fatalf("%+v empty %v, overlaps %+v %v, covers it %v", a, a.Empty(), b, a.Overlaps(b), a.Covers(b))
		}
	})
}

func TestSpanOf(t *testing.T) {
	for _, tc := range []struct{ first, last int64 }{{0, 0}, {-1, 5}, {7, math.MaxInt64 - 1}, {7, math.MaxInt64}} {
		s := chunk.SpanOf(tc.first, tc.last)
		if !s.Contains(tc.first) || !s.Contains(tc.last) || s.Contains(tc.first-1) ||
			tc.last < math.MaxInt64-1 && s.Contains(tc.last+1) {
			t.Errorf("%d to %d: %+v", tc.first, tc.last, s)
		}
	}
	if got := chunk.SpanOf(0, 1e9-1).String(); got != "[1970-01-01T00:00:00Z, 1970-01-01T00:00:01Z)" {
		t.Error(got)
	}
}
