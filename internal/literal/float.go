package literal

import (
	"math"
	"strconv"
)

// pow10 are the powers of ten that a float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// nanBits are the bits of the NaN that is written plainly.
const nanBits = 0x7ff8000000000001

// AppendFloat appends the shortest text of v that reads back to the same bits to dst.
func AppendFloat(dst []byte, v float64) []byte {
	a := math.Abs(v)
	if a < 1e15 && (a >= 1e-3 || math.Float64bits(v) == 0) {
		if out, ok := appendShort(dst, v); ok {
			return out
		}
	}
	switch {
	case math.IsNaN(v):
		dst = append(dst, "NaN"...)
		if b := math.Float64bits(v); b != nanBits {
			dst = append(dst, "(0x"...)
			dst = strconv.AppendUint(dst, b, 16)
			dst = append(dst, ')')
		}
		return dst
	case math.IsInf(v, 1):
		return append(dst, "+Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-Inf"...)
	case a != 0 && (a < 1e-6 || a >= 1e21):
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendShort writes v, of at most 15 digits before the point, where it is a decimal of at most
// 15 digits with at most six of them after the point. At most one decimal of up to 15 digits
// reads back to a given double, so the one found is the shortest.
func appendShort(dst []byte, v float64) ([]byte, bool) {
	if m := int64(v); float64(m) == v {
		return strconv.AppendInt(dst, m, 10), true
	}
	for k := 1; k <= 6; k++ {
		s := v * pow10[k]
		if s >= 1e15 || s <= -1e15 {
			return dst, false
		}
		m := int64(math.RoundToEven(s))
		if d := math.Abs(s - float64(m)); d > math.Abs(s)*0x1p-50 {
			continue // not even near; a division costs more than this
		}
		if float64(m)/pow10[k] == v {
			return appendPoint(dst, m, k), true
		}
	}
	return dst, false
}

// appendPoint appends m / 10^k, with k digits after the point.
func appendPoint(dst []byte, m int64, k int) []byte {
	if m < 0 {
		dst, m = append(dst, '-'), -m
	}
	whole, part := m/int64(pow10[k]), m%int64(pow10[k])
	dst = strconv.AppendInt(dst, whole, 10)
	dst = append(dst, '.', '0', '0', '0', '0', '0', '0')
	dst = dst[:len(dst)-6+k]
	for i := len(dst) - 1; part > 0; i-- {
		dst[i] = byte('0' + part%10)
		part /= 10
	}
	return dst
}

// ParseFloat reads a decimal number, with or without an exponent, or one of the names NaN, Inf,
// +Inf, -Inf, infinity (in any case) and NaN(0x…), correctly rounded. All of b must be the
// number, and a float64 must be able to hold it: 1e400 is refused.
func ParseFloat(b []byte) (float64, bool) {
	if v, n := FloatPrefix(b); n == len(b) && n > 0 {
		return v, true
	}
	return parseSlow(b)
}

// FloatPrefix reads the decimal number that b begins with, correctly rounded, and returns how many
// bytes it is: up to the first byte that cannot belong to a number. It returns no bytes where there
// is none, and where it takes [ParseFloat] to say whether there is.
func FloatPrefix(b []byte) (v float64, n int) {
	i, neg := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg, i = b[0] == '-', 1
	}
	var m uint64
	first := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		m = m*10 + uint64(b[i]-'0')
	}
	digits, exp := i-first, 0
	if i < len(b) && b[i] == '.' {
		point := i + 1
		for i = point; i < len(b) && b[i]-'0' <= 9; i++ {
			m = m*10 + uint64(b[i]-'0')
		}
		exp = point - i
		digits -= exp
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		e, k := exponent(b[i+1:])
		if k == 0 {
			return 0, 0
		}
		i, exp = i+1+k, exp+e
	}
	switch {
	case digits == 0:
		return 0, 0
	case digits > 18 || m > 1<<53 || exp < -22 || exp > 22:
		v, err := strconv.ParseFloat(string(b[:i]), 64)
		if err != nil || i > maxFloatText {
			return 0, 0
		}
		return v, i
	case exp < 0:
		v = float64(m) / pow10[-exp]
	default:
		v = float64(m) * pow10[exp]
	}
	if neg {
		v = -v
	}
	return v, i
}

// exponent reads the exponent that b begins with, of at most three digits, and how many bytes it is.
func exponent(b []byte) (e, n int) {
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		i = 1
	}
	first := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if e = e*10 + int(b[i]-'0'); i-first >= 3 {
			return 0, 0
		}
	}
	if i == first {
		return 0, 0
	}
	if b[0] == '-' {
		e = -e
	}
	return e, i
}

// maxFloatText is how long the text of a number may be.
const maxFloatText = 1024

// parseSlow reads what the short way of [ParseFloat] does not.
func parseSlow(b []byte) (float64, bool) {
	if len(b) == 0 || len(b) > maxFloatText {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c-'0' <= 9, c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return parseName(b)
		}
	}
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}

// parseName reads the names of what is not a number.
func parseName(b []byte) (float64, bool) {
	s := string(b)
	if len(s) > len("NaN(0x)") && s[:6] == "NaN(0x" && s[len(s)-1] == ')' {
		u, err := strconv.ParseUint(s[6:len(s)-1], 16, 64)
		v := math.Float64frombits(u)
		return v, err == nil && math.IsNaN(v)
	}
	switch {
	case len(s) == 3 && (s[0]|0x20) == 'n' && (s[1]|0x20) == 'a' && (s[2]|0x20) == 'n':
		return math.Float64frombits(nanBits), true
	case len(s) <= len("+infinity"):
		for _, c := range s {
			if c < 0x20 || c >= 0x7f || c == 'x' || c == 'X' || c == '_' || c == 'p' || c == 'P' {
				return 0, false
			}
		}
		v, err := strconv.ParseFloat(s, 64)
		return v, err == nil && math.IsInf(v, 0)
	}
	return 0, false
}

// ParseInt reads a decimal int64, with a sign or without. All of b must be the number.
func ParseInt(b []byte) (int64, bool) {
	i, neg := 0, false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg, i = b[0] == '-', 1
	}
	if n := len(b) - i; n == 0 || n > 19 {
		return 0, false
	}
	var m uint64
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			return 0, false
		}
		m = m*10 + uint64(d)
	}
	switch {
	case !neg && m <= math.MaxInt64:
		return int64(m), true
	case neg && m <= 1<<63:
		return -int64(m), true
	}
	return 0, false
}
