package chunk_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"pgregory.net/rapid"
)

// defined computes statistics as their definitions say, sums and squares with 600 bits.
func defined(times []int64, values []float64) chunk.Stats {
	s := chunk.Stats{Count: int64(len(values))}
	sum, n := new(big.Float).SetPrec(600), 0
	for i, v := range values {
		if math.IsNaN(v) {
			s.NaNs++
			continue
		}
		if n == 0 {
			s.FirstTime, s.First, s.Min, s.Max = times[i], v, v, v
		}
		s.LastTime, s.Last = times[i], v
		s.Min, s.Max = math.Min(s.Min, v), math.Max(s.Max, v)
		sum.Add(sum, new(big.Float).SetFloat64(v))
		n++
	}
	if n == 0 {
		return s
	}
	s.Sum, _ = sum.Float64()
	mean := new(big.Float).SetPrec(600).Quo(sum, new(big.Float).SetInt64(int64(n)))
	m2 := new(big.Float).SetPrec(600)
	for _, v := range values {
		if !math.IsNaN(v) {
			d := new(big.Float).SetPrec(600).SetFloat64(v)
			d.Sub(d, mean)
			m2.Add(m2, d.Mul(d, d))
		}
	}
	s.M2, _ = m2.Float64()
	return s
}

// alike compares the fields: all bits, but 1e-15 of Σ|v| for the sum and 1e-9 for M2. Where
// merged, the means come from rounded sums: M2 has no digits that depend on those below.
func alike(got, want chunk.Stats, values []float64, merged bool) bool {
	scale, size := 0.0, 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			scale += math.Abs(v)
			size = max(size, math.Abs(v))
		}
	}
	sum := math.Abs(got.Sum-want.Sum) <= 1e-15*scale
	noise := float64(len(values)) * size * size * 0x1p-100
	if merged {
		noise += 4 * math.Sqrt(float64(len(values))*want.M2) * size * 0x1p-52
	}
	m2 := math.Abs(got.M2-want.M2) <= 1e-9*want.M2+noise
	got.Sum, got.M2, want.Sum, want.M2 = 0, 0, 0, 0
	return sum && m2 && got == want
}

func seconds(n int) []int64 {
	t := make([]int64, n)
	for i := range t {
		t[i] = int64(i) * 1e9
	}
	return t
}

func floats(values ...float64) chunk.Samples {
	return chunk.Samples{Kind: chunk.Float64, Times: seconds(len(values)), Floats: values}
}

func TestStatsOf(t *testing.T) {
	nan := math.NaN()
	for name, tc := range map[string]struct {
		s    chunk.Samples
		want chunk.Stats
	}{
		"nothing": {floats(), chunk.Stats{}},
		"one":     {floats(-3), chunk.Stats{Count: 1, First: -3, Last: -3, Min: -3, Max: -3, Sum: -3}},
		"gaps at the ends": {
			floats(nan, 1, 3, nan),
			chunk.Stats{Count: 4, NaNs: 2, FirstTime: 1e9, LastTime: 2e9, First: 1, Last: 3, Min: 1, Max: 3, Sum: 4, M2: 2},
		},
		"only gaps": {floats(nan, nan), chunk.Stats{Count: 2, NaNs: 2}},
		"cancellation": {
			floats(1, 1e100, 1, -1e100),
			chunk.Stats{Count: 4, LastTime: 3e9, First: 1, Last: -1e100, Min: -1e100, Max: 1e100, Sum: 2, M2: 2e200},
		},
		"integers": {
			chunk.Samples{Kind: chunk.Int64, Times: seconds(3), Ints: []int64{4, 2, 6}},
			chunk.Stats{Count: 3, LastTime: 2e9, First: 4, Last: 6, Min: 2, Max: 6, Sum: 12, M2: 8},
		},
		"truth values": {
			chunk.Samples{Kind: chunk.Bool, Times: seconds(2), Bools: []bool{true, false}},
			chunk.Stats{Count: 2, LastTime: 1e9, First: 1, Max: 1, Sum: 1, M2: 0.5},
		},
		"strings are counted": {
			chunk.Samples{Kind: chunk.String, Times: seconds(2), Strings: []string{"a", "b"}},
			chunk.Stats{Count: 2, LastTime: 1e9},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := chunk.StatsOf(tc.s); got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

// A sum with infinities is what IEEE 754 says, and not spoilt by the compensation.
func TestStatsOfInfinities(t *testing.T) {
	inf := math.Inf(1)
	if s := chunk.StatsOf(floats(1, inf, 2)); s.Sum != inf || s.Max != inf || s.Min != 1 {
		t.Errorf("+Inf among numbers: %+v", s)
	}
	if s := chunk.StatsOf(floats(1, inf, -inf)); !math.IsNaN(s.Sum) || !math.IsNaN(s.M2) {
		t.Errorf("+Inf and -Inf: %+v", s)
	}
}

// The deviation of equal values is 0 and not what rounding their mean leaves.
func TestStatsOfConstant(t *testing.T) {
	v := make([]float64, 1000)
	for i := range v {
		v[i] = 0.1
	}
	a := chunk.StatsOf(floats(v...))
	a.Merge(chunk.StatsOf(floats(v[:7]...)))
	if a.M2 != 0 || a.Min != 0.1 || a.Max != 0.1 || a.Count != 1007 {
		t.Errorf("%+v", a)
	}
}

func drawValues(t *rapid.T) []float64 {
	n := rapid.IntRange(0, 700).Draw(t, "n")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	offset := rapid.SampledFrom([]float64{0, 1, -1e6, 1e12}).Draw(t, "offset")
	scale := rapid.SampledFrom([]float64{0, 1e-3, 1, 1e9}).Draw(t, "scale")
	gaps := rapid.SampledFrom([]int{1, 3, 100, 1000}).Draw(t, "gaps")
	v := make([]float64, n)
	for i := range v {
		v[i] = offset + scale*rng.NormFloat64()
		if rng.IntN(1000) < gaps-1 || gaps == 1000 {
			v[i] = math.NaN()
		}
	}
	return v
}

func TestStatsOfLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawValues(t)
		got, want := chunk.StatsOf(floats(v...)), defined(seconds(len(v)), v)
		if !alike(got, want, v, false) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	})
}

// Any split, one answer.
func TestStatsMergeLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawValues(t)
		s, want := floats(v...), defined(seconds(len(v)), v)
		i := rapid.IntRange(0, len(v)).Draw(t, "i")
		j := rapid.IntRange(i, len(v)).Draw(t, "j")
		a, b, c := chunk.StatsOf(s.Slice(0, i)), chunk.StatsOf(s.Slice(i, j)), chunk.StatsOf(s.Slice(j, len(v)))
		if rapid.Bool().Draw(t, "right first") {
			b.Merge(c)
			a.Merge(b)
		} else {
			a.Merge(b)
			a.Merge(c)
		}
		if !alike(a, want, v, true) {
			t.Fatalf("cut at %d, %d: got  %+v\nwant %+v", i, j, a, want)
		}
	})
}

func BenchmarkStatsOf(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 0))
	v := make([]float64, 8192)
	for i := range v {
		v[i] = math.Floor(1e6 * rng.Float64())
	}
	s := floats(v...)
	b.SetBytes(8 * int64(len(v)))
	for b.Loop() {
		chunk.StatsOf(s)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(v)), "ns/obs")
}
