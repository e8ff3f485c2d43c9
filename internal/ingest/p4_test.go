package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/testseries"
)

// The whole of P4: 498 files, 249 series, 3,896,974 observations, no bad line.
func TestP4(t *testing.T) {
	sources, err := ingest.Sources([]string{testseries.Shared(t, "p4")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]bool{}
	sum, err := ingest.Run(context.Background(), sources, ingest.Options{Strict: true}, func(_ context.Context, b *chunk.Batch) error {
		for _, r := range b.Rows {
			series[r.Dimensions.String()] = true
			if !r.Samples.Sorted() {
				return fmt.Errorf("%v is not sorted", r.Dimensions)
			}
		}
		return nil
	})
	if err != nil || sum.Files != 498 || len(series) != 249 || sum.Observations != 3_896_974 {
		t.Errorf("%+v, %d series, %v", sum, len(series), err)
	}
}

// BenchmarkChronix reads the text of one file of P4, without gzip.
func BenchmarkChronix(b *testing.B) {
	paths, err := filepath.Glob(filepath.Join(testseries.Shared(b, "p4"), "*HeapMemoryUsage-used.csv.gz"))
	if err != nil || len(paths) == 0 {
		b.Skip(err)
	}
	packed, err := os.ReadFile(paths[0])
	if err != nil {
		b.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		b.Fatal(err)
	}
	benchmark(b, paths[0], text)
}

func BenchmarkInflux(b *testing.B) {
	var text []byte
	for i := range 5000 {
		text = fmt.Appendf(text, "cpu,host=host-%d,core=%d user=%d.5,idle=%di %d\n", i%100, i%8, i%90, i, 1439400341389000000+i)
	}
	benchmark(b, "x.lp", text)
}

func BenchmarkCSV(b *testing.B) {
	text := []byte("time,host,metric,value\n")
	for i := range 5000 {
		text = fmt.Appendf(text, "2015-08-12T17:%02d:%02d.%03dZ,host-%d,cpu,%d.5\n", i/60%60, i%60, i%1000, i/100, i%90)
	}
	benchmark(b, "x.csv", text)
}

func BenchmarkNDJSON(b *testing.B) {
	var text []byte
	for i := range 5000 {
		text = fmt.Appendf(text, `{"dimensions":{"host":"host-%d","metric":"cpu"},"time":%d,"value":%d.5}`+"\n", i%100, 1439400341389000000+i, i%90)
	}
	benchmark(b, "x.ndjson", text)
}

func benchmark(b *testing.B, name string, text []byte) {
	b.SetBytes(int64(len(text)))
	var n int64
	for b.Loop() {
		sum, err := ingest.Decode(context.Background(), name, bytes.NewReader(text), ingest.Options{Strict: true}, func(*chunk.Batch) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		n += sum.Observations
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "M-obs/s")
}
