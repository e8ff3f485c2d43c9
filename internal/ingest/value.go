package ingest

import (
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// kindOf returns the kind of a name, or 0.
func kindOf(b []byte) chunk.Kind {
	switch string(b) {
	case "float64":
		return chunk.Float64
	case "int64":
		return chunk.Int64
	case "bool":
		return chunk.Bool
	case "string":
		return chunk.String
	}
	return 0
}

// parseBool reads the words for true and false.
func parseBool(b []byte) (v, ok bool) {
	switch string(b) {
	case "true", "t", "T", "True", "TRUE":
		return true, true
	case "false", "f", "F", "False", "FALSE":
		return false, true
	}
	return false, false
}

// parses reports whether text is a value of the kind.
func parses(kind chunk.Kind, text []byte) (ok bool) {
	switch kind {
	case chunk.Float64:
		_, ok = literal.ParseFloat(text)
	case chunk.Int64:
		_, ok = literal.ParseInt(text)
	case chunk.Bool:
		_, ok = parseBool(text)
	default:
		ok = true
	}
	return ok
}

// add appends an observation of s, whose value is text.
func (c *collector) add(s *series, t int64, text []byte) error {
	var f float64
	var n int64
	var b, ok bool
	switch s.kind {
	case chunk.Float64:
		f, ok = literal.ParseFloat(text)
	case chunk.Int64:
		n, ok = literal.ParseInt(text)
	case chunk.Bool:
		b, ok = parseBool(text)
	default:
		ok = true
	}
	if !ok {
		return malformed("%s is not a value of kind %v", quote(text), s.kind)
	}
	x := c.samples(s)
	switch s.kind {
	case chunk.Float64:
		x.Floats = append(x.Floats, f)
	case chunk.Int64:
		x.Ints = append(x.Ints, n)
	case chunk.Bool:
		x.Bools = append(x.Bools, b)
	default:
		x.Strings = append(x.Strings, string(text))
	}
	x.Times = append(x.Times, t)
	c.buf.n++
	return nil
}

// stamps reads times as text: of a layout, or of the one that the first time has.
type stamps struct {
	unit   int64 // of integers, in nanoseconds; 0 means not decided
	layout string
	clock  literal.Clock
}

// newStamps returns the reader of a layout as [CSVOptions] name it.
func newStamps(layout string, precision time.Duration, loc *time.Location) stamps {
	s := stamps{clock: literal.Clock{Location: loc}, unit: int64(precision)}
	switch layout {
	case "unix", "s":
		s.unit = int64(time.Second)
	case "ms":
		s.unit = int64(time.Millisecond)
	case "us", "µs":
		s.unit = int64(time.Microsecond)
	case "ns":
		s.unit = 1
	case "", "rfc3339":
	default:
		s.layout = layout
	}
	return s
}

// guessUnit tells the unit of an integer time by its size: years 1973 to 5138 as seconds.
func guessUnit(v int64) int64 {
	if v < 0 {
		v = -v
	}
	switch {
	case v < 1e11:
		return int64(time.Second)
	case v < 1e14:
		return int64(time.Millisecond)
	case v < 1e17:
		return int64(time.Microsecond)
	}
	return 1
}

// parse reads one time.
func (s *stamps) parse(b []byte) (int64, error) {
	if s.layout != "" {
		loc := s.clock.Location
		if loc == nil {
			loc = time.UTC
		}
		t, err := time.ParseInLocation(s.layout, string(b), loc)
		if err != nil {
			return 0, malformed("%s is not a time of layout %q", quote(b), s.layout)
		}
		ns := t.UnixNano()
		if !time.Unix(0, ns).Equal(t) {
			return 0, malformed("time %s is out of range", quote(b))
		}
		return ns, nil
	}
	if v, ok := literal.ParseInt(b); ok {
		if s.unit == 0 {
			s.unit = guessUnit(v)
		}
		return scaleTime(v, s.unit)
	}
	if t, ok := s.clock.Parse(b); ok {
		return t, nil
	}
	unit := s.unit
	if unit == 0 {
		unit = int64(time.Second)
	}
	if v, ok := parseFraction(b, unit); ok {
		s.unit = unit
		return v, nil
	}
	return 0, malformed("%s is not a time", quote(b))
}

// scaleTime returns v units as nanoseconds.
func scaleTime(v, unit int64) (int64, error) {
	if t := v * unit; t/unit == v {
		return t, nil
	}
	return 0, malformed("time %d is out of range", v)
}

// parseFraction reads a decimal count of units, such as 1439400341.389 seconds, to the nanosecond.
func parseFraction(b []byte, unit int64) (int64, bool) {
	for i, c := range b {
		if c != '.' {
			continue
		}
		whole, ok := literal.ParseInt(b[:i])
		if !ok || i+1 == len(b) {
			return 0, false
		}
		t, err := scaleTime(whole, unit)
		part := int64(0)
		for _, c := range b[i+1:] {
			if unit /= 10; c-'0' > 9 || unit == 0 && c != '0' {
				return 0, false
			}
			part += int64(c-'0') * unit
		}
		if b[0] == '-' {
			part = -part
		}
		return t + part, err == nil && (part >= 0) == (t+part >= t)
	}
	return 0, false
}
