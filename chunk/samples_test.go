package chunk_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"pgregory.net/rapid"
)

func ints(pairs ...int64) chunk.Samples {
	s := chunk.Samples{Kind: chunk.Int64}
	for i := 0; i < len(pairs); i += 2 {
		s.Times, s.Ints = append(s.Times, pairs[i]), append(s.Ints, pairs[i+1])
	}
	return s
}

func TestNormalize(t *testing.T) {
	for name, tc := range map[string]struct{ in, want chunk.Samples }{
		"sorted stays":         {ints(1, 10, 2, 20), ints(1, 10, 2, 20)},
		"late ones are sorted": {ints(2, 20, 1, 10), ints(1, 10, 2, 20)},
		"the last written wins": {
			ints(2, 20, 1, 10, 2, 21, 1, 11, 2, 22), ints(1, 11, 2, 22),
		},
	} {
		if got := tc.in.Normalize(); !same(got, tc.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Normalize, against a map of stamps to the value last written.
func TestNormalizeLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		times := rapid.SliceOfN(rapid.Int64Range(-5, 5), 0, 30).Draw(t, "times")
		s := valuesFor(rng, chunk.Kind(1+rng.IntN(4)), times)
		got, last := s.Normalize(), map[int64]int{}
		for i, at := range times {
			last[at] = i
		}
		if got.Len() != len(last) || !got.Sorted() || got.Len() > 0 && !got.Valid() {
			t.Fatalf("%v of %v", got, s)
		}
		for i, at := range got.Times {
			one, k := got.Slice(i, i+1), last[at]
			if !same(one, s.Slice(k, k+1)) {
				t.Fatalf("at %d: %v of %v", at, one, s)
			}
		}
	})
}

func TestClip(t *testing.T) {
	s := ints(10, 1, 20, 2, 30, 3)
	for name, tc := range map[string]struct {
		span chunk.Span
		want chunk.Samples
	}{
		"all":              {chunk.Always, s},
		"half open":        {chunk.Span{Start: 10, End: 30}, ints(10, 1, 20, 2)},
		"between":          {chunk.Span{Start: 11, End: 19}, chunk.Samples{Kind: chunk.Int64}},
		"empty":            {chunk.Span{Start: 30, End: 10}, chunk.Samples{Kind: chunk.Int64}},
		"without an end":   {chunk.Span{Start: 20, End: chunk.Always.End}, ints(20, 2, 30, 3)},
		"after everything": {chunk.Span{Start: 31, End: 40}, chunk.Samples{Kind: chunk.Int64}},
	} {
		if got := s.Clip(tc.span); !same(got, tc.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Appending parts, one by one or in one piece, makes the whole; Reset leaves nothing.
func TestAppendLaw(t *testing.T) {
	for kind := chunk.Float64; kind <= chunk.String; kind++ {
		t.Run(kind.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(kind), 0))
			whole := valuesFor(rng, kind, jittered(rng, 50))
			var parts, single chunk.Samples
			for range 2 {
				parts.Reset()
				single.Reset()
				parts.Append(whole.Slice(0, 20))
				parts.Append(whole.Slice(20, 50))
				for i := range whole.Len() {
					single.AppendIndex(&whole, i)
				}
				if !same(parts, whole) || !same(single, whole) || !parts.Valid() {
					t.Fatalf("%v and %v of %v", parts, single, whole)
				}
			}
		})
	}
}

func TestKinds(t *testing.T) {
	var names []string
	for k := range chunk.Kind(6) {
		names = append(names, fmt.Sprintf("%v %v", k, k.Valid()))
	}
	want := []string{"kind(0) false", "float64 true", "int64 true", "bool true", "string true", "kind(5) false"}
	if !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}
