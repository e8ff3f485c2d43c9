package query

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a query's text. They bound what hostile text can cost.
const (
	maxText   = 64 << 10 // bytes
	maxDepth  = 32       // parentheses around queries
	maxStages = 256      // of one query
	maxNames  = 64       // after by or on
	maxCalls  = 64       // of one stage
)

// A scanner walks over a query's text, word by word, each looked at where it is needed: what a
// selector is, only package index knows.
type scanner struct {
	text string
	pos  int
}

// want returns the error that something else was expected at offset at.
func (s *scanner) want(at int, what string) error {
	return &SyntaxError{Text: s.text, Offset: at, Want: what}
}

// fail returns the error that what is at offset at makes no sense.
func (s *scanner) fail(at int, format string, args ...any) error {
	return &SyntaxError{Text: s.text, Offset: at, Reason: fmt.Sprintf(format, args...)}
}

// skip moves to what is not blank.
func (s *scanner) skip() {
	for s.pos < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		s.pos += n
	}
}

// peek returns the next byte that is not blank, 0 at the end.
func (s *scanner) peek() byte {
	s.skip()
	if s.pos == len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

// accept moves over c where it is next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c || s.pos == len(s.text) {
		return false
	}
	s.pos++
	return true
}

// peekWord returns the next word without moving, "" where there is none.
func (s *scanner) peekWord() string {
	s.skip()
	end := s.pos
	for end < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[end:])
		if !isWordRune(r, end == s.pos) {
			break
		}
		end += n
	}
	return s.text[s.pos:end]
}

// acceptWord moves over w where it is the next word.
func (s *scanner) acceptWord(w string) bool {
	if s.peekWord() != w {
		return false
	}
	s.pos += len(w)
	return true
}

// peekNumber returns the text of the next number, which may have letters behind it, as in 5m; ""
// where there is none.
func (s *scanner) peekNumber() string {
	s.skip()
	rest := s.text[s.pos:]
	i := 0
	if i < len(rest) && (rest[i] == '-' || rest[i] == '+') {
		i++
	}
	digits := false
	for ; i < len(rest); i++ {
		c := rest[i]
		switch {
		case '0' <= c && c <= '9':
			digits = true
		case c == '.':
		case (c == '-' || c == '+') && digits && (rest[i-1] == 'e' || rest[i-1] == 'E') && isExponent(rest[i+1:]):
		case digits && (c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80):
		default:
			if !digits {
				return ""
			}
			return rest[:i]
		}
	}
	if !digits {
		return ""
	}
	return rest
}

func isExponent(s string) bool { return s != "" && '0' <= s[0] && s[0] <= '9' }

// number reads a finite number.
func (s *scanner) number(what string) (float64, error) {
	t := s.peekNumber()
	if t == "" {
		return 0, s.want(s.pos, what)
	}
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || v-v != 0 || strings.ContainsAny(t, "_xXpP") {
		return 0, s.fail(s.pos, "%q is no number", t)
	}
	s.pos += len(t)
	return v, nil
}

// count reads a number ≥ 0 of series.
func (s *scanner) count(what string) (int, error) {
	t := s.peekNumber()
	if t == "" {
		return 0, s.want(s.pos, what)
	}
	n, err := strconv.ParseInt(t, 10, 32)
	if err != nil || n < 0 {
		return 0, s.fail(s.pos, "%q is no whole number from 0 to 2147483647", t)
	}
	s.pos += len(t)
	return int(n), nil
}

// quoted reads a string in double quotes, with the escapes of Go.
func (s *scanner) quoted() (string, error) {
	q, err := strconv.QuotedPrefix(s.text[s.pos:])
	if err != nil {
		return "", s.fail(s.pos, "the quote is not closed")
	}
	v, err := strconv.Unquote(q)
	if err != nil {
		return "", s.fail(s.pos, "%s is no quoted text", q)
	}
	s.pos += len(q)
	return v, nil
}
