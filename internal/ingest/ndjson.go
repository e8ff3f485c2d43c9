package ingest

import (
	"bytes"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// ndjsonDecoder reads one JSON object a line.
type ndjsonDecoder struct {
	c     *collector
	clock stamps
	text  []byte
	key   []byte
	times []int64
	pairs []chunk.Dimension

	// The parts of the object in hand, as written; nil where it lacks them.
	dimensions, kind, time, value, timeList, valueList []byte
}

func newNDJSON(c *collector, o *Options) decoder {
	precision := o.Precision
	if precision == 0 {
		precision = time.Nanosecond
	}
	return &ndjsonDecoder{c: c, clock: newStamps("", precision, nil)}
}

// endOfAnswer begins the last line of an answer of the server, which has no observations.
var endOfAnswer = []byte(`{"end":`)

// decode reads whole lines; see [decoder].
func (d *ndjsonDecoder) decode(data []byte, final bool) (int, error) {
	n := 0
	for n < len(data) {
		line := data[n:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		} else if !final {
			return n, nil
		}
		n += len(line)
		d.c.line++
		if line = bytes.TrimSpace(line); len(line) == 0 || bytes.HasPrefix(line, endOfAnswer) {
			continue
		}
		if err := d.object(line); err != nil {
			if err := d.c.bad(err); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// object reads one line.
func (d *ndjsonDecoder) object(line []byte) error {
	d.dimensions, d.kind, d.time, d.value, d.timeList, d.valueList = nil, nil, nil, nil, nil, nil
	n, err := eachMember(line, func(name, value []byte) error {
		switch string(name) {
		case "dimensions":
			d.dimensions = value
		case "kind":
			d.kind = value
		case "time":
			d.time = value
		case "value":
			d.value = value
		case "times":
			d.timeList = value
		case "values":
			d.valueList = value
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case n != len(line):
		return malformed("%s follows the object", quote(bytes.TrimSpace(line[n:])))
	case d.dimensions == nil:
		return malformed("no dimensions")
	case d.time != nil && d.value != nil:
		d.timeList, d.valueList = d.time, d.value
	case d.timeList == nil || d.valueList == nil:
		return malformed("neither time and value nor times and values")
	case d.timeList[0] != '[' || d.valueList[0] != '[':
		return malformed("times and values are not arrays")
	}
	return d.columns()
}

// columns reads d.timeList and d.valueList, arrays or single values.
func (d *ndjsonDecoder) columns() error {
	d.times = d.times[:0]
	err := eachElement(d.timeList, func(b []byte) error {
		t, err := d.stamp(b)
		d.times = append(d.times, t)
		return err
	})
	if err != nil {
		return err
	}
	kind, err := d.kindOfValues()
	if err != nil {
		return err
	}
	count := 0
	if err := eachElement(d.valueList, func(b []byte) error { count++; return d.check(kind, b) }); err != nil {
		return err
	}
	if count != len(d.times) {
		return malformed("%d times and %d values", len(d.times), count)
	}
	s, err := d.series(kind)
	if err != nil {
		return err
	}
	i := 0
	return eachElement(d.valueList, func(b []byte) error {
		i++
		if string(b) == "null" {
			return nil
		}
		return d.c.add(s, d.times[i-1], d.scalar(b))
	})
}

// stamp reads a time: a number, or a string.
func (d *ndjsonDecoder) stamp(b []byte) (int64, error) { return d.clock.parse(d.scalar(b)) }

// scalar returns the text of a value: of a string without its quotes and escapes.
func (d *ndjsonDecoder) scalar(b []byte) []byte {
	if b[0] != '"' {
		return b
	}
	if bytes.IndexByte(b, '\\') < 0 {
		return b[1 : len(b)-1]
	}
	d.text, _ = literal.ParseJSON(d.text[:0], b)
	return d.text
}

// kindOfValues returns the kind that the object names, or else that its first value has.
func (d *ndjsonDecoder) kindOfValues() (chunk.Kind, error) {
	if d.kind != nil {
		kind := kindOf(d.scalar(d.kind))
		if kind == 0 {
			return 0, malformed("%s is not a kind of value", quote(d.kind))
		}
		return kind, nil
	}
	kind := chunk.Kind(0)
	err := eachElement(d.valueList, func(b []byte) error {
		switch {
		case kind != 0 || string(b) == "null":
		case b[0] == '"':
			kind = chunk.String
			if _, ok := literal.ParseFloat(d.scalar(b)); ok && !digit(b[1]) {
				kind = chunk.Float64 // "NaN" or "+Inf"
			}
		case b[0] == 't' || b[0] == 'f':
			kind = chunk.Bool
		default:
			kind = chunk.Float64
		}
		return nil
	})
	if kind == 0 {
		kind = chunk.Float64 // nothing but null
	}
	return kind, err
}

func digit(c byte) bool { return c-'0' <= 9 }

// check reports why b is not a value of the kind.
func (d *ndjsonDecoder) check(kind chunk.Kind, b []byte) error {
	ok := false
	switch text := b[0] == '"'; {
	case string(b) == "null":
		ok = true
	case kind == chunk.String:
		ok = text
	case kind == chunk.Bool:
		ok = !text && parses(kind, b)
	default:
		ok = parses(kind, d.scalar(b))
	}
	if !ok {
		return malformed("%s is not a value of kind %v", quote(b), kind)
	}
	return nil
}

// series returns the series of d.dimensions.
func (d *ndjsonDecoder) series(kind chunk.Kind) (*series, error) {
	d.key = append(append(d.key[:0], byte(kind)), d.dimensions...)
	key := d.c.key(d.key)
	if s := d.c.lookup(key); s != nil {
		return s, nil
	}
	d.pairs = d.pairs[:0]
	_, err := eachMember(d.dimensions, func(name, value []byte) error {
		if value[0] != '"' {
			return malformed("dimension %s: %s is not a string", quote(name), quote(value))
		}
		d.pairs = append(d.pairs, chunk.Dimension{Name: d.c.word(name), Value: d.c.word(d.scalar(value))})
		return nil
	})
	if err != nil {
		return nil, err
	}
	s, err := d.c.newSeries(kind, d.pairs)
	if err == nil {
		d.c.remember(key, s)
	}
	return s, err
}
