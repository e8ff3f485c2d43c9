package analytics_test

import (
	"sync"
	"testing"

	"github.com/chronodex/chronodex/analytics"
)

// TestResultsAtOnce makes the results of different states from several goroutines, as a query does
// for its groups; the race detector watches.
func TestResultsAtOnce(t *testing.T) {
	const n = 64
	for _, spec := range analytics.Catalogue() {
		if !spec.Aggregates() {
			continue
		}
		t.Run(spec.Name, func(t *testing.T) {
			var args []float64
			for _, a := range spec.Args {
				if !a.Optional {
					args = append(args, max(a.Min, min(a.Max, 0.5)))
				}
			}
			agg, err := spec.New(args...)
			if err != nil {
				t.Fatal(err)
			}
			states := agg.NewStates(n)
			for i := range n {
				states.Add(i, []int64{1, 2, 3}, []float64{float64(i), float64(i), float64(i)})
			}
			want := make([][]float64, n)
			for i := range n {
				want[i] = states.Result(nil, i)
			}
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := w; i < n; i += 8 {
						got := states.Result(nil, i)
						for k, v := range got {
							if v != want[i][k] && (v == v || want[i][k] == want[i][k]) {
								t.Errorf("state %d, output %d: %v beside others, %v alone", i, k, v, want[i][k])
							}
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
