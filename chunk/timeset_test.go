package chunk_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/chunk"
)

// What Find returns holds the stamps: always; and a part is found where it should be.
func TestTimeSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var set chunk.TimeSet
	whole, other := jittered(rng, 1000), jittered(rng, 900)
	changed := slices.Clone(whole)
	changed[500]++ // begins, ends and is as long as whole
	for _, tc := range []struct {
		name           string
		times          []int64
		column, offset int
	}{
		{"the first", whole, 0, 0},
		{"the same slice", whole, 0, 0},
		{"a copy", slices.Clone(whole), 0, 0},
		{"another stamp inside", changed, 1, 0},
		{"the first again", slices.Clone(whole), 0, 0},
		{"another column", other, 2, 0},
		{"the end of it", slices.Clone(other[300:]), 2, 300},
		{"the head of the first", whole[:10], 1, 0}, // in both, found last
		{"the middle of the changed one", slices.Clone(changed[400:600]), 1, 400},
		{"one stamp", []int64{other[899]}, 2, 899},
		{"with a hole", append(slices.Clone(other[:50]), other[51:90]...), 3, 0},
	} {
		column, offset := set.Find(tc.times)
		if column != tc.column || offset != tc.offset {
			t.Errorf("%s: column %d from %d, want %d from %d", tc.name, column, offset, tc.column, tc.offset)
		}
		if got := set.Columns[column]; !slices.Equal(got[offset:offset+len(tc.times)], tc.times) {
			t.Errorf("%s: column %d has other stamps", tc.name, column)
		}
	}
}
