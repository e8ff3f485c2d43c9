package main

import (
	"bufio"
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/testseries"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// A goldenRow is what the original functions answer on one file of P4.
type goldenRow struct {
	file   string
	span   chunk.Span
	names  []string // of the aggregates, as the query language has them
	values []float64
}

// constant reports whether all values of the file are equal.
func (r *goldenRow) constant() bool { return r.values[slices.Index(r.names, "range")] == 0 }

// goldenColumns are the aggregates with the columns of the golden file that they are compared with.
var goldenColumns = map[string]string{
	"count": "count", "min": "min", "max": "max", "avg": "mean", "sum": "sum", "dev": "stddev", "range": "range", "first": "first",
	"last": "last", "diff": "diff", "sdiff": "sdiff", "p0.25": "p 0.25", "p0.5": "p 0.5", "p0.75": "p 0.75", "p0.95": "p 0.95", "p0.99": "p 0.99",
}

// golden reads the golden file.
func golden(t *testing.T) []goldenRow {
	t.Helper()
	file, err := os.Open(testseries.Shared(t, "golden/chronix-p4.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	in.Scan()
	heads := strings.Split(in.Text(), ";")
	var rows []goldenRow
	for in.Scan() {
		cells := strings.Split(in.Text(), ";")
		row := goldenRow{}
		for i, head := range heads {
			number, err := strconv.ParseFloat(cells[i], 64)
			name, known := goldenColumns[head]
			switch {
			case head == "file":
				row.file = cells[i]
			case head == "start_ms":
				row.span.Start = int64(number) * 1e6
			case head == "end_ms":
				row.span.End = int64(number)*1e6 + 1
			case known && err != nil:
				t.Fatalf("%s: %s: %v", row.file, head, err)
			case known:
				row.names, row.values = append(row.names, name), append(row.values, number)
			}
		}
		rows = append(rows, row)
	}
	if len(rows) != 498 || len(rows[0].names) != len(goldenColumns) {
		t.Fatalf("%d rows of %d columns", len(rows), len(rows[0].names))
	}
	return rows
}

// selectorOf returns the selector of exactly the series that a file of P4 holds a part of.
func selectorOf(t *testing.T, dir, file string) string {
	t.Helper()
	r, err := os.Open(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	selector := ""
	_, err = ingest.Decode(context.Background(), file, r, ingest.Options{}, func(b *chunk.Batch) error {
		var parts []string
		for _, p := range b.Rows[0].Dimensions {
			parts = append(parts, p.Name+":"+`"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.Value)+`"`)
		}
		selector = strings.Join(parts, " AND ")
		return context.Canceled
	})
	if selector == "" {
		t.Fatal(err)
	}
	return selector
}

// near says whether got is the golden value: exactly, but sums and what comes of them to 1e-9.
func near(name string, got, want float64) bool {
	switch name {
	case "sum", "mean", "stddev":
		return math.Abs(got-want) <= 1e-9*math.Abs(want) || name == "stddev" && math.Abs(got-want) < 1e-9
	}
	return got == want || math.Abs(got-want) <= 1e-15*math.Abs(want)
}

// importP4 imports the data into a new store.
func importP4(t *testing.T) *session {
	t.Helper()
	dir := testseries.Shared(t, "p4")
	var out, errs bytes.Buffer
	s := &session{out: &out, err: &errs, now: time.Now, data: filepath.Join(t.TempDir(), "store")}
	if code := s.run(context.Background(), []string{"--data", s.data, "import", "--strict", dir}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if text := out.String(); !strings.HasPrefix(text, "3,896,974 observations from 498 files") || !strings.Contains(text, "249 series") {
		t.Errorf("import said %s", text)
	}
	return s
}

// TestP4 imports the data once, and asks the store in many ways.
func TestP4(t *testing.T) {
	s := importP4(t)
	for name, test := range map[string]func(*testing.T, *session){
		"golden": goldenP4, "cost ladder": costLadderP4, "size": sizeP4, "export comes back": exportComesBackP4, "search": searchP4,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// All 498 files: each aggregate asked by itself, and all of them in one request, are what the
// original answered.
func goldenP4(t *testing.T, s *session) {
	t.Helper()
	rows := golden(t)
	dir := testseries.Shared(t, "p4")
	err := s.withStore(func(set *shard.Set) error {
		engine := s.engine(set, 0)
		ask := func(row *goldenRow, text string) []query.ResultSeries {
			q, err := query.Parse(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			r, err := engine.Run(context.Background(), q, query.Request{Span: row.span})
			if err != nil || len(r.Warnings) > 0 {
				t.Fatalf("%s in %v: %v %v", text, row.span, err, r)
			}
			return r.Series
		}
		for k := range rows {
			row := &rows[k]
			selector := selectorOf(t, dir, row.file)
			for i, got := range ask(row, selector+" | "+strings.Join(row.names, ", ")) {
				name := row.names[i]
				if told, _ := got.Dimensions.Get(query.AggregateName); told != strings.ReplaceAll(name, " ", "") {
					t.Fatalf("%s: result %d is %q, want %q", row.file, i, told, name)
				}
				if name == "stddev" && row.constant() {
					row.values[i] = 0 // the original's mean of equal values is not their value
				}
				if !near(name, got.Value, row.values[i]) {
					t.Errorf("%s: %s is %v, want %v", row.file, name, got.Value, row.values[i])
				}
				alone := ask(row, selector+" | "+name)
				if len(alone) != 1 || math.Float64bits(alone[0].Value) != math.Float64bits(got.Value) {
					t.Errorf("%s: %s is %v alone, %v among others", row.file, name, alone, got.Value)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The statistics of the chunks answer a whole range; of a range that cuts chunks, only these are read.
func costLadderP4(t *testing.T, s *session) {
	t.Helper()
	rows := golden(t)
	err := s.withStore(func(set *shard.Set) error {
		engine := s.engine(set, 0)
		q, err := query.Parse("* | max by host")
		if err != nil {
			return err
		}
		r, err := engine.Run(context.Background(), q, query.Request{})
		if err != nil || r.Stats.ChunksDecoded != 0 || r.Stats.SeriesSelected != 249 {
			t.Errorf("whole range: %v, %v", &r.Stats, err)
		}
		span := chunk.Span{Start: rows[0].span.Start, End: rows[0].span.End - 60e9}
		r, err = engine.Run(context.Background(), q, query.Request{Span: span})
		if err != nil || r.Stats.ChunksDecoded > r.Stats.ChunksCut || r.Stats.ChunksCut == 0 {
			t.Errorf("part of the range: %v, %v", &r.Stats, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a store is on disk for one observation, the index included.
func sizeP4(t *testing.T, s *session) {
	t.Helper()
	const observations = 3_896_974
	err := s.withStore(func(set *shard.Set) error {
		segments, all := float64(set.Stats().SegmentBytes)/observations, float64(diskUsage(s.data))/observations
		t.Logf("segments %.4f, all %.4f bytes/observation", segments, all)
		if segments > 0.14 || all > 0.20 {
			t.Errorf("segments %.4f, all %.4f bytes/observation, want at most 0.14 and 0.20", segments, all)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An import that is repeated, and one of what was exported, makes the same store: equal text of all
// series is equal bits of all observations.
func exportComesBackP4(t *testing.T, s *session) {
	t.Helper()
	ctx := context.Background()
	export := func(data string) string {
		var out, errs bytes.Buffer
		e := &session{out: &out, err: &errs, now: time.Now}
		if code := e.run(ctx, []string{"--data", data, "export", "metric:/.*(HeapMemoryUsage|us)/ OR java.lang GarbageCollector", "--format", "ndjson"}); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		return out.String()
	}
	want := export(s.data)
	if len(want) < 1<<20 {
		t.Fatalf("only %d bytes exported", len(want))
	}
	for _, format := range []string{ingest.CSV, ingest.Influx, ingest.NDJSON} {
		path := filepath.Join(t.TempDir(), "x."+format+".zst")
		copied := filepath.Join(t.TempDir(), "copy")
		var errs bytes.Buffer
		for _, args := range [][]string{
			{"--data", s.data, "export", "metric:/.*(HeapMemoryUsage|us)/ OR java.lang GarbageCollector", "--format", format, "-o", path},
			{"--data", copied, "import", "--quiet", "--strict", "--format", format, path},
			{"--data", copied, "import", "--quiet", "--strict", "--no-compact", "--format", format, path},
		} {
			e := &session{out: &errs, err: &errs, now: time.Now}
			if code := e.run(ctx, args); code != 0 {
				t.Fatalf("%s: exit code %d: %s", format, code, errs.String())
			}
		}
		if got := export(copied); got != want {
			t.Errorf("%s: %d bytes come back, want %d; first difference at %d", format, len(got), len(want), firstDifference(got, want))
		}
	}
}

func firstDifference(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// Free words find series whatever stands between them.
func searchP4(t *testing.T, s *session) {
	t.Helper()
	err := s.withStore(func(set *shard.Set) error {
		for selector, want := range map[string]int{
			"heap usage":              16,
			"HEAPMEMORYUSAGE":         8,
			"heap memory usage used":  4,
			`metric:\\CPU\\*`:         7,
			"process:EKG-Colector~":   107,
			"process:base AND NOT *:": -1,
		} {
			f, err := index.Parse(selector)
			if err != nil {
				if want >= 0 {
					t.Errorf("%s: %v", selector, err)
				}
				continue
			}
			_, total, err := set.Search(context.Background(), f, 0)
			if err != nil || total != want {
				t.Errorf("%s: %d series, %v, want %d", selector, total, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
