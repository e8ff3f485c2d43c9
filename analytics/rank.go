package analytics

import (
	"cmp"
	"slices"
)

// Rank returns the places of keys in rising order, or in falling order; NaN comes last in both, and
// equal keys keep their order. At most limit places are returned; a negative limit is none.
func Rank(keys []float64, falling bool, limit int) []int {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := keys[i], keys[j]
		switch {
		case a != a || b != b:
			return boolInt(a != a) - boolInt(b != b)
		case falling:
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	})
	if limit >= 0 && limit < len(order) {
		order = order[:limit]
	}
	return order
}

// boolInt is 1 for true.
func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// AppendTop appends the n greatest observations of p, or the n least, to dst, in order of time. Of
// equal values the earlier ones are taken; gaps never are. There may be fewer than n.
func AppendTop(dst, p Points, n int, greatest bool) Points {
	rows := Rank(p.Values, greatest, n)
	slices.Sort(rows)
	for _, i := range rows {
		if v := p.Values[i]; v == v {
			dst.Times = append(dst.Times, p.Times[i])
			dst.Values = append(dst.Values, v)
		}
	}
	return dst
}
