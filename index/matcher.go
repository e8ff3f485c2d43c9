package index

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A matcher is a set of values, or of words: never empty ones.
type matcher interface {
	match(s string) bool
	// text is how a selector writes the matcher, after a colon or, for a free word, alone.
	text(free bool) string
}

// anyValue is "*".
type anyValue struct{}

func (anyValue) match(string) bool { return true }
func (anyValue) text(bool) string  { return "*" }

// exact is the one value.
type exact string

func (e exact) match(s string) bool { return s == string(e) }

func (e exact) text(free bool) string {
	if free || isPlain(string(e), plainInValue) {
		return string(e)
	}
	return quote(string(e))
}

// A glob is a pattern with wildcards.
type glob struct {
	pattern string // in which \ takes the meaning of the next character
	tokens  []globToken
}

// A globToken is literal text, or one wildcard.
type globToken struct {
	wild    byte // '*', '?', or 0
	literal string
}

// newGlob compiles pattern, in which runs of stars are one.
func newGlob(pattern string) *glob {
	g := &glob{}
	var lit, canon []byte
	flush := func() {
		if len(lit) > 0 {
			g.tokens = append(g.tokens, globToken{literal: string(lit)})
			lit = lit[:0]
		}
	}
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if c == '*' || c == '?' {
			flush()
			if n := len(g.tokens); c == '*' && n > 0 && g.tokens[n-1].wild == '*' {
				continue
			}
			g.tokens = append(g.tokens, globToken{wild: c})
			canon = append(canon, c)
			continue
		}
		if c == '\\' && i+1 < len(pattern) {
			i++
			c = pattern[i]
		}
		if c == '\\' || c == '*' || c == '?' {
			canon = append(canon, '\\')
		}
		lit, canon = append(lit, c), append(canon, c)
	}
	flush()
	g.pattern = string(canon)
	return g
}

// match walks s once, and goes back to the last star where a token fails: at worst the product of
// the lengths, as no star but the last one can need more.
func (g *glob) match(s string) bool {
	t, star, starAt := 0, -1, 0
	for i := 0; i < len(s) || t < len(g.tokens); {
		if t < len(g.tokens) {
			tok := g.tokens[t]
			if tok.wild == '*' {
				star, starAt = t, i
				if t == len(g.tokens)-1 {
					return true
				}
				t++
				continue
			}
			if n := tok.accept(s[i:]); n > 0 {
				i, t = i+n, t+1
				continue
			}
		}
		if star < 0 || starAt >= len(s) {
			return false
		}
		_, n := utf8.DecodeRuneInString(s[starAt:])
		starAt += n
		i, t = starAt, star+1
	}
	return true
}

// accept returns how many bytes at the head of s the token takes, or 0.
func (t globToken) accept(s string) int {
	if t.wild == '?' {
		_, n := utf8.DecodeRuneInString(s)
		return n
	}
	if strings.HasPrefix(s, t.literal) {
		return len(t.literal)
	}
	return 0
}

// prefix is the literal text that every match begins with.
func (g *glob) prefix() string { return g.tokens[0].literal }

func (g *glob) text(bool) string { return escape(g.pattern) }

// Limits of a regular expression.
const (
	maxRegexpBytes = 1000
	maxRegexpInsts = 10000
)

// A pattern is a regular expression for the whole value.
type pattern struct {
	source string
	re     *regexp.Regexp
}

