package segment_test

import (
	"testing"

	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/vfs"
)

// Identities are those of the rows that were written, in their order.
func TestIdentities(t *testing.T) {
	fs := vfs.NewMem()
	want := sources(t, 5, 40, 100)
	write(t, fs, "seg", want, codec.Fast)
	r := open(t, fs, "seg")
	var ordinals []uint32
	var names []string
	for e, err := range r.Identities() {
		if err != nil {
			t.Fatal(err)
		}
		ordinals, names = append(ordinals, e.Series), append(names, e.Identity.Dimensions.String())
	}
	n := 0
	for _, rows := range want {
		for _, row := range rows {
			if row.Samples.Len() == 0 {
				continue
			}
			if n >= len(names) || names[n] != row.Identity.Dimensions.String() || ordinals[n] != row.Ordinal {
				t.Fatalf("place %d: want %v of ordinal %d", n, row.Identity, row.Ordinal)
			}
			n++
		}
	}
	if n != len(names) {
		t.Errorf("%d identities, want %d", len(names), n)
	}
}
