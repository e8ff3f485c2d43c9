package query

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"time"
)

// ErrTime is wrapped by the errors of [ParseTime] and [ParseDuration].
var ErrTime = errors.New("not understood as a time")

// A unit is one of the calendar, or the fixed nanosecond.
type unit uint8

const (
	fixed unit = iota // n counts nanoseconds
	days
	weeks
	months
	years
)

// A period is a length of time: n nanoseconds, or n units of the calendar, whose length depends on
// the zone and on where they lie. The zero period is none.
type period struct {
	n    int64
	unit unit
}

// fixedUnits are the units of fixed length, by the length.
var fixedUnits = [...]struct {
	name string
	size int64
}{
	{"h", int64(time.Hour)},
	{"m", int64(time.Minute)},
	{"s", int64(time.Second)},
	{"ms", int64(time.Millisecond)},
	{"us", int64(time.Microsecond)},
	{"ns", 1},
}

// String prints p so that parsePeriod reads the same: in the largest unit that divides it.
func (p period) String() string {
	switch p.unit {
	case days:
		return strconv.FormatInt(p.n, 10) + "d"
	case weeks:
		return strconv.FormatInt(p.n, 10) + "w"
	case months:
		return strconv.FormatInt(p.n, 10) + "mo"
	case years:
		return strconv.FormatInt(p.n, 10) + "y"
	case fixed:
	}
	for _, u := range fixedUnits {
		if p.n%u.size == 0 {
			return strconv.FormatInt(p.n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(p.n, 10) + "ns"
}

// parsePeriod reads a length of time such as 5m, 1h30m, 1d, 3mo. A unit of the calendar stands
// alone, one of fixed length may be followed by others. A period is positive.
func parsePeriod(text string) (period, error) {
	var p period
	for rest := text; rest != ""; {
		n, name, tail, err := cutTerm(rest)
		if err != nil {
			return period{}, fmt.Errorf("%q: %w: %w", text, err, ErrTime)
		}
		if u := calendarUnit(name); u != fixed {
			if rest != text || tail != "" {
				return period{}, fmt.Errorf("%q: %s stands alone: %w", text, name, ErrTime)
			}
			if p = (period{n, u}); n > maxCalendar {
				return period{}, fmt.Errorf("%q is too long: %w", text, ErrTime)
			}
			break
		}
		size, ok := fixedSize(name)
		if !ok {
			return period{}, fmt.Errorf("%q: unknown unit %q: %w", text, name, ErrTime)
		}
		if p.n, ok = addMul(p.n, n, size); !ok {
			return period{}, fmt.Errorf("%q is too long: %w", text, ErrTime)
		}
		rest = tail
	}
	if p.n <= 0 {
		return period{}, fmt.Errorf("%q is no positive length: %w", text, ErrTime)
	}
	return p, nil
}

// maxCalendar bounds a count of calendar units: more is beyond all stamps.
const maxCalendar = 1 << 20

// ParseDuration reads a length of time such as 500ms, 1h30m, 2d (of 24 hours each), 1w, with a
// sign before it where wanted. Its error wraps [ErrTime].
func ParseDuration(text string) (time.Duration, error) {
	rest, negative := text, false
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		rest, negative = rest[1:], rest[0] == '-'
	}
	if rest == "" {
		return 0, fmt.Errorf("%q: %w", text, ErrTime)
	}
	var sum int64
	for rest != "" && rest != "0" {
		n, name, tail, err := cutTerm(rest)
		if err != nil {
			return 0, fmt.Errorf("%q: %w: %w", text, err, ErrTime)
		}
		size, ok := fixedSize(name)
		switch calendarUnit(name) {
		case days:
			size, ok = 24*int64(time.Hour), true
		case weeks:
			size, ok = 7*24*int64(time.Hour), true
		case fixed, months, years:
		}
		if !ok {
			return 0, fmt.Errorf("%q: unknown unit %q: %w", text, name, ErrTime)
		}
		if sum, ok = addMul(sum, n, size); !ok {
			return 0, fmt.Errorf("%q is too long: %w", text, ErrTime)
		}
		rest = tail
	}
	if negative {
		sum = -sum
	}
	return time.Duration(sum), nil
}

// cutTerm cuts a number and the letters after it from the head of s.
func cutTerm(s string) (n int64, unit, rest string, err error) {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	j := i
	for j < len(s) && (s[j] >= 'a' && s[j] <= 'z' || s[j] >= 'A' && s[j] <= 'Z' || s[j] >= 0x80) {
		j++
	}
	if i == 0 || j == i {
		return 0, "", s, errors.New("want a number and a unit")
	}
	if n, err = strconv.ParseInt(s[:i], 10, 64); err != nil {
		return 0, "", s, errors.New("number too large")
	}
	return n, s[i:j], s[j:], nil
}

func calendarUnit(name string) unit {
	switch name {
	case "d":
		return days
	case "w":
		return weeks
	case "mo":
		return months
	case "y":
		return years
	}
	return fixed
}

func fixedSize(name string) (int64, bool) {
	if name == "µs" || name == "μs" {
		name = "us"
	}
	for _, u := range fixedUnits {
		if u.name == name {
			return u.size, true
		}
	}
	return 0, false
}

// addMul returns sum + n·size for numbers ≥ 0, and whether that is an int64.
func addMul(sum, n, size int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(n), uint64(size))
	if hi != 0 || lo > math.MaxInt64 || int64(lo) > math.MaxInt64-sum {
		return 0, false
	}
	return sum + int64(lo), true
}
