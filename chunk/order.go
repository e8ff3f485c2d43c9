package chunk

import (
	"cmp"
	"strings"
)

// Compare orders series by source: by their dimensions without [MetricName] and [FieldName] (as
// [Dimensions.Compare] does, a prefix first), then by these two, then by kind. So the series of a
// source, which tend to share their stamps, are neighbours, and segments hold them in this order.
func (s Series) Compare(o Series) int {
	if c, _ := compareSources(s.Dimensions, o.Dimensions); c != 0 {
		return c
	}
	for _, name := range [...]string{MetricName, FieldName} {
		a, _ := s.Dimensions.Get(name)
		b, _ := o.Dimensions.Get(name)
		if c := strings.Compare(a, b); c != 0 {
			return c
		}
	}
	return cmp.Compare(s.Kind, o.Kind)
}

// SameSource reports whether s and o differ in their metric, their field, their kind, or nothing.
func (s Series) SameSource(o Series) bool {
	c, _ := compareSources(s.Dimensions, o.Dimensions)
	return c == 0
}

// naming reports whether a dimension says what is measured, not of what: those are no part of a
// source.
func naming(dimension string) bool { return dimension == MetricName || dimension == FieldName }

// compareSources compares dimensions without those that are naming, and counts the pairs that both
// begin with.
func compareSources(a, b Dimensions) (order, common int) {
	for i, j := 0, 0; ; i, j, common = i+1, j+1, common+1 {
		for i < len(a) && naming(a[i].Name) {
			i++
		}
		for j < len(b) && naming(b[j].Name) {
			j++
		}
		switch {
		case i >= len(a) && j >= len(b):
			return 0, common
		case i >= len(a):
			return -1, common
		case j >= len(b):
			return 1, common
		}
		if c := strings.Compare(a[i].Name, b[j].Name); c != 0 {
			return c, common
		}
		if c := strings.Compare(a[i].Value, b[j].Value); c != 0 {
			return c, common
		}
	}
}

// CommonSource counts the pairs, without the metric and the field, that a and b both begin with.
func CommonSource(a, b Series) int {
	_, n := compareSources(a.Dimensions, b.Dimensions)
	return n
}
