package bench_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/testseries"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// p4 is the data set, imported and compacted; made once for all tests and benchmarks that want it.
var p4 struct {
	once sync.Once
	set  *shard.Set
	dir  string
	dims map[string]chunk.Dimensions // by file name
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if p4.set != nil {
		p4.set.Close()
	}
	if p4.dir != "" {
		os.RemoveAll(p4.dir)
	}
	os.Exit(code)
}

// p4Engine returns an engine over P4.
func p4Engine(t testing.TB) *query.Engine {
	dir := testseries.Shared(t, "p4")
	p4.once.Do(func() { p4.err = importP4(dir) })
	if p4.err != nil {
		t.Fatal(p4.err)
	}
	e := &query.Engine{}
	for _, p := range p4.set.Parts() {
		e.Parts = append(e.Parts, p)
	}
	return e
}

func importP4(dir string) error {
	ctx := context.Background()
	var err error
	if p4.dir, err = os.MkdirTemp("", "chronodex-p4-"); err != nil {
		return err
	}
	if p4.set, err = shard.Open(p4.dir, shard.Options{}); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.csv.gz"))
	if err != nil {
		return err
	}
	p4.dims = make(map[string]chunk.Dimensions)
	for _, path := range paths {
		sources, err := ingest.Sources([]string{path}, nil)
		if err != nil {
			return err
		}
		_, err = ingest.Run(ctx, sources, ingest.Options{Strict: true, Workers: 1}, func(ctx context.Context, b *chunk.Batch) error {
			p4.dims[filepath.Base(path)] = b.Rows[0].Dimensions
			return p4.set.Append(ctx, b)
		})
		if err != nil {
			return err
		}
	}
	return p4.set.Compact(ctx, nil)
}

