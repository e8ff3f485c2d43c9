package shard

import "github.com/chronodex/chronodex/chunk"

// An address is where a series is: what a [chunk.Ref] notes. The bits are, from above: 16 for the shard
// + 1, 16 for the kind, 32 for the ordinal.
type address struct {
	shard   int
	ordinal uint32
}

func (a address) note(r *chunk.Ref, k chunk.Kind) {
	r.Store(uint64(a.shard+1)<<48 | uint64(k)<<32 | uint64(a.ordinal))
}

// noted returns the address that the ref of a row notes, and whether it does.
func (s *Set) noted(row *chunk.BatchRow) (address, bool) {
	if row.Ref == nil {
		return address{}, false
	}
	id := row.Ref.Load()
	a := address{int(id>>48) - 1, uint32(id)}
	return a, a.shard >= 0 && a.shard < len(s.shards) && chunk.Kind(id>>32) == row.Samples.Kind
}

// Identify gives the rows whose series only their refs tell the dimensions of these, in new memory.
func (s *Set) Identify(b *chunk.Batch) {
	for i := range b.Rows {
		if row := &b.Rows[i]; row.Dimensions == nil {
			s.identify(row)
		}
	}
}

// identify gives a row its dimensions, where its ref tells them.
func (s *Set) identify(row *chunk.BatchRow) {
	if a, ok := s.noted(row); ok {
		row.Dimensions = s.shards[a.shard].table.series(a.ordinal).Dimensions
	}
}
