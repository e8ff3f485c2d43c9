package shard

import (
	"cmp"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

// bySource returns the ordinals of series, those of one source together, in the order of
// chunk.Series.Compare. Names and values are compared once, to give every pair a rank; series are
// then compared by the ranks of their pairs.
func (t *table) bySource(series *roaring.Bitmap) [][]uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	ordinals := series.ToArray()
	rank := t.ranks(ordinals)
	naming := t.naming()
	slices.SortFunc(ordinals, func(a, b uint32) int {
		x := sourceCursor{members: t.members[t.first[a]:][:t.count[a]]}
		y := sourceCursor{members: t.members[t.first[b]:][:t.count[b]]}
		for {
			x.skip(t, &naming, rank)
			y.skip(t, &naming, rank)
			if len(x.members) == 0 || len(y.members) == 0 {
				break
			}
			if c := cmp.Compare(rank[x.members[0]], rank[y.members[0]]); c != 0 {
				return c
			}
			x.members, y.members = x.members[1:], y.members[1:]
		}
		return cmp.Or(cmp.Compare(len(x.members), len(y.members)), slices.Compare(x.named[:], y.named[:]), cmp.Compare(t.kinds[a], t.kinds[b]))
	})
	var out [][]uint32
	for len(ordinals) > 0 {
		n := 1
		for n < len(ordinals) && t.sources[ordinals[n]] == t.sources[ordinals[0]] {
			n++
		}
		out = append(out, ordinals[:n:n])
		ordinals = ordinals[n:]
	}
	return out
}

// naming returns the numbers of the names that are no part of a source, plus 1; 0 for those that no
// series has: the metric's and the field's, in the order in which they are compared.
func (t *table) naming() (numbers [2]uint32) {
	for i, name := range [...]string{chunk.MetricName, chunk.FieldName} {
		if n, ok := t.names[name]; ok {
			numbers[i] = n + 1
		}
	}
	return numbers
}

// A sourceCursor walks over the pairs of a series that belong to its source.
type sourceCursor struct {
	members []uint32  // pairs to come
	named   [2]uint32 // ranks plus 1 of the pairs that do not, by the order of naming
}

// skip passes pairs that do not belong to the source, and notes their ranks.
func (c *sourceCursor) skip(t *table, naming *[2]uint32, rank []uint32) {
	for len(c.members) > 0 {
		switch t.pairs[c.members[0]].name + 1 {
		case naming[0]:
			c.named[0] = rank[c.members[0]] + 1
		case naming[1]:
			c.named[1] = rank[c.members[0]] + 1
		default:
			return
		}
		c.members = c.members[1:]
	}
}

// ranks returns, by number of a pair, its place among the pairs that the ordinals use.
func (t *table) ranks(ordinals []uint32) []uint32 {
	rank := make([]uint32, len(t.pairs))
	var used []uint32
	for _, o := range ordinals {
		for _, m := range t.members[t.first[o]:][:t.count[o]] {
			if rank[m] == 0 {
				rank[m] = 1
				used = append(used, m)
			}
		}
	}
	slices.SortFunc(used, func(a, b uint32) int {
		p, q := &t.pairs[a], &t.pairs[b]
		if p.name != q.name {
			return strings.Compare(t.name[p.name], t.name[q.name])
		}
		return strings.Compare(p.value, q.value)
	})
	for i, m := range used {
		rank[m] = uint32(i)
	}
	return rank
}
