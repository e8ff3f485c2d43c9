package codec

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestQuantizeTimes: the bound holds and the order is kept, for any times.
func TestQuantizeTimes(t *testing.T) {
	for name, shape := range intShapes(rand.New(rand.NewPCG(11, 12))) {
		for _, n := range lengths {
			times := column(n, shape)
			for _, within := range []int64{-1, 0, 1, 2, 1000, 50e6, 1e12, math.MaxInt64} {
				checkQuantized(t, name, times, QuantizeTimes([]int64{7}, times, within), within)
			}
		}
	}
	edge := column(20, func(i int) int64 { return math.MaxInt64 - 19 + int64(i) })
	for _, within := range []int64{1, 5, 100, math.MaxInt64} {
		checkQuantized(t, "upper edge", edge, QuantizeTimes([]int64{7}, edge, within), within)
		for i := range edge {
			edge[i] = ^edge[i]
		}
	}
}

func checkQuantized(t *testing.T, name string, times, got []int64, within int64) {
	t.Helper()
	if len(got) != len(times)+1 || got[0] != 7 {
		t.Fatalf("%s: %d stamps of %d", name, len(got)-1, len(times))
	}
	got = got[1:]
	for i := range times {
		if far := uint64(max(got[i], times[i])) - uint64(min(got[i], times[i])); far > uint64(max(within, 0)) {
			t.Fatalf("%s within %d: row %d of %d is %d off", name, within, i, len(times), far)
		}
		if i > 0 && cmp.Compare(times[i-1], times[i]) != cmp.Compare(got[i-1], got[i]) {
			t.Fatalf("%s within %d: row %d: %d, %d became %d, %d", name, within, i, times[i-1], times[i], got[i-1], got[i])
		}
	}
}

// TestQuantizeSaves: a jittering collector's stamps take less, the less the wider the bound.
func TestQuantizeSaves(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	at := int64(1439392764123e6)
	times := column(8192, func(int) int64 { at += 1000e6 + rng.Int64N(20)*1e6; return at })
	last := len(EncodeTimes(times, Dense).Data)
	for _, within := range []int64{10e6, 50e6, 200e6} {
		size := len(EncodeTimes(QuantizeTimes(nil, times, within), Dense).Data)
		if size >= last*2/3 {
			t.Errorf("within %d ms: %d bytes, before %d", within/1e6, size, last)
		}
		last = size
	}
}

func FuzzQuantizeTimes(f *testing.F) {
	f.Add(int64(0), int64(1000), int64(3), int64(50))
	f.Add(int64(math.MaxInt64), int64(-1), int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, a, b, c, within int64) {
		times := []int64{a, b, c, a + 1, b + c, b + c + 1, b - c}
		checkQuantized(t, "unsorted", times, QuantizeTimes([]int64{7}, times, within), within)
		slices.Sort(times)
		checkQuantized(t, "sorted", times, QuantizeTimes([]int64{7}, times, within), within)
	})
}
