package index

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a selector. They bound what hostile text can make a search cost.
const (
	maxSelectorBytes = 64 << 10
	maxDepth         = 100
	maxTerms         = 4096
	maxRegexps       = 64
)

// A SyntaxError says where a selector ends to be one.
type SyntaxError struct {
	Offset int    // in bytes, from the start of the text
	Want   string // what could have stood there
	Near   string // what stands there, shortened; empty at the end of the text
}

// Error says all of it in one line.
func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("syntax error at offset %d: want %s", e.Offset, e.Want)
	if e.Near != "" {
		s += fmt.Sprintf(", near %q", e.Near)
	}
	return s
}

// Parse reads text, the whole of which is a selector. An error is a [*SyntaxError].
func Parse(text string) (Filter, error) {
	f, n, err := ParsePrefix(text)
	if err != nil {
		return nil, err
	}
	if n < len(text) {
		p := parser{text: text, pos: n}
		return nil, p.want("the end of the selector")
	}
	return f, nil
}

// ParsePrefix reads the selector that text begins with, up to a | or ) that is not in quotes, an
// expression or parentheses of the selector, or to the end. The selector is the first n bytes. An
// error is a [*SyntaxError].
func ParsePrefix(text string) (f Filter, n int, err error) {
	if len(text) > maxSelectorBytes {
		p := parser{text: text, pos: maxSelectorBytes}
		if f, n, err = ParsePrefix(text[:maxSelectorBytes]); err == nil && n < maxSelectorBytes {
			return f, n, nil
		}
		return nil, 0, p.want(fmt.Sprintf("a selector of at most %d bytes", maxSelectorBytes))
	}
	p := parser{text: text}
	f, err = p.or(nil)
	if err != nil {
		return nil, 0, err
	}
	return f, p.pos, nil
}

// A parser goes over a selector once, from left to right.
type parser struct {
	text    string
	pos     int
	depth   int // of parentheses and NOT
	terms   int
	regexps int
}

// want returns the error that what is at the place is not what it should be.
func (p *parser) want(what string) error { return p.wantAt(p.pos, what) }

func (p *parser) wantAt(pos int, what string) error {
	near := p.text[min(pos, len(p.text)):]
	for i, r := range near {
		if i >= 20 || r == '\n' {
			near = near[:i] + "…"
			break
		}
	}
	return &SyntaxError{Offset: pos, Want: what, Near: near}
}

func (p *parser) rest() string { return p.text[p.pos:] }

func (p *parser) at(prefix string) bool { return strings.HasPrefix(p.rest(), prefix) }

// take skips prefix where it stands at the place.
func (p *parser) take(prefix string) bool {
	if !p.at(prefix) {
		return false
	}
	p.pos += len(prefix)
	return true
}

func (p *parser) space() {
	p.pos = len(p.text) - len(strings.TrimLeftFunc(p.rest(), unicode.IsSpace))
}

// ended reports whether a word, and with it an operator's name, would end at the place.
func (p *parser) ended() bool {
	r, _ := utf8.DecodeRuneInString(p.rest())
	return p.pos == len(p.text) || endsWord(r) || p.at("&&")
}

// takeWord skips the name of an operator.
func (p *parser) takeWord(name string) bool {
	start := p.pos
	if p.take(name) && p.ended() {
		return true
	}
	p.pos = start
	return false
}

// deeper counts one level more; the caller subtracts it.
func (p *parser) deeper() error {
	if p.depth++; p.depth > maxDepth {
		return p.want(fmt.Sprintf("at most %d levels", maxDepth))
	}
	return nil
}

// or reads what OR joins. Within parentheses of a field, field is its name.
func (p *parser) or(field *string) (Filter, error) {
	var list []Filter
	for {
		f, err := p.and(field)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
		if !p.take("||") && !p.takeWord("OR") {
			return join(opOr, list), nil
		}
	}
}

// and reads what AND or nothing joins.
func (p *parser) and(field *string) (Filter, error) {
	var list []Filter
	for {
		f, err := p.unary(field)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
		p.space()
		if p.take("&&") || p.takeWord("AND") {
			continue
		}
		start := p.pos
		if p.pos == len(p.text) || p.at("|") || p.at(")") || p.takeWord("OR") {
			p.pos = start
			return join(opAnd, list), nil
		}
	}
}

