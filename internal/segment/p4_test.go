package segment_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/testseries"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/klauspost/compress/gzip"
)

var p4 struct {
	sync.Once
	sources [][]segment.Row
	err     error
}

// p4Sources are the series of P4 by source: host, process and group.
func p4Sources(t testing.TB) [][]segment.Row {
	t.Helper()
	dir := testseries.Shared(t, "p4")
	p4.Do(func() { p4.sources, p4.err = loadP4(dir) })
	if p4.err != nil {
		t.Fatal(p4.err)
	}
	return p4.sources
}

func loadP4(dir string) ([][]segment.Row, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.csv.gz"))
	if err != nil {
		return nil, err
	}
	byName := map[string]*segment.Row{}
	for i, path := range paths { // in the order of their dates, for one series
		row, err := loadFile(path)
		if err != nil {
			return nil, err
		}
		name := row.Identity.Dimensions.String()
		if had, ok := byName[name]; ok {
			had.Samples.Append(row.Samples)
			continue
		}
		row.Ordinal = uint32(i)
		byName[name] = &row
	}
	var rows []segment.Row
	for _, r := range byName {
		r.Samples = r.Samples.Normalize()
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b segment.Row) int { return a.Identity.Compare(b.Identity) })
	var sources [][]segment.Row
	for i, r := range rows {
		if i == 0 || !r.Identity.SameSource(rows[i-1].Identity) {
			sources = append(sources, nil)
		}
		sources[len(sources)-1] = append(sources[len(sources)-1], r)
	}
	return sources, nil
}

func loadFile(path string) (segment.Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return segment.Row{}, err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return segment.Row{}, err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return segment.Row{}, err
	}
	part := strings.SplitN(filepath.Base(path), "_", 4)
	head, lines, _ := strings.Cut(string(text), "\n")
	_, metric, _ := strings.Cut(strings.TrimSpace(head), ";")
	d, err := chunk.NewDimensions(chunk.Dimension{Name: "host", Value: part[0]}, chunk.Dimension{Name: "process", Value: part[1]},
		chunk.Dimension{Name: "group", Value: part[2]}, chunk.Dimension{Name: chunk.MetricName, Value: metric})
	if err != nil {
		return segment.Row{}, err
	}
	r := segment.Row{Identity: chunk.Series{Dimensions: d, Kind: chunk.Float64}, Samples: chunk.Samples{Kind: chunk.Float64}}
	day := stampDay{}
	for line := range strings.Lines(lines) {
		stamp, value, _ := strings.Cut(strings.TrimSpace(line), ";")
		if stamp == "" {
			continue
		}
		at, err := day.parse(stamp)
		if err != nil {
			return r, err
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(value, ",", ""), 64)
		if err != nil {
			return r, err
		}
		r.Samples.Times = append(r.Samples.Times, at)
		r.Samples.Floats = append(r.Samples.Floats, v)
	}
	return r, nil
}

// A stampDay is the day of the last stamp.
type stampDay struct {
	text  string
	start int64
}

// parse reads 12.08.2015 17:25:40.964.
func (d *stampDay) parse(s string) (int64, error) {
	if len(s) != 23 {
		return 0, fmt.Errorf("stamp %q", s)
	}
	if s[:10] != d.text {
		day, err := time.Parse("02.01.2006", s[:10])
		if err != nil {
			return 0, err
		}
		d.text, d.start = s[:10], day.UnixNano()
	}
	ms := 0
	for _, at := range [][3]int{{11, 13, 3_600_000}, {14, 16, 60_000}, {17, 19, 1000}, {20, 23, 1}} {
		n, err := strconv.Atoi(s[at[0]:at[1]])
		if err != nil {
			return 0, err
		}
		ms += n * at[2]
	}
	return d.start + int64(ms)*1e6, nil
}

// observations counts those of sources.
func observations(sources [][]segment.Row) int {
	n := 0
	for _, rows := range sources {
		for i := range rows {
			n += rows[i].Samples.Len()
		}
	}
	return n
}

// BenchmarkP4Write writes a segment, durable on nothing: it is in memory.
func BenchmarkP4Write(b *testing.B) {
	all := p4Sources(b)
	for _, p := range []codec.Profile{codec.Fast, codec.Dense} {
		b.Run("profile="+strconv.Itoa(int(p)), func(b *testing.B) {
			fs := vfs.NewMem()
			for b.Loop() {
				write(b, fs, "p4", all, p)
			}
			size, _ := fs.Size("p4")
			report(b, size, all)
		})
	}
}

// BenchmarkP4Read reads everything on one core: checksums, parsing, stamps, values.
func BenchmarkP4Read(b *testing.B) {
	all := p4Sources(b)
	for _, p := range []codec.Profile{codec.Fast, codec.Dense} {
		b.Run("profile="+strconv.Itoa(int(p)), func(b *testing.B) {
			fs := vfs.NewMem()
			write(b, fs, "p4", all, p)
			r := open(b, fs, "p4")
			var metas []segment.Meta
			for e, err := range r.Entries() {
				if err != nil {
					b.Fatal(err)
				}
				metas = append(metas, e.Chunks...)
			}
			slices.SortFunc(metas, func(a, b segment.Meta) int { // block by block, as queries do
				if a.Block != b.Block {
					return int(a.Block) - int(b.Block)
				}
				return int(a.Index) - int(b.Index)
			})
			var buf segment.Buffer
			for b.Loop() {
				for i := range metas {
					if _, err := r.Read(&metas[i], &buf); err != nil {
						b.Fatal(err)
					}
				}
			}
			report(b, r.Size(), all)
		})
	}
}

func report(b *testing.B, size int64, all [][]segment.Row) {
	n := float64(observations(all))
	b.SetBytes(16 * int64(n))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/obs")
	b.ReportMetric(float64(size)/n, "bytes/obs")
}
