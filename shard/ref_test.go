package shard

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// A series that the store has noted need not be named again, also where a new head does not have it.
func TestRefs(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	set, err := Open(dir, Options{Manual: true, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	refs := make([]chunk.Ref, 4)
	dims := make([]chunk.Dimensions, 4)
	write := func(at int64, named bool, adm *Admission) {
		t.Helper()
		var b chunk.Batch
		for i := range refs {
			row := chunk.BatchRow{Ref: &refs[i], Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{at}, Floats: []float64{float64(i)}}}
			if named {
				row.Dimensions = dims[i]
			}
			b.Rows = append(b.Rows, row)
		}
		if err := set.AppendRows(ctx, &b, adm); err != nil {
			t.Fatal(err)
		}
		if set.Identify(&b); !b.Rows[3].Dimensions.Equal(dims[3]) && adm == nil {
			t.Errorf("row 3 is %v", b.Rows[3].Dimensions)
		}
	}
	for i := range dims {
		dims[i] = chunk.Dimensions{{Name: "host", Value: string(rune('a' + i))}, {Name: "metric", Value: "m"}}
	}
	write(1, true, nil)
	write(2, false, nil)
	if err := set.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	write(3, false, nil)
	tenant := &Admission{Row: func(row *chunk.BatchRow) error {
		row.Dimensions = append(row.Dimensions.Only("host", "metric"), chunk.Dimension{Name: "tenant", Value: "x"})
		return nil
	}}
	write(4, false, tenant)
	write(5, false, nil)
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	if set, err = Open(dir, Options{Manual: true}); err != nil { // reads the log
		t.Fatal(err)
	}
	defer set.Close()
	got := map[string][]int64{}
	for _, sh := range set.Parts() {
		sel, err := sh.Select(ctx, index.All(), chunk.Always)
		if err != nil {
			t.Fatal(err)
		}
		var buf chunk.Buffer
		for i := range sel.Len() {
			for _, p := range sel.AppendPieces(nil, i) {
				s, err := sel.Read(ctx, p, &buf)
				if err != nil {
					t.Fatal(err)
				}
				name := sel.Series(i).Dimensions.String()
				got[name] = append(got[name], s.Times...)
			}
		}
		if err := sel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string][]int64{}
	for _, d := range dims {
		want[d.String()] = []int64{1, 2, 3, 5}
		want[append(d.Only("host", "metric"), chunk.Dimension{Name: "tenant", Value: "x"}).String()] = []int64{4}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A row that names no series, and one whose ref is of another kind, are refused.
func TestRefsUnknown(t *testing.T) {
	set, err := Open(t.TempDir(), Options{Manual: true, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	var ref chunk.Ref
	samples := chunk.Samples{Kind: chunk.Int64, Times: []int64{1}, Ints: []int64{1}}
	b := &chunk.Batch{Rows: []chunk.BatchRow{{Ref: &ref, Samples: samples}}}
	if err := set.Append(context.Background(), b); !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty ref: %v", err)
	}
	named := &chunk.Batch{Rows: []chunk.BatchRow{{Ref: &ref, Samples: samples, Dimensions: chunk.Dimensions{{Name: "a", Value: "b"}}}}}
	if err := set.Append(context.Background(), named); err != nil {
		t.Fatal(err)
	}
	b.Rows[0].Samples = chunk.Samples{Kind: chunk.Float64, Times: []int64{1}, Floats: []float64{1}}
	if err := set.Append(context.Background(), b); !errors.Is(err, ErrInvalid) {
		t.Errorf("another kind: %v", err)
	}
}
