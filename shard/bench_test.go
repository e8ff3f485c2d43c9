package shard_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/testseries"
	"github.com/chronodex/chronodex/shard"
)

// p4Batches are the files of P4, one batch each.
func p4Batches(t testing.TB) (batches []*chunk.Batch, observations int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(testseries.Shared(t, "p4"), "*.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		row, err := p4File(path)
		if err != nil {
			t.Fatal(err)
		}
		observations += row.Samples.Len()
		batches = append(batches, &chunk.Batch{Rows: []chunk.BatchRow{row}})
	}
	return batches, observations
}

func p4File(path string) (row chunk.BatchRow, err error) {
	f, err := os.Open(path)
	if err != nil {
		return row, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return row, err
	}
	parts := strings.SplitN(filepath.Base(path), "_", 4)
	r := bufio.NewReader(z)
	head, err := r.ReadString('\n')
	if err != nil {
		return row, err
	}
	_, metric, _ := strings.Cut(strings.TrimSpace(head), ";")
	row.Dimensions, err = chunk.NewDimensions(
		chunk.Dimension{Name: "host", Value: parts[0]}, chunk.Dimension{Name: "process", Value: parts[1]},
		chunk.Dimension{Name: "group", Value: parts[2]}, chunk.Dimension{Name: "metric", Value: metric},
	)
	row.Samples.Kind = chunk.Float64
	for err == nil {
		var line string
		if line, err = r.ReadString('\n'); line == "" {
			break
		}
		stamp, value, _ := strings.Cut(strings.TrimSpace(line), ";")
		at, err1 := time.Parse("02.01.2006 15:04:05.000", stamp)
		v, err2 := strconv.ParseFloat(strings.ReplaceAll(value, ",", ""), 64)
		if err1 != nil || err2 != nil {
			return row, fmt.Errorf("%s: %q", path, line)
		}
		row.Samples.Times = append(row.Samples.Times, at.UnixNano())
		row.Samples.Floats = append(row.Samples.Floats, v)
	}
	if err == io.EOF {
		err = nil
	}
	return row, err
}

// BenchmarkImport is P4 into an empty store and compacted, from columns in memory.
func BenchmarkImport(b *testing.B) {
	batches, n := p4Batches(b)
	ctx := context.Background()
	var appended, compacted time.Duration
	var stats shard.Stats
	for b.Loop() {
		s, err := shard.Open(b.TempDir(), shard.Options{})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		for _, batch := range batches {
			if err := s.Append(ctx, batch); err != nil {
				b.Fatal(err)
			}
		}
		appended += time.Since(start)
		start = time.Now()
		if err := s.Compact(ctx, nil); err != nil {
			b.Fatal(err)
		}
		compacted += time.Since(start)
		stats = s.Stats()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(appended.Nanoseconds())/float64(b.N)/float64(n), "ns/obs-append")
	b.ReportMetric(float64(compacted.Nanoseconds())/float64(b.N)/float64(n), "ns/obs-compact")
	b.ReportMetric(float64(stats.SegmentBytes)/float64(n), "bytes/obs")
}

// p4Store is P4, imported and compacted.
func p4Store(b *testing.B) (dir string, observations int) {
	batches, n := p4Batches(b)
	dir = b.TempDir()
	s, err := shard.Open(dir, shard.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, batch := range batches {
		if err := s.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Compact(context.Background(), nil); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return dir, n
}

func BenchmarkOpen(b *testing.B) {
	dir, _ := p4Store(b)
	for b.Loop() {
		s, err := shard.Open(dir, shard.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkSelect is a snapshot of all series of P4 with their pieces, and nothing read.
func BenchmarkSelect(b *testing.B) {
	dir, _ := p4Store(b)
	s, err := shard.Open(dir, shard.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var pieces []chunk.Piece
	n := 0
	for b.Loop() {
		n = 0
		for _, p := range s.Parts() {
			sel, err := p.Select(context.Background(), index.All(), chunk.Always)
			if err != nil {
				b.Fatal(err)
			}
			for i := range sel.Len() {
				pieces = sel.AppendPieces(pieces[:0], i)
				n += len(pieces)
			}
			if err := sel.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(n), "pieces")
}

// BenchmarkRead reads all of P4, one goroutine.
func BenchmarkRead(b *testing.B) {
	dir, n := p4Store(b)
	s, err := shard.Open(dir, shard.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetBytes(int64(16 * n))
	var buf chunk.Buffer
	for b.Loop() {
		for _, p := range s.Parts() {
			readAll(b, p, &buf)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/obs")
}

func readAll(b *testing.B, p *shard.Shard, buf *chunk.Buffer) {
	sel, err := p.Select(context.Background(), index.All(), chunk.Always)
	if err != nil {
		b.Fatal(err)
	}
	defer sel.Close()
	groups := map[uint64][]chunk.Piece{}
	for i := range sel.Len() {
		for _, piece := range sel.AppendPieces(nil, i) {
			groups[piece.Group] = append(groups[piece.Group], piece)
		}
	}
	for _, g := range groups {
		for _, piece := range g {
			if _, err := sel.Read(context.Background(), piece, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
}
