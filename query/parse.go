package query

import (
	"errors"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/index"
)

// A parser makes the tree by recursive descent.
type parser struct {
	scanner
	depth    int
	operands map[int]bool // by the offset of a parenthesis: whether a query is in it
}

// Parse reads a query. Its error is a [*SyntaxError].
func Parse(text string) (*Query, error) {
	p := parser{scanner: scanner{text: text}, operands: make(map[int]bool)}
	if len(text) > maxText {
		return nil, p.fail(maxText, "a query has at most %d bytes", maxText)
	}
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if p.peek() != 0 || p.pos < len(p.text) {
		return nil, p.want(p.pos, `"|" or the end`)
	}
	return q, nil
}

// query reads a source and its stages, up to a parenthesis or the end.
func (p *parser) query() (*Query, error) {
	q := &Query{}
	var err error
	if p.atExpression() {
		q.source, err = p.expression(1)
	} else {
		q.source, err = p.selection()
	}
	if err != nil {
		return nil, err
	}
	q.shape, q.every = shapeOf(q.source)
	for p.accept('|') {
		if len(q.stages) == maxStages {
			return nil, p.fail(p.pos-1, "a query has at most %d stages", maxStages)
		}
		if err := p.stage(q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// shapeOf returns the shape of what s makes, and its windows.
func shapeOf(s source) (shape, *every) {
	switch s := s.(type) {
	case number:
		return single, nil
	case *Query:
		return s.shape, s.every
	case *operation:
		a, e := shapeOf(s.left)
		b, f := shapeOf(s.right)
		return combineWindows(a, e, b, f)
	}
	return columns, nil
}

// combineWindows returns the shape and the windows of an operation. Windows of two kinds are only
// observations.
func combineWindows(a shape, e *every, b shape, f *every) (shape, *every) {
	out := combine(a, b)
	switch {
	case out != windowed:
		return out, nil
	case a != windowed:
		return out, f
	case b != windowed || *e == *f:
		return out, e
	}
	return columns, nil
}

// selection reads a selector.
func (p *parser) selection() (source, error) {
	f, n, err := index.ParsePrefix(p.text[p.pos:])
	if err != nil {
		var e *index.SyntaxError
		if errors.As(err, &e) {
			return nil, p.want(p.pos+e.Offset, e.Want)
		}
		return nil, p.fail(p.pos, "%v", err)
	}
	p.pos += n
	return &selection{filter: f}, nil
}

// atExpression reports whether what is next is an expression, not a selector: an operand in
// parentheses, maybe after numbers and operators. It does not move.
func (p *parser) atExpression() bool {
	defer func(pos int) { p.pos = pos }(p.pos)
	for p.peekNumber() != "" {
		if _, err := p.number(""); err != nil {
			return false
		}
		if op, _ := p.operator(1); op == 0 {
			return false
		}
	}
	return p.peek() == '(' && p.holdsQuery(p.pos, maxDepth)
}

// holdsQuery reports whether a query with a stage is in the parenthesis at offset at: no selector
// has a single "|" there. The depth left bounds the search.
func (p *parser) holdsQuery(at, depth int) bool {
	if depth == 0 {
		return true // the parser will say that it is too deep
	}
	if known, ok := p.operands[at]; ok {
		return known
	}
	in := scanner{text: p.text, pos: at + 1}
	found := false
	for in.peekNumber() != "" { // (2 * (…))
		if _, err := in.number(""); err != nil {
			break
		}
		if c := in.peek(); c != '+' && c != '-' && c != '*' && c != '/' {
			break
		}
		in.pos++
	}
	if in.peek() == '(' {
		found = p.holdsQuery(in.pos, depth-1)
	}
	if !found {
		_, n, err := index.ParsePrefix(p.text[at+1:])
		rest := scanner{text: p.text, pos: at + 1 + n}
		found = err == nil && rest.peek() == '|'
	}
	p.operands[at] = found
	return found
}

// operator reads one that binds as tightly as least, or more; 0 where there is none.
func (p *parser) operator(least int) (analytics.Operator, int) {
	op, tight := analytics.Operator(0), 0
	switch p.peek() {
	case '+':
		op, tight = analytics.Add, 1
	case '-':
		op, tight = analytics.Sub, 1
	case '*':
		op, tight = analytics.Mul, 2
	case '/':
		op, tight = analytics.Div, 2
	}
	if op == 0 || tight < least {
		return 0, 0
	}
	p.pos++
	return op, tight
}

// expression reads operands joined by operators that bind as tightly as least, or more.
func (p *parser) expression(least int) (source, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for range maxStages {
		op, tight := p.operator(least)
		if op == 0 {
			return left, nil
		}
		right, err := p.expression(tight + 1)
		if err != nil {
			return nil, err
		}
		left = &operation{op: op, left: left, right: right}
	}
	return nil, p.fail(p.pos, "an expression has at most %d operators in a row", maxStages-1)
}

// operand reads a number, or a query with at least one stage in parentheses.
func (p *parser) operand() (source, error) {
	if p.peekNumber() != "" {
		v, err := p.number("a number")
		return number(v), err
	}
	at := p.pos
	q, err := p.inParentheses("a number or a query in parentheses")
	switch {
	case err != nil:
		return nil, err
	case len(q.stages) > 0:
		return q, nil
	}
	if _, ok := q.source.(*selection); ok {
		return nil, p.fail(at, `a query in an expression wants a stage, such as "| mean"`)
	}
	return q.source, nil
}

// inParentheses reads a query in parentheses.
func (p *parser) inParentheses(what string) (*Query, error) {
	at := p.pos
	if !p.accept('(') {
		return nil, p.want(p.pos, what)
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(at, "parentheses are more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	q, err := p.query()
	if err != nil {
		return nil, err
	}
	if !p.accept(')') {
		return nil, p.want(p.pos, `"|" or ")"`)
	}
	return q, nil
}
