package ingest

import (
	"bytes"
	"math"
	"slices"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

const (
	// exportMark begins the line that says that our export wrote the line protocol that follows.
	exportMark = "#chronodex"
	// maxQuoted is how far behind its opening quote a string is looked for its end.
	maxQuoted = 16 << 20
)

// influxField is a field of a line that is being read.
type influxField struct {
	key   []byte
	value []byte // of a string without its quotes, of a number without its suffix
	kind  chunk.Kind
}

// influxDecoder reads line protocol.
type influxDecoder struct {
	c      *collector
	unit   int64
	now    int64
	own    bool   // our export wrote the lines
	key    []byte // measurement, tags and field of the line, as written
	text   []byte
	fields []influxField
	tags   []chunk.Dimension // of the line, while its series is made
}

func newInflux(c *collector, o *Options) decoder {
	d := &influxDecoder{c: c, unit: int64(o.Precision), now: o.Now}
	if d.unit == 0 {
		d.unit = 1
	}
	return d
}

// decode reads whole lines; see [decoder].
func (d *influxDecoder) decode(data []byte, final bool) (int, error) {
	n := 0
	for n < len(data) {
		k, lines, err := d.record(data[n:], final)
		if k == 0 {
			return n, nil
		}
		if d.c.line++; err != nil {
			if err = d.c.bad(err); err != nil {
				return n, err
			}
		}
		d.c.line += int64(lines) - 1
		n += k
	}
	return n, nil
}

// record reads the line at the head of data. It returns its bytes, newline included, and how many
// lines of text they are; no bytes where the line is not whole.
func (d *influxDecoder) record(data []byte, final bool) (n, lines int, err error) {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		if !final {
			return 0, 0, nil
		}
		end = len(data)
	}
	i := 0
	for i < end && (data[i] == ' ' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	if i == end || data[i] == '#' {
		if bytes.HasPrefix(data[i:end], []byte(exportMark)) {
			d.own, d.unit = true, 1
		}
		return min(end+1, len(data)), 1, nil
	}
	space := scan(data[i:end], ' ')
	if space == 0 {
		return min(end+1, len(data)), 1, malformed("no measurement")
	}
	key := data[i : i+space]
	p, lineEnd, err := d.scanFields(data, i+space, end, final)
	if p < 0 {
		return 0, 0, nil
	}
	lines = 1
	if lineEnd > end {
		lines += bytes.Count(data[end:lineEnd], []byte{'\n'})
	}
	n = min(lineEnd+1, len(data))
	if err != nil {
		return n, lines, err
	}
	t, err := d.stamp(bytes.TrimSpace(data[p:lineEnd]))
	if err != nil {
		return n, lines, err
	}
	return n, lines, d.add(key, t)
}

// scan returns the index in b of the first stop that no backslash escapes, or the length of b.
func scan(b []byte, stop byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case stop:
			return i
		case '\\':
			i++
		}
	}
	return len(b)
}

// scanFields reads the fields from data[p] on into d.fields, in a line that ends at end unless a
// string has newlines. It returns where the fields end, −1 where the line is not whole, and the
// line.
func (d *influxDecoder) scanFields(data []byte, p, end int, final bool) (next, lineEnd int, err error) {
	d.fields = d.fields[:0]
	for p < end && data[p] == ' ' {
		p++
	}
	for {
		eq := scan(data[p:end], '=')
		if eq == 0 || p+eq >= end-1 {
			return p, end, malformed("no field such as key=1")
		}
		f := influxField{key: data[p : p+eq]}
		p += eq + 1
		if data[p] != '"' {
			k := bytes.IndexAny(data[p:end], ", ")
			if k < 0 {
				k = end - p
			}
			text := trimCR(data[p : p+k])
			if f.value = text; !f.number() {
				return p, end, malformed("%s is not the value of a field", quote(text))
			}
			p += k
		} else {
			window := data[p+1 : min(len(data), p+1+maxQuoted)]
			k := scan(window, '"')
			switch {
			case k >= len(window) && len(window) < maxQuoted && !final:
				return -1, end, nil
			case k >= len(window):
				return p, end, malformed("a string is not closed")
			}
			f.kind, f.value = chunk.String, window[:k]
			if p += k + 2; p > end {
				next := bytes.IndexByte(data[p:], '\n')
				if next < 0 && !final {
					return -1, end, nil
				}
				if end = p + next; next < 0 {
					end = len(data)
				}
			}
		}
		d.fields = append(d.fields, f)
		if p >= end || data[p] != ',' {
			break
		}
		p++
	}
	if p < end && data[p] != ' ' && data[p] != '\r' {
		return p, end, malformed("%s follows a field", quote(data[p:end]))
	}
	return p, end, nil
}

