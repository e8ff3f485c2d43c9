package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/testseries"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// The generated cluster of --series: every container is scraped this often, that many times, and
// a batch has that many series.
const (
	scrapeEvery  = 15 * time.Second
	scrapes      = 10
	scrapeSeries = 20_000
	scrapeStart  = 1_700_000_000 * int64(time.Second)
)

// A cluster generates the observations of n series, the same from the same seed. Batches use one
// memory again and again.
type cluster struct {
	n    int
	seed uint64
	sink func(*chunk.Batch) error

	batch  chunk.Batch
	dims   []chunk.Dimension // of the batch
	times  []int64
	floats []float64
	pod    string // of the last series
	pause  int64  // after which its pod is scraped
	made   int64  // observations handed over
}

// generate hands over the scrapes from first to before last of all series.
func (c *cluster) generate(first, last int) error {
	i := uint64(0)
	for labels := range testseries.Kubernetes(c.seed, c.n) {
		c.add(i, labels, first, last)
		if i++; len(c.batch.Rows) == scrapeSeries {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return c.flush()
}

func (c *cluster) flush() error {
	if len(c.batch.Rows) == 0 {
		return nil
	}
	c.made += int64(c.batch.Observations())
	err := c.sink(&c.batch)
	c.batch.Rows, c.dims, c.times, c.floats, c.pod = c.batch.Rows[:0], c.dims[:0], c.times[:0], c.floats[:0], ""
	return err
}

// add appends a row of series i. The series of a pod have their stamps in common, a few
// milliseconds off the beat; counters count, and gauges move.
func (c *cluster) add(i uint64, labels []testseries.Label, first, last int) {
	from := len(c.dims)
	var metric, pod string
	for _, l := range labels {
		c.dims = append(c.dims, chunk.Dimension{Name: l.Name, Value: l.Value})
		switch l.Name {
		case "metric":
			metric = l.Value
		case "pod":
			pod = l.Value
		}
	}
	n := last - first
	if pod != c.pod {
		h := fnv.New64a()
		_, _ = io.WriteString(h, pod) // never fails
		c.pod, c.pause = pod, int64(h.Sum64()%uint64(scrapeEvery/time.Millisecond))
		for k := first; k < last; k++ {
			late := (c.pause*31 + int64(k)*17) % 5
			c.times = append(c.times, scrapeStart+int64(k)*int64(scrapeEvery)+(c.pause+late)*int64(time.Millisecond))
		}
	}
	r := i*0x9e3779b97f4a7c15 ^ c.seed
	r ^= r >> 29
	for k := first; k < last; k++ {
		c.floats = append(c.floats, sampleOf(metric, r, k))
	}
	c.batch.Rows = append(c.batch.Rows, chunk.BatchRow{
		Dimensions: c.dims[from:len(c.dims):len(c.dims)],
		Samples: chunk.Samples{
			Kind: chunk.Float64, Times: c.times[len(c.times)-n : len(c.times) : len(c.times)],
			Floats: c.floats[len(c.floats)-n : len(c.floats) : len(c.floats)],
		},
	})
}

// sampleOf is the value of scrape k of the series with the random number r.
func sampleOf(metric string, r uint64, k int) float64 {
	step := (r >> 40) * uint64(k+1) % 1000
	switch {
	case strings.Contains(metric, "seconds"):
		return float64(r%1_000_000+uint64(k)*(r>>32%2000)+step)/1000 + 1
	case strings.HasSuffix(metric, "total"):
		return float64(r%1_000_000 + uint64(k)*(r>>32%5000) + step)
	case strings.Contains(metric, "bytes") || strings.Contains(metric, "memory"):
		return float64(4096 * (r%65536 + step))
	}
	return float64(r % 200)
}

// scrape imports the generated series, and compacts.
func (b *bench) scrape(ctx context.Context) error {
	set, err := b.s.openStore(false, shard.Options{Shards: b.c.Shards, Manual: true})
	if err != nil {
		return err
	}
	bar := b.s.progress("import ")
	total := int64(b.c.Series) * scrapes
	c := &cluster{n: b.c.Series, seed: b.c.Seed}
	var stored time.Duration
	c.sink = func(batch *chunk.Batch) error {
		begin := time.Now()
		err := set.Append(ctx, batch)
		stored += time.Since(begin)
		bar.rate(c.made, total, c.made)
		return err
	}
	start, cpu := time.Now(), processorTime()
	if b.c.BySeries {
		err = c.generate(0, scrapes)
	} else {
		for k := 0; k < scrapes && err == nil; k++ {
			err = c.generate(k, k+1)
		}
	}
	bar.clear()
	imported, cpuImport := time.Since(start), processorTime()-cpu
	if err == nil {
		b.add("memory after import", float64(memoryOf("VmRSS:")), "bytes", "resident, before compaction; heads hold %s", size(set.Stats().HeadBytes))
		bar = b.s.progress("compact")
		err = set.Compact(ctx, func(done, total int64) { bar.rate(done, total, done) })
		bar.clear()
	}
	both, cpuBoth := time.Since(start), processorTime()-cpu
	if err != nil {
		return errors.Join(err, set.Close())
	}
	b.observations = c.made
	order := "scrape by scrape"
	if b.c.BySeries {
		order = "series by series"
	}
	n := float64(c.made)
	b.add("import, durable", n/imported.Seconds(), "observations/s", "%s of %s, %s, in %s, of which generating them took %s; %s of all cores",
		count(c.made, "observation"), count(int64(b.c.Series), "series"), order, took(imported), took(imported-stored), took(cpuImport))
	b.add("import and compaction", n/both.Seconds(), "observations/s", "compaction took %s; %s of all cores", took(both-imported), took(cpuBoth-cpuImport))
	b.add("memory during import", float64(peakMemory()), "bytes", "resident, at most, compaction included")
	b.idle("memory idle after it")
	return set.Close()
}

// idle tells the memory of a process that has nothing to do.
func (b *bench) idle(what string) {
	var m runtime.MemStats
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	b.add(what, float64(memoryOf("VmRSS:")), "bytes", "resident: %s of its own, %s of files; %s in use by the heap",
		size(memoryOf("RssAnon:")), size(memoryOf("RssFile:")), size(int64(m.HeapInuse)))
}

// sizes tells what a series takes on disk.
func (b *bench) sizes(context.Context) error {
	var all, indexes int64
	var s segment.Sizes
	err := filepath.WalkDir(b.s.data, func(name string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		all += info.Size()
		switch {
		case strings.HasSuffix(name, ".seg"):
			return addSizes(&s, name)
		case strings.Contains(filepath.ToSlash(name), "/index/"):
			indexes += info.Size()
		}
		return nil
	})
	if err != nil {
		return err
	}
	n, seen := float64(b.c.Series), int64(0)
	for _, part := range []struct {
		what  string
		bytes int64
	}{
		{"stamps", s.Times},
		{"values", s.Values},
		{"chunks in blocks", s.Blocks},
		{"directory", s.Directory},
		{"identities", s.Series},
		{"lookups", s.Lookups},
		{"index", indexes},
	} {
		b.add(part.what, float64(part.bytes)/n, "bytes/series", "%s", size(part.bytes))
		seen += part.bytes
	}
	b.add("all else", float64(all-seen)/n, "bytes/series", "%s: logs, manifests, headers", size(all-seen))
	observed := s.Times + s.Values
	b.add("all beside observations", float64(all-observed)/n, "bytes/series", "%s in all, of which observations %.2f bytes each",
		size(all), float64(observed)/float64(b.observations))
	return nil
}

// addSizes adds the sizes of a segment.
func addSizes(to *segment.Sizes, name string) error {
	r, err := segment.Open(vfs.OS{}, name)
	if err != nil {
		return err
	}
	s, err := r.Sizes()
	to.Times += s.Times
	to.Values += s.Values
	to.Blocks += s.Blocks
	to.Directory += s.Directory
	to.Series += s.Series
	to.Lookups += s.Lookups
	return errors.Join(err, r.Close())
}

// A lookup is a question that comes in as many texts as it is asked, so that no answer is one that
// was kept from the time before.
type lookup struct {
	what string
	text func(i int) string
	ask  func(ctx context.Context, set *shard.Set, text string) (found int, err error)
}

// lookups are what is asked of the generated series.
func (b *bench) lookups(engine *query.Engine) []lookup {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	two := func(i int) string {
		return string([]byte{letters[i*7%len(letters)], letters[(i*11+i/27)%len(letters)]})
	}
	words := []string{"orders", "billing", "cart", "search", "stock", "ledger", "payment", "report", "gateway", "email"}
	word := func(i int) string { return words[i%len(words)] }
	near := func(i int) string { w := word(i); return w[:2] + w[3:] } // a letter is missing
	roles := []string{"web", "worker", "cache", "db", "proxy", "cron"}
	role := func(i int) string { return roles[i/len(words)%len(roles)] }
	search := func(ctx context.Context, set *shard.Set, text string) (int, error) {
		f, err := index.Parse(text)
		if err != nil {
			return 0, err
		}
		_, n, err := set.Search(ctx, f, 50)
		return n, err
	}
	facets := func(name string) func(context.Context, *shard.Set, string) (int, error) {
		return func(ctx context.Context, set *shard.Set, text string) (int, error) {
			f, err := index.Parse(text)
			if err != nil {
				return 0, err
			}
			list, err := set.Values(ctx, f, name, "", 0)
			return len(list), err
		}
	}
	ask := func(ctx context.Context, _ *shard.Set, text string) (int, error) {
		q, err := query.Parse(text)
		if err != nil {
			return 0, err
		}
		r, err := engine.Run(ctx, q, query.Request{})
		if err != nil {
			return 0, err
		}
		return int(r.Stats.SeriesSelected), nil
	}
	complete := func(ctx context.Context, set *shard.Set, text string) (int, error) {
		list, err := set.Complete(ctx, text, 20)
		return len(list), err
	}
	return []lookup{
		{"search, a wildcard", func(i int) string { return "pod:*" + two(i) + "*" }, search},
		{"search, a regexp", func(i int) string { return "pod:/" + word(i) + "-(web|db)-.*" + two(i) + ".*/" }, search},
		{"search, fuzzy", func(i int) string { return "app:" + near(i) + "-" + role(i) + "~2" }, search},
		{"search, three terms", func(i int) string {
			return "cluster:prod-eu-1 AND app:" + word(i) + "-" + role(i) + " AND metric:container_memory_rss"
		}, search},
		{"search, three words", func(i int) string { return word(i) + " " + role(i) + " heap" }, search},
		{"facets of a word, by node", func(i int) string { return "app:" + word(i) + "-" + role(i) }, facets("node")},
		{"facets of a wildcard, by app", func(i int) string { return "pod:*" + two(i) + "*" }, facets("app")},
		{"completion", func(i int) string { return word(i)[:1+i%5] }, complete},
		{"query, three terms", func(i int) string {
			return "cluster:prod-us-1 AND app:" + word(i) + "-" + role(i) + " AND metric:container_memory_rss | count by pod"
		}, ask},
		{"query, a wildcard", func(i int) string { return "pod:*" + two(i+200) + "* | count by app" }, ask},
		{"query, all", func(int) string { return "* | count by cluster" }, ask},
		{"query, a metric of all", func(i int) string {
			return "metric:container_" + []string{"threads", "processes"}[i%2] + " | mean by namespace"
		}, ask},
	}
}

// find measures lookups in the store, opened anew.
func (b *bench) find(ctx context.Context) error {
	debug.FreeOSMemory()
	begin := time.Now()
	return b.s.withStore(func(set *shard.Set) error {
		b.add("open", time.Since(begin).Seconds()*1000, "ms", "in this process, for reading")
		b.idle("memory, opened")
		for _, l := range b.lookups(b.s.engine(set, 1<<30)) {
			times := make([]time.Duration, 0, b.c.Runs)
			found := 0
			for i := range max(1, b.c.Runs) + 2 { // two to warm up
				text := l.text(i)
				start := time.Now()
				n, err := l.ask(ctx, set, text)
				if err != nil {
					return fmt.Errorf("%s: %w", text, err)
				}
				if i >= 2 {
					times = append(times, time.Since(start))
					found += n
				}
			}
			slices.Sort(times)
			b.add(l.what, times[len(times)/2].Seconds()*1000, "ms", "best %s; finds %s on average; such as %s", took(times[0]),
				count(int64(found/len(times)), "result"), l.text(2))
		}
		b.idle("memory, after these")
		return nil
	})
}
