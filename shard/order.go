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
	metric, hasMetric := t.names[chunk.MetricName]
	field, hasField := t.names[chunk.FieldName]
	isMetric := func(m uint32) bool { return hasMetric && t.pairs[m].name == metric }
	isField := func(m uint32) bool { return hasField && t.pairs[m].name == field }
	slices.SortFunc(ordinals, func(a, b uint32) int {
		x, y := t.members[t.first[a]:][:t.count[a]], t.members[t.first[b]:][:t.count[b]]
		var ma, mb, fa, fb uint32 // rank of the metric + 1, and of the field
		i, j := 0, 0
		for {
			for ; i < len(x) && (isMetric(x[i]) || isField(x[i])); i++ {
				if isMetric(x[i]) {
					ma = rank[x[i]] + 1
				} else {
					fa = rank[x[i]] + 1
				}
			}
			for ; j < len(y) && (isMetric(y[j]) || isField(y[j])); j++ {
				if isMetric(y[j]) {
					mb = rank[y[j]] + 1
				} else {
					fb = rank[y[j]] + 1
				}
			}
			if i >= len(x) || j >= len(y) {
				break
			}
			if c := cmp.Compare(rank[x[i]], rank[y[j]]); c != 0 {
				return c
			}
			i++
			j++
		}
		return cmp.Or(cmp.Compare(len(x)-i, len(y)-j), cmp.Compare(ma, mb), cmp.Compare(fa, fb), cmp.Compare(t.kinds[a], t.kinds[b]))
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
