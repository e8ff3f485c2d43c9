package shard

import (
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

func TestCalmHeadsAreSealed(t *testing.T) {
	const period = time.Minute
	grow := func(h *head, rows int) {
		s := chunk.Samples{Kind: chunk.Float64, Times: make([]int64, rows), Floats: make([]float64, rows)}
		for i := range s.Times {
			s.Times[i] = h.count + int64(i)
		}
		h.append([]headRow{{0, &s}})
	}
	for name, tc := range map[string]struct {
		rows []int // written before each look, of which there are two a period
		due  int   // at which look; -1 for none
	}{
		"an empty head":               {[]int{0, 0, 0, 0, 0, 0}, -1},
		"one that rests":              {[]int{1000, 0, 0, 0}, 2},
		"one that rests later":        {[]int{0, 1000, 1000, 0, 0, 0}, 5},
		"one that grows":              {[]int{1000, 1000, 1000, 1000, 1000, 1000}, -1},
		"one that hardly grows":       {[]int{10_000, 10, 10, 10}, 2},
		"one that grows for too long": {[]int{1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 18, 1 << 19, 1 << 19, 1 << 20, 1 << 20}, 24},
	} {
		t.Run(name, func(t *testing.T) {
			var c calm
			h, now, due := newHead(), time.Unix(1e9, 0), -1
			for i, n := range tc.rows {
				grow(h, n)
				if c.due(h, now, period) {
					due = i
					break
				}
				now = now.Add(period / 2)
			}
			if due != tc.due {
				t.Errorf("due at look %d, want %d", due, tc.due)
			}
			if c.due(newHead(), now.Add(24*period), period) {
				t.Error("a new head is due at once")
			}
		})
	}
}
