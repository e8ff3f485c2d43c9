package lineproto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// Why a line is refused, in InfluxDB's words.
var (
	errNoMeasurement = errors.New("missing measurement")
	errNoFields      = errors.New("missing fields")
	errNoFieldKey    = errors.New("missing field key")
	errNoValue       = errors.New("missing field value")
	errNumber        = errors.New("invalid number")
	errBool          = errors.New("invalid boolean")
	errQuotes        = errors.New("unbalanced quotes")
	errFormat        = errors.New("invalid field format")
	errTime          = errors.New("bad timestamp")
	errRange         = errors.New("time outside range")
	errNoTime        = errors.New("missing timestamp")
	errTagKey        = errors.New("missing tag key")
	errTagValue      = errors.New("missing tag value")
	errHidden        = errors.New("the tags hide both measurement or field and metric")
)

// A Refused is a line that was refused.
type Refused struct {
	Line   int    // from 1
	Text   string // of the line, shortened
	Reason error
}

const (
	maxRefused = 100     // lines that are described
	maxShown   = 200     // bytes of one
	maxString  = 1 << 20 // bytes of a string that the store takes
)

func (d *Decoder) refuse(l *line, reason error) {
	if len(d.refused) == maxRefused {
		d.more++
		return
	}
	text := l.text[l.start:l.end]
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	shown := string(text[:min(len(text), maxShown)])
	if len(shown) < len(text) {
		shown += "…"
	}
	d.refused = append(d.refused, Refused{Line: d.line, Text: shown, Reason: reason})
}

// rawField is a field of a line that is being read.
type rawField struct {
	key  []byte
	kind chunk.Kind
}

// expect reads the fields of a line that has the schema, into values. It returns false where the
// line may have another one, or is hard to read; then nothing has happened.
func (d *Decoder) expect(l *line, s *schema) bool {
	text, at := l.text[:l.end], l.at
	d.values = d.values[:0]
	for i := range s.fields {
		f := &s.fields[i]
		if i > 0 {
			if at >= len(text) || text[at] != ',' {
				return false
			}
			at++
		}
		if len(text)-at <= len(f.text) || string(text[at:at+len(f.text)]) != f.text {
			return false
		}
		at += len(f.text)
		var v uint64
		var n int
		switch f.kind {
		case chunk.Float64:
			x, k := literal.FloatPrefix(text[at:])
			v, n = math.Float64bits(x), k
		case chunk.Int64:
			v, n = readInt(text[at:])
		}
		if n == 0 {
			return false
		}
		at += n
		d.values = append(d.values, v)
	}
	if at < len(text) && text[at] != ' ' && text[at] != '\r' {
		return false
	}
	l.at = at
	return true
}

// readInt reads an integer such as 42i at the head of b, and returns it and how many bytes it has;
// 0 bytes where there is none, or it takes more than that.
func readInt(b []byte) (v uint64, n int) {
	i := 0
	if len(b) > 0 && b[0] == '-' {
		i = 1
	}
	first := i
	var m uint64
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		m = m*10 + uint64(b[i]-'0')
	}
	if i == first || i-first > 18 || i >= len(b) || b[i] != 'i' {
		return 0, 0
	}
	if first > 0 {
		m = -m
	}
	return m, i + 1
}

// readFields reads the fields of a line into fields and values, and what they are called into text.
// A string may have newlines: the end of the line is then moved.
func (d *Decoder) readFields(l *line) error {
	d.fields, d.values, d.text, d.b.strings = d.fields[:0], d.values[:0], d.text[:0], d.b.strings[:0]
	for {
		f := rawField{}
		eq, err := fieldKey(l.text[l.at:l.end])
		if err != nil {
			return err
		}
		f.key = l.text[l.at : l.at+eq]
		if l.at += eq + 1; l.at >= l.end {
			return errNoValue
		}
		var v uint64
		if l.text[l.at] == '"' {
			f.kind = chunk.String
			v, err = d.readString(l)
		} else {
			n := l.at
			for n < l.end && l.text[n] != ',' && l.text[n] != ' ' && l.text[n] != '\r' {
				n++
			}
			f.kind, v, err = value(l.text[l.at:n])
			l.at = n
		}
		if err != nil {
			return err
		}
		d.fields, d.values = append(d.fields, f), append(d.values, v)
		d.text = binary.AppendUvarint(d.text, uint64(len(f.key)))
		d.text = append(append(d.text, f.key...), byte(f.kind))
		if l.at >= l.end || l.text[l.at] != ',' {
			break
		}
		l.at++
	}
	if l.at < l.end && l.text[l.at] != ' ' && l.text[l.at] != '\r' {
		return errFormat
	}
	return nil
}

