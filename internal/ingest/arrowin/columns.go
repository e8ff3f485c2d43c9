package arrowin

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/chronodex/chronodex/chunk"
)

const (
	sliceCells = 1 << 19  // cells of a record that are converted at once
	maxWords   = 1 << 20  // strings that dimensions are made of and that are remembered
	maxLetters = 64 << 20 // and their bytes
	slab       = 1 << 12  // dimensions that get their memory together
)

// columns say what the columns of a stream are, and hold what converting needs from slice to slice.
type columns struct {
	time   int
	unit   int64 // of the time, in nanoseconds
	dims   []dimension
	values []value
	set    []chunk.Dimension
	metric bool // the metric is given, and not the name of the value column

	words   map[string]uint32 // numbers of strings; 0 is the empty one
	list    []string
	letters int

	times  []int64 // of the slice
	bad    []error // by row of the slice: why it is not stored, or nil
	group  []int32 // by row of the slice
	key    []byte
	groups map[string]int32
	series []chunk.Dimensions // by group and value column
	errs   []error            // by group and value column
	rows   []int32            // by group and value column, of the batch; −1 is none yet
	slab   []chunk.Dimension
	pairs  []chunk.Dimension
}

// A dimension is a column of strings.
type dimension struct {
	column int
	name   string
	codes  []uint32 // of the words of its dictionary, one more than the number; 0 is not looked up yet
	row    []uint32 // of the rows of the slice
}

// A value is a column of values.
type value struct {
	column int
	name   string
	kind   chunk.Kind
}

// plan tells what the columns of a schema are.
func plan(s *arrow.Schema, set []chunk.Dimension) (columns, error) {
	c := columns{time: -1, set: set, groups: map[string]int32{}}
	c.metric = slices.ContainsFunc(set, func(p chunk.Dimension) bool { return p.Name == chunk.MetricName })
	for i, f := range s.Fields() {
		if other := slices.IndexFunc(s.Fields(), func(o arrow.Field) bool { return o.Name == f.Name }); other != i {
			return c, fmt.Errorf("two columns are called %.60q: %w", f.Name, ErrFormat)
		}
		switch kind := kindOf(f.Type); {
		case f.Name == "time":
			unit, err := unitOf(f.Type)
			if err != nil {
				return c, err
			}
			c.time, c.unit = i, unit
		case isText(f.Type) && f.Name == "value":
			c.values = append(c.values, value{i, f.Name, chunk.String})
		case isText(f.Type):
			c.dims = append(c.dims, dimension{column: i, name: f.Name})
			c.metric = c.metric || f.Name == chunk.MetricName
		case kind != 0:
			c.values = append(c.values, value{i, f.Name, kind})
		case f.Type.ID() != arrow.NULL:
			return c, fmt.Errorf("column %.60q is of type %v, which is neither time, number, bool nor utf8: %w", f.Name, f.Type, ErrFormat)
		}
	}
	switch {
	case c.time < 0:
		return c, fmt.Errorf("no column is called time: %w", ErrFormat)
	case c.metric && len(c.values) > 1:
		return c, fmt.Errorf("%d columns of values, but the metric is given: then there may be only one: %w", len(c.values), ErrFormat)
	}
	return c, nil
}

// unitOf returns the unit of a column of times in nanoseconds.
func unitOf(t arrow.DataType) (int64, error) {
	if ts, ok := t.(*arrow.TimestampType); ok {
		return int64(ts.Unit.Multiplier()), nil
	}
	if t.ID() == arrow.INT64 {
		return 1, nil
	}
	return 0, fmt.Errorf("the column time is of type %v, want a timestamp or int64 nanoseconds: %w", t, ErrFormat)
}

// kindOf returns the kind of values of a type, or 0.
func kindOf(t arrow.DataType) chunk.Kind {
	switch t.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return chunk.Int64
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64:
		return chunk.Float64
	case arrow.BOOL:
		return chunk.Bool
	}
	return 0
}

// isText reports whether a type is one of strings.
func isText(t arrow.DataType) bool {
	if d, ok := t.(*arrow.DictionaryType); ok {
		t = d.ValueType
	}
	return t.ID() == arrow.STRING || t.ID() == arrow.LARGE_STRING
}

var (
	errNoTime  = errors.New("no time")
	errTime    = errors.New("the time is out of the range of int64 nanoseconds")
	errInteger = errors.New("the integer is out of the range of int64")
)

// convert makes a batch of the next slice of the record.
func (d *decoder) convert() (err error) {
	defer malformed(&err)
	c := &d.columns
	n := min(d.rows-d.next, max(sliceCells/(1+len(c.dims)+len(c.values)), 1))
	c.readTimes(d.record.Column(c.time), d.next, n)
	for i, why := range c.bad {
		if why != nil {
			d.refuse(i, why)
		}
	}
	if err := c.readGroups(d.record, d.next, n); err != nil {
		return err
	}
	for v := range c.values {
		if err := d.readValues(v, n); err != nil {
			return err
		}
	}
	d.next += n
	return nil
}

