package ingest

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

const (
	flushSize  = 64 << 10 // text that a Writer gathers
	maxColumns = 8192     // observations of one NDJSON line
)

// A Writer writes observations in one of the formats, so that reading the text gives the same
// series, stamps and values to the bit. It is used by one goroutine.
type Writer struct {
	w      io.Writer
	buf    []byte
	prefix []byte // what the lines of one series begin or end with
	names  []string
	write  func(chunk.Series, *chunk.Samples) error

	of      chunk.Series  // whose observations wait for their line (NDJSON)
	waiting chunk.Samples // fewer than a line holds
}

// NewWriter returns a writer of a format, which is CSV, Influx or NDJSON. The names are those of
// all dimensions that will occur; only CSV needs them, for its columns.
func NewWriter(format string, w io.Writer, names []string) (*Writer, error) {
	x := &Writer{w: w, names: names}
	switch format {
	case CSV:
		x.write = x.csv
		x.buf = append(x.buf, strings.Join(exportHead, ",")...)
		for _, name := range names {
			x.buf = appendCSV(append(x.buf, ','), name)
		}
		x.buf = append(x.buf, '\n')
	case Influx:
		x.write = x.influx
		x.buf = append(x.buf, exportMark+" export: measurement is the metric, %XX is a byte, times are ns\n"...)
	case NDJSON:
		x.write = x.ndjson
	default:
		return nil, fmt.Errorf("cannot export %q: %w", format, ErrFormat)
	}
	return x, nil
}

// Write appends observations of one series, which may be called again for more of them.
func (x *Writer) Write(s chunk.Series, samples chunk.Samples) error {
	if samples.Len() == 0 {
		return nil
	}
	return x.write(s, &samples)
}

// Close writes what is left. It does not close the writer below.
func (x *Writer) Close() error {
	x.ndjsonLine()
	return x.flush(0)
}

// flush writes when that much has gathered.
func (x *Writer) flush(atLeast int) error {
	if len(x.buf) < atLeast {
		return nil
	}
	_, err := x.w.Write(x.buf)
	x.buf = x.buf[:0]
	return err
}

// csv writes a record an observation.
func (x *Writer) csv(s chunk.Series, samples *chunk.Samples) error {
	x.prefix = x.prefix[:0]
	found := 0
	for _, name := range x.names {
		v, ok := s.Dimensions.Get(name)
		if ok {
			found++
		}
		x.prefix = appendCSV(append(x.prefix, ','), v)
	}
	if found != len(s.Dimensions) {
		return fmt.Errorf("series %v has dimensions that are not columns", s.Dimensions)
	}
	x.prefix = append(x.prefix, '\n')
	for i, t := range samples.Times {
		x.buf = strconv.AppendInt(x.buf, t, 10)
		x.buf = append(x.buf, ',')
		x.buf = append(x.buf, samples.Kind.String()...)
		x.buf = append(x.buf, ',')
		if samples.Kind == chunk.String {
			x.buf = appendCSV(x.buf, samples.Strings[i])
		} else {
			x.buf = appendValue(x.buf, samples, i)
		}
		x.buf = append(x.buf, x.prefix...)
		if err := x.flush(flushSize); err != nil {
			return err
		}
	}
	return nil
}

// appendCSV appends a field, quoted where it must be.
func appendCSV(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") && !strings.HasPrefix(s, bom) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return append(append(dst, s...), '"')
		}
		dst = append(append(dst, s[:i+1]...), '"')
		s = s[i+1:]
	}
}

// appendValue appends value i, of a kind other than string.
func appendValue(dst []byte, s *chunk.Samples, i int) []byte {
	switch s.Kind {
	case chunk.Float64:
		return literal.AppendFloat(dst, s.Floats[i])
	case chunk.Int64:
		return strconv.AppendInt(dst, s.Ints[i], 10)
	default:
		return strconv.AppendBool(dst, s.Bools[i])
	}
}