// fieldKey returns the length of the name of the field that b begins with.
func fieldKey(b []byte) (int, error) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '=':
			if i == 0 {
				return 0, errNoFieldKey
			}
			return i, nil
		case '\\':
			i++
		case ' ', ',':
			if i == 0 {
				return 0, errNoFieldKey
			}
			return 0, errNoValue
		}
	}
	if len(b) == 0 {
		return 0, errNoFieldKey
	}
	return 0, errNoValue
}

// readString reads a string, whose opening quote comes next.
func (d *Decoder) readString(l *line) (uint64, error) {
	window := l.text[l.at+1 : min(len(l.text), l.at+1+2*maxString+1)]
	k := scan(window, '"')
	if k >= len(window) {
		return 0, errQuotes
	}
	from := len(d.b.strings)
	d.b.strings = unescape(d.b.strings, window[:k], `"\`)
	n := len(d.b.strings) - from
	if l.at += k + 2; l.at > l.end {
		l.end = len(l.text)
		for i := l.at; i < len(l.text); i++ {
			if l.text[i] == '\n' {
				l.end = i
				break
			}
		}
	}
	if n > maxString {
		return 0, fmt.Errorf("a string of %d bytes, at most %d", n, maxString)
	}
	return uint64(from)<<32 | uint64(n), nil
}

// value reads a value that is no string.
func value(b []byte) (chunk.Kind, uint64, error) {
	switch string(b) {
	case "":
		return 0, 0, errNoValue
	case "true", "t", "T", "True", "TRUE":
		return chunk.Bool, 1, nil
	case "false", "f", "F", "False", "FALSE":
		return chunk.Bool, 0, nil
	}
	last := len(b) - 1
	if b[last] == 'i' || b[last] == 'u' && b[0] != '-' {
		v, ok := literal.ParseInt(b[:last])
		if !ok {
			return 0, 0, fmt.Errorf("%w: unable to parse integer %s", errNumber, quote(b))
		}
		return chunk.Int64, uint64(v), nil
	}
	v, ok := literal.ParseFloat(b)
	switch {
	case !ok && (b[0] == 't' || b[0] == 'T' || b[0] == 'f' || b[0] == 'F'):
		return 0, 0, fmt.Errorf("%w %s", errBool, quote(b))
	case !ok || math.IsNaN(v) || math.IsInf(v, 0):
		return 0, 0, fmt.Errorf("%w %s", errNumber, quote(b))
	}
	return chunk.Float64, math.Float64bits(v), nil
}

// stamp reads the time at the end of a line.
func (d *Decoder) stamp(b []byte) (int64, error) {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		if d.o.Now == 0 {
			return 0, errNoTime
		}
		return d.o.Now, nil
	}
	v, ok := literal.ParseInt(b)
	if !ok {
		return 0, fmt.Errorf("%w %s", errTime, quote(b))
	}
	unit := d.o.Unit
	if unit == Guess {
		unit = guess(v)
	}
	if t := v * unit; t/unit == v {
		return t, nil
	}
	return 0, fmt.Errorf("%w: %d", errRange, v)
}

// guess returns the unit that a time has by its size, in nanoseconds.
func guess(v int64) int64 {
	unit := int64(1e9)
	for limit := int64(5e9); unit > 1 && (v >= limit || v <= -limit); limit *= 1000 {
		unit /= 1000
	}
	return unit
}

// unescape appends b to dst without the backslashes before one of special; all others are
// themselves.
func unescape(dst, b []byte, special string) []byte {
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) {
			for k := range len(special) {
				if special[k] == b[i+1] {
					i++
					break
				}
			}
		}
		dst = append(dst, b[i])
	}
	return dst
}

// quote prints text of the input for an error, shortened.
func quote(b []byte) string {
	if len(b) > 60 {
		return strconv.Quote(string(b[:60])) + "…"
	}
	return strconv.Quote(string(b))
}
