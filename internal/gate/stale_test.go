package gate

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// TestStaleMarkers: Prometheus ends a series with a NaN of its own. It is stored to the bit, and no
// function takes it for an observation: whatever is asked, the answer is that of the series without
// it. Only nans counts it.
func TestStaleMarkers(t *testing.T) {
	stale := math.Float64frombits(0x7ff0000000000002)
	series := func(metric string, marked bool) chunk.BatchRow {
		d, err := chunk.NewDimensions(chunk.Dimension{Name: "metric", Value: metric})
		if err != nil {
			t.Fatal(err)
		}
		s := chunk.Samples{Kind: chunk.Float64}
		for i := range int64(3000) {
			v := float64(i % 700) // a counter that is reset
			if i%1000 == 999 {
				if v = stale; !marked {
					continue
				}
			}
			s.Times, s.Floats = append(s.Times, i*1e9), append(s.Floats, v)
		}
		return chunk.BatchRow{Dimensions: d, Samples: s}
	}
	set, err := shard.Open(t.TempDir(), shard.Options{Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	g, ctx := New(set, Options{}), context.Background()
	if _, err := g.Append(ctx, &chunk.Batch{Rows: []chunk.BatchRow{series("marked", true), series("plain", false)}}); err != nil {
		t.Fatal(err)
	}
	ask := func(metric, stages string) []query.ResultSeries {
		t.Helper()
		q, err := query.Parse("metric:" + metric + stages)
		if err != nil {
			t.Fatal(err)
		}
		r, err := g.Query(ctx, q, query.Request{})
		if err != nil {
			t.Fatalf("%s: %v", stages, err)
		}
		for i := range r.Series {
			r.Series[i].Dimensions = nil
		}
		return r.Series
	}
	arguments := map[string]string{"p": " 0.5 0.99"}
	near := cmp.Comparer(func(a, b float64) bool {
		return math.IsNaN(a) && math.IsNaN(b) || a == b || math.Abs(a-b) <= 1e-12*math.Abs(a)
	})
	for _, state := range []string{"in the head", "sealed"} {
		for _, f := range analytics.Catalogue() {
			if f.Kind != analytics.Aggregating && !f.Windows || f.Name == "nans" {
				continue
			}
			for _, stages := range []string{" | " + f.Name + arguments[f.Name], " | " + f.Name + arguments[f.Name] + " every 7m"} {
				if diff := cmp.Diff(ask("plain", stages), ask("marked", stages), near); diff != "" {
					t.Errorf("%s: %s (-without +with markers):\n%s", state, stages, diff)
				}
			}
		}
		if got := fmt.Sprint(ask("marked", " | nans")[0].Value, ask("marked", " | count")[0].Value); got != "3 2997" {
			t.Errorf("%s: nans and count are %s", state, got)
		}
		raw := ask("marked", "")[0].Samples
		if bits := math.Float64bits(raw.Floats[999]); bits != 0x7ff0000000000002 || len(raw.Floats) != 3000 {
			t.Errorf("%s: of %d observations, number 999 is %x", state, len(raw.Floats), bits)
		}
		if err := set.Seal(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
