package index

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWordBytes bounds a word of the index: what is longer is no word, only its parts are.
const maxWordBytes = 255

// Words returns the distinct words of s, in order of their first occurrence, by which free words
// of a selector find a value. Letters, digits and marks make up tokens, all else separates them. A
// token is a word; where it is of several parts, each part is a word, too. A part begins at a
// capital letter after a small letter, at the last of several capitals or digits when a small
// letter follows, and at the number that ends a run of two or more letters. Words are in lower
// case, and of at most 255 bytes: a longer one is left out.
//
//	HeapMemoryUsage  heapmemoryusage heap memory usage
//	aws42            aws42 aws 42
//	HTTPServer2xx    httpserver2xx http server2xx
//	p99_latency      p99 latency
func Words(s string) []string {
	var out []string
	for _, w := range appendWords(nil, s) {
		if !slices.Contains(out, w.text) {
			out = append(out, w.text)
		}
	}
	return out
}

// A word is an edge in the graph of a value's words: from the start-th place between its smallest
// parts to the end-th. A path of edges is words in a row.
type word struct {
	text       string
	start, end int
}

// appendWords appends the words of value to dst, by their start; of words of one start, the
// longest is first.
func appendWords(dst []word, value string) []word {
	place := 0
	eachToken(value, func(token string) {
		dst, place = appendToken(dst, token, place)
	})
	return dst
}

// eachToken calls f with each maximal run of letters, digits and marks of s.
func eachToken(s string, f func(token string)) {
	start := -1
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if isWordRune(r, n) {
			if start < 0 {
				start = i
			}
		} else if start >= 0 {
			f(s[start:i])
			start = -1
		}
		i += n
	}
	if start >= 0 {
		f(s[start:])
	}
}

func isWordRune(r rune, size int) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if r == utf8.RuneError && size == 1 {
		return false
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// appendToken appends the words of one token that begins at place, and returns the place after it.
func appendToken(dst []word, token string, place int) ([]word, int) {
	first := len(dst)
	dst = appendWord(dst, token, place, place)
	whole := len(dst) > first
	for rest := token; rest != ""; {
		part := rest[:camelPart(rest)]
		rest = rest[len(part):]
		next := place + 1
		number := numberAt(part)
		if number > 0 {
			next++
		}
		if len(part) < len(token) {
			dst = appendWord(dst, part, place, next)
		}
		if number > 0 {
			dst = appendWord(dst, part[:number], place, place+1)
			dst = appendWord(dst, part[number:], place+1, next)
		}
		place = next
	}
	if whole {
		dst[first].end = place
	}
	return dst, place
}

func appendWord(dst []word, text string, start, end int) []word {
	if len(text) > maxWordBytes {
		return dst
	}
	if text = lower(text); len(text) > maxWordBytes {
		return dst
	}
	return append(dst, word{text, start, end})
}

// lower returns s in lower case, rune by rune, so that lower(lower(s)) is lower(s).
func lower(s string) string { return strings.ToLower(s) }

// camelPart returns the length of the first part of a token that is not empty.
func camelPart(token string) int {
	prev, n := utf8.DecodeRuneInString(token)
	for i := n; i < len(token); {
		r, n := utf8.DecodeRuneInString(token[i:])
		if isCapital(r) {
			if isSmall(prev) {
				return i
			}
			if next, k := utf8.DecodeRuneInString(token[i+n:]); k > 0 && isSmall(next) {
				return i
			}
		}
		prev = r
		i += n
	}
	return len(token)
}

func isCapital(r rune) bool { return unicode.ToLower(r) != r }

func isSmall(r rune) bool { return unicode.IsLower(r) }

// numberAt returns where in part the number begins that ends it, or 0 where part is not two or
// more letters and then digits.
func numberAt(part string) int {
	letters, at := 0, 0
	for i, r := range part {
		switch {
		case !unicode.IsDigit(r):
			letters++
		case at == 0:
			at = i
		}
		if letters < 2 && unicode.IsDigit(r) || at > 0 && !unicode.IsDigit(r) {
			return 0
		}
	}
	return at
}
