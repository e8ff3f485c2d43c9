package chunk

import (
	"slices"

	"github.com/chronodex/chronodex/codec"
)

// numbers are the decoded value columns of one type of numbers of a [Block].
type numbers[T float64 | int64] struct {
	shared [][]T // columns that are used twice, by valueColumn.slot; they stay until the next Parse
	slots  int   // of them in use
	own    []T   // the last column that is used once
}

// A decoding is what it takes to decode the columns of a group: their stamps, and the function.
type decoding[T float64 | int64] struct {
	times  []int64
	decode func(dst []T, c codec.Column, n int, ref []T, times []int64) ([]T, error)
}

// read decodes value column i of block b, which is in group g, and the one that it refers to.
func (v *numbers[T]) read(b *Block, g *group, i int, d decoding[T]) ([]T, error) {
	col := &b.columns[i]
	if col.slot > 0 {
		return v.shared[col.slot-1], nil
	}
	var ref []T
	if k, ok := col.Ref.Index(); ok {
		var err error
		if ref, err = v.read(b, g, g.first+k, d); err != nil {
			return nil, err
		}
	}
	if col.uses < 2 {
		out, err := d.decode(slices.Grow(v.own[:0], g.rows), col.Column, g.rows, ref, d.times)
		v.own = out
		return out, err
	}
	if v.slots == len(v.shared) {
		v.shared = append(v.shared, nil)
	}
	room := slices.Grow(v.shared[v.slots][:0], g.rows)
	out, err := d.decode(room, col.Column, g.rows, ref, d.times)
	if err == nil && len(out) != g.rows {
		err = codec.ErrCorrupt
	}
	if err != nil {
		return nil, err
	}
	v.shared[v.slots] = out
	v.slots++
	col.slot = int32(v.slots)
	return out, nil
}