// unary reads a term with the signs before it.
func (p *parser) unary(field *string) (Filter, error) {
	p.space()
	word := p.takeWord("NOT")
	if !word && !p.at("-") && !p.at("!") && !p.at("+") {
		return p.term(field)
	}
	not := true
	if !word {
		not = !p.at("+")
		p.pos++
	}
	if p.ended() && !word && !p.at("(") && !p.at(`"`) {
		return nil, p.want("what the sign belongs to")
	}
	if err := p.deeper(); err != nil {
		return nil, err
	}
	f, err := p.unary(field)
	p.depth--
	if err != nil || !not {
		return f, err
	}
	if n, ok := f.(notFilter); ok {
		return n.f, nil
	}
	return notFilter{f}, nil
}

const wantTerm = `a term ("*" for all series)`

// term reads one term, or parentheses.
func (p *parser) term(field *string) (Filter, error) {
	if p.terms++; p.terms > maxTerms {
		return nil, p.want(fmt.Sprintf("at most %d terms", maxTerms))
	}
	if p.take("(") {
		return p.group(field)
	}
	if start := p.pos; p.takeWord("AND") || p.takeWord("OR") {
		return nil, p.wantAt(start, wantTerm+` before the operator (a word of this name is quoted)`)
	}
	if field != nil {
		m, err := p.value()
		return &fieldFilter{*field, m}, err
	}
	if p.at("[") || p.at("{") {
		return nil, p.want("a dimension's name and a colon before the range")
	}
	if p.at("/") {
		re, err := p.regexp()
		return &phraseFilter{[]element{{whole: re}}}, err
	}
	start := p.pos
	if p.at(`"`) {
		s, err := p.quoted()
		if err != nil {
			return nil, err
		}
		if p.take(":") {
			return p.field(s, start)
		}
		return p.phrase(start, newPhrase(exactWord, s))
	}
	if p.ended() {
		return nil, p.want(wantTerm)
	}
	w, err := p.word(":")
	if err != nil {
		return nil, err
	}
	if p.take(":") {
		if w.wild && w.pattern == "*" && p.take("*") && p.ended() {
			return allFilter{}, nil
		}
		if w.wild || w.edits >= 0 || w.text == "" {
			return nil, p.wantAt(start, "a dimension's name without wildcards")
		}
		return p.field(w.text, start)
	}
	return p.free(w, start)
}

// group reads what is in parentheses.
func (p *parser) group(field *string) (Filter, error) {
	if err := p.deeper(); err != nil {
		return nil, err
	}
	f, err := p.or(field)
	p.depth--
	if err == nil && !p.take(")") {
		err = p.want(`")"`)
	}
	return f, err
}

// field reads what follows the colon.
func (p *parser) field(name string, start int) (Filter, error) {
	if name == "" {
		return nil, p.wantAt(start, "a dimension's name")
	}
	if p.take("(") {
		return p.group(&name)
	}
	m, err := p.value()
	return &fieldFilter{name, m}, err
}

// value reads the matcher of a field's value.
func (p *parser) value() (matcher, error) {
	start := p.pos
	switch {
	case p.at("/"):
		return p.regexp()
	case p.at("[") || p.at("{"):
		return p.interval()
	case p.at("<") || p.at(">"):
		return p.comparison()
	case p.at(`"`):
		s, err := p.quoted()
		if err == nil && s == "" {
			err = p.wantAt(start, "a value (NOT dimension:* finds series without it)")
		}
		return exact(s), err
	case p.ended():
		return nil, p.want("a value")
	}
	w, err := p.word("")
	switch {
	case err != nil:
		return nil, err
	case w.wild && w.pattern == "*":
		return anyValue{}, nil
	case w.edits >= 0:
		return newFuzzy(w.text, w.edits), nil
	case w.wild:
		return newGlob(w.pattern), nil
	}
	return exact(w.text), nil
}

