package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// layouts are the forms of a date that need no zone, tried in order.
var layouts = [...]string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	"2006-01-02",
	"2006-01",
	"2006/01/02 15:04:05.999999999",
	"2006/01/02 15:04",
	"2006/01/02",
}

// ParseTime reads a stamp, in Unix nanoseconds, as people and programs write it:
//
//   - RFC 3339, or a date, or a date and a time; without a zone they are in loc;
//   - a count since the Unix epoch, whose unit is told by its size: seconds below 10¹¹, then
//     milliseconds below 10¹⁴, microseconds below 10¹⁷, nanoseconds; seconds may have a fraction;
//   - now, now-6h, -6h, now-1d, now+15m: relative to now; d, w, mo, y follow the calendar of loc;
//   - the date math of Solr: NOW-1MONTH/DAY, 2015-08-12T17:00:00Z/HOUR+30MINUTES, where /UNIT
//     rounds down, in loc.
//
// A nil loc is UTC. The error wraps [ErrTime].
func ParseTime(text string, now time.Time, loc *time.Location) (int64, error) {
	if loc == nil {
		loc = time.UTC
	}
	s := strings.TrimSpace(text)
	t, err := parseTime(s, now.In(loc), loc)
	if err != nil {
		return 0, fmt.Errorf("%q: %w: %w", text, err, ErrTime)
	}
	ns, ok := unixNano(t)
	if !ok {
		return 0, fmt.Errorf("%q is outside of the years 1678 to 2261: %w", text, ErrTime)
	}
	return ns, nil
}

func parseTime(s string, now time.Time, loc *time.Location) (time.Time, error) {
	if t, ok := parseEpoch(s); ok {
		return t, nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, nil
		}
	}
	t, rest := now, s
	switch {
	case len(s) >= 3 && strings.EqualFold(s[:3], "now"):
		rest = s[3:]
	case strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+"):
	default:
		var ok bool
		if t, rest, ok = cutDate(s, loc); !ok {
			return t, fmt.Errorf("want a date, a number, or now-6h")
		}
	}
	return dateMath(t, rest)
}

// parseEpoch reads a count since the epoch. A sign alone does not make one: -6 is an error, not
// 1969, but -86400.0 and -86400000 are numbers, too.
func parseEpoch(s string) (time.Time, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && s[0] != '+' {
		switch a := absUint(n); {
		case a < 1e11:
			return time.Unix(n, 0), true
		case a < 1e14:
			return time.UnixMilli(n), true
		case a < 1e17:
			return time.UnixMicro(n), true
		}
		return time.Unix(0, n), true
	}
	whole, frac, ok := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if !ok || err != nil || absUint(n) >= 1e11 || len(frac) == 0 || len(frac) > 9 || s[0] == '+' {
		return time.Time{}, false
	}
	f, err := strconv.ParseUint(frac+"000000000"[len(frac):], 10, 32)
	if err != nil {
		return time.Time{}, false
	}
	if s[0] == '-' {
		return time.Unix(n, -int64(f)), true
	}
	return time.Unix(n, int64(f)), true
}

func absUint(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// cutDate reads the date before date math: the longest head of s that is a date.
func cutDate(s string, loc *time.Location) (t time.Time, rest string, ok bool) {
	for i := len(s) - 1; i >= len("2006-01"); i-- {
		if s[i] != '+' && s[i] != '-' && s[i] != '/' {
			continue
		}
		for _, layout := range layouts {
			if t, err := time.ParseInLocation(layout, s[:i], loc); err == nil {
				return t.In(loc), s[i:], true
			}
		}
	}
	return t, s, false
}

// dateMath applies steps such as -1MONTH, +6h and /DAY, from left to right.
func dateMath(t time.Time, s string) (time.Time, error) {
	for s != "" {
		op, rest := s[0], s[1:]
		i := 0
		for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
			i++
		}
		j := i
		for j < len(rest) && rest[j] != '+' && rest[j] != '-' && rest[j] != '/' && (rest[j] < '0' || rest[j] > '9') {
			j++
		}
		u, ok := mathUnit(rest[i:j])
		switch {
		case op != '+' && op != '-' && op != '/' || (op == '/') != (i == 0):
			return t, fmt.Errorf("want +, - or / and a unit at %q", s)
		case !ok:
			return t, fmt.Errorf("unknown unit %q", rest[i:j])
		case op == '/':
			t = roundDown(t, u)
		default:
			n, err := strconv.ParseInt(rest[:i], 10, 32)
			if err != nil {
				return t, fmt.Errorf("%q is too large", rest[:i])
			}
			if op == '-' {
				n = -n
			}
			if t, ok = shift(t, u, n); !ok {
				return t, fmt.Errorf("%q is too large", s)
			}
		}
		s = rest[j:]
		if op != '/' && s != "" && '0' <= s[0] && s[0] <= '9' { // 1h30m
			s = string(op) + s
		}
	}
	return t, nil
}

// mathUnit returns the period that a unit of date math names: of Solr, in any case, or one of ours.
func mathUnit(name string) (period, bool) {
	if u := calendarUnit(name); u != fixed {
		return period{1, u}, true
	}
	if size, ok := fixedSize(name); ok {
		return period{size, fixed}, true
	}
	switch name = strings.TrimSuffix(strings.ToUpper(name), "S"); name {
	case "YEAR":
		return period{1, years}, true
	case "MONTH":
		return period{1, months}, true
	case "WEEK":
		return period{1, weeks}, true
	case "DAY", "DATE":
		return period{1, days}, true
	case "HOUR":
		return period{int64(time.Hour), fixed}, true
	case "MINUTE", "MIN":
		return period{int64(time.Minute), fixed}, true
	case "SECOND", "SEC":
		return period{int64(time.Second), fixed}, true
	case "MILLI", "MILLISECOND":
		return period{int64(time.Millisecond), fixed}, true
	}
	return period{}, false
}

// shift moves t by n times u in the calendar of its zone. A day that the month lacks becomes the
// month's last: a month before 31 March is the end of February.
func shift(t time.Time, u period, n int64) (time.Time, bool) {
	switch u.unit {
	case days:
		return t.AddDate(0, 0, int(n)), true
	case weeks:
		return t.AddDate(0, 0, 7*int(n)), true
	case years:
		n *= 12
	case months:
	case fixed:
		d, ok := addMul(0, int64(absUint(n)), u.n)
		if n < 0 {
			d = -d
		}
		return t.Add(time.Duration(d)), ok
	}
	if n > 12*maxCalendar || n < -12*maxCalendar {
		return t, false
	}
	to := t.AddDate(0, int(n), 0)
	if to.Day() != t.Day() {
		to = to.AddDate(0, 0, -to.Day())
	}
	return to, true
}

// roundDown returns the start of the unit that t is in.
func roundDown(t time.Time, u period) time.Time {
	ns, ok := unixNano(t)
	if !ok {
		return t
	}
	w := windows{period: u, loc: t.Location()}
	return time.Unix(0, w.floor(ns)).In(t.Location())
}

// unixNano returns t in Unix nanoseconds, clamped to what an int64 can hold, and whether it can.
func unixNano(t time.Time) (int64, bool) {
	lo, hi := time.Unix(0, math.MinInt64), time.Unix(0, math.MaxInt64)
	switch {
	case t.Before(lo):
		return math.MinInt64, false
	case t.After(hi):
		return math.MaxInt64, false
	}
	return t.UnixNano(), true
}
