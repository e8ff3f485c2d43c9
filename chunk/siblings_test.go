package chunk_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
)

// TestIntSiblings holds columns of integers that follow one another, as used and free memory do:
// written densely, the second costs next to nothing, and both come back.
func TestIntSiblings(t *testing.T) {
	const n, total = 4096, int64(1) << 40
	rng := rand.New(rand.NewPCG(1, 2))
	times, used, free := make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range n {
		times[i] = int64(i) * 1e9
		used[i] = rng.Int64N(1 << 30)
		free[i] = total - used[i]
	}
	row := func(series uint32, v []int64) chunk.BlockRow {
		return chunk.BlockRow{Series: series, Samples: chunk.Samples{Kind: chunk.Int64, Times: times, Ints: v}}
	}
	alone, err := chunk.AppendBlock(nil, []chunk.BlockRow{row(1, used)}, codec.Dense)
	if err != nil {
		t.Fatal(err)
	}
	both, err := chunk.AppendBlock(nil, []chunk.BlockRow{row(1, used), row(2, free)}, codec.Dense)
	if err != nil {
		t.Fatal(err)
	}
	if len(both) > len(alone)+64 {
		t.Errorf("%d bytes for a column, %d for it and its complement", len(alone), len(both))
	}
	block, err := chunk.ParseBlock(both)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]int64{used, free} {
		got, err := block.Read(i)
		if err != nil || !slices.Equal(got.Ints, want) {
			t.Errorf("chunk %d came back differently (%v)", i, err)
		}
	}
}