// influx writes a line an observation.
func (x *Writer) influx(s chunk.Series, samples *chunk.Samples) error {
	x.prefix = x.prefix[:0]
	if metric, ok := s.Dimensions.Get(chunk.MetricName); ok {
		x.prefix = appendInflux(x.prefix, metric, true)
	} else {
		x.prefix = append(x.prefix, '%')
	}
	for _, p := range s.Dimensions {
		if p.Name != chunk.MetricName {
			x.prefix = appendInflux(append(x.prefix, ','), p.Name, false)
			x.prefix = appendInflux(append(x.prefix, '='), p.Value, false)
		}
	}
	x.prefix = append(x.prefix, " value="...)
	for i, t := range samples.Times {
		x.buf = append(x.buf, x.prefix...)
		if samples.Kind == chunk.String {
			x.buf = appendInfluxString(x.buf, samples.Strings[i])
		} else {
			x.buf = appendValue(x.buf, samples, i)
		}
		if samples.Kind == chunk.Int64 {
			x.buf = append(x.buf, 'i')
		}
		x.buf = strconv.AppendInt(append(x.buf, ' '), t, 10)
		x.buf = append(x.buf, '\n')
		if err := x.flush(flushSize); err != nil {
			return err
		}
	}
	return nil
}

// appendInflux appends a measurement, tag key or tag value. Backslashes mean themselves in line
// protocol unless one of its own characters follows, and there is no way to write a line break, so
// these are written as %XX, and so is what would look like that.
func appendInflux(dst []byte, s string, measurement bool) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		percent := false
		switch {
		case c == '%':
			percent = len(s) == 1 || i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16
		case c == '\\':
			percent = i+1 == len(s) || strings.IndexByte(",= ", s[i+1]) >= 0
		case c < ' ' || c == 0x7f:
			percent = true
		case i == 0 && measurement && c == '#':
			percent = true
		}
		switch {
		case percent:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		case c == ',' || c == '=' || c == ' ':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendInfluxString appends the value of a string field.
func appendInfluxString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// ndjson gathers lines of columns, which do not depend on how the observations are handed over.
func (x *Writer) ndjson(s chunk.Series, samples *chunk.Samples) error {
	if s.Kind != x.of.Kind || !s.Dimensions.Equal(x.of.Dimensions) {
		x.ndjsonLine()
		x.of = s
		if err := x.flush(flushSize); err != nil {
			return err
		}
	}
	for rest := *samples; rest.Len() > 0; {
		n := min(maxColumns-x.waiting.Len(), rest.Len())
		x.waiting.Append(rest.Slice(0, n))
		if rest = rest.Slice(n, rest.Len()); x.waiting.Len() < maxColumns {
			continue
		}
		x.ndjsonLine()
		if err := x.flush(flushSize); err != nil {
			return err
		}
	}
	return nil
}

// ndjsonLine writes what waits as one line.
func (x *Writer) ndjsonLine() {
	part := &x.waiting
	if part.Len() == 0 {
		return
	}
	x.buf = appendDimensions(append(x.buf, `{"dimensions":`...), x.of.Dimensions)
	x.buf = append(append(append(x.buf, `,"kind":"`...), x.of.Kind.String()...), `","times":[`...)
	for _, t := range part.Times {
		x.buf = append(strconv.AppendInt(x.buf, t, 10), ',')
	}
	x.buf = append(bytes.TrimSuffix(x.buf, []byte{','}), `],"values":[`...)
	for k := range part.Times {
		x.buf = append(appendJSONValue(x.buf, part, k), ',')
	}
	x.buf = append(bytes.TrimSuffix(x.buf, []byte{','}), "]}\n"...)
	part.Reset()
}

// appendDimensions appends d as a JSON object.
func appendDimensions(dst []byte, d chunk.Dimensions) []byte {
	dst = append(dst, '{')
	for i, p := range d {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = literal.AppendJSON(dst, p.Name)
		dst = literal.AppendJSON(append(dst, ':'), p.Value)
	}
	return append(dst, '}')
}

// appendJSONValue appends value i: what JSON numbers cannot hold for every reader as a string.
func appendJSONValue(dst []byte, s *chunk.Samples, i int) []byte {
	quoted := false
	switch s.Kind {
	case chunk.String:
		return literal.AppendJSON(dst, s.Strings[i])
	case chunk.Float64:
		v := s.Floats[i]
		quoted = v-v != 0 // NaN or infinite
	case chunk.Int64:
		quoted = s.Ints[i] > 1<<53 || s.Ints[i] < -1<<53
	}
	if !quoted {
		return appendValue(dst, s, i)
	}
	return append(appendValue(append(dst, '"'), s, i), '"')
}

// Names returns the names of the dimensions of all series, sorted, for [NewWriter].
func Names(all []chunk.Series) []string {
	seen := make(map[string]bool)
	for _, s := range all {
		for _, p := range s.Dimensions {
			seen[p.Name] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
