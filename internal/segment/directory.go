package segment

import (
	"encoding/binary"
	"math"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
)

const (
	// pageChunks is how many chunks the directory has a page.
	pageChunks = 512
	// statsRows is the least number of observations of a chunk whose statistics are kept. Smaller
	// chunks are decoded as fast as their statistics would be read.
	statsRows = 64
)

// A Meta is what the directory says of one chunk.
type Meta struct {
	Series   uint32 // the shard's ordinal
	Kind     chunk.Kind
	HasStats bool       // Stats hold; not for chunks of fewer than 64 observations
	Rows     int        // observations
	Span     chunk.Span // of its observations, exactly
	Stats    chunk.Stats
	Block    uint32 // number of the block in the file: chunks of one are best read together
	Index    uint32 // number of the chunk in the block
}

// How a page keeps the statistics of a chunk.
const (
	statsNone     = 0
	statsConstant = 1 // all values are equal: only First is kept
	statsFull     = 2
)

// statsOfConstant are the statistics of n equal values.
func statsOfConstant(m *Meta, first float64) chunk.Stats {
	return chunk.Stats{
		Count: int64(m.Rows), FirstTime: m.Span.Start, LastTime: lastStamp(m.Span),
		First: first, Last: first, Min: first, Max: first, Sum: first * float64(m.Rows),
	}
}

// lastStamp is the last stamp of a span that chunk.SpanOf made. One that ends at the end of time
// may also have its last stamp just before: then statistics do not have the constant form.
func lastStamp(s chunk.Span) int64 {
	if s.End == math.MaxInt64 {
		return s.End
	}
	return s.End - 1
}

// statsForm is how the statistics of m are kept.
func statsForm(m *Meta) int64 {
	switch {
	case !m.HasStats:
		return statsNone
	case sameStats(m.Stats, statsOfConstant(m, m.Stats.First)):
		return statsConstant
	}
	return statsFull
}

// sameStats compares bit for bit, since NaN is equal to itself here.
func sameStats(a, b chunk.Stats) bool {
	eq := func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) }
	return a.Count == b.Count && a.NaNs == b.NaNs && a.FirstTime == b.FirstTime && a.LastTime == b.LastTime &&
		eq(a.First, b.First) && eq(a.Last, b.Last) && eq(a.Min, b.Min) && eq(a.Max, b.Max) &&
		eq(a.Sum, b.Sum) && eq(a.M2, b.M2)
}

// directoryColumns are the integer columns of a directory page, in order.
const (
	colSeries = iota // ordinal
	colKind
	colRows
	colStart // first stamp
	colWidth // End − Start of the span
	colBlock
	colIndex
	colStats // form
	directoryColumns
)

// appendDirectory appends a directory page: the count of chunks, the integer columns, and of the
// chunks whose statistics are kept the rest: gaps, the stamps of the first and the last value
// relative to the span, and the numbers. Columns of full statistics are encoded together.
func appendDirectory(dst []byte, metas []Meta, p codec.Profile) []byte {
	var ints [directoryColumns][]int64
	var nans, lead, trail, fullStart []int64
	var constants []float64
	full := make([][]float64, 6)
	for i := range metas {
		m := &metas[i]
		form := statsForm(m)
		for k, v := range [directoryColumns]int64{
			int64(m.Series), int64(m.Kind), int64(m.Rows), m.Span.Start, m.Span.End - m.Span.Start,
			int64(m.Block), int64(m.Index), form,
		} {
			ints[k] = append(ints[k], v)
		}
		s := &m.Stats
		switch form {
		case statsConstant:
			constants = append(constants, s.First)
		case statsFull:
			nans = append(nans, s.NaNs)
			lead = append(lead, s.FirstTime-m.Span.Start)
			trail = append(trail, m.Span.End-s.LastTime)
			fullStart = append(fullStart, m.Span.Start)
			for k, v := range [6]float64{s.First, s.Last, s.Min, s.Max, s.Sum, s.M2} {
				full[k] = append(full[k], v)
			}
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(metas)))
	for _, v := range ints {
		dst = appendInts(dst, v, p)
	}
	dst = binary.AppendUvarint(dst, uint64(len(constants)))
	if len(constants) > 0 {
		dst = appendFloats(dst, [][]float64{constants}, make([]int64, len(constants)), p)
	}
	dst = binary.AppendUvarint(dst, uint64(len(nans)))
	if len(nans) > 0 {
		for _, v := range [][]int64{nans, lead, trail} {
			dst = appendInts(dst, v, p)
		}
		dst = appendFloats(dst, full, fullStart, p)
	}
	return dst
}

// parseDirectory reads a directory page.
func parseDirectory(b []byte) ([]Meta, error) {
	r := pageReader{rest: b}
	n := r.count(pageChunks)
	var ints [directoryColumns][]int64
	for k := range ints {
		low, high := int64(math.MinInt64), int64(math.MaxInt64)
		switch k {
		case colSeries, colBlock, colIndex:
			low, high = 0, math.MaxUint32
		case colKind:
			low, high = int64(chunk.Float64), int64(chunk.String)
		case colRows:
			low, high = 1, codec.MaxRows
		case colStats:
			low, high = statsNone, statsFull
		}
		ints[k] = r.bounded(n, low, high)
	}
	metas := make([]Meta, n)
	var constants, fulls []int
	for i := range metas {
		start := ints[colStart][i]
		metas[i] = Meta{
			Series: uint32(ints[colSeries][i]), Kind: chunk.Kind(ints[colKind][i]), Rows: int(ints[colRows][i]),
			Span:  chunk.Span{Start: start, End: start + ints[colWidth][i]},
			Block: uint32(ints[colBlock][i]), Index: uint32(ints[colIndex][i]), HasStats: ints[colStats][i] != statsNone,
		}
		switch ints[colStats][i] {
		case statsConstant:
			constants = append(constants, i)
		case statsFull:
			fulls = append(fulls, i)
		}
	}
	if r.count(n) != len(constants) {
		r.fail("count of constants")
	}
	parseConstants(&r, metas, constants)
	if r.count(n) != len(fulls) {
		r.fail("count of statistics")
	}
	parseStats(&r, metas, fulls)
	return metas, r.end()
}

// parseConstants reads the statistics of the constant chunks.
func parseConstants(r *pageReader, metas []Meta, which []int) {
	if len(which) == 0 {
		return
	}
	first := r.floats(1, len(which), make([]int64, len(which)))[0]
	for k, i := range which {
		metas[i].Stats = statsOfConstant(&metas[i], first[k])
	}
}

// parseStats reads full statistics.
func parseStats(r *pageReader, metas []Meta, which []int) {
	n := len(which)
	if n == 0 {
		return
	}
	nans := r.bounded(n, 0, codec.MaxRows)
	lead, trail := r.ints(n), r.ints(n)
	start := make([]int64, n)
	for k, i := range which {
		start[k] = metas[i].Span.Start
	}
	f := r.floats(6, n, start)
	for k, i := range which {
		m := &metas[i]
		m.Stats = chunk.Stats{
			Count: int64(m.Rows), NaNs: nans[k], FirstTime: m.Span.Start + lead[k], LastTime: m.Span.End - trail[k],
			First: f[0][k], Last: f[1][k], Min: f[2][k], Max: f[3][k], Sum: f[4][k], M2: f[5][k],
		}
	}
}
