package analytics_test

import (
	"fmt"

	"github.com/chronodex/chronodex/analytics"
)

// Two shards hold parts of the observations; what they answer is merged.
func Example() {
	spec, err := analytics.Lookup("p")
	if err != nil {
		panic(err)
	}
	p, err := spec.New(0.5, 0.99)
	if err != nil {
		panic(err)
	}
	one, two := p.NewStates(1), p.NewStates(1)
	one.Add(0, []int64{1, 2, 3}, []float64{10, 20, 30})
	two.Add(0, []int64{4, 5}, []float64{40, 1000})
	one.Merge(0, two, 0)
	fmt.Println(p.Outputs(), one.Result(nil, 0))
	// Output: [p0.5 p0.99] [30 961.5999999999999]
}

// Windows are runs of rows; increase links them, so that no step is lost between two.
func Example_windows() {
	spec, err := analytics.Lookup("increase")
	if err != nil {
		panic(err)
	}
	increase, err := spec.New()
	if err != nil {
		panic(err)
	}
	times := []int64{0, 30e9, 60e9, 90e9, 120e9}
	values := []float64{5, 7, 9, 1, 4} // the counter began again at zero before 90 s
	bounds := analytics.AppendBounds(nil, times, []int64{0, 60e9, 120e9, 180e9})
	windows := increase.NewStates(len(bounds) - 1)
	windows.AddRuns(0, bounds, times, values)
	windows.(analytics.Linker).Link(0, windows.Len())
	for i := range windows.Len() {
		fmt.Println(windows.Result(nil, i))
	}
	// Output:
	// [2]
	// [3]
	// [3]
}
