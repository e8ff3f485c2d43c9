package query

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
)

// benchStore returns an engine over n series of rows observations each, in groups of a hundred with
// the same stamps.
func benchStore(n, rows int) *Engine {
	e := &Engine{}
	var parts [2]*fakePart
	for i := range parts {
		parts[i] = new(fakePart)
		e.Parts = append(e.Parts, parts[i])
	}
	times := make([]int64, rows)
	for i := range times {
		times[i] = int64(i) * 1e9
	}
	for k := range n {
		s := fakeSeries{Series: chunk.Series{Kind: chunk.Float64, Dimensions: chunk.Dimensions{
			{Name: "host", Value: fmt.Sprintf("host-%d", k/100)}, {Name: "metric", Value: fmt.Sprintf("m%d", k%100)},
		}}}
		values := make([]float64, rows)
		for i := range values {
			values[i] = float64((i*7 + k) % 1000)
		}
		for from := 0; from < rows; from += 8192 {
			to := min(from+8192, rows)
			s.chunks = append(s.chunks, fakeChunk{
				samples: chunk.Samples{Kind: chunk.Float64, Times: times[from:to], Floats: values[from:to]},
				group:   uint64(k/100)<<32 | uint64(from), exact: rows >= 64,
			})
		}
		parts[k/100%2].series = append(parts[k/100%2].series, s)
	}
	return e
}

func benchQueries(b *testing.B, e *Engine, observations int, queries ...string) {
	for _, text := range queries {
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			q := mustParse(b, text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Run(context.Background(), q, Request{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(observations), "ns/obs")
		})
	}
}

// BenchmarkRun asks about few long series: 200 of 15,000 observations.
func BenchmarkRun(b *testing.B) {
	benchQueries(b, benchStore(200, 15000), 200*15000,
		"* | mean", "* | p 0.99", "* | mean every 1m", "* | mean by host every 1m", "*", "* | rate", "* | rate | max by host")
}

// BenchmarkManySeries asks about 100,000 series of ten observations.
func BenchmarkManySeries(b *testing.B) {
	benchQueries(b, benchStore(100_000, 10), 1_000_000, "* | count by nothing", "* | max by host", "* | max", "* | limit 10", "* | mean every 1m | top 3")
}

func BenchmarkParse(b *testing.B) {
	const text = `(metric:cpu host:prod* | rate every 5m | sum by host) / (metric:cores | last by host) * 100 | top 5 by max`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
