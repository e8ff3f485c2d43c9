package demo

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// service adds what an instance of a service, a JVM process, measures.
func (g *collector) service(s service) {
	where := tags{{"process", "java"}, {"service", s.name}}
	leaks := g.host.name == "app-02" && s.name == "checkout"
	var starts []int64
	switch {
	case leaks:
		starts = []int64{leakTo}
	case s.name == "payments":
		starts = []int64{deployFrom, deployTo}
	}
	squeeze := func(t int64) float64 {
		if leaks {
			return pressure(t)
		}
		return 0
	}
	rps := func(i int, t int64) float64 { return s.rps * g.load[i] * (1 - 0.4*squeeze(t)) }
	slower := func(i int, t int64) float64 {
		f := 1 + 0.35*g.load[i] + 14*squeeze(t)
		if s.name == "cart" && within(t, diskFull, diskTo) {
			f *= 9
		}
		return f
	}
	g.requests(s, where, rps, slower, starts)
	g.memory(s, where, leaks, squeeze, rps, starts)
	g.gauge("threads", where, 0.02, 0, func(i int, t int64) float64 { return 45 + 40*g.load[i] + 160*squeeze(t) })
	g.gauge("db.pool.used", where, 0.1, 0, func(i int, t int64) float64 {
		if s.name == "cart" && within(t, diskFull, diskTo) {
			return 50
		}
		return 2 + 12*g.load[i]
	})
	g.releases(s, where)
}

// requests adds what is asked of an instance, and how it answers.
func (g *collector) requests(s service, where tags, rps, slower func(int, int64) float64, starts []int64) {
	failing := func(t int64) float64 {
		if s.name == "payments" && within(t, deployFrom, deployTo) {
			return 0.125
		}
		return 0.002
	}
	g.counter("http.requests.total", where, rps, starts...)
	g.counter("http.errors.total", where, func(i int, t int64) float64 { return rps(i, t) * failing(t) }, starts...)
	g.gauge("http.latency.p50.ms", where, 0.06, 2, func(i int, t int64) float64 { return s.latency * slower(i, t) })
	g.gauge("http.latency.p99.ms", where, 0.12, 2, func(i int, t int64) float64 { return 5 * s.latency * slower(i, t) })
	g.gauge("http.inflight", where, 0.2, 0, func(i int, t int64) float64 {
		return 1 + rps(i, t)*s.latency*slower(i, t)/1000*1.5
	})
}

// memory adds the heap, a saw that each collection cuts, and what collecting costs.
func (g *collector) memory(s service, where tags, leaks bool, squeeze func(int64) float64, rps func(int, int64) float64, starts []int64) {
	const limit = 2048 // MiB
	rng := g.random(key("heap", where))
	used := make([]float64, len(g.times))
	level := 0.3 * s.heap
	for i, t := range g.times {
		floor := 0.3 * s.heap
		if leaks && t < leakTo {
			floor += (0.96*limit - floor) * ramp(t, leakFrom, leakTo-20*minute)
		}
		for _, start := range starts {
			if within(t, start, start+int64(step)) {
				level = 0.1 * s.heap
			}
		}
		level += (0.02 + 0.12*rps(i, t)/s.rps) * s.heap * (0.8 + 0.4*rng.Float64())
		if top := math.Min(0.985*limit, floor+0.7*s.heap); level > top || leaks && level < floor && t < leakTo {
			level = floor + 0.03*s.heap*rng.Float64()
		}
		used[i] = round(math.Min(level, 0.99*limit)*1024, 0) * 1024
	}
	g.add("jvm.heap.used", where, chunk.Samples{Kind: chunk.Float64, Floats: used})
	g.gauge("jvm.heap.max", where, 0, 0, func(int, int64) float64 { return limit << 20 })
	g.gauge("jvm.gc.pause.ms", where, 0.2, 1, func(i int, t int64) float64 { return 6 + 8*g.load[i] + 1400*squeeze(t) })
	g.counter("jvm.gc.total", where, func(i int, t int64) float64 { return 0.05 + 0.2*g.load[i] + 2*squeeze(t) }, starts...)
	g.gauge("jvm.gc.time.percent", where, 0.15, 2, func(i int, t int64) float64 { return 0.4 + 0.8*g.load[i] + 70*squeeze(t) })
}

// releases adds which version runs.
func (g *collector) releases(s service, where tags) {
	versions := make([]string, len(g.times))
	for i, t := range g.times {
		switch {
		case s.name != "payments":
			versions[i] = "2.7.1"
		case within(t, deployFrom, deployTo):
			versions[i] = releaseBad
		default:
			versions[i] = releaseGood
		}
	}
	g.add("release", where, chunk.Samples{Kind: chunk.String, Strings: versions})
}