// golden reads what the original answers: a row a file, by the names of the columns.
func golden(t *testing.T) []map[string]string {
	f, err := os.Open(testseries.Shared(t, "golden/chronix-p4.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = ';'
	lines, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, line := range lines[1:] {
		row := make(map[string]string)
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		out = append(out, row)
	}
	return out
}

const goldenStages = " | count, min, max, sum, mean, stddev, range, first, last, diff, sdiff, p 0.25 0.5 0.75 0.95 0.99"

// columns of the golden file by our names.
var goldenNames = map[string]string{
	"count": "count", "min": "min", "max": "max", "sum": "sum", "mean": "avg", "stddev": "dev", "range": "range", "first": "first",
	"last": "last", "diff": "diff", "sdiff": "sdiff", "p0.25": "p0.25", "p0.5": "p0.5", "p0.75": "p0.75", "p0.95": "p0.95", "p0.99": "p0.99",
}

// TestP4Golden asks for each of the 498 files by itself, one request a file; a file is its series
// within its span.
func TestP4Golden(t *testing.T) {
	e := p4Engine(t)
	for _, row := range golden(t) {
		dims := p4.dims[row["file"]]
		var sel []string
		for _, d := range dims {
			sel = append(sel, d.Name+":"+quote(d.Value))
		}
		got := ask(t, e, strings.Join(sel, " ")+goldenStages, spanOf(t, row))
		if len(got.Series) != len(goldenNames) {
			t.Fatalf("%s: %d results", row["file"], len(got.Series))
		}
		for _, s := range got.Series {
			check(t, row, s)
		}
	}
}

// TestP4GoldenTogether asks for all series of each span of the files in one request; in the original,
// functions of one request overwrote each other's results.
func TestP4GoldenTogether(t *testing.T) {
	e := p4Engine(t)
	bySpan := make(map[chunk.Span][]map[string]string)
	for _, row := range golden(t) {
		bySpan[spanOf(t, row)] = append(bySpan[spanOf(t, row)], row)
	}
	files := 0
	for span, rows := range bySpan {
		got := ask(t, e, "*"+goldenStages, span)
		byDims := make(map[string][]query.ResultSeries)
		for _, s := range got.Series {
			key := without(s.Dimensions, query.AggregateName)
			byDims[key] = append(byDims[key], s)
		}
		for _, row := range rows {
			files++
			results := byDims[p4.dims[row["file"]].String()]
			if len(results) != len(goldenNames) {
				t.Fatalf("%s: %d results", row["file"], len(results))
			}
			for _, s := range results {
				check(t, row, s)
			}
		}
	}
	if files != 498 {
		t.Errorf("%d files", files)
	}
}

func without(d chunk.Dimensions, name string) string {
	var out chunk.Dimensions
	for _, p := range d {
		if p.Name != name {
			out = append(out, p)
		}
	}
	return out.String()
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func spanOf(t *testing.T, row map[string]string) chunk.Span {
	var ms [2]int64
	for i, name := range []string{"start_ms", "end_ms"} {
		v, err := strconv.ParseInt(row[name], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ms[i] = v
	}
	return chunk.Span{Start: ms[0] * 1e6, End: (ms[1] + 1) * 1e6}
}

func ask(t testing.TB, e *query.Engine, text string, span chunk.Span) *query.Result {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	got, err := e.Run(context.Background(), q, query.Request{Span: span})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Warnings) > 0 {
		t.Fatal(got.Warnings)
	}
	return got
}

func check(t *testing.T, row map[string]string, s query.ResultSeries) {
	t.Helper()
	name, _ := s.Dimensions.Get(query.AggregateName)
	want, err := strconv.ParseFloat(row[goldenNames[name]], 64)
	if err != nil {
		t.Fatalf("%s: %s: %v", row["file"], name, err)
	}
	within := 0.0 // what is not summed is the same
	switch name {
	case "sum", "mean", "stddev":
		within = 1e-9 * math.Abs(want)
	case "p0.25", "p0.5", "p0.75", "p0.95", "p0.99":
		within = 1e-12 * math.Abs(want)
	}
	if name == "stddev" && math.Abs(s.Value-want) <= 1e-9*math.Abs(mustFloat(t, row["avg"])) {
		return // a constant series: the original's mean was rounded
	}
	if !(math.Abs(s.Value-want) <= within) {
		t.Errorf("%s: %s is %v, the original's is %v", row["file"], name, s.Value, want)
	}
}

func mustFloat(t *testing.T, s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestP4Statistics checks the cost ladder: what statistics can answer is not decoded.
func TestP4Statistics(t *testing.T) {
	e := p4Engine(t)
	for _, text := range []string{"* | max by host", "* | count, sum, min, max, mean, stddev, first, last by group", "* | mean by nothing every 1y"} {
		s := ask(t, e, text, chunk.Always).Stats
		if s.ChunksDecoded != 0 || s.ChunksFromStats != s.Chunks || s.Chunks < 249 {
			t.Errorf("%s: %v", text, &s)
		}
	}
	cut := chunk.Span{Start: time.Date(2015, 8, 12, 18, 30, 0, 0, time.UTC).UnixNano(), End: math.MaxInt64}
	s := ask(t, e, "* | max by host", cut).Stats
	if s.ChunksDecoded != s.ChunksCut || s.ChunksCut == 0 || s.ChunksFromStats == 0 {
		t.Errorf("cut: %v", &s)
	}
}

// BenchmarkQuery answers what operators ask of P4, in process and warm.
func BenchmarkQuery(b *testing.B) {
	for _, text := range []string{
		"* | count, sum, min, max, mean",
		"* | stddev",
		"* | p 0.99",
		"metric:java.lang* process:base | mean every 1m",
		"* | mean by group every 1m",
		"* | max by host",
		"*",
		"* | rate | max by process",
		"(metric:*Usage/used | mean by process) / (metric:*Usage/committed | mean by process)",
	} {
		b.Run(strings.ReplaceAll(text, " ", "_"), func(b *testing.B) {
			e := p4Engine(b)
			q, err := query.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			var out *query.Result
			b.ReportAllocs()
			for b.Loop() {
				if out, err = e.Run(context.Background(), q, query.Request{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(out.Stats.SeriesSelected), "series")
			b.ReportMetric(float64(len(out.Series)), "rows")
			b.ReportMetric(float64(out.Stats.ChunksDecoded), "decoded")
			if testing.Verbose() {
				fmt.Fprintln(os.Stderr, text, &out.Stats)
			}
		})
	}
}