// number finds the kind of a value that is no string, and takes off its suffix.
func (f *influxField) number() bool {
	v := f.value
	if len(v) == 0 {
		return false
	}
	if _, ok := parseBool(v); ok {
		f.kind = chunk.Bool
		return true
	}
	switch v[len(v)-1] {
	case 'i':
		f.kind, f.value = chunk.Int64, v[:len(v)-1]
		return parses(chunk.Int64, f.value)
	case 'u':
		f.kind, f.value = chunk.Int64, v[:len(v)-1]
		return v[0] != '-' && parses(chunk.Int64, f.value)
	}
	f.kind = chunk.Float64
	return true // checked where it is added
}

// stamp reads the time at the end of a line.
func (d *influxDecoder) stamp(b []byte) (int64, error) {
	if len(b) == 0 {
		if d.now == 0 {
			return 0, malformed("no time")
		}
		return d.now, nil
	}
	v, ok := literal.ParseInt(b)
	if !ok {
		return 0, malformed("%s is not a time", quote(b))
	}
	return scaleTime(v, d.unit)
}

// add appends the fields at time t.
func (d *influxDecoder) add(key []byte, t int64) error {
	for i := range d.fields { // all or nothing
		f := &d.fields[i]
		if f.kind != chunk.Float64 {
			continue
		}
		if v, ok := literal.ParseFloat(f.value); !ok || !d.own && (math.IsNaN(v) || math.IsInf(v, 0)) {
			return malformed("%s is not a number", quote(f.value))
		}
	}
	for i := range d.fields {
		f := &d.fields[i]
		d.key = append(append(append(append(d.key[:0], key...), 0), f.key...), byte(f.kind))
		id := d.c.key(d.key)
		s := d.c.lookup(id)
		if s == nil {
			pairs, err := d.pairs(key, f.key)
			if err != nil {
				return err
			}
			if s, err = d.c.newSeries(f.kind, pairs); err != nil {
				return err
			}
			d.c.remember(id, s)
		}
		value := f.value
		if f.kind == chunk.String {
			d.text = unescapeInflux(d.text[:0], value, `"\`)
			value = d.text
		}
		if err := d.c.add(s, t, value); err != nil {
			return err
		}
	}
	return nil
}

// pairs returns the dimensions of a measurement with tags, and a field.
func (d *influxDecoder) pairs(key, field []byte) ([]chunk.Dimension, error) {
	comma := scan(key, ',')
	measurement, tags := d.word(key[:comma]), key[comma:]
	pairs := d.tags[:0]
	defer func() { d.tags = pairs }()
	for len(tags) > 0 {
		tags = tags[1:]
		end := scan(tags, ',')
		tag := tags[:end]
		tags = tags[end:]
		eq := scan(tag, '=')
		if eq == 0 || eq >= len(tag)-1 {
			return nil, malformed("%s is not a tag such as host=a", quote(tag))
		}
		p := chunk.Dimension{Name: d.word(tag[:eq]), Value: d.word(tag[eq+1:])}
		pairs = append(pairs, p)
	}
	if d.own {
		if string(key[:comma]) != "%" {
			pairs = append(pairs, chunk.Dimension{Name: chunk.MetricName, Value: measurement})
		}
		return pairs, nil
	}
	name := d.word(field)
	tagged := len(pairs)
	has := func(name string) bool {
		return slices.ContainsFunc(pairs[:tagged], func(p chunk.Dimension) bool { return p.Name == name })
	}
	if has(chunk.MetricName) && (has("measurement") || has("field")) {
		return nil, malformed("the tags hide both measurement or field and metric")
	}
	for _, p := range []chunk.Dimension{
		{Name: "measurement", Value: measurement},
		{Name: "field", Value: name},
		{Name: chunk.MetricName, Value: d.c.word(append(append(append(d.text[:0], measurement...), '_'), name...))},
	} {
		if !has(p.Name) {
			pairs = append(pairs, p)
		}
	}
	return pairs, nil
}

// word returns a measurement, tag or field without escapes.
func (d *influxDecoder) word(b []byte) string {
	if bytes.IndexByte(b, '\\') >= 0 {
		d.text = unescapeInflux(d.text[:0], b, ",= ")
		b = d.text
	}
	if d.own {
		return unpercent(b)
	}
	return d.c.word(b)
}

// unescapeInflux appends b to dst without the backslashes before one of special; all others are
// themselves.
func unescapeInflux(dst, b []byte, special string) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && bytes.IndexByte([]byte(special), b[i+1]) >= 0 {
			i++
		}
		dst = append(dst, b[i])
	}
	return dst
}

// unpercent replaces each %XX in b by the byte it names.
func unpercent(b []byte) string {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '%' && i+2 < len(b) {
			if hi, lo := unhex(b[i+1]), unhex(b[i+2]); hi < 16 && lo < 16 {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
		}
		out = append(out, b[i])
	}
	return string(out)
}

// unhex returns the value of a hexadecimal digit in upper case, or 16 and more.
func unhex(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
