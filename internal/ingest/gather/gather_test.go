package gather_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/gather"
)

func dims(pairs ...string) chunk.Dimensions {
	var d chunk.Dimensions
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	return d
}

func define(t testing.TB, r *gather.Rows, text string, kind chunk.Kind) *gather.Series {
	t.Helper()
	s, err := r.Define([]byte(text), kind, dims("metric", text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Batches that follow each other in the same memory hold what they were given and nothing else,
// whatever kind the rows of the one before had.
func TestRows(t *testing.T) {
	var r gather.Rows
	if r.Lookup([]byte("cpu"), chunk.Float64) != nil {
		t.Error("an empty one knows cpu")
	}
	cpu, mem := define(t, &r, "cpu", chunk.Float64), define(t, &r, "mem", chunk.Int64)
	r.Float(cpu, 1, 1.5)
	r.Int(mem, 2, 7)
	r.Float(cpu, 3, 2.5)
	want := &chunk.Batch{Rows: []chunk.BatchRow{
		{Dimensions: dims("metric", "cpu"), Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{1, 3}, Floats: []float64{1.5, 2.5}}},
		{Dimensions: dims("metric", "mem"), Samples: chunk.Samples{Kind: chunk.Int64, Times: []int64{2}, Ints: []int64{7}}},
	}}
	if d := cmp.Diff(want, r.Batch()); d != "" || r.Points() != 3 {
		t.Errorf("%d points, difference:\n%s", r.Points(), d)
	}
	r.Reset()
	if r.Points() != 0 || r.Batch().Observations() != 0 {
		t.Errorf("after Reset: %d points in %v", r.Points(), r.Batch())
	}
	if r.Lookup([]byte("cpu"), chunk.Int64) != nil || r.Lookup([]byte("cpu"), chunk.Float64) != cpu {
		t.Error("the series that is remembered is not the one defined")
	}
	r.Int(mem, 4, 8)
	r.Float(cpu, 4, 3.5)
	want = &chunk.Batch{Rows: []chunk.BatchRow{
		{Dimensions: dims("metric", "mem"), Samples: chunk.Samples{Kind: chunk.Int64, Times: []int64{4}, Ints: []int64{8}}},
		{Dimensions: dims("metric", "cpu"), Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{4}, Floats: []float64{3.5}}},
	}}
	if d := cmp.Diff(want, r.Batch()); d != "" {
		t.Error(d)
	}
}

func TestRowsRefuse(t *testing.T) {
	var r gather.Rows
	if _, err := r.Define([]byte("x"), chunk.Float64, dims("", "x")); !errors.Is(err, chunk.ErrDimensions) {
		t.Errorf("a dimension without a name: %v", err)
	}
	for i := range 100 {
		r.Refuse(i+1, []byte(strings.Repeat("€", 100)), errors.New("bad"))
	}
	n, first := r.Refused()
	if n != 100 || len(first) != 20 || first[19].Number != 20 || !strings.HasPrefix(first[0].Text, "€€€") || len(first[0].Text) > 90 {
		t.Errorf("%d refused, described: %v", n, first)
	}
	r.Reset()
	if n, first := r.Refused(); n != 0 || len(first) != 0 {
		t.Errorf("after Reset %d refused, described: %v", n, first)
	}
}

// Senders that never name a series twice do not make the memory of series grow for ever.
func TestRowsForget(t *testing.T) {
	var r gather.Rows
	for i := range 1<<16 + 10 {
		define(t, &r, fmt.Sprint(i), chunk.Float64)
	}
	if r.Lookup([]byte("5"), chunk.Float64) != nil || r.Lookup([]byte("65545"), chunk.Float64) == nil {
		t.Error("the oldest is remembered, or the newest is not")
	}
}

func TestTagName(t *testing.T) {
	for tag, want := range map[string]string{
		"host": "host", "metric": "metric_", "metric_": "metric__", "metrics": "metrics", "metric_x": "metric_x", "": "",
	} {
		if got := gather.TagName(tag); got != want {
			t.Errorf("tag %q is dimension %q, want %q", tag, got, want)
		}
	}
}

func BenchmarkRows(b *testing.B) {
	var r gather.Rows
	keys := make([][]byte, 1000)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "servers.host%d.cpu.user", i)
		define(b, &r, string(keys[i]), chunk.Float64)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, k := range keys {
			r.Float(r.Lookup(k, chunk.Float64), int64(i), 1.5)
		}
		r.Reset()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
}