// comparison reads >5 and the like.
func (p *parser) comparison() (matcher, error) {
	greater := p.at(">")
	p.pos++
	b := bound{included: p.take("=")}
	start := p.pos
	var err error
	if p.at(`"`) {
		b.value, err = p.quoted()
	} else if !p.ended() {
		var w lexeme
		w, err = p.word("")
		b.value = w.text
		if err == nil && (w.wild || w.edits >= 0) {
			b.value = ""
		}
	}
	if err == nil && b.value == "" {
		err = p.wantAt(start, "a value to compare with")
	}
	if greater {
		return newInterval(b, bound{open: true}), err
	}
	return newInterval(bound{open: true}, b), err
}

// interval reads [a TO b] and its kin.
func (p *parser) interval() (matcher, error) {
	low, high := bound{included: p.at("[")}, bound{}
	p.pos++
	if err := p.bound(&low); err != nil {
		return nil, err
	}
	p.space()
	if !p.take("TO") {
		return nil, p.want("TO")
	}
	if err := p.bound(&high); err != nil {
		return nil, err
	}
	p.space()
	if high.included = p.take("]"); !high.included && !p.take("}") {
		return nil, p.want(`"]" or "}"`)
	}
	return newInterval(low, high), nil
}

// bound reads one end of a range into b.
func (p *parser) bound(b *bound) (err error) {
	p.space()
	start := p.pos
	switch {
	case p.at(`"`):
		b.value, err = p.quoted()
	case !p.ended() && !p.at("]") && !p.at("}"):
		var w lexeme
		if w, err = p.word("]}"); err != nil {
			return err
		}
		if b.open = w.wild && w.pattern == "*"; b.open {
			return nil
		}
		if b.value = w.text; w.wild || w.edits >= 0 || w.text == "TO" {
			b.value = ""
		}
	}
	if err == nil && b.value == "" {
		err = p.wantAt(start, `an end of the range ("*" for none)`)
	}
	return err
}

// quoted reads text in quotes.
func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			p.pos = i + 1
			return b.String(), nil
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", p.wantAt(len(p.text), "a closing quote")
}

// regexp reads an expression between slashes.
func (p *parser) regexp() (matcher, error) {
	start := p.pos
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '/':
			if p.pos = i + 1; !p.ended() {
				return nil, p.want("the end of the term (quote a value that begins with /)")
			}
			if p.regexps++; p.regexps > maxRegexps {
				return nil, p.wantAt(start, fmt.Sprintf("at most %d regular expressions", maxRegexps))
			}
			re, err := newPattern(b.String())
			if err != nil {
				return nil, p.wantAt(start, "a regular expression "+err.Error())
			}
			return re, nil
		case c == '\\' && i+1 < len(p.text):
			if i++; p.text[i] != '/' {
				b.WriteByte(c)
			}
			b.WriteByte(p.text[i])
		default:
			b.WriteByte(c)
		}
	}
	return nil, p.wantAt(len(p.text), `"/" (quote a value that begins with /)`)
}

// A lexeme is a word of the text that is not in quotes.
type lexeme struct {
	text    string // as literal text
	pattern string // where \ takes the meaning of the next character
	wild    bool   // has wildcards
	edits   int    // fuzzy where not negative
}

// word reads a word up to what ends one, or to one of the bytes of end.
func (p *parser) word(end string) (lexeme, error) {
	var text, pattern []byte
	start, tilde, wild := p.pos, -1, false
	for p.pos < len(p.text) {
		r, n := utf8.DecodeRuneInString(p.rest())
		if p.ended() || strings.ContainsRune(end, r) {
			break
		}
		if r == '\\' && p.pos+1 < len(p.text) {
			p.pos++
			_, n = utf8.DecodeRuneInString(p.rest())
			s := p.text[p.pos : p.pos+n]
			text, pattern = append(text, s...), append(append(pattern, '\\'), s...)
			p.pos += n
			continue
		}
		if r == '~' {
			tilde = p.pos
		}
		if r == '*' || r == '?' {
			wild = true
		} else if r == '\\' {
			pattern = append(pattern, '\\')
		}
		s := p.text[p.pos : p.pos+n]
		text, pattern = append(text, s...), append(pattern, s...)
		p.pos += n
	}
	w := lexeme{string(text), string(pattern), wild, -1}
	if wild {
		w.pattern = newGlob(w.pattern).pattern
	}
	if tilde < 0 {
		return w, nil
	}
	return p.fuzzy(w, start, tilde)
}

