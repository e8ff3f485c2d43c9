package demo

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

const (
	step  = 30 * time.Second
	ticks = int(24 * time.Hour / step)
)

// Generate returns the day, a row for each series. The same seed gives the same rows.
func Generate(seed uint64) *chunk.Batch {
	b := new(chunk.Batch)
	for _, h := range hosts {
		g := newCollector(seed, h, b)
		g.machine()
		switch h.role {
		case "edge":
			g.nginx()
		case "app":
			for _, s := range services {
				g.service(s)
			}
		case "db":
			g.postgres()
		case "queue":
			g.rabbitmq()
		}
	}
	return b
}

// A host is a machine of the shop.
type host struct {
	name, dc, role string
	cores          float64
}

var hosts = []host{
	{"edge-01", "north", "edge", 4},
	{"edge-02", "south", "edge", 4},
	{"app-01", "north", "app", 8},
	{"app-02", "north", "app", 8},
	{"app-03", "south", "app", 8},
	{"app-04", "south", "app", 8},
	{"db-01", "north", "db", 16},
	{"db-02", "south", "db", 16},
	{"queue-01", "north", "queue", 4},
}

// A service is what runs on every app host.
type service struct {
	name    string
	rps     float64 // requests a second of one instance, at most
	latency float64 // median in ms
	heap    float64 // most of it that is normally in use, in MiB
}

var services = []service{
	{"cart", 60, 12, 900},
	{"catalog", 140, 8, 1400},
	{"checkout", 25, 45, 1100},
	{"payments", 12, 120, 700},
}

// A collector makes the series of one host, which share their stamps.
type collector struct {
	seed  uint64
	host  host
	out   *chunk.Batch
	times []int64
	load  []float64 // of the shop, 0 to 1
}

func newCollector(seed uint64, h host, out *chunk.Batch) *collector {
	g := &collector{seed: seed, host: h, out: out}
	rng := g.random("stamps")
	offset := rng.Int64N(int64(step / 2))
	for i := range ticks {
		t := Start + int64(i)*int64(step) + offset + rng.Int64N(40)*int64(time.Millisecond)
		t -= t % int64(time.Millisecond)
		if h.name == "app-04" && t >= blipFrom && t < blipTo {
			continue
		}
		g.times = append(g.times, t)
		g.load = append(g.load, traffic(t))
	}
	return g
}

// random returns the random numbers of one thing on the host.
func (g *collector) random(what string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(g.host.name + "\x00" + what))
	return rand.New(rand.NewPCG(g.seed, h.Sum64()))
}

// traffic is how busy the shop is, 0 to 1: little at 4 at night, peaks at 11 and 20.
func traffic(t int64) float64 {
	clock := float64(t-Start) / float64(hour)
	peak := func(at, wide float64) float64 { return math.Exp(-(clock - at) * (clock - at) / (2 * wide * wide)) }
	return 0.12 + 0.62*peak(11, 3) + 0.8*peak(20, 2.2) + 0.15*peak(15, 2)
}

// ramp is 0 before from, 1 from to on, and rises evenly between.
func ramp(t, from, to int64) float64 {
	return math.Min(1, math.Max(0, float64(t-from)/float64(to-from)))
}

// round keeps d decimals of v, as collectors do.
func round(v float64, d int) float64 {
	p := math.Pow10(d)
	return math.Round(v*p) / p
}

// within reports whether t is in [from, to).
func within(t, from, to int64) bool { return t >= from && t < to }

// tags are the dimensions of a series besides those of the host.
type tags [][2]string

// dimensions of a series of the host.
func (g *collector) dimensions(metric string, more tags) chunk.Dimensions {
	pairs := []chunk.Dimension{
		{Name: "dc", Value: g.host.dc}, {Name: "host", Value: g.host.name}, {Name: chunk.MetricName, Value: metric},
	}
	for _, p := range more {
		pairs = append(pairs, chunk.Dimension{Name: p[0], Value: p[1]})
	}
	d, err := chunk.NewDimensions(pairs...)
	if err != nil {
		return nil // cannot be: the names above are constants
	}
	return d
}

func (g *collector) add(metric string, more tags, s chunk.Samples) {
	s.Times = g.times
	g.out.Rows = append(g.out.Rows, chunk.BatchRow{Dimensions: g.dimensions(metric, more), Samples: s})
}

// key names a series for its random numbers.
func key(metric string, more tags) string {
	for _, p := range more {
		metric += "\x00" + p[1]
	}
	return metric
}

// gauge adds a series of f plus noise, which drifts back to zero, with so many decimals.
func (g *collector) gauge(metric string, more tags, noise float64, decimals int, f func(i int, t int64) float64) {
	rng := g.random(key(metric, more))
	values, drift := make([]float64, len(g.times)), 0.0
	for i, t := range g.times {
		drift = 0.9*drift + 0.44*rng.NormFloat64() // of variance about 1
		v := f(i, t)
		values[i] = round(math.Max(0, v+noise*v*drift), decimals)
	}
	g.add(metric, more, chunk.Samples{Kind: chunk.Float64, Floats: values})
}

// counter adds a counter that f a second is added to, and that starts anew at the stamps given.
func (g *collector) counter(metric string, more tags, f func(i int, t int64) float64, starts ...int64) {
	rng := g.random(key(metric, more))
	values := make([]int64, len(g.times))
	total, last := 1e5*rng.Float64(), g.times[0]
	for i, t := range g.times {
		for _, s := range starts {
			if last < s && t >= s {
				total, last = 0, s
			}
		}
		rate := f(i, t)
		total += math.Max(0, rate*(1+0.05*rng.NormFloat64())) * float64(t-last) / 1e9
		values[i], last = int64(total), t
	}
	g.add(metric, more, chunk.Samples{Kind: chunk.Int64, Ints: values})
}
