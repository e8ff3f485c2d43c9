package otlp

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// staleNaN has the bits of Prometheus' stale marker (model/value.StaleNaN).
var staleNaN = math.Float64frombits(0x7ff0000000000002)

// dimensions returns the dimensions of a row of the current point: our own, of which the first one
// names the metric, and those of its attributes. The result is never used again.
func (d *Decoder) dimensions(own ...chunk.Dimension) (chunk.Dimensions, error) {
	d.own = d.own[:0]
	for _, p := range own {
		d.own = append(d.own, pair{p, ""})
	}
	if d.now.delta {
		d.own = append(d.own, pair{chunk.Dimension{Name: "temporality", Value: "delta"}, ""})
	}
	slices.SortFunc(d.own, func(a, b pair) int { return cmp.Compare(a.Name, b.Name) })
	n := len(d.own) + len(d.all)
	if n > chunk.MaxDimensions {
		return nil, errors.New("too many attributes")
	}
	if cap(d.dims)-len(d.dims) < n {
		d.dims = make([]chunk.Dimension, 0, max(n, min(slab, 2*cap(d.dims)), 256))
	}
	d.merged = merge(d.merged[:0], d.own, d.all)
	at := len(d.dims)
	for _, p := range d.merged {
		d.dims = append(d.dims, p.Dimension)
	}
	d.pairs += n
	out := chunk.Dimensions(d.dims[at : at+n : at+n])
	return out, out.Validate()
}

// add appends a row with one stamp, and returns it for its value.
func (d *Decoder) add(t int64, kind chunk.Kind, own ...chunk.Dimension) (*chunk.Samples, error) {
	dims, err := d.dimensions(own...)
	if err != nil {
		return nil, err
	}
	s := d.row(t, dims, int32(d.result.Points))
	s.Kind = kind
	return s, nil
}

// row appends a row with one stamp that comes from a point.
func (d *Decoder) row(t int64, dims chunk.Dimensions, point int32) *chunk.Samples {
	d.batch.Rows = append(d.batch.Rows, chunk.BatchRow{Dimensions: dims})
	d.points = append(d.points, point)
	s := &d.batch.Rows[len(d.batch.Rows)-1].Samples
	s.Times = one(&d.times, t)
	return s
}

// one appends v to a column that rows share, and returns it as a column of its own. A column that is full is
// left to its rows.
func one[T any](column *[]T, v T) []T {
	if len(*column) == cap(*column) {
		*column = make([]T, 0, slab)
	}
	n := len(*column)
	*column = append(*column, v)
	return (*column)[n : n+1 : n+1]
}

// float appends a row of kind float64.
func (d *Decoder) float(t int64, v float64, own ...chunk.Dimension) error {
	s, err := d.add(t, chunk.Float64, own...)
	if err == nil {
		s.Floats = one(&d.floats, v)
	}
	return err
}

// int appends a row of kind int64.
func (d *Decoder) int(t int64, v int64, own ...chunk.Dimension) error {
	s, err := d.add(t, chunk.Int64, own...)
	if err == nil {
		s.Ints = one(&d.ints, v)
	}
	return err
}

// string appends a row of kind string.
func (d *Decoder) string(t int64, v string, own ...chunk.Dimension) error {
	s, err := d.add(t, chunk.String, own...)
	if err == nil {
		s.Strings = one(&d.texts, v)
	}
	return err
}

// name returns the dimension that names the metric of a point, with what its type puts behind.
func (d *Decoder) name(suffix string) chunk.Dimension {
	return chunk.Dimension{Name: chunk.MetricName, Value: d.now.metric + suffix}
}
