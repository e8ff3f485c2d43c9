package render

import (
	"io"
	"strconv"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
	"github.com/chronodex/chronodex/query"
)

const (
	flushSize    = 64 << 10
	maxSharedRow = 16 << 20 // bytes of written stamps that are kept for the next row
	exactInt     = 1 << 53  // integers up to here are the same in every reader of JSON
)

// A jsonWriter gathers text and writes it in large pieces.
type jsonWriter struct {
	w      io.Writer
	buf    []byte
	err    error
	stamps *stampWriter

	times []int64 // the last row's, which many rows share
	text  []byte  // and how they are written; empty where that is too long to keep
}

func (x *jsonWriter) flush(atLeast int) {
	if len(x.buf) < atLeast || x.err != nil {
		return
	}
	_, x.err = x.w.Write(x.buf)
	x.buf = x.buf[:0]
}

func writeJSON(w io.Writer, r *query.Result, o *Options) error {
	x := &jsonWriter{w: w, stamps: newStampWriter(o, true)}
	x.buf = append(x.buf, `{"result":[`...)
	for i := range r.Series {
		if i > 0 {
			x.buf = append(x.buf, ',')
		}
		x.buf = append(x.buf, '\n')
		x.row(&r.Series[i], false)
		if x.err != nil {
			return x.err
		}
	}
	x.buf = append(x.buf, "\n],"...)
	x.end(r)
	x.buf = append(x.buf, "}\n"...)
	x.flush(0)
	return x.err
}

// end writes the members behind the rows.
func (x *jsonWriter) end(r *query.Result) {
	x.buf = append(x.buf, `"warnings":[`...)
	for i, text := range r.Warnings {
		if i > 0 {
			x.buf = append(x.buf, ',')
		}
		x.buf = literal.AppendJSON(x.buf, text)
	}
	x.buf = append(x.buf, `],"stats":{`...)
	x.buf = appendStats(x.buf, &r.Stats)
	x.buf = append(x.buf, '}')
}

// appendStats appends the members of the statistics.
func appendStats(dst []byte, s *query.Stats) []byte {
	for i, m := range []struct {
		name  string
		value int64
	}{
		{"series", s.SeriesSelected},
		{"chunks", s.Chunks},
		{"chunksFromStats", s.ChunksFromStats},
		{"chunksDecoded", s.ChunksDecoded},
		{"chunksCut", s.ChunksCut},
		{"chunksCorrupt", s.ChunksCorrupt},
		{"observations", s.Observations},
		{"bytesDecoded", s.BytesDecoded},
		{"peakBytes", s.PeakBytes},
		{"durationNs", int64(s.Duration)},
	} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.name...), `":`...)
		dst = appendInt(dst, m.value)
	}
	return dst
}

func writeNDJSON(w io.Writer, r *query.Result, o *Options) error {
	x := &jsonWriter{w: w, stamps: newStampWriter(o, true)}
	for i := range r.Series {
		x.row(&r.Series[i], true)
		x.buf = append(x.buf, '\n')
		if x.flush(flushSize); x.err != nil {
			return x.err
		}
	}
	if o.End {
		x.buf = append(x.buf, `{"end":{`...)
		x.end(r)
		x.buf = append(x.buf, "}}\n"...)
	}
	x.flush(0)
	return x.err
}

// row writes one row as an object.
func (x *jsonWriter) row(s *query.ResultSeries, kind bool) {
	x.buf = append(x.buf, `{"dimensions":{`...)
	for i, p := range s.Dimensions {
		if i > 0 {
			x.buf = append(x.buf, ',')
		}
		x.buf = literal.AppendJSON(x.buf, p.Name)
		x.buf = literal.AppendJSON(append(x.buf, ':'), p.Value)
	}
	x.buf = append(x.buf, '}')
	if s.Single {
		x.buf = append(x.buf, `,"value":`...)
		if s.IsText {
			x.buf = literal.AppendJSON(x.buf, s.Text)
		} else {
			x.buf = appendJSONFloat(x.buf, s.Value)
		}
		x.buf = append(x.buf, '}')
		return
	}
	if kind && s.Samples.Kind.Valid() {
		x.buf = append(append(append(x.buf, `,"kind":"`...), s.Samples.Kind.String()...), '"')
	}
	x.buf = append(x.buf, `,"times":[`...)
	x.timesOf(s.Samples.Times)
	x.buf = append(x.buf, `],"values":[`...)
	x.values(&s.Samples)
	x.buf = append(x.buf, "]}"...)
}

// timesOf writes a column of stamps; what was written for the row before serves again where the
// column is the same one.
func (x *jsonWriter) timesOf(times []int64) {
	if len(times) == 0 {
		return
	}
	if len(x.text) > 0 && len(times) == len(x.times) && &times[0] == &x.times[0] {
		x.buf = append(x.buf, x.text...)
		x.flush(flushSize)
		return
	}
	x.times, x.text = times, x.text[:0]
	if len(times)*32 > maxSharedRow {
		for i, t := range times {
			if i > 0 {
				x.buf = append(x.buf, ',')
			}
			x.buf = x.stamps.append(x.buf, t)
			x.flush(flushSize)
		}
		return
	}
	for i, t := range times {
		if i > 0 {
			x.text = append(x.text, ',')
		}
		x.text = x.stamps.append(x.text, t)
	}
	x.buf = append(x.buf, x.text...)
	x.flush(flushSize)
}

// values writes a column of values.
func (x *jsonWriter) values(s *chunk.Samples) {
	n := s.Len()
	for from := 0; from < n; from += 1024 {
		part := s.Slice(from, min(n, from+1024))
		if from > 0 {
			x.buf = append(x.buf, ',')
		}
		x.buf = appendJSONValues(x.buf, &part)
		x.flush(flushSize)
	}
}

// appendJSONValues appends the values of s with commas between.
func appendJSONValues(dst []byte, s *chunk.Samples) []byte {
	switch s.Kind {
	case chunk.Float64:
		for _, v := range s.Floats {
			dst = append(appendJSONFloat(dst, v), ',')
		}
	case chunk.Int64:
		for _, v := range s.Ints {
			if v > exactInt || v < -exactInt {
				dst = append(appendInt(append(dst, '"'), v), `",`...)
			} else {
				dst = append(appendInt(dst, v), ',')
			}
		}
	case chunk.Bool:
		for _, v := range s.Bools {
			dst = append(strconv.AppendBool(dst, v), ',')
		}
	case chunk.String:
		for _, v := range s.Strings {
			dst = append(literal.AppendJSON(dst, v), ',')
		}
	}
	return dst[:len(dst)-1]
}

// appendJSONFloat appends v, quoted where it is no number. A NaN's bits are not told.
func appendJSONFloat(dst []byte, v float64) []byte {
	switch {
	case v != v:
		return append(dst, `"NaN"`...)
	case v-v != 0:
		return append(literal.AppendFloat(append(dst, '"'), v), '"')
	}
	return literal.AppendFloat(dst, v)
}

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }
