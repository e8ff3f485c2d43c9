package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/chronodex/chronodex/codec"
	"google.golang.org/protobuf/encoding/protowire"
)

// Limits of a block. They bound what a reader must keep of one, and what hostile bytes can make it
// keep.
const (
	MaxBlockRows   = 1 << 20 // rows of all time columns
	MaxBlockValues = 1 << 21 // values of all value columns
)

const blockVersion = 1

// Numbers of the fields in block.proto.
const (
	blockFieldVersion = 1
	blockFieldTimes   = 2
	blockFieldGroups  = 3

	groupFieldTime    = 1
	groupFieldOffset  = 2
	groupFieldRows    = 3
	groupFieldKind    = 4
	groupFieldSeries  = 5
	groupFieldColumn  = 6
	groupFieldColumns = 7

	columnFieldEncoding = 1
	columnFieldRef      = 2
	columnFieldRows     = 3
	columnFieldData     = 4
)

// ErrBlock is wrapped by every error that means: these rows cannot be a block.
var ErrBlock = errors.New("not a block")

// A BlockRow is a chunk on its way into a block: consecutive observations of one series, sorted,
// 1 to [codec.MaxRows] of them.
type BlockRow struct {
	Series  uint32 // the shard's ordinal of the series
	Samples Samples
	Index   int // set by AppendBlock: the number of the chunk in the block
}

// A blockWriter is a block in the making.
type blockWriter struct {
	profile codec.Profile
	times   [][]int64
	groups  []groupRows
	byKey   map[groupKey]int
	scratch []byte
	message []byte
}

// A groupKey names rows of a time column, and a kind of values.
type groupKey struct {
	time, offset, rows int
	kind               Kind
}

// groupRows are the rows of one group, as numbers of the block's rows.
type groupRows struct {
	groupKey
	rows []int
}

// AppendBlock appends the block that holds rows to dst: one protobuf message, described in the
// comment of [Block]. It sets the Index of each row and changes nothing else. Equal stamps, also
// where one series has only a part of another one's, are stored once, and so are equal value
// columns of equal stamps. Rows over the limits, or not sorted, are an error that wraps
// [ErrBlock]; dst then comes back as it was.
func AppendBlock(dst []byte, rows []BlockRow, p codec.Profile) ([]byte, error) {
	w := blockWriter{profile: p, byKey: make(map[groupKey]int)}
	if err := w.group(rows); err != nil {
		return dst, err
	}
	out := protowire.AppendTag(dst, blockFieldVersion, protowire.VarintType)
	out = protowire.AppendVarint(out, blockVersion)
	for _, t := range w.times {
		w.message = appendColumn(w.message[:0], codec.EncodeTimes(t, p), len(t))
		out = appendMessage(out, blockFieldTimes, w.message)
	}
	index := 0
	for _, g := range w.groups {
		for _, r := range g.rows {
			rows[r].Index = index
			index++
		}
		w.appendGroup(&g, rows)
		out = appendMessage(out, blockFieldGroups, w.message)
	}
	return out, nil
}

// group finds the time columns and the groups of rows. Longer stamps are looked at first, so that
// they are there when a part of them is looked for.
func (w *blockWriter) group(rows []BlockRow) error {
	order := make([]int, len(rows))
	for i := range rows {
		s := &rows[i].Samples
		switch {
		case !s.Valid() || s.Len() == 0 || s.Len() > codec.MaxRows:
			return fmt.Errorf("row %d: %d observations of %v: %w", i, s.Len(), s.Kind, ErrBlock)
		case !s.Sorted():
			return fmt.Errorf("row %d: stamps not sorted: %w", i, ErrBlock)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rows[b].Samples.Len() - rows[a].Samples.Len() })
	keys := make([]groupKey, len(rows))
	finder := TimeSet{}
	values, total := 0, 0
	for _, i := range order {
		s := &rows[i].Samples
		time, offset := finder.Find(s.Times)
		keys[i] = groupKey{time: time, offset: offset, rows: s.Len(), kind: s.Kind}
		values += s.Len()
	}
	w.times = finder.Columns
	for _, t := range w.times {
		total += len(t)
	}
	if total > MaxBlockRows || values > MaxBlockValues {
		return fmt.Errorf("%d stamps and %d values: %w", total, values, ErrBlock)
	}
	for i, key := range keys {
		g, ok := w.byKey[key]
		if !ok {
			g = len(w.groups)
			w.byKey[key] = g
			w.groups = append(w.groups, groupRows{groupKey: key})
		}
		w.groups[g].rows = append(w.groups[g].rows, i)
	}
	return nil
}

