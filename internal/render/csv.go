package render

import (
	"io"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
	"github.com/chronodex/chronodex/query"
)

func writeCSV(w io.Writer, r *query.Result, o *Options) error {
	x := &jsonWriter{w: w, stamps: newStampWriter(o, false)}
	names, timed := dimensionNames(r), false
	for i := range r.Series {
		timed = timed || !r.Series[i].Single
	}
	if timed {
		x.buf = append(x.buf, "time,"...)
	}
	for _, name := range names {
		x.buf = append(appendField(x.buf, name), ',')
	}
	x.buf = append(x.buf, "value\n"...)
	var dims []byte
	for i := range r.Series {
		s := &r.Series[i]
		dims = dims[:0]
		for _, name := range names {
			v, _ := s.Dimensions.Get(name)
			dims = append(appendField(dims, v), ',')
		}
		x.csvRows(s, dims, timed)
		if x.err != nil {
			return x.err
		}
	}
	x.flush(0)
	return x.err
}

// csvRows writes the records of one row of the result.
func (x *jsonWriter) csvRows(s *query.ResultSeries, dims []byte, timed bool) {
	if s.Single {
		if timed {
			x.buf = append(x.buf, ',')
		}
		x.buf = append(x.buf, dims...)
		if s.IsText {
			x.buf = appendField(x.buf, s.Text)
		} else {
			x.buf = literal.AppendFloat(x.buf, s.Value)
		}
		x.buf = append(x.buf, '\n')
		x.flush(flushSize)
		return
	}
	for i, t := range s.Samples.Times {
		x.buf = append(x.stamps.append(x.buf, t), ',')
		x.buf = append(x.buf, dims...)
		x.buf = append(appendValue(x.buf, &s.Samples, i), '\n')
		x.flush(flushSize)
	}
}

// appendValue appends value i as a field.
func appendValue(dst []byte, s *chunk.Samples, i int) []byte {
	switch s.Kind {
	case chunk.Float64:
		return literal.AppendFloat(dst, s.Floats[i])
	case chunk.Int64:
		return appendInt(dst, s.Ints[i])
	case chunk.Bool:
		return strconv.AppendBool(dst, s.Bools[i])
	}
	return appendField(dst, s.Strings[i])
}

// appendField appends a field of CSV, quoted as RFC 4180 asks.
func appendField(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
	return append(dst, '"')
}
