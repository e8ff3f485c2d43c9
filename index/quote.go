package index

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a value, and a name, may be made of beside letters, digits and _ to stand without quotes.
const (
	plainInValue = ".-=/:@%+,#"
	plainInName  = ".-/"
)

// isPlain reports whether s may stand without quotes: a letter, digit or _, then more of them, or
// one of extra.
func isPlain(s, extra string) bool {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			return false
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
		case i == 0 || !strings.ContainsRune(extra, r):
			return false
		}
	}
	return s != ""
}

// quote writes s in quotes.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteName writes the name of a dimension, in quotes where it needs them.
func quoteName(s string) string {
	if isPlain(s, plainInName) && !isOperator(s) {
		return s
	}
	return quote(s)
}

func isOperator(s string) bool { return s == "AND" || s == "OR" || s == "NOT" || s == "TO" }

// escape writes a pattern, in which \ takes the meaning of the next character, as a selector's
// word: what would end the word, or mean something in it, gets a \, wildcards none.
func escape(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		if c := pattern[i]; c == '\\' && i+1 < len(pattern) {
			b.WriteByte(c)
			i++
			_, n := utf8.DecodeRuneInString(pattern[i:])
			b.WriteString(pattern[i : i+n])
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(pattern[i:])
		if strings.ContainsRune(`~&\`, r) || i == 0 && strings.ContainsRune("/[{<>+-!:", r) || endsWord(r) {
			b.WriteByte('\\')
		}
		b.WriteString(pattern[i : i+n])
		i += n
	}
	return b.String()
}

// endsWord reports whether r ends a word that is not in quotes.
func endsWord(r rune) bool {
	return strings.ContainsRune(`()|"`, r) || unicode.IsSpace(r)
}