// newPattern compiles source. An error says what is wrong in one line.
func newPattern(source string) (*pattern, error) {
	if len(source) > maxRegexpBytes {
		return nil, fmt.Errorf("of at most %d bytes", maxRegexpBytes)
	}
	tree, err := syntax.Parse(source, syntax.Perl|syntax.DotNL)
	if err != nil {
		return nil, regexpReason(err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, regexpReason(err)
	}
	if len(prog.Inst) > maxRegexpInsts {
		return nil, fmt.Errorf("of at most %d steps", maxRegexpInsts)
	}
	re, err := regexp.Compile(`\A(?s:` + source + `)\z`)
	if err != nil {
		return nil, regexpReason(err)
	}
	return &pattern{source, re}, nil
}

func regexpReason(err error) error {
	var e *syntax.Error
	if errors.As(err, &e) {
		return fmt.Errorf("that is valid: %s %q", e.Code, e.Expr)
	}
	return err
}

// match: text that is not UTF-8 has no characters that an expression could name.
func (p *pattern) match(s string) bool { return utf8.ValidString(s) && p.re.MatchString(s) }

func (p *pattern) text(bool) string {
	var b strings.Builder
	b.WriteByte('/')
	for i := 0; i < len(p.source); i++ {
		switch c := p.source[i]; {
		case c == '\\' && i+1 < len(p.source):
			b.WriteString(p.source[i : i+2])
			i++
		case c == '/':
			b.WriteString(`\/`)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('/')
	return b.String()
}

// maxEdits bounds a fuzzy word.
const maxEdits = 2

// fuzzy is the values that few edits make out of word: a character inserted, deleted, replaced, or
// two neighbours swapped, no character edited twice (optimal string alignment).
type fuzzy struct {
	word  string
	runes []rune
	edits int
}

func newFuzzy(word string, edits int) *fuzzy { return &fuzzy{word, []rune(word), edits} }

func (f *fuzzy) match(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	n := utf8.RuneCountInString(s)
	if n-len(f.runes) > f.edits || len(f.runes)-n > f.edits {
		return false
	}
	return within(f.runes, []rune(s), f.edits)
}

// within reports whether at most edits edits lead from a to b, by the rows of the usual table.
func within(a, b []rune, edits int) bool {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > edits+1 {
			return false
		}
		before, last, row = last, row, before
	}
	return last[len(b)] <= edits
}

func (f *fuzzy) text(free bool) string {
	word := f.word
	if !free {
		word = escape(strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(word))
	}
	return word + "~" + strconv.Itoa(f.edits)
}

// interval is the values between two ends.
type interval struct {
	low, high bound
	numeric   bool // both ends that are not open are numbers, and there is one
}

// A bound is one end of an interval.
type bound struct {
	open     bool // no bound at all
	included bool
	value    string
	number   float64
}

func newInterval(low, high bound) *interval {
	iv := &interval{low: low, high: high, numeric: true}
	for _, b := range []*bound{&iv.low, &iv.high} {
		if b.open {
			*b = bound{open: true, included: true}
			continue
		}
		var ok bool
		b.number, ok = parseNumber(b.value)
		iv.numeric = iv.numeric && ok
	}
	return iv
}

func (iv *interval) match(s string) bool {
	if iv.numeric {
		if v, ok := parseNumber(s); ok {
			return (iv.low.open || v > iv.low.number || iv.low.included && v == iv.low.number) &&
				(iv.high.open || v < iv.high.number || iv.high.included && v == iv.high.number)
		}
	}
	return (iv.low.open || s > iv.low.value || iv.low.included && s == iv.low.value) &&
		(iv.high.open || s < iv.high.value || iv.high.included && s == iv.high.value)
}

// parseNumber reads a decimal number; Inf, NaN and hexadecimal forms are text.
func parseNumber(s string) (float64, bool) {
	if s == "" || len(s) > 64 || strings.TrimLeft(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

func (iv *interval) text(bool) string {
	left, right := "{", "}"
	if iv.low.included {
		left = "["
	}
	if iv.high.included {
		right = "]"
	}
	return left + iv.low.text() + " TO " + iv.high.text() + right
}

func (b bound) text() string {
	switch {
	case b.open:
		return "*"
	case b.value != "TO" && isPlain(b.value, plainInValue):
		return b.value
	}
	return quote(b.value)
}

// prefix is literal text that every match begins with.
func (p *pattern) prefix() string {
	re, err := regexp.Compile("(?s:" + p.source + ")")
	if err != nil {
		return ""
	}
	prefix, _ := re.LiteralPrefix()
	return prefix
}

// plain returns the parsed expression where an automaton over bytes matches the same values: it
// has no assertions and no lazy repetitions; else nil.
func (p *pattern) plain() *syntax.Regexp {
	tree, err := syntax.Parse(p.source, syntax.Perl|syntax.DotNL)
	if err != nil || !isPlainTree(tree) {
		return nil
	}
	return tree
}

func isPlainTree(t *syntax.Regexp) bool {
	switch t.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL, syntax.OpEmptyMatch,
		syntax.OpCapture, syntax.OpConcat, syntax.OpAlternate, syntax.OpStar, syntax.OpPlus, syntax.OpQuest,
		syntax.OpRepeat:
	default:
		return false
	}
	if t.Flags&syntax.NonGreedy != 0 && t.Op >= syntax.OpStar && t.Op <= syntax.OpRepeat {
		return false
	}
	return !slices.ContainsFunc(t.Sub, func(s *syntax.Regexp) bool { return !isPlainTree(s) })
}
