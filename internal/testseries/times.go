package testseries

import (
	"math"
	"math/rand/v2"
)

const (
	millisecond = 1_000_000 // in ns
	second      = 1000 * millisecond
	start       = 1_380_000_000 * second // 2013-09-24T05:20:00Z
)

// newRand returns the generator of a seed; salt keeps the shapes apart.
func newRand(seed, salt uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, salt)) }

// Times returns n rising stamps, Unix nanoseconds, of a collector that asks every so many seconds:
// a few milliseconds late each time, and away for a while now and then.
func Times(seed uint64, n, seconds int) []int64 {
	rng, t := newRand(seed, 1), int64(start)
	out := make([]int64, n)
	for i := range out {
		out[i] = t + rng.Int64N(5*millisecond)
		t += int64(seconds) * second
		if rng.IntN(500) == 0 {
			t += int64(seconds) * second * rng.Int64N(100)
		}
	}
	return out
}

// A TimeShape is a way in which stamps come.
type TimeShape struct {
	Name   string
	Sorted bool // the stamps rise strictly
	Make   func(seed uint64, n int) []int64
}

// TimeShapes returns the ways in which stamps come, friendly ones first.
func TimeShapes() []TimeShape {
	return []TimeShape{
		{"steady", true, steps(func(*rand.Rand, int) int64 { return 30 * second })},
		{"jittered", true, func(seed uint64, n int) []int64 { return Times(seed, n, 10) }},
		{"drifting", true, steps(func(*rand.Rand, int) int64 { return 10*second + 1234*1000 })},
		{"bursty", true, steps(func(rng *rand.Rand, i int) int64 {
			if i%20 == 0 {
				return 60*second + rng.Int64N(60*second)
			}
			return 1 + rng.Int64N(3*millisecond)
		})},
		{"gappy", true, steps(func(rng *rand.Rand, _ int) int64 {
			return int64(1+rng.IntN(2)*rng.IntN(4)) * 15 * second
		})},
		{"nanoseconds", true, steps(func(rng *rand.Rand, _ int) int64 { return 1 + rng.Int64N(1e9) })},
		{"repeated", false, steps(func(rng *rand.Rand, _ int) int64 { return rng.Int64N(3) / 2 * second })},
		{"late", false, steps(func(rng *rand.Rand, i int) int64 {
			if i%10 == 9 {
				return -60 * second
			}
			return 8 * second
		})},
		{"shuffled", false, shuffledTimes},
		{"hostile", false, hostileTimes},
	}
}

// steps makes stamps whose differences are what next says.
func steps(next func(rng *rand.Rand, i int) int64) func(uint64, int) []int64 {
	return func(seed uint64, n int) []int64 {
		rng, t := newRand(seed, 2), int64(start)
		out := make([]int64, n)
		for i := range out {
			out[i] = t
			t += next(rng, i)
		}
		return out
	}
}

func shuffledTimes(seed uint64, n int) []int64 {
	out := Times(seed, n, 1)
	newRand(seed, 3).Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func hostileTimes(seed uint64, n int) []int64 {
	rng, hostile := newRand(seed, 4), HostileInts()
	out := make([]int64, n)
	for i := range out {
		out[i] = hostile[rng.IntN(len(hostile))] + rng.Int64N(2)
	}
	return out
}

// HostileInts returns integers at which arithmetic breaks.
func HostileInts() []int64 {
	return []int64{
		0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, math.MaxInt32, math.MinInt32,
		1 << 52, 1 << 53, 1<<53 + 1, -1 << 53, -1<<53 - 1, 1 << 62, -1 << 62, math.MaxUint32, 1e18, -1e18,
	}
}
