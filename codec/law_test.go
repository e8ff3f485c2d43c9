package codec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestIntsRoundTrip: what is decoded is what was encoded, whatever the column holds.
func TestIntsRoundTrip(t *testing.T) {
	for name, shape := range intShapes(rand.New(rand.NewPCG(1, 2))) {
		for _, n := range lengths {
			want := column(n, shape)
			for _, p := range []Profile{Fast, Dense} {
				c := EncodeInts(want, p)
				got, err := DecodeInts([]int64{42}, c, n)
				if err != nil || got[0] != 42 || !slices.Equal(got[1:], want) {
					t.Fatalf("%s, %d rows, profile %d: %d came back, %v", name, n, p, len(got), err)
				}
				if limit := 9*n + 16; len(c.Data) > limit {
					t.Errorf("%s, %d rows, profile %d: %d bytes", name, n, p, len(c.Data))
				}
			}
		}
	}
}

// sameBits reports whether two columns are equal bit for bit.
func sameBits(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

func TestFloatsRoundTrip(t *testing.T) {
	for name, shape := range floatShapes(rand.New(rand.NewPCG(3, 4))) {
		for _, n := range lengths {
			want := column(n, shape)
			for _, p := range []Profile{Fast, Dense} {
				c := EncodeFloats([][]float64{want}, column(n, func(i int) int64 { return int64(i) }), p)[0]
				got, err := DecodeFloats([]float64{42}, c, n, nil, nil)
				if err != nil || got[0] != 42 || !sameBits(got[1:], want) {
					t.Fatalf("%s, %d rows, profile %d: %d came back, %v", name, n, p, len(got), err)
				}
			}
		}
	}
}

func TestBoolsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, n := range lengths {
		for _, often := range []int{1, 2, 100, n + 1} {
			want := column(n, func(int) bool { return rng.IntN(often) == 0 })
			c := EncodeBools(want, Fast)
			if got, err := DecodeBools(nil, c, n); err != nil || !slices.Equal(got, want) {
				t.Fatalf("%d rows, one in %d: %v", n, often, err)
			}
			if len(c.Data) > n/8+8 {
				t.Errorf("%d rows, one in %d: %d bytes", n, often, len(c.Data))
			}
		}
	}
}

func TestStringsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for name, shape := range map[string]func(i int) string{
		"empty":        func(int) string { return "" },
		"states":       func(int) string { return []string{"up", "down", "", "\x00\xff"}[rng.IntN(4)] },
		"all distinct": func(i int) string { return fmt.Sprint("request ", i, " took ", rng.IntN(1000), " ms") },
		"noise":        func(int) string { return string(binaryNoise(rng, rng.IntN(40))) },
	} {
		for _, n := range lengths {
			want := column(n, shape)
			for _, p := range []Profile{Fast, Dense} {
				c := EncodeStrings(want, p)
				if got, err := DecodeStrings(nil, c, n); err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s, %d rows, profile %d: %v", name, n, p, err)
				}
			}
		}
	}
}

func binaryNoise(rng *rand.Rand, n int) []byte {
	return column(n, func(int) byte { return byte(rng.Uint32()) })
}
