package arrowin

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/chronodex/chronodex/chunk"
)

// readValues appends the values of value column v in the slice to the batch.
func (d *decoder) readValues(v, n int) error {
	value := d.columns.values[v]
	column := d.record.Column(value.column)
	switch value.kind {
	case chunk.Float64:
		get, err := floats(column)
		if err != nil {
			return err
		}
		d.each(v, n, column, func(s *chunk.Samples, i int) error {
			s.Floats = append(s.Floats, get(i))
			return nil
		})
	case chunk.Int64:
		get, err := ints(column)
		if err != nil {
			return err
		}
		large, _ := column.(*array.Uint64)
		d.each(v, n, column, func(s *chunk.Samples, i int) error {
			if large != nil && large.Value(i) > math.MaxInt64 {
				return fmt.Errorf("column %.60q: %w", value.name, errInteger)
			}
			s.Ints = append(s.Ints, get(i))
			return nil
		})
	case chunk.Bool:
		bools := column.(*array.Boolean)
		d.each(v, n, column, func(s *chunk.Samples, i int) error {
			s.Bools = append(s.Bools, bools.Value(i))
			return nil
		})
	case chunk.String:
		get, err := texts(column)
		if err != nil {
			return err
		}
		d.each(v, n, column, func(s *chunk.Samples, i int) error {
			s.Strings = append(s.Strings, get(i))
			return nil
		})
	}
	return nil
}

// each calls add for every value of a column that is stored, with the row of the batch that it
// belongs to, to which the stamp is added.
func (d *decoder) each(v, n int, column arrow.Array, add func(s *chunk.Samples, i int) error) {
	c := &d.columns
	for i := range n {
		if c.bad[i] != nil || column.IsNull(d.next+i) {
			continue
		}
		at := int(c.group[i])*len(c.values) + v
		if c.errs[at] != nil {
			d.refuse(i, c.errs[at])
			continue
		}
		if c.rows[at] < 0 {
			c.rows[at] = int32(len(d.batch.Rows))
			d.addRow(c.series[at], c.values[v].kind)
		}
		s := &d.batch.Rows[c.rows[at]].Samples
		if err := add(s, d.next+i); err != nil {
			d.refuse(i, err)
			continue
		}
		s.Times = append(s.Times, c.times[i])
	}
}

// addRow appends an empty row, in the memory of one before where there is some.
func (d *decoder) addRow(dims chunk.Dimensions, kind chunk.Kind) {
	rows := d.batch.Rows
	if len(rows) < cap(rows) {
		rows = rows[:len(rows)+1]
	} else {
		rows = append(rows, chunk.BatchRow{})
	}
	r := &rows[len(rows)-1]
	r.Dimensions, r.Samples.Kind = dims, kind
	d.batch.Rows = rows
}

// floats returns what reads a column of floats.
func floats(column arrow.Array) (func(int) float64, error) {
	switch a := column.(type) {
	case *array.Float64:
		return a.Value, nil
	case *array.Float32:
		return func(i int) float64 { return float64(a.Value(i)) }, nil
	case *array.Float16:
		return func(i int) float64 { return float64(a.Value(i).Float32()) }, nil
	}
	return nil, fmt.Errorf("a column of %v where floats were said to be: %w", column.DataType(), ErrFormat)
}

// ints returns what reads a column of integers.
func ints(column arrow.Array) (func(int) int64, error) {
	switch a := column.(type) {
	case *array.Int64:
		return a.Value, nil
	case *array.Int32:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	case *array.Int16:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	case *array.Int8:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	case *array.Uint64:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	case *array.Uint32:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	case *array.Uint16:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	case *array.Uint8:
		return func(i int) int64 { return int64(a.Value(i)) }, nil
	}
	return nil, fmt.Errorf("a column of %v where integers were said to be: %w", column.DataType(), ErrFormat)
}

// texts returns what reads a column of strings, as copies.
func texts(column arrow.Array) (func(int) string, error) {
	switch a := column.(type) {
	case *array.String:
		return func(i int) string { return strings.Clone(a.Value(i)) }, nil
	case *array.LargeString:
		return func(i int) string { return strings.Clone(a.Value(i)) }, nil
	case *array.Dictionary:
		get, err := texts(a.Dictionary())
		return func(i int) string { return get(a.GetValueIndex(i)) }, err
	}
	return nil, fmt.Errorf("a column of %v where strings were said to be: %w", column.DataType(), ErrFormat)
}