// fuzzy reads the edits of the word that was read from start, the last ~ of which is at tilde.
func (p *parser) fuzzy(w lexeme, start, tilde int) (lexeme, error) {
	number := p.text[tilde+1 : p.pos]
	if strings.Trim(number, "0123456789.") != "" {
		return w, nil // a ~ somewhere in a word is itself
	}
	w.text = strings.TrimSuffix(w.text, "~"+number)
	switch {
	case w.wild:
		return w, p.wantAt(start, "a word without wildcards before ~")
	case w.text == "" || !utf8.ValidString(w.text):
		return w, p.wantAt(start, "a word before ~")
	}
	if w.edits = maxEdits; number != "" {
		n, err := strconv.Atoi(number)
		if err != nil || n > maxEdits {
			return w, p.wantAt(tilde+1, fmt.Sprintf("edits from 0 to %d", maxEdits))
		}
		w.edits = n
	}
	return w, nil
}

// free makes the filter of a free word that was read from start.
func (p *parser) free(w lexeme, start int) (Filter, error) {
	switch {
	case w.wild && w.pattern == "*":
		return allFilter{}, nil
	case w.edits >= 0:
		fuzzyWord := func(token string) element { return element{whole: newFuzzy(lower(token), w.edits)} }
		return p.phrase(start, newPhrase(fuzzyWord, w.text))
	case w.wild:
		list := newGlobPhrase(w.pattern)
		if len(list) == 1 && list[0].whole == (anyValue{}) {
			return allFilter{}, nil
		}
		return p.phrase(start, list)
	}
	return p.phrase(start, newPhrase(exactWord, w.text))
}

func (p *parser) phrase(start int, list []element) (Filter, error) {
	if len(list) == 0 {
		return nil, p.wantAt(start, "a word with letters or digits")
	}
	if p.terms += len(list); p.terms > maxTerms {
		return nil, p.wantAt(start, fmt.Sprintf("at most %d terms", maxTerms))
	}
	return &phraseFilter{list}, nil
}

// newPhrase makes an element of each token of text.
func newPhrase(of func(token string) element, text string) []element {
	var list []element
	eachToken(text, func(token string) { list = append(list, of(token)) })
	return list
}

// exactWord makes the element for a token that must occur, as it is or in its parts.
func exactWord(token string) element {
	e := element{whole: exact(lower(token)), camel: token}
	for rest := token; rest != ""; {
		n := camelPart(rest)
		e.parts = append(e.parts, lower(rest[:n]))
		rest = rest[n:]
	}
	if len(e.parts) < 2 {
		e.parts, e.camel = nil, ""
	}
	return e
}

// newGlobPhrase makes an element of each run of wildcards, letters and digits of pattern.
func newGlobPhrase(pattern string) []element {
	var list []element
	var run []byte
	flush := func() {
		if len(run) == 0 {
			return
		}
		g, e := newGlob(string(run)), element{}
		switch {
		case g.pattern == "*":
			e.whole = anyValue{}
		case strings.ContainsAny(g.pattern, "*?"):
			e.whole = g
		default:
			e = exactWord(string(run))
		}
		list, run = append(list, e), run[:0]
	}
	for i := 0; i < len(pattern); {
		r, n := utf8.DecodeRuneInString(pattern[i:])
		escaped := r == '\\' && i+1 < len(pattern)
		if escaped {
			i++
			r, n = utf8.DecodeRuneInString(pattern[i:])
		}
		if isWordRune(r, n) || !escaped && (r == '*' || r == '?') {
			run = append(run, pattern[i:i+n]...)
		} else {
			flush()
		}
		i += n
	}
	flush()
	for i, e := range list {
		if g, ok := e.whole.(*glob); ok {
			list[i].whole = newGlob(lower(g.pattern))
		}
	}
	return list
}
