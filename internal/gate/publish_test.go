package gate_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
)

// Each subscription is told of what it asked for, and of nothing twice, whatever others ask: also
// of a series without dimensions.
func TestSubscriptionsBesideOthers(t *testing.T) {
	s := newSite(t, gate.Limits{})
	root, north := context.Background(), as(t, "ann", access.All, "site:north")
	subs := map[string]*gate.Subscription{}
	for name, of := range map[string]struct {
		who    context.Context
		filter index.Filter
	}{
		"all": {root, index.All()}, "all again": {root, index.All()}, "a": {root, filter(t, "host:a")},
		"all of north": {north, index.All()}, "a of north": {north, filter(t, "host:a")}, "none": {root, filter(t, "host:z")},
	} {
		sub, err := s.Subscribe(of.who, of.filter)
		must(t, err)
		defer sub.Close()
		subs[name] = sub
	}
	b := batch(row(t, "host", "a", "site", "north"), row(t, "host", "a", "site", "south"), row(t, "host", "b", "site", "north"), row(t))
	_, err := s.Append(root, b)
	must(t, err)
	gone, cancel := context.WithCancel(root)
	cancel()
	for name, want := range map[string]string{
		"all": "[0 1 2 3]", "all again": "[0 1 2 3]", "a": "[0 1]", "all of north": "[0 2]", "a of north": "[0]", "none": "[]",
	} {
		got := []int{}
		e, _ := subs[name].Next(gone)
		for _, r := range e.Rows {
			for i := range b.Rows {
				if r.Dimensions.Equal(b.Rows[i].Dimensions) && r.Samples.Len() == b.Rows[i].Samples.Len() {
					got = append(got, i)
				}
			}
		}
		if fmt.Sprint(got) != want || e.Missed != 0 {
			t.Errorf("%s: told of rows %v, want %v; missed %d", name, got, want, e.Missed)
		}
	}
}

// BenchmarkListeners measures what readers cost who writes.
func BenchmarkListeners(b *testing.B) {
	for _, n := range []int{0, 1, 64} {
		b.Run(fmt.Sprint(n, " subscriptions"), func(b *testing.B) {
			s := newSite(b, gate.Limits{})
			for range n {
				sub, err := s.Subscribe(context.Background(), index.All())
				must(b, err)
				defer sub.Close()
			}
			var rows []chunk.BatchRow
			for i := range 1000 {
				rows = append(rows, row(b, "host", fmt.Sprint(i)))
			}
			for b.Loop() {
				_, err := s.Append(context.Background(), batch(rows...))
				must(b, err)
			}
		})
	}
}
