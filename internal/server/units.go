package server

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written with its unit, as in 64MiB.
type Size int64

// sizeUnits are the units of sizes, the largest first of those with equal endings.
var sizeUnits = []struct {
	name  string
	bytes float64
}{
	{"TiB", 1 << 40},
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"KB", 1e3},
	{"B", 1},
}

// parse reads a size. A number without a unit is refused, but for 0: it is too easily taken for
// another unit.
func (s *Size) parse(text string) error {
	if text == "0" {
		*s = 0
		return nil
	}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
		if err != nil || math.IsNaN(f) || f < 0 || f*u.bytes >= math.MaxInt64 {
			break
		}
		*s = Size(f * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size: want a number and B, KiB, MiB, GiB or TiB, such as 64MiB", text)
}

// String returns the size in the largest unit of which it is a whole number.
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if n := int64(u.bytes); s != 0 && int64(s)%n == 0 {
			return strconv.FormatInt(int64(s)/n, 10) + u.name
		}
	}
	if s == 0 {
		return "0"
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Duration is a span of time, written with its unit, as in 1m30s, 12h or 30d.
type Duration time.Duration

var durationUnits = map[string]time.Duration{
	"ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour,
}

// parse reads a duration: numbers with units behind each other. A year has 365 days.
func (d *Duration) parse(text string) error {
	if text == "0" {
		*d = 0
		return nil
	}
	sum, err := parseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration: want a number and ms, s, m, h, d, w or y, such as 1m30s or 30d", text)
	}
	*d = Duration(sum)
	return nil
}

var errDuration = errors.New("not a duration")

func parseDuration(text string) (time.Duration, error) {
	sum := 0.0
	if text == "" {
		return 0, errDuration
	}
	for rest := text; rest != ""; {
		n := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if n <= 0 {
			return 0, errDuration
		}
		f, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, errDuration
		}
		rest = rest[n:]
		n = strings.IndexFunc(rest, func(r rune) bool { return r == '.' || r >= '0' && r <= '9' })
		if n < 0 {
			n = len(rest)
		}
		unit, ok := durationUnits[rest[:n]]
		if !ok {
			return 0, errDuration
		}
		sum, rest = sum+f*float64(unit), rest[n:]
	}
	if sum >= math.MaxInt64 {
		return 0, errDuration
	}
	return time.Duration(sum), nil
}

// String returns the duration in the largest unit of which it is a whole number.
func (d Duration) String() string {
	if d == 0 {
		return "0"
	}
	for _, u := range []string{"d", "h", "m", "s", "ms"} {
		if n := durationUnits[u]; time.Duration(d)%n == 0 {
			return strconv.FormatInt(int64(d)/int64(n), 10) + u
		}
	}
	return time.Duration(d).String()
}
