package query

import (
	"context"
	"math"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// A memory is rows that a stage made, as a selection that the next stage reads. A single value is
// an observation at stamp 0.
type memory struct {
	rows []ResultSeries
}

// zero is the stamps of a single value.
var zero = [1]int64{}

// Len implements chunk.Selection.
func (m *memory) Len() int { return len(m.rows) }

// Series implements chunk.Selection.
func (m *memory) Series(i int) chunk.Series {
	row := &m.rows[i]
	kind := row.Samples.Kind
	if row.Single {
		kind = chunk.Float64
		if row.IsText {
			kind = chunk.String
		}
	}
	return chunk.Series{Dimensions: row.Dimensions, Kind: kind}
}

// samples returns the observations of row i.
func (m *memory) samples(i int) chunk.Samples {
	row := &m.rows[i]
	switch {
	case !row.Single:
		return row.Samples
	case row.IsText:
		return chunk.Samples{Kind: chunk.String, Times: zero[:], Strings: []string{row.Text}}
	}
	return chunk.Samples{Kind: chunk.Float64, Times: zero[:], Floats: []float64{row.Value}}
}

// memoryPiece is the most rows of a piece of a memory.
const memoryPiece = 1 << 16

// AppendPieces implements chunk.Selection.
func (m *memory) AppendPieces(dst []chunk.Piece, i int) []chunk.Piece {
	if row := &m.rows[i]; row.Single {
		return append(dst, chunk.Piece{Span: chunk.Span{Start: 0, End: 1}, Rows: 1, Ref: uint64(i)})
	}
	times := m.rows[i].Samples.Times
	for k := 0; k < len(times); k += memoryPiece {
		end := min(k+memoryPiece, len(times))
		dst = append(dst, chunk.Piece{
			Span: chunk.SpanOf(times[k], times[end-1]), Rows: end - k, Group: uint64(k / memoryPiece),
			Ref: uint64(i) | uint64(k/memoryPiece)<<32,
		})
	}
	return dst
}

// Read implements chunk.Selection.
func (m *memory) Read(_ context.Context, p chunk.Piece, _ *chunk.Buffer) (chunk.Samples, error) {
	s := m.samples(int(uint32(p.Ref)))
	from := int(p.Ref>>32) * memoryPiece
	return s.Slice(from, from+p.Rows), nil
}

// Close implements chunk.Selection.
func (m *memory) Close() error { return nil }

// exactInt is the magnitude up to which all integers are float64s.
const exactInt = 1 << 53

// floatsOf appends the values of s, which are not strings, to dst as float64s, and reports whether
// they all are. The result is the column itself where s has floats.
func floatsOf(dst []float64, s *chunk.Samples) (values []float64, exact bool) {
	switch s.Kind {
	case chunk.Int64:
		return appendFloats(dst, s.Ints)
	case chunk.Bool:
		for _, v := range s.Bools {
			f := 0.0
			if v {
				f = 1
			}
			dst = append(dst, f)
		}
		return dst, true
	case chunk.Float64, chunk.String:
	}
	return s.Floats, true
}

// appendFloats appends integers as float64s, and reports whether all of them are.
func appendFloats(dst []float64, ints []int64) ([]float64, bool) {
	n := len(dst)
	dst = slices.Grow(dst, len(ints))[:n+len(ints)]
	out := dst[n:]
	var beyond uint64 // beside those that are too large, it finds 2^53 itself
	for i, v := range ints {
		out[i] = float64(v)
		beyond |= uint64(v+exactInt) >> 54
	}
	if beyond == 0 {
		return dst, true
	}
	return dst, !slices.ContainsFunc(ints, func(v int64) bool { return v > exactInt || v < -exactInt })
}

// roundedStats reports whether statistics of integers may be rounded.
func roundedStats(kind chunk.Kind, s *chunk.Stats) bool {
	return kind == chunk.Int64 && s.Values() > 0 && math.Max(math.Abs(s.Min), math.Abs(s.Max)) >= exactInt // what is beyond may have been rounded to it
}
