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
	NoGaps   bool       // Stats do not hold, but no observation is a gap (NaN)
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
	statsAgain    = 3 // those of another chunk before it in the page, which has equal values
	statsNoGaps   = 4 // none, but no value is a gap
	statsForms    = 5
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
	case !m.HasStats && m.NoGaps:
		return statsNoGaps
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

// A directoryWriter is the columns of a page in the making.
type directoryWriter struct {
	ints      [directoryColumns][]int64
	again     []int64 // of chunks of the form statsAgain: number of the other chunk in the page
	constants []float64
	gaps      [3][]int64 // of full statistics: NaNs, and where the first and the last value are
	start     []int64    // first stamps of these chunks
	numbers   [6][]float64
	seen      map[chunk.Stats]int // full statistics without NaN, which is never equal
}

// appendDirectory appends a directory page: the count of chunks, the integer columns, and of the
// chunks whose statistics are kept the rest: which other chunk has the same; constants; gaps, the
// stamps of the first and the last value relative to the span, and the numbers, which are encoded
// together.
func appendDirectory(dst []byte, metas []Meta, p codec.Profile) []byte {
	w := directoryWriter{seen: make(map[chunk.Stats]int)}
	for i := range metas {
		w.add(metas, i)
	}
	dst = binary.AppendUvarint(dst, uint64(len(metas)))
	for _, v := range w.ints {
		dst = appendInts(dst, v, p)
	}
	if len(w.again) > 0 {
		dst = appendInts(dst, w.again, p)
	}
	if len(w.constants) > 0 {
		dst = appendFloats(dst, [][]float64{w.constants}, make([]int64, len(w.constants)), p)
	}
	if len(w.start) > 0 {
		for _, v := range w.gaps {
			dst = appendInts(dst, v, p)
		}
		dst = appendFloats(dst, w.numbers[:], w.start, p)
	}
	return dst
}

// add adds chunk i of the page.
func (w *directoryWriter) add(metas []Meta, i int) {
	m := &metas[i]
	form, s := statsForm(m), &m.Stats
	if form == statsFull {
		if other, ok := w.seen[*s]; ok && sameStats(metas[other].Stats, *s) { // -0 is not 0
			form = statsAgain
			w.again = append(w.again, int64(other))
		} else {
			w.seen[*s] = i
		}
	}
	for k, v := range [directoryColumns]int64{
		int64(m.Series), int64(m.Kind), int64(m.Rows), m.Span.Start, m.Span.End - m.Span.Start,
		int64(m.Block), int64(m.Index), form,
	} {
		w.ints[k] = append(w.ints[k], v)
	}
	switch form {
	case statsConstant:
		w.constants = append(w.constants, s.First)
	case statsFull:
		w.start = append(w.start, m.Span.Start)
		for k, v := range [3]int64{s.NaNs, s.FirstTime - m.Span.Start, m.Span.End - s.LastTime} {
			w.gaps[k] = append(w.gaps[k], v)
		}
		for k, v := range [6]float64{s.First, s.Last, s.Min, s.Max, s.Sum, s.M2} {
			w.numbers[k] = append(w.numbers[k], v)
		}
	}
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
			low, high = statsNone, statsForms-1
		}
		ints[k] = r.bounded(n, low, high)
	}
	metas := make([]Meta, n)
	var with [statsForms][]int // the chunks of each form
	for i := range metas {
		start, form := ints[colStart][i], ints[colStats][i]
		metas[i] = Meta{
			Series: uint32(ints[colSeries][i]), Kind: chunk.Kind(ints[colKind][i]), Rows: int(ints[colRows][i]),
			Span:  chunk.Span{Start: start, End: start + ints[colWidth][i]},
			Block: uint32(ints[colBlock][i]), Index: uint32(ints[colIndex][i]), HasStats: form != statsNone && form != statsNoGaps,
			NoGaps: form == statsNoGaps,
		}
		with[form] = append(with[form], i)
	}
	var again []int64
	if k := len(with[statsAgain]); k > 0 {
		again = r.bounded(k, 0, int64(n)-1)
	}
	parseConstants(&r, metas, with[statsConstant])
	parseStats(&r, metas, with[statsFull])
	for k, i := range with[statsAgain] {
		other := &metas[again[k]]
		if again[k] >= int64(i) || metas[i].Rows != other.Rows {
			r.fail("chunk %d has not the statistics of chunk %d", i, again[k])
		}
		metas[i].Stats = other.Stats
	}
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
