package shard

import (
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/vfs"
)

func TestHeadsOfFewObservationsASeriesAreFullLater(t *testing.T) {
	for name, tc := range map[string]struct {
		series uint32
		rows   int // of each
		full   int64
	}{
		"empty heads":                 {0, 0, 3000},
		"a row of each":               {100, 1, 3000},
		"as many as are few":          {100, 16, 3000},
		"more":                        {100, 17, 1000},
		"so many that there are none": {2, 10_000, 1000},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open("store", Options{FS: vfs.NewMem(), Shards: 2, HeadBytes: 1000, Manual: true, IndexDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			h := s.shards[1].activeHead()
			for o := range tc.series {
				samples := chunk.Samples{Kind: chunk.Int64, Times: make([]int64, tc.rows), Ints: make([]int64, tc.rows)}
				for i := range samples.Times {
					samples.Times[i] = int64(i)
				}
				h.append([]headRow{{o, &samples}})
			}
			if got := s.fullAt(); got != tc.full {
				t.Errorf("heads are full at %d bytes, want %d", got, tc.full)
			}
			s.headBytes.Store(tc.full + 1000 - 1)
			if !s.hasRoom() {
				t.Error("there is no room below HeadBytes more")
			}
			if s.headBytes.Store(tc.full + 1000); s.hasRoom() {
				t.Error("there is room where heads take HeadBytes more")
			}
			s.headBytes.Store(0)
		})
	}
}
