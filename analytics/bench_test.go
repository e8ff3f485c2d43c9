package analytics_test

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

const benchRows = 8192

// gauge is a chunk like a real gauge: a second apart, integers that wander.
func gauge() (times []int64, values []float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	level := 1e6
	for i := range benchRows {
		level += math.Round(rng.NormFloat64() * 1000)
		times = append(times, int64(i)*1e9+rng.Int64N(1e7))
		values = append(values, level)
	}
	return times, values
}

// noise is a chunk of random doubles.
func noise() (times []int64, values []float64) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range benchRows {
		times = append(times, int64(i)*1e9)
		values = append(values, rng.NormFloat64())
	}
	return times, values
}

// each runs a benchmark for every aggregate, and reports nanoseconds an observation.
func each(b *testing.B, run func(b *testing.B, agg boundAggregate)) {
	aggregates := bound(b)
	for _, name := range slices.Sorted(maps.Keys(aggregates)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(8 * benchRows)
			run(b, aggregates[name])
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/obs")
		})
	}
}

// BenchmarkAdd folds a chunk of 8,192 observations into a new state, and asks for its result.
func BenchmarkAdd(b *testing.B) {
	for name, make := range map[string]func() ([]int64, []float64){"gauge": gauge, "noise": noise} {
		times, values := make()
		b.Run(name, func(b *testing.B) {
			each(b, func(b *testing.B, agg boundAggregate) {
				var dst []float64
				for b.Loop() {
					s := agg.NewStates(1)
					s.Add(0, times, values)
					dst = s.Result(dst[:0], 0)
				}
			})
		})
	}
}

// BenchmarkReuse folds a chunk into a state that served another one before.
func BenchmarkReuse(b *testing.B) {
	times, values := gauge()
	each(b, func(b *testing.B, agg boundAggregate) {
		var dst []float64
		s := agg.NewStates(1)
		for b.Loop() {
			s.Reset(0)
			s.Add(0, times, values)
			dst = s.Result(dst[:0], 0)
		}
	})
}

// BenchmarkAddRuns folds a chunk into 137 windows of 60 observations, and asks for their results.
func BenchmarkAddRuns(b *testing.B) {
	times, values := gauge()
	var bounds []int32
	for row := int32(0); row < benchRows; row += 60 {
		bounds = append(bounds, row)
	}
	bounds = append(bounds, benchRows)
	each(b, func(b *testing.B, agg boundAggregate) {
		var dst []float64
		for b.Loop() {
			s := agg.NewStates(len(bounds) - 1)
			s.AddRuns(0, bounds, times, values)
			dst = dst[:0]
			for i := range s.Len() {
				dst = s.Result(dst, i)
			}
		}
	})
}

// BenchmarkMerge merges the states of two chunks.
func BenchmarkMerge(b *testing.B) {
	times, values := gauge()
	later := make([]int64, len(times))
	for i, t := range times {
		later[i] = t + 1e14
	}
	each(b, func(b *testing.B, agg boundAggregate) {
		src := agg.NewStates(2)
		src.Add(0, times, values)
		src.Add(1, later, values)
		for b.Loop() {
			s := agg.NewStates(1)
			s.Merge(0, src, 0)
			s.Merge(0, src, 1)
		}
	})
}

// BenchmarkAddStats folds the statistics of constant chunks, which suffice for all.
func BenchmarkAddStats(b *testing.B) {
	times, _ := gauge()
	st := statsOf(times, make([]float64, len(times)))
	each(b, func(b *testing.B, agg boundAggregate) {
		s := agg.NewStates(1)
		for b.Loop() {
			s.AddStats(0, &st)
		}
	})
}
