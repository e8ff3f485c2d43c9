//go:build !race

package segment_test

import (
	"testing"

	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/vfs"
)

// Real data comes back bit for bit. Without the race detector, which has nothing to find here and
// takes a minute.
func TestP4(t *testing.T) {
	all := p4Sources(t)
	fs := vfs.NewMem()
	for _, p := range []codec.Profile{codec.Fast, codec.Dense} {
		write(t, fs, "p4", all, p)
		r := open(t, fs, "p4")
		check(t, r, all)
		_, chunks, obs := r.Len()
		t.Logf("profile %d: %d chunks, %d observations, %d bytes: %.4f bytes an observation",
			p, chunks, obs, r.Size(), float64(r.Size())/float64(obs))
	}
}
