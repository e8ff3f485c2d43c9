package testseries_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/internal/testseries"
)

func TestTimeShapes(t *testing.T) {
	for _, shape := range testseries.TimeShapes() {
		t.Run(shape.Name, func(t *testing.T) {
			a, b := shape.Make(7, 3000), shape.Make(7, 3000)
			if len(a) != 3000 || !slices.Equal(a, b) {
				t.Error("one seed makes two series")
			}
			rises := true
			for i := 1; i < len(a); i++ {
				rises = rises && a[i] > a[i-1]
			}
			if rises != shape.Sorted {
				t.Errorf("rises: %v, says %v", rises, shape.Sorted)
			}
		})
	}
	if slices.Equal(testseries.Times(1, 100, 30), testseries.Times(2, 100, 30)) {
		t.Error("two seeds make one series")
	}
}

// deterministic fails unless each shape makes the same values again, and as many as asked for.
func deterministic[V any](t *testing.T, kind string, shapes []testseries.Shape[V], key func(V) string) {
	for _, shape := range shapes {
		a, b := shape.Make(7, 2000), shape.Make(7, 2000)
		if len(a) != 2000 || !slices.EqualFunc(a, b, func(x, y V) bool { return key(x) == key(y) }) {
			t.Errorf("%s %s: one seed makes two series", kind, shape.Name)
		}
		if len(shape.Make(7, 0)) != 0 {
			t.Errorf("%s %s: none asked for", kind, shape.Name)
		}
	}
}

func TestShapes(t *testing.T) {
	deterministic(t, "floats", testseries.Floats(), func(v float64) string { return fmt.Sprint(math.Float64bits(v)) })
	deterministic(t, "ints", testseries.Ints(), func(v int64) string { return fmt.Sprint(v) })
	deterministic(t, "bools", testseries.Bools(), func(v bool) string { return fmt.Sprint(v) })
	deterministic(t, "strings", testseries.Strings(), func(v string) string { return v })
}

func TestHostileFloatsKeepTheirBits(t *testing.T) {
	seen := map[uint64]bool{}
	for _, v := range testseries.HostileFloats() {
		seen[math.Float64bits(v)] = true
	}
	if len(seen) < len(testseries.HostileFloats())-2 || !seen[0x7ff0000000000001] || !seen[1<<63] {
		t.Errorf("%d patterns of %d", len(seen), len(testseries.HostileFloats()))
	}
}