// refuse notes that something of row i of the slice is not stored.
func (d *decoder) refuse(i int, why error) {
	d.refusals = append(d.refusals, refusal{d.before + int64(d.next+i) + 1, why})
}

// readTimes fills c.times and c.bad.
func (c *columns) readTimes(column arrow.Array, from, n int) {
	c.times, c.bad = c.times[:0], c.bad[:0]
	stamps, _ := column.(*array.Timestamp)
	ints, _ := column.(*array.Int64)
	for i := from; i < from+n; i++ {
		var t int64
		var why error
		switch {
		case column.IsNull(i):
			why = errNoTime
		case stamps != nil:
			t = int64(stamps.Value(i))
		default:
			t = ints.Value(i)
		}
		if t > math.MaxInt64/c.unit || t < math.MinInt64/c.unit {
			t, why = 0, errTime
		}
		c.times, c.bad = append(c.times, t*c.unit), append(c.bad, why)
	}
}

// readGroups fills c.group with the numbers of the rows' dimensions, and forgets the groups before.
func (c *columns) readGroups(r arrow.Record, from, n int) error {
	if len(c.list) > maxWords || c.letters > maxLetters || c.words == nil {
		c.words, c.list, c.letters = map[string]uint32{"": 0}, []string{""}, 0
	}
	for i := range c.dims {
		if err := c.readWords(&c.dims[i], r.Column(c.dims[i].column), from, n); err != nil {
			return err
		}
	}
	clear(c.groups)
	c.group, c.series, c.errs, c.rows = c.group[:0], c.series[:0], c.errs[:0], c.rows[:0]
	last := int32(-1)
rows:
	for i := range n {
		if last >= 0 { // mostly that of the row before
			same := true
			for k := range c.dims {
				same = same && c.dims[k].row[i] == c.dims[k].row[i-1]
			}
			if same {
				c.group = append(c.group, last)
				continue rows
			}
		}
		c.key = c.key[:0]
		for k := range c.dims {
			w := c.dims[k].row[i]
			c.key = append(c.key, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
		g, ok := c.groups[string(c.key)]
		if !ok {
			g = int32(len(c.groups))
			c.groups[string(c.key)] = g
			c.addGroup(i)
		}
		c.group, last = append(c.group, g), g
	}
	return nil
}

// addGroup names the series of the group that row i of the slice is the first of.
func (c *columns) addGroup(i int) {
	for _, v := range c.values {
		c.pairs = c.pairs[:0]
		for k := range c.dims {
			if w := c.list[c.dims[k].row[i]]; w != "" {
				c.pairs = append(c.pairs, chunk.Dimension{Name: c.dims[k].name, Value: w})
			}
		}
		if !c.metric {
			c.pairs = append(c.pairs, chunk.Dimension{Name: chunk.MetricName, Value: v.name})
		}
		own := len(c.pairs)
		for _, p := range c.set {
			if !slices.ContainsFunc(c.pairs[:own], func(o chunk.Dimension) bool { return o.Name == p.Name }) {
				c.pairs = append(c.pairs, p)
			}
		}
		if cap(c.slab)-len(c.slab) < len(c.pairs) {
			c.slab = make([]chunk.Dimension, 0, max(slab, len(c.pairs)))
		}
		at := len(c.slab)
		c.slab = append(c.slab, c.pairs...)
		dims, err := chunk.NewDimensions(c.slab[at:len(c.slab):len(c.slab)]...)
		c.series, c.errs, c.rows = append(c.series, dims), append(c.errs, err), append(c.rows, -1)
	}
}

// readWords fills d.row with the words of a column.
func (c *columns) readWords(d *dimension, column arrow.Array, from, n int) error {
	d.row = d.row[:0]
	var text interface{ Value(int) string }
	indices, _ := column.(*array.Dictionary)
	values := column
	if indices != nil {
		values = indices.Dictionary()
		d.codes = slices.Grow(d.codes[:0], values.Len())[:values.Len()]
		clear(d.codes)
	}
	switch a := values.(type) {
	case *array.String:
		text = a
	case *array.LargeString:
		text = a
	default:
		return fmt.Errorf("column %.60q changes its type: %w", d.name, ErrFormat)
	}
	for i := from; i < from+n; i++ {
		switch {
		case column.IsNull(i):
			d.row = append(d.row, 0)
		case indices == nil:
			d.row = append(d.row, c.word(text.Value(i)))
		default:
			k := indices.GetValueIndex(i)
			code := d.codes[k]
			if code == 0 {
				if code = 1; !values.IsNull(k) {
					code = c.word(text.Value(k)) + 1
				}
				d.codes[k] = code
			}
			d.row = append(d.row, code-1)
		}
	}
	return nil
}

// word returns the number of a string.
func (c *columns) word(s string) uint32 {
	n, ok := c.words[s]
	if !ok {
		n = uint32(len(c.list))
		s = strings.Clone(s) // out of the memory of Arrow
		c.words[s], c.list, c.letters = n, append(c.list, s), c.letters+len(s)
	}
	return n
}
