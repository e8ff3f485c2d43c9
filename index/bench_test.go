package index

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/testseries"
)

const batchDocs = 10000

// addKubernetes adds n generated series to ix, in batches.
func addKubernetes(tb testing.TB, ix *Index, n int) {
	tb.Helper()
	var docs []Doc
	var ordinal uint32
	for labels := range testseries.Kubernetes(1, n) {
		d := make(chunk.Dimensions, len(labels))
		for i, l := range labels {
			d[i] = chunk.Dimension(l)
		}
		docs = append(docs, Doc{ordinal, d})
		if ordinal++; len(docs) == batchDocs || int(ordinal) == n {
			if err := ix.Add(docs); err != nil {
				tb.Fatal(err)
			}
			docs = docs[:0]
		}
	}
}

// cpu is what this process used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func folderBytes(tb testing.TB, dir string) (n int64) {
	for _, name := range filesIn(tb, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			tb.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// openMillion returns an index of a million series.
func openMillion(b *testing.B) *Index {
	if testing.Short() {
		b.Skip("builds an index of a million series")
	}
	dir := b.TempDir()
	ix, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	start := cpu()
	addKubernetes(b, ix, 1_000_000)
	built := cpu() - start
	if err := ix.Compact(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.Logf("built in %v of processor time, compacted in %v: %.0f documents per second, %.1f bytes a document",
		built, cpu()-start-built, 1e6/(cpu()-start).Seconds(), float64(folderBytes(b, dir))/1e6)
	if err := ix.Close(); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	ix, err = Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("opened in %v", time.Since(begin))
	b.Cleanup(func() { ix.Close() })
	return ix
}

// BenchmarkMillion searches a million series, each time without the results of the time before.
func BenchmarkMillion(b *testing.B) {
	ix := openMillion(b)
	ctx := context.Background()
	for _, s := range []struct{ name, text string }{
		{"term", `metric:container_memory_rss`},
		{"three terms", `cluster:prod-eu-1 AND app:orders-web AND metric:container_memory_rss`},
		{"three free words", `orders heap web`},
		{"prefix", `pod:orders-*`},
		{"wildcard", `pod:*x2*`},
		{"wildcard metric", `metric:*heap*`},
		{"regexp", `pod:/orders-(web|db)-.*-x[0-9].*/`},
		{"regexp contains", `pod:/.*x2.*/`},
		{"fuzzy", `app:ordres-web~2`},
		{"fuzzy pod", `pod:orders-web-abcdefghi-abcde~2`},
		{"free wildcard", `*eap*`},
		{"free fuzzy", `haep~`},
		{"phrase", `"heap used"`},
		{"has", `pod:*`},
		{"not", `NOT cluster:staging`},
		{"all", `*`},
	} {
		f, err := Parse(s.text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(s.name, func(b *testing.B) {
			hits := uint64(0)
			for b.Loop() {
				ix.results.clear()
				found, err := ix.Search(ctx, f)
				if err != nil {
					b.Fatal(err)
				}
				hits = found.GetCardinality()
			}
			b.ReportMetric(float64(hits), "hits")
		})
	}
	f, _ := Parse("app:orders-web")
	within, err := ix.Search(ctx, f)
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"metric", "node", "pod"} {
		b.Run("facets of "+name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				ix.results.clear()
				counts, err := ix.Values(ctx, name, "", within, 0)
				if err != nil {
					b.Fatal(err)
				}
				n = len(counts)
			}
			b.ReportMetric(float64(n), "values")
		})
	}
	b.Run("names", func(b *testing.B) {
		for b.Loop() {
			ix.results.clear()
			if _, err := ix.Names(ctx, within); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, prefix := range []string{"o", "orders-w", "container_m", ""} {
		b.Run("complete "+prefix, func(b *testing.B) {
			for b.Loop() {
				ix.results.clear()
				if _, err := ix.Complete(ctx, prefix, 20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAdd adds batches of new series.
func BenchmarkAdd(b *testing.B) {
	start, docs := cpu(), 0
	var size int64
	for b.Loop() {
		dir := b.TempDir()
		ix, err := Open(dir, Options{})
		if err != nil {
			b.Fatal(err)
		}
		addKubernetes(b, ix, 50000)
		docs += 50000
		size = folderBytes(b, dir)
		if err := ix.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(docs)/(cpu()-start).Seconds(), "docs/cpu-s")
	b.ReportMetric(float64(size)/50000, "bytes/doc")
}