// appendGroup makes w.message the message of a group.
func (w *blockWriter) appendGroup(g *groupRows, rows []BlockRow) {
	m := w.message[:0]
	for _, f := range [...]struct {
		num   protowire.Number
		value int
	}{
		{groupFieldTime, g.time},
		{groupFieldOffset, g.offset},
		{groupFieldRows, g.groupKey.rows},
		{groupFieldKind, int(g.kind)},
	} {
		if f.value != 0 {
			m = protowire.AppendTag(m, f.num, protowire.VarintType)
			m = protowire.AppendVarint(m, uint64(f.value))
		}
	}
	w.scratch = w.scratch[:0]
	before := int64(0)
	for _, r := range g.rows {
		series := int64(rows[r].Series)
		w.scratch = protowire.AppendVarint(w.scratch, protowire.EncodeZigZag(series-before))
		before = series
	}
	m = appendMessage(m, groupFieldSeries, w.scratch)
	columns, which := encodeColumns(g, rows, w.times[g.time], w.profile)
	if len(columns) < len(g.rows) {
		w.scratch = w.scratch[:0]
		for _, c := range which {
			w.scratch = protowire.AppendVarint(w.scratch, uint64(c))
		}
		m = appendMessage(m, groupFieldColumn, w.scratch)
	}
	for _, c := range columns {
		w.scratch = appendColumn(w.scratch[:0], c, 0)
		m = appendMessage(m, groupFieldColumns, w.scratch)
	}
	w.message = m
}

// encodeColumns encodes the value columns of a group, equal ones once, and says which of them
// each row has.
func encodeColumns(g *groupRows, rows []BlockRow, times []int64, p codec.Profile) (cols []codec.Column, which []int) {
	switch g.kind {
	case Float64:
		distinct, which := distinctColumns(g.rows, func(r int) []float64 { return rows[r].Samples.Floats },
			math.Float64bits)
		return codec.EncodeFloats(distinct, times[g.offset:g.offset+g.groupKey.rows], p), which
	case Int64:
		distinct, which := distinctColumns(g.rows, func(r int) []int64 { return rows[r].Samples.Ints },
			func(v int64) uint64 { return uint64(v) })
		return codec.EncodeIntGroup(distinct, times[g.offset:g.offset+g.groupKey.rows], p), which
	case Bool:
		for i, r := range g.rows {
			cols, which = append(cols, codec.EncodeBools(rows[r].Samples.Bools, p)), append(which, i)
		}
	case String:
		for i, r := range g.rows {
			cols, which = append(cols, codec.EncodeStrings(rows[r].Samples.Strings, p)), append(which, i)
		}
	}
	return cols, which
}

// distinctColumns returns the columns of rows that differ in a bit, and which of them each row has.
func distinctColumns[T any](rows []int, column func(row int) []T, bits func(T) uint64) (cols [][]T, which []int) {
	byHash := make(map[uint64]int, len(rows))
	equal := func(a, b []T) bool {
		return len(a) == len(b) && slices.EqualFunc(a, b, func(x, y T) bool { return bits(x) == bits(y) })
	}
	for _, r := range rows {
		c := column(r)
		h := hashColumn(c, bits)
		i, ok := byHash[h]
		if !ok || !equal(cols[i], c) { // of columns with one hash, the last is remembered
			i = len(cols)
			byHash[h] = i
			cols = append(cols, c)
		}
		which = append(which, i)
	}
	return cols, which
}

// hashColumn mixes the bits of values in four lanes, for speed: it finds equal columns, and its
// result is kept nowhere.
func hashColumn[T any](v []T, bits func(T) uint64) uint64 {
	const prime = 0x9E3779B185EBCA87
	h0, h1, h2, h3 := uint64(len(v)), uint64(1), uint64(2), uint64(3)
	for ; len(v) >= 4; v = v[4:] {
		h0 = (h0 ^ bits(v[0])) * prime
		h1 = (h1 ^ bits(v[1])) * prime
		h2 = (h2 ^ bits(v[2])) * prime
		h3 = (h3 ^ bits(v[3])) * prime
		h0 ^= h0 >> 32
		h2 ^= h2 >> 32
	}
	for _, x := range v {
		h0 = (h0 ^ bits(x)) * prime
		h0 ^= h0 >> 32
	}
	for _, h := range [...]uint64{h1, h2, h3} {
		h0 = (h0 ^ h>>29 ^ h) * prime
	}
	return h0
}

// appendColumn appends the fields of a Column message. rows is 0 for value columns.
func appendColumn(dst []byte, c codec.Column, rows int) []byte {
	dst = protowire.AppendTag(dst, columnFieldEncoding, protowire.VarintType)
	dst = protowire.AppendVarint(dst, uint64(c.Encoding))
	if c.Ref != codec.NoRef {
		dst = protowire.AppendTag(dst, columnFieldRef, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(c.Ref))
	}
	if rows != 0 {
		dst = protowire.AppendTag(dst, columnFieldRows, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(rows))
	}
	if len(c.Data) > 0 {
		dst = appendMessage(dst, columnFieldData, c.Data)
	}
	return dst
}

// appendMessage appends a field of the wire type bytes.
func appendMessage(dst []byte, num protowire.Number, data []byte) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}
