package segment_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/vfs"
)

// pods are series as a cluster has them: of each pod ten metrics, ten observations each. Ordinals
// are in the order of another sort, as they are where series come by time.
func pods(t testing.TB, n int) [][]segment.Row {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	ordinals := rng.Perm(n)
	metrics := []string{
		"container_cpu_usage_seconds_total", "container_fs_reads_bytes_total", "container_fs_writes_bytes_total",
		"container_memory_rss", "container_memory_working_set_bytes", "container_network_receive_bytes_total",
		"container_network_transmit_bytes_total", "kube_pod_restarts", "process_open_fds", "up",
	}
	out := make([][]segment.Row, n)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("app-%03d-%08x-%05x", rng.IntN(500), rng.Uint32(), rng.Uint32N(1<<20))
	}
	slices.Sort(names)
	for i, pod := range names {
		times := make([]int64, 10)
		for k := range times {
			times[k] = 1_700_000_000_000_000_000 + rng.Int64N(15_000)*1e6/100*100 + int64(k)*15e9
		}
		slices.Sort(times)
		for k, m := range metrics {
			s := chunk.Samples{Kind: chunk.Float64, Times: times}
			v := float64(rng.IntN(1 << 20))
			for range times {
				switch {
				case k < 3 || k == 5 || k == 6:
					v += float64(rng.IntN(10_000))
				case k < 5:
					v = float64(rng.IntN(1<<16)) * 4096
				case k == 9:
					v = 1
				default:
					v = float64(rng.IntN(100))
				}
				s.Floats = append(s.Floats, v)
			}
			id := series(t, chunk.Float64, "cluster", "eu-1", "container", "main", "metric", m,
				"namespace", "team-"+pod[4:6], "node", "node-"+strconv.Itoa(i%97), "pod", pod)
			out[i] = append(out[i], segment.Row{Ordinal: uint32(10*ordinals[i] + k), Identity: id, Samples: s})
		}
	}
	slices.SortFunc(out, func(a, b []segment.Row) int { return a[0].Identity.Compare(b[0].Identity) })
	return out
}

func TestManySeries(t *testing.T) {
	all := pods(t, 2000)
	fs := vfs.NewMem()
	write(t, fs, "many", all, codec.Dense)
	r := open(t, fs, "many")
	check(t, r, all)
	if err := r.Check(context.Background(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkManySeries writes, then lists, series of ten observations each.
func BenchmarkManySeries(b *testing.B) {
	all := pods(b, 20_000)
	n := 10 * len(all)
	for _, p := range []codec.Profile{codec.Fast, codec.Dense} {
		fs := vfs.NewMem()
		b.Run(fmt.Sprintf("write%d", p), func(b *testing.B) {
			for b.Loop() {
				write(b, fs, "many", all, p)
			}
			size, _ := fs.Size("many")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/series")
			b.ReportMetric(float64(size)/float64(n), "bytes/series")
		})
		r := open(b, fs, "many")
		b.Run(fmt.Sprintf("entries%d", p), func(b *testing.B) {
			for b.Loop() {
				for _, err := range r.Entries() {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/series")
		})
		b.Run(fmt.Sprintf("read%d", p), func(b *testing.B) {
			for b.Loop() {
				var buf segment.Buffer
				for e, err := range r.Entries() {
					if err != nil {
						b.Fatal(err)
					}
					if _, err := r.Read(&e.Chunks[0], &buf); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/series")
		})
		b.Run(fmt.Sprintf("find%d", p), func(b *testing.B) {
			ordinals := make([]uint32, 0, n)
			var metas []segment.Meta
			for b.Loop() {
				ordinals = ordinals[:0]
				for i := range n {
					ordinals = append(ordinals, uint32(i))
				}
				sorted, err := r.SortBySource(ordinals)
				if err != nil {
					b.Fatal(err)
				}
				for _, o := range sorted {
					if metas, err = r.AppendChunks(metas[:0], o, chunk.Always); err != nil || len(metas) != 1 {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/series")
		})
	}
}
