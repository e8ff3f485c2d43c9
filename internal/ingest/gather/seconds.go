package gather

import (
	"math"

	"github.com/chronodex/chronodex/internal/literal"
)

const second = 1_000_000_000

// Seconds reads a count of seconds since 1970, with or without a fraction, as Unix nanoseconds:
// exactly to nine decimals, what is behind them is cut off. ok is false where text is no number or
// the time is out of the range of int64 nanoseconds, 1677 to 2262.
func Seconds(text []byte) (t int64, ok bool) {
	point := -1
	for i, c := range text {
		switch {
		case c == '.' && point < 0:
			point = i
		case c-'0' > 9 && (i > 0 || c != '-' && c != '+'):
			v, ok := literal.ParseFloat(text) // 1.5e9
			if !ok {
				return 0, false
			}
			return SecondsOf(v)
		}
	}
	if point < 0 {
		v, ok := literal.ParseInt(text)
		return v * second, ok && v >= math.MinInt64/second && v <= math.MaxInt64/second
	}
	whole, ok := literal.ParseInt(text[:point])
	if !ok || whole < math.MinInt64/second || whole > math.MaxInt64/second {
		return 0, false
	}
	part, unit := int64(0), int64(second)
	for _, c := range text[point+1:] {
		unit /= 10
		part += int64(c-'0') * unit
	}
	if text[0] == '-' {
		part = -part
	}
	t = whole*second + part
	return t, (part >= 0) == (t >= whole*second) || part == 0
}

// SecondsOf returns a count of seconds since 1970 as Unix nanoseconds, to the microsecond, which
// is what a float64 holds of a time of today. ok is false where it is out of range or NaN.
func SecondsOf(v float64) (t int64, ok bool) {
	whole, part := math.Modf(v)
	if !(whole > math.MinInt64/second && whole < math.MaxInt64/second) {
		return 0, false
	}
	return int64(whole)*second + int64(math.Round(part*1e6))*1000, true
}
