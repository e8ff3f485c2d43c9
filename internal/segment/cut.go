package segment

import (
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

const (
	// chunkRows is about how many observations a chunk has: time columns are cut into pieces of
	// equal length, as near to it as can be.
	chunkRows = 8192
	// A block is full at this many values, so that small units share one. A unit is not parted
	// for that, since its columns refer to each other, but only over these limits.
	blockFull   = 1 << 20
	blockValues = chunk.MaxBlockValues
	blockChunks = 1024
)

// A piece is a chunk to be: observations of the series with this number.
type piece struct {
	series  int
	samples chunk.Samples
}

// cut cuts the samples of a source's series into chunks, and yields those that have the same rows
// of a time column, or parts of them, together. The stamps of what it yields are slices of the
// time columns, so that equal stamps are one slice.
func cut(series []piece, yield func([]piece) error) error {
	if len(series) == 1 && series[0].samples.Len() <= chunkRows { // as below, at once
		if series[0].samples.Len() == 0 {
			return nil
		}
		return yield(series)
	}
	order := make([]int, 0, len(series))
	for i := range series {
		if series[i].samples.Len() > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return series[b].samples.Len() - series[a].samples.Len() })
	var set chunk.TimeSet
	type place struct{ column, offset int }
	places := make([]place, len(series))
	for _, i := range order {
		column, offset := set.Find(series[i].samples.Times)
		places[i] = place{column, offset}
	}
	slices.Sort(order)
	slices.SortStableFunc(order, func(a, b int) int { return places[a].column - places[b].column })
	var unit []piece
	for len(order) > 0 {
		column, n := places[order[0]].column, 1
		for n < len(order) && places[order[n]].column == column {
			n++
		}
		times := set.Columns[column]
		windows := max(1, (len(times)+chunkRows/2)/chunkRows)
		for w := range windows {
			from, to := w*len(times)/windows, (w+1)*len(times)/windows
			unit = unit[:0]
			for _, i := range order[:n] {
				s, offset := &series[i].samples, places[i].offset
				a, b := max(from, offset), min(to, offset+s.Len())
				if a >= b {
					continue
				}
				part := s.Slice(a-offset, b-offset)
				part.Times = times[a:b:b]
				unit = append(unit, piece{series: series[i].series, samples: part})
			}
			if err := yield(unit); err != nil {
				return err
			}
		}
		order = order[n:]
	}
	return nil
}
