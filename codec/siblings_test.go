package codec

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// heap is a group as a Java process makes it: columns that say one thing in several ways.
func heap(n int) (cols [][]float64, times []int64) {
	rng := rand.New(rand.NewPCG(9, 10))
	used := column(n, func(int) float64 { return float64(1e9 + rng.IntN(1e8)) })
	at := int64(1439392764123e6)
	times = column(n, func(int) int64 { at += 1e9 + rng.Int64N(30)*1e6; return at })
	derived := func(f func(i int) float64) []float64 { return column(n, f) }
	return [][]float64{
		used,
		derived(func(i int) float64 { return 4e9 - used[i] }),
		derived(func(i int) float64 { return used[i] + float64(i/100) }),
		derived(func(i int) float64 { return float64((times[i] - 1439392000000e6) / 1e6) }),
		derived(func(i int) float64 { return used[i] / 100 }),
		derived(func(i int) float64 { return used[i]/100 + 0.25 }),
		derived(func(i int) float64 { return []float64{used[i], math.NaN()}[i%2] }),
		derived(func(int) float64 { return 7 }),
	}, times
}

// TestSiblingsRoundTrip: columns that others refer to stand alone; all come back bit for bit; and
// a column that its sibling or the times determine takes next to nothing.
func TestSiblingsRoundTrip(t *testing.T) {
	for _, n := range lengths {
		cols, times := heap(n)
		out := EncodeFloats(cols, times, Dense)
		saved := 0
		for i, c := range out {
			var ref []float64
			if k, ok := c.Ref.Index(); ok {
				if out[k].Ref != NoRef {
					t.Fatalf("%d rows: column %d refers to %d, which refers on", n, i, k)
				}
				ref = cols[k]
			}
			got, err := DecodeFloats(nil, c, n, ref, times)
			if err != nil || !sameBits(got, cols[i]) {
				t.Fatalf("%d rows: column %d against %d: %v", n, i, c.Ref, err)
			}
			if i < 6 && len(c.Data) < n/4 {
				saved++
			}
		}
		if n >= 1000 && saved != 4 {
			t.Errorf("%d rows: %d columns are small: %v", n, saved, sizes(out))
		}
	}
}

func sizes(cols []Column) (out []int) {
	for _, c := range cols {
		out = append(out, len(c.Data))
	}
	return out
}

// TestIntSiblingsRoundTrip is the same for integers of any size.
func TestIntSiblingsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for _, n := range lengths {
		base := column(n, func(int) int64 { return int64(rng.Uint64()) })
		at := int64(0)
		times := column(n, func(int) int64 { at += 1e9 + rng.Int64N(1e8); return at })
		cols := [][]int64{
			base,
			column(n, func(i int) int64 { return math.MinInt64 - base[i] }),
			column(n, func(i int) int64 { return base[i] + int64(i/50) }),
			column(n, func(i int) int64 { return times[i]/1e6 - 1e12 }),
		}
		referring := 0
		out := EncodeIntGroup(cols, times, Dense)
		for i, c := range out {
			var ref []int64
			if k, ok := c.Ref.Index(); ok {
				ref = cols[k]
			}
			if c.Ref != NoRef {
				referring++
				if _, err := DecodeInts(nil, c, n); err == nil {
					t.Errorf("%d rows: column %d against %d was decoded without", n, i, c.Ref)
				}
			}
			got, err := DecodeIntsRef(nil, c, n, ref, times)
			if err != nil || !slices.Equal(got, cols[i]) {
				t.Fatalf("%d rows: column %d against %d: %v", n, i, c.Ref, err)
			}
		}
		if n >= 1000 && referring != 3 {
			t.Errorf("%d rows: %d columns refer to another", n, referring)
		}
	}
}
