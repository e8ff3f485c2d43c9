package chunk

import (
	"math"

	"github.com/chronodex/chronodex/codec"
	"google.golang.org/protobuf/encoding/protowire"
)

// parse reads the message Block into b, and checks all that can be without decoding a column.
func (b *Block) parse(m []byte) error {
	version, rows := uint64(0), 0
	for len(m) > 0 {
		f, rest, err := nextField(m, blockFieldVersion, blockFieldGroups)
		if err != nil {
			return err
		}
		m = rest
		switch {
		case !f.known:
		case f.num == blockFieldVersion:
			version = f.value
		case f.num == blockFieldTimes:
			c, n, err := parseColumn(f.data)
			if err != nil {
				return err
			}
			if n < 1 || n > codec.MaxRows || c.Ref != codec.NoRef {
				return corrupt("time column %d of %d rows", len(b.times), n)
			}
			rows += n
			b.times = append(b.times, timeColumn{Column: c, rows: n})
		case f.num == blockFieldGroups:
			if err := b.parseGroup(f.data); err != nil {
				return err
			}
		}
	}
	switch {
	case version != blockVersion:
		return corrupt("version %d, known is %d", version, blockVersion)
	case rows > MaxBlockRows:
		return corrupt("%d stamps", rows)
	}
	return b.checkGroups()
}

// checkGroups checks what groups say of time columns, which may come after them.
func (b *Block) checkGroups() error {
	values := 0
	for i := range b.groups {
		g := &b.groups[i]
		if g.time >= len(b.times) || g.rows < 1 || g.offset > b.times[g.time].rows-g.rows {
			return corrupt("group %d: %d rows from %d of time column %d", i, g.rows, g.offset, g.time)
		}
		values += (g.end - g.first) * g.rows // at most 2^16 each, of at most as many bytes as there are
		if values > MaxBlockValues {
			return corrupt("more than %d values", MaxBlockValues)
		}
	}
	return nil
}

// parseGroup reads the message Group.
func (b *Block) parseGroup(m []byte) error {
	g := group{first: len(b.columns)}
	var series, which []byte
	for len(m) > 0 {
		f, rest, err := nextField(m, groupFieldKind, groupFieldColumns)
		if err != nil {
			return err
		}
		m = rest
		switch {
		case !f.known:
		case f.num == groupFieldTime:
			g.time = int(f.value)
		case f.num == groupFieldOffset:
			g.offset = int(f.value)
		case f.num == groupFieldRows:
			g.rows = int(f.value)
		case f.num == groupFieldKind:
			g.kind = Kind(min(f.value, math.MaxUint8))
		case f.num == groupFieldSeries && series == nil:
			series = f.data
		case f.num == groupFieldColumn && which == nil:
			which = f.data
		case f.num == groupFieldColumns:
			c, _, err := parseColumn(f.data)
			if err != nil {
				return err
			}
			b.columns = append(b.columns, valueColumn{Column: c})
		default:
			return corrupt("group %d: field %d twice", len(b.groups), f.num)
		}
	}
	if g.end = len(b.columns); !g.kind.Valid() {
		return corrupt("group %d: %v", len(b.groups), g.kind)
	}
	b.groups = append(b.groups, g)
	if err := b.parseChunks(&g, series, which); err != nil {
		return err
	}
	return b.checkRefs(&g)
}

// parseChunks appends the chunks of the last group.
func (b *Block) parseChunks(g *group, series, which []byte) error {
	ordinal, implied := int64(0), which == nil
	id := uint32(len(b.groups) - 1)
	for i := g.first; len(series) > 0; i++ {
		d, n := consumeVarint(series)
		if n < 0 {
			return corrupt("group %d: series", id)
		}
		series = series[n:]
		ordinal += protowire.DecodeZigZag(d)
		column := uint64(i - g.first)
		if !implied {
			if column, n = consumeVarint(which); n < 0 {
				return corrupt("group %d: columns of its chunks", id)
			}
			which = which[n:]
		}
		if ordinal < 0 || ordinal > math.MaxUint32 || column >= uint64(g.end-g.first) {
			return corrupt("group %d: series %d with column %d", id, ordinal, column)
		}
		at := g.first + int(column)
		b.columns[at].uses++
		b.chunks = append(b.chunks, chunkRef{series: uint32(ordinal), group: id, column: uint32(at)})
	}
	if len(which) > 0 {
		return corrupt("group %d: more columns than chunks", id)
	}
	return nil
}

// checkRefs checks that columns refer to columns that stand alone, and counts these uses.
func (b *Block) checkRefs(g *group) error {
	for i := g.first; i < g.end; i++ {
		r := b.columns[i].Ref
		if r == codec.NoRef {
			continue
		}
		k, ok := r.Index()
		switch {
		case g.kind != Float64 && g.kind != Int64, ok && k >= g.end-g.first:
			return corrupt("column %d refers to %d", i-g.first, r)
		case ok:
			to := &b.columns[g.first+k]
			if _, chain := to.Ref.Index(); chain {
				return corrupt("column %d refers to %d, which refers on", i-g.first, k)
			}
			to.uses += 2 // it stays, even where no chunk has it
		}
	}
	return nil
}

// parseColumn reads the message Column.
func parseColumn(m []byte) (c codec.Column, rows int, err error) {
	for len(m) > 0 {
		f, rest, err := nextField(m, columnFieldRows, columnFieldData)
		if err != nil {
			return c, 0, err
		}
		m = rest
		switch {
		case !f.known:
		case f.num == columnFieldEncoding:
			c.Encoding = codec.Encoding(f.value)
		case f.num == columnFieldRef:
			c.Ref = codec.Ref(f.value)
		case f.num == columnFieldRows:
			rows = int(f.value)
		case f.num == columnFieldData:
			c.Data = f.data
		}
	}
	return c, rows, nil
}
