package literal

import (
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendJSON appends s as a JSON string, in quotes, to dst.
func AppendJSON(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if _, n := utf8.DecodeRuneInString(s[i:]); n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, '\\', 'u', 'd', 'c', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// ParseJSON appends the bytes of the JSON string at the head of b, which begins with its quote, to
// dst. It returns how many bytes of b the string is, quotes included, and 0 where it is malformed.
func ParseJSON(dst, b []byte) (out []byte, n int) {
	if len(b) == 0 || b[0] != '"' {
		return dst, 0
	}
	start := 1
	for i := 1; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			return append(dst, b[start:i]...), i + 1
		case c < 0x20:
			return dst, 0
		case c != '\\':
			i++
		default:
			dst = append(dst, b[start:i]...)
			var k int
			if dst, k = unescape(dst, b[i:]); k == 0 {
				return dst, 0
			}
			i += k
			start = i
		}
	}
	return dst, 0
}

// unescape appends what the escape at the head of b means, and returns its length, or 0.
func unescape(dst, b []byte) ([]byte, int) {
	if len(b) < 2 {
		return dst, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return append(dst, b[1]), 2
	case 'n':
		return append(dst, '\n'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'u':
	default:
		return dst, 0
	}
	r, ok := hex4(b[2:])
	if !ok {
		return dst, 0
	}
	if r >= 0xd800 && r < 0xdc00 && len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low, ok := hex4(b[8:]); ok {
			if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
				return utf8.AppendRune(dst, full), 12
			}
		}
	}
	if r >= 0xdc80 && r <= 0xdcff {
		return append(dst, byte(r)), 6
	}
	return utf8.AppendRune(dst, r), 6 // a lone surrogate becomes U+FFFD
}

// hex4 reads four hexadecimal digits from the head of b.
func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = (c | 0x20) - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
