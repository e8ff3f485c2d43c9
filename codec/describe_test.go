package codec

import (
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	counting := column(100, func(i int) int64 { return int64(i) * 5 })
	for want, c := range map[string]Column{
		"ints: const":       EncodeInts(make([]int64, 100), Fast),
		"ints: delta const": EncodeInts(counting, Fast),
		"decimal 10^-2: runs 10 (const, delta const)": EncodeFloats([][]float64{
			column(100, func(i int) float64 { return float64(i/10) / 100 }),
		}, counting, Fast)[0],
		"encoding 99 … corrupt": {Encoding: 99},
		"ints: corrupt":         {Encoding: encInts},
	} {
		got := Describe(c, 100)
		if want == "ints: corrupt" {
			if !strings.HasSuffix(got, "… corrupt") {
				t.Errorf("got %q", got)
			}
			continue
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
