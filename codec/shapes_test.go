package codec

import (
	"math"
	"math/rand/v2"
)

// intShapes are kinds of integer columns, each a function from the row to the value.
func intShapes(rng *rand.Rand) map[string]func(i int) int64 {
	walk, jitter := int64(0), int64(1439392764123)
	return map[string]func(i int) int64{
		"zero":                func(int) int64 { return 0 },
		"least":               func(int) int64 { return math.MinInt64 },
		"counting":            func(i int) int64 { return int64(i) },
		"steady from edge":    func(i int) int64 { return math.MaxInt64 - 5 + int64(i)*1000 },
		"squares":             func(i int) int64 { return int64(i) * int64(i) },
		"edges by turns":      func(i int) int64 { return []int64{math.MinInt64, math.MaxInt64}[i%2] },
		"any bits":            func(int) int64 { return int64(rng.Uint64()) },
		"powers":              func(i int) int64 { return 1 << (i % 64) },
		"small":               func(int) int64 { return rng.Int64N(10) },
		"multiples of 4096":   func(int) int64 { return 1e9*4096 + 4096*rng.Int64N(1000) },
		"walk":                func(int) int64 { walk += rng.Int64N(21) - 10; return walk },
		"rare changes":        func(i int) int64 { return int64(i/100) * 77 },
		"rare excursions":     func(i int) int64 { return max(0, rng.Int64N(50)-48) * 1e12 },
		"few values":          func(i int) int64 { return []int64{-1e15, 3, 1e10, math.MaxInt64}[rng.IntN(4)] },
		"outliers":            func(i int) int64 { return rng.Int64N(8) << (rng.IntN(40) / 39 * 50) },
		"descending":          func(i int) int64 { return -int64(i) * 3 },
		"grid with jitter":    func(i int) int64 { return 1e18 + int64(i)*1e9 + rng.Int64N(1e6) },
		"drifting, in ms":     func(int) int64 { jitter += 1000 + rng.Int64N(8); return jitter * 1e6 },
		"half of them change": func(i int) int64 { walk += rng.Int64N(2) * 8; return walk },
		"stairs":              func(i int) int64 { return int64(i / 3) },
		"heavy tail":          func(i int) int64 { return int64(math.Exp(rng.ExpFloat64() * 4)) },
	}
}

// floatShapes are kinds of float columns.
func floatShapes(rng *rand.Rand) map[string]func(i int) float64 {
	special := []float64{
		math.NaN(), math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xfff8dead0000beef),
		math.Copysign(0, -1), 0, math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
		math.MaxFloat64, -math.MaxFloat64, 1 << 53, 1<<53 + 2, -1 << 63, 1 << 63, 1 << 62, 0.1, 1e22, 1e-22, 5e-324,
	}
	level := 20.0
	return map[string]func(i int) float64{
		"integers":                func(int) float64 { return float64(rng.IntN(1000)) },
		"hundredths":              func(int) float64 { return float64(rng.IntN(10000)) / 100 },
		"products by 0.001":       func(int) float64 { return float64(rng.IntN(10000)) * 0.001 },
		"negative zero":           func(int) float64 { return math.Copysign(0, -1) },
		"zeros of both signs":     func(int) float64 { return math.Copysign(0, rng.Float64()-0.5) },
		"NaN":                     func(int) float64 { return math.NaN() },
		"gaps among integers":     func(i int) float64 { return []float64{float64(i), math.NaN()}[rng.IntN(20)/19] },
		"special":                 func(int) float64 { return special[rng.IntN(len(special))] },
		"special among decimals":  func(i int) float64 { return []float64{float64(i) / 10, special[i%20]}[rng.IntN(30)/29] },
		"any bits":                func(int) float64 { return math.Float64frombits(rng.Uint64()) },
		"uniform":                 func(int) float64 { return rng.Float64() },
		"normal":                  func(int) float64 { return rng.NormFloat64() * 1e-300 },
		"sixtieths":               func(int) float64 { return float64(rng.IntN(6000)) / 60 },
		"thirds summed":           func(int) float64 { level += float64(rng.IntN(3)-1) / 3; return level },
		"float32":                 func(int) float64 { return float64(float32(rng.IntN(10000)) / 100) },
		"subnormal":               func(int) float64 { return math.Float64frombits(rng.Uint64N(1000)) },
		"constant":                func(int) float64 { return math.Pi },
		"rare changes":            func(i int) float64 { return math.Sqrt(float64(i / 90)) },
		"integers above 2^53":     func(int) float64 { return float64(1<<60 + rng.Int64N(1<<58)) },
		"integers beside an edge": func(i int) float64 { return float64(1<<53 - 5 + i) },
	}
}

// lengths are the counts of rows at which encoders may go wrong.
var lengths = []int{0, 1, 2, 3, 4, 7, 8, 9, 63, 64, 65, 255, 256, 257, 1000, 8192}

func column[T any](n int, f func(int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}
