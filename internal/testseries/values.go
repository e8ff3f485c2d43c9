package testseries

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// A Shape is a way in which values of a type come.
type Shape[V any] struct {
	Name string
	Make func(seed uint64, n int) []V
}

// each makes values one by one. next may keep what it likes in a closure made by fresh.
func each[V any](fresh func(rng *rand.Rand) (next func(i int) V)) func(uint64, int) []V {
	return func(seed uint64, n int) []V {
		next := fresh(newRand(seed, 5))
		out := make([]V, n)
		for i := range out {
			out[i] = next(i)
		}
		return out
	}
}

// Floats returns the ways in which float64 values come, friendly ones first.
func Floats() []Shape[float64] {
	return []Shape[float64]{
		{"constant", each(func(rng *rand.Rand) func(int) float64 {
			v := rng.Float64()
			return func(int) float64 { return v }
		})},
		{"counter", each(func(rng *rand.Rand) func(int) float64 { // with resets
			next := counter(rng)
			return func(i int) float64 { return float64(next(i)) }
		})},
		{"decimal", each(decimal)},
		{"load", each(func(rng *rand.Rand) func(int) float64 { // a day's wave and noise, 4 digits
			return func(i int) float64 {
				v := 50 + 40*math.Sin(2*math.Pi*float64(i)/2880) + rng.NormFloat64()
				return math.Round(v*1e4) / 1e4
			}
		})},
		{"sparse", each(func(rng *rand.Rand) func(int) float64 { // few changes
			v := 0.0
			return func(int) float64 {
				if rng.IntN(200) == 0 {
					v = float64(rng.IntN(100))
				}
				return v
			}
		})},
		{"bytes", each(func(rng *rand.Rand) func(int) float64 { // memory: whole pages, up, and a fall
			v := int64(1 << 28)
			return func(int) float64 {
				if v += 4096 * rng.Int64N(1000); v > 1<<31 {
					v = 1 << 28
				}
				return float64(v)
			}
		})},
		{"ratio", each(func(rng *rand.Rand) func(int) float64 { // quotients of small integers
			return func(int) float64 { return float64(rng.IntN(100)) / float64(1+rng.IntN(100)) }
		})},
		{"noise", each(func(rng *rand.Rand) func(int) float64 {
			return func(int) float64 { return rng.NormFloat64() }
		})},
		{"gappy", each(func(rng *rand.Rand) func(int) float64 { // NaN now and then
			next := decimal(rng)
			return func(i int) float64 {
				if v := next(i); rng.IntN(10) > 0 {
					return v
				}
				return math.NaN()
			}
		})},
		{"hostile", each(func(rng *rand.Rand) func(int) float64 {
			hostile := HostileFloats()
			return func(int) float64 { return hostile[rng.IntN(len(hostile))] }
		})},
		{"bits", each(func(rng *rand.Rand) func(int) float64 { // any pattern
			return func(int) float64 { return math.Float64frombits(rng.Uint64()) }
		})},
	}
}

// decimal walks in hundredths.
func decimal(rng *rand.Rand) func(int) float64 {
	v := int64(2000 + rng.IntN(3000))
	return func(int) float64 {
		v += rng.Int64N(41) - 20
		return float64(v) / 100
	}
}

// counter counts, and begins anew after every 1,500 or so.
func counter(rng *rand.Rand) func(int) int64 {
	v := int64(0)
	return func(int) int64 {
		if v += rng.Int64N(1000); rng.IntN(1500) == 0 {
			v = 0
		}
		return v
	}
}

// HostileFloats returns values that break what is not bit for bit.
func HostileFloats() []float64 {
	return []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 0x1p-1022, 0x1p-1023, 1 << 53, 1<<53 + 2, -1 << 53, 1 << 63,
		1e22, 1e23, 123456789.123456789, 9007199254740993, 4.35, 1.005, 0x1.fffffffffffffp+1023, 1e-5, 100.25,
		math.NaN(), math.Float64frombits(0x7ff8_0000_0000_beef), math.Float64frombits(0xfff8_0000_0000_0001),
		math.Float64frombits(0x7ff0_0000_0000_0001), // a signalling NaN
	}
}

// Ints returns the ways in which int64 values come, friendly ones first.
func Ints() []Shape[int64] {
	return []Shape[int64]{
		{"constant", each(func(rng *rand.Rand) func(int) int64 {
			v := rng.Int64()
			return func(int) int64 { return v }
		})},
		{"counter", each(counter)},
		{"gauge", each(func(rng *rand.Rand) func(int) int64 {
			v := int64(1000)
			return func(int) int64 {
				v += rng.Int64N(21) - 10
				return v
			}
		})},
		{"noise", each(func(rng *rand.Rand) func(int) int64 {
			return func(int) int64 { return rng.Int64N(1 << 20) }
		})},
		{"hostile", each(func(rng *rand.Rand) func(int) int64 {
			hostile := HostileInts()
			return func(int) int64 { return hostile[rng.IntN(len(hostile))] }
		})},
		{"bits", each(func(rng *rand.Rand) func(int) int64 {
			return func(int) int64 { return int64(rng.Uint64()) }
		})},
	}
}

// Bools returns the ways in which truth values come.
func Bools() []Shape[bool] {
	return []Shape[bool]{
		{"constant", each(func(*rand.Rand) func(int) bool { return func(int) bool { return true } })},
		{"alternating", each(func(*rand.Rand) func(int) bool { return func(i int) bool { return i%2 == 0 } })},
		{"rare", each(func(rng *rand.Rand) func(int) bool {
			return func(int) bool { return rng.IntN(300) == 0 }
		})},
		{"noise", each(func(rng *rand.Rand) func(int) bool {
			return func(int) bool { return rng.IntN(2) == 0 }
		})},
	}
}

// Strings returns the ways in which strings come.
func Strings() []Shape[string] {
	states := []string{"starting", "up", "degraded", "down", ""}
	hostile := []string{"", "\x00", "\xff\xfe", "a\nb\r\n", "\"quoted\", 'text'", "日本語", strings.Repeat("long ", 1000), "NaN", "=1+1"}
	return []Shape[string]{
		{"constant", each(func(*rand.Rand) func(int) string { return func(int) string { return "up" } })},
		{"states", each(func(rng *rand.Rand) func(int) string {
			s := "up"
			return func(int) string {
				if rng.IntN(30) == 0 {
					s = states[rng.IntN(len(states))]
				}
				return s
			}
		})},
		{"lines", each(func(rng *rand.Rand) func(int) string {
			return func(i int) string {
				return fmt.Sprintf("GET /item/%d?page=%d took %d ms", rng.IntN(1000), i%7, rng.IntN(500))
			}
		})},
		{"hostile", each(func(rng *rand.Rand) func(int) string {
			return func(int) string { return hostile[rng.IntN(len(hostile))] }
		})},
	}
}
