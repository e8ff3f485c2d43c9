package shard_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/shard"
)

var million = flag.Int("series", 0, "how many series TestMany stores; 0 skips it")

var wide = flag.Bool("wide", false, "TestMany stores all observations of a series together")

// podSeries are the dimensions of series i of a cluster: pods of 20 metrics each.
func podSeries(i int) chunk.Dimensions {
	pod := i / 20
	app := pod / 10 % 200
	return chunk.Dimensions{
		{Name: "app", Value: fmt.Sprint("app-", app)},
		{Name: "cluster", Value: fmt.Sprint("eu-", pod%4)},
		{Name: "container", Value: fmt.Sprint("main-", app%7)},
		{Name: "env", Value: []string{"prod", "test", "dev"}[pod%3]},
		{Name: "instance", Value: fmt.Sprintf("10.%d.%d.%d:8080", pod>>16, pod>>8&255, pod&255)},
		{Name: "metric", Value: fmt.Sprint("container_metric_", i%20, "_total")},
		{Name: "namespace", Value: fmt.Sprint("team-", app%40)},
		{Name: "node", Value: fmt.Sprint("node-", pod/30)},
		{Name: "pod", Value: fmt.Sprintf("app-%d-%08x", app, uint32(pod)*2654435761)},
		{Name: "zone", Value: fmt.Sprint("z", pod%3)},
	}
}

func rss() string {
	text, _ := os.ReadFile("/proc/self/status")
	var out []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS") || strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "RssAnon") {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, ", ")
}

func diskUse(dir string) (total, indexes int64) {
	_ = filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			total += info.Size()
			if strings.Contains(name, "index") {
				indexes += info.Size()
			}
		}
		return nil
	})
	return total, indexes
}

// TestMany stores many series of ten observations each, which come scrape by scrape or, with -wide,
// series by series, and prints what that took: go test ./shard -run Many -series 1000000 -v.
func TestMany(t *testing.T) {
	if *million == 0 {
		t.Skip("not asked for: -series N")
	}
	dir, n := t.TempDir(), *million
	s, err := shard.Open(dir, shard.Options{})
	must(t, err)
	ctx := context.Background()
	start := time.Now()
	const size = 20_000
	rounds, rows := 10, 1
	if *wide {
		rounds, rows = 1, 10
	}
	for round := range rounds {
		for at := 0; at < n; at += size {
			b := &chunk.Batch{}
			for i := at; i < min(at+size, n); i++ {
				samples := chunk.Samples{Kind: chunk.Float64}
				for k := round; k < round+rows; k++ {
					samples.Times = append(samples.Times, int64(k)*15e9+int64(i/20)*1000)
					samples.Floats = append(samples.Floats, float64(i%1000+k))
				}
				b.Rows = append(b.Rows, chunk.BatchRow{Dimensions: podSeries(i), Samples: samples})
			}
			must(t, s.Append(ctx, b))
		}
	}
	took := time.Since(start)
	t.Logf("append %v, %.0f observations/s; %s; %+v", took, float64(10*n)/took.Seconds(), rss(), s.Stats())
	start = time.Now()
	must(t, s.Compact(ctx, nil))
	t.Logf("compact %v; %s; %+v", time.Since(start), rss(), s.Stats())
	must(t, s.Close())
	total, indexes := diskUse(dir)
	t.Logf("disk: %.1f bytes a series, of them index %.1f", float64(total)/float64(n), float64(indexes)/float64(n))
	debug.FreeOSMemory()
	t.Logf("closed: %s", rss())
	start = time.Now()
	s, err = shard.Open(dir, shard.Options{})
	must(t, err)
	t.Logf("open %v; %s", time.Since(start), rss())
	runtime.GC()
	debug.FreeOSMemory()
	t.Logf("idle: %s", rss())
	for _, text := range []string{"*", "metric:container_metric_7_total", "env:prod zone:z1 app:app-7", "pod:*00ab*", "usage"} {
		f, err := index.Parse(text)
		must(t, err)
		for range 2 {
			start = time.Now()
			series, pieces := 0, 0
			var selecting time.Duration
			for _, p := range s.Parts() {
				begin := time.Now()
				sel, err := p.Select(ctx, f, chunk.Always)
				must(t, err)
				selecting += time.Since(begin)
				series += sel.Len()
				var list []chunk.Piece
				for i := range sel.Len() {
					list = sel.AppendPieces(list[:0], i)
					pieces += len(list)
				}
				must(t, sel.Close())
			}
			t.Logf("%s: %d series, %d pieces: select %v, all %v; %s", text, series, pieces, selecting, time.Since(start), rss())
		}
	}
	must(t, s.Close())
}

// BenchmarkRetain times one pass of retention over as many series as -series says, sealed in one
// partition: the pass in which some of them reach their age, and one that finds nothing new.
func BenchmarkRetain(b *testing.B) {
	if *million == 0 {
		b.Skip("give -series")
	}
	ctx, now := context.Background(), int64(0)
	o := shard.Options{Manual: true, Partition: 1000, Now: func() time.Time { return time.Unix(0, now) }}
	s, err := shard.Open(b.TempDir(), o)
	must(b, err)
	defer s.Close()
	batch := new(chunk.Batch)
	for i := range *million {
		samples := chunk.Samples{Kind: chunk.Float64, Times: []int64{10}, Floats: []float64{1}}
		if batch.Rows = append(batch.Rows, chunk.BatchRow{Dimensions: podSeries(i), Samples: samples}); len(batch.Rows) == 10_000 {
			must(b, s.Append(ctx, batch))
			batch = new(chunk.Batch)
		}
	}
	must(b, s.Append(ctx, batch))
	must(b, s.Seal(ctx))
	s.SetRetention([]shard.Policy{{Filter: mustParse(b, "env:dev"), Age: 5000}})
	now = 6000
	start := time.Now()
	must(b, s.Retain(ctx))
	first := time.Since(start)
	for b.Loop() {
		must(b, s.Retain(ctx))
	}
	b.ReportMetric(first.Seconds(), "s/first") // the pass in which a third of them go
}
