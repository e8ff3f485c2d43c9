package source

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// series gives the rows of one set of tags to the collector, column by column.
func (x *influx) series(ctx context.Context, m *measurement, in *influxSeries, c *collector) error {
	if len(in.Columns) != 1+len(m.fields) {
		return fmt.Errorf("%d columns, asked for %d", len(in.Columns), 1+len(m.fields))
	}
	t := influxTable{times: make([]int64, len(in.Values)), cells: make([][][]byte, len(in.Values))}
	for i, row := range in.Values {
		if err := elements(row, func(e []byte) error {
			t.cells[i] = append(t.cells[i], e)
			return nil
		}); err != nil {
			return err
		}
		if len(t.cells[i]) != len(in.Columns) {
			return fmt.Errorf("a row of %d cells, want %d", len(t.cells[i]), len(in.Columns))
		}
		var ok bool
		if t.times[i], ok = literal.ParseInt(t.cells[i][0]); !ok {
			return fmt.Errorf("%.40q is no time in nanoseconds", t.cells[i][0])
		}
	}
	for k, f := range m.fields {
		d, err := c.dimensions(m.pairs(f.name, in.Tags))
		if err != nil {
			c.refuse(len(t.times), "series refused: %v", err)
			continue
		}
		t.column(d, 1+k, f, c)
		if err := c.ended(ctx); err != nil {
			return err
		}
	}
	return nil
}

// An influxTable is the rows of a part of an answer, as they are written.
type influxTable struct {
	times []int64
	cells [][][]byte
}

// column makes a row of the cells of one column. Those without a value are left out.
func (t *influxTable) column(d chunk.Dimensions, k int, f influxField, c *collector) {
	s := c.row(d, f.kind)
	for i, row := range t.cells {
		if string(row[k]) == "null" {
			continue
		}
		if !f.append(s, row[k]) {
			c.refuse(1, "%v: %.60q does not fit a value of kind %v", d, row[k], f.kind)
			continue
		}
		s.Times = append(s.Times, t.times[i])
	}
}

// pairs returns the dimensions of a field: the tags, and what tells it from others. A tag of one of
// these names is what it says.
func (m *measurement) pairs(field string, tags map[string]string) []chunk.Dimension {
	out := make([]chunk.Dimension, 0, len(tags)+5)
	for name, value := range tags {
		if value != "" {
			out = append(out, chunk.Dimension{Name: name, Value: value})
		}
	}
	own := []chunk.Dimension{
		{Name: "measurement", Value: m.name},
		{Name: "field", Value: field},
		{Name: chunk.MetricName, Value: m.name + "_" + field},
		{Name: "db", Value: m.db},
	}
	if m.rp != "autogen" && m.rp != "default" {
		own = append(own, chunk.Dimension{Name: "rp", Value: m.rp})
	}
	for _, p := range own {
		if tags[p.Name] == "" {
			out = append(out, p)
		}
	}
	return out
}

// append appends a value, and reports whether the cell is one of the field's kind.
func (f *influxField) append(s *chunk.Samples, cell []byte) bool {
	switch f.kind {
	case chunk.Float64:
		v, ok := literal.ParseFloat(cell)
		if ok {
			s.Floats = append(s.Floats, v)
		}
		return ok
	case chunk.Int64:
		v, ok := literal.ParseInt(cell)
		if ok {
			s.Ints = append(s.Ints, v)
		}
		return ok
	case chunk.Bool:
		v := string(cell) == "true"
		if !v && string(cell) != "false" {
			return false
		}
		s.Bools = append(s.Bools, v)
		return true
	}
	var text string
	if json.Unmarshal(cell, &text) != nil {
		return false
	}
	s.Strings = append(s.Strings, text)
	return true
}
