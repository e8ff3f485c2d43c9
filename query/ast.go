package query

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/index"
)

// A Query is a parsed query: where series come from, and the stages that they go through, in order.
// It is immutable, and safe for concurrent use. Make one with [Parse].
type Query struct {
	source source
	stages []stage
	shape  shape // of the result
	every  *every
}

// A shape is what the rows of a set of series hold.
type shape uint8

const (
	columns  shape = iota // observations
	windowed              // one value for each window
	single                // one value, without a stamp
)

// String returns the word that errors use.
func (s shape) String() string { return [...]string{"series", "windows", "single values"}[s] }

// A source is where a query's series come from: *selection, *operation, or a *Query in parentheses.
type source interface {
	print(p *printer)
}

// A selection is the series that a selector finds.
type selection struct {
	filter index.Filter
}

// A number stands for one side of an operation.
type number float64

// An operation is arithmetic between two sources, of which each may be a number.
type operation struct {
	op          analytics.Operator
	left, right source
}

// A stage makes a set of series out of one.
type stage interface {
	print(p *printer)
	// output returns the shape that the stage makes of shape in.
	output(in shape) shape
}

// A call is a function with its arguments.
type call struct {
	name string // canonical
	args []float64
}

// A grouping says which series belong together: those with equal values of the names. One without
// names puts all into one group.
type grouping struct {
	names []string
}

// An every says which windows.
type every struct {
	period period
	offset int64  // nanoseconds
	zone   string // empty: the zone of the request
}

// aggregate is the stage of aggregates.
type aggregate struct {
	calls []call
	by    *grouping // nil: each series by itself
	every *every    // nil: the whole range
}

// transform is the stage of a function that makes a series of each series.
type transform struct {
	call call
}

// arithmetic is the stage add, sub, mul or div, with a number or with a query.
type arithmetic struct {
	op     analytics.Operator
	number float64
	query  *Query   // nil: number
	on     []string // dimensions to match on; nil: the common ones
}

// fill is the stage that puts values where windows have none.
type fill struct {
	none  bool
	how   analytics.Filling
	value float64
	every *every // the windows
}

// limit is the stage that keeps the first n series.
type limit struct {
	n int
}

// order is the stage sort, and with n ≥ 0 the stages top and bottom.
type order struct {
	by      *call
	falling bool
	n       int
}

func (s *aggregate) output(shape) shape {
	if s.every != nil {
		return windowed
	}
	return single
}

func (s *transform) output(in shape) shape { return in }
func (s *fill) output(in shape) shape      { return in }
func (s *limit) output(in shape) shape     { return in }
func (s *order) output(in shape) shape     { return in }
func (s *ends) output(in shape) shape      { return in }
func (s *where) output(in shape) shape     { return in }

func (s *arithmetic) output(in shape) shape {
	if s.query == nil {
		return in
	}
	return combine(in, s.query.shape)
}

// combine returns the shape of an operation between two.
func combine(a, b shape) shape {
	switch {
	case a == single:
		return b
	case b == single || a == b:
		return a
	}
	return columns
}

// String returns the canonical text of q; parsing it gives an equal query.
func (q *Query) String() string {
	var p printer
	q.printBare(&p)
	return p.String()
}

// A printer collects canonical text.
type printer struct {
	strings.Builder
}

func (p *printer) words(words ...string) {
	for _, w := range words {
		p.WriteByte(' ')
		p.WriteString(w)
	}
}

// names writes dimensions' names, quoted where they must be.
func (p *printer) names(names []string) {
	for i, n := range names {
		if i > 0 {
			p.WriteByte(',')
		}
		p.WriteByte(' ')
		p.WriteString(quoteName(n))
	}
}

func formatNumber(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// quoteName writes the name of a dimension as the language reads it.
func quoteName(s string) string {
	if isKeyword(s) || s == "nothing" || s == "" {
		return strconv.Quote(s)
	}
	for i, r := range s {
		if !isWordRune(r, i == 0) {
			return strconv.Quote(s)
		}
	}
	return s
}

// isWordRune reports whether r may be in a word, or begin it.
func isWordRune(r rune, first bool) bool {
	switch {
	case r == '_' || r != unicode.ReplacementChar && unicode.IsLetter(r):
		return true
	case first:
		return false
	}
	return r == '.' || r == '-' || r == '/' || unicode.IsDigit(r)
}

func isKeyword(s string) bool {
	switch s {
	case "by", "every", "on", "asc", "desc", "offset", "tz":
		return true
	}
	return false
}

func (q *Query) printBare(p *printer) {
	q.source.print(p)
	for _, s := range q.stages {
		p.WriteString(" | ")
		s.print(p)
	}
}

func (q *Query) print(p *printer) {
	p.WriteByte('(')
	q.printBare(p)
	p.WriteByte(')')
}

func (s *selection) print(p *printer) { p.WriteString(s.filter.String()) }

func (n number) print(p *printer) { p.WriteString(formatNumber(float64(n))) }

func (o *operation) print(p *printer) {
	printOperand(p, o.left, o.tight())
	p.words(o.op.String(), "")
	printOperand(p, o.right, o.tight()+1)
}

// tight returns how tightly the operator binds: 1 for + and −, 2 for * and /.
func (o *operation) tight() int {
	if o.op == analytics.Add || o.op == analytics.Sub {
		return 1
	}
	return 2
}

// printOperand writes s, in parentheses where it is an operation that binds less tightly than least.
func printOperand(p *printer, s source, least int) {
	if o, ok := s.(*operation); ok && o.tight() < least {
		p.WriteByte('(')
		defer p.WriteByte(')')
	}
	s.print(p)
}

func (c *call) print(p *printer) {
	p.WriteString(c.name)
	spec, err := analytics.Lookup(c.name)
	for i, v := range c.args {
		text := formatNumber(v)
		if err == nil && i < len(spec.Args) && spec.Args[i].Words != nil {
			text = spec.Args[i].Words[int(v)]
		}
		p.words(text)
	}
}

func (c *call) String() string {
	var p printer
	c.print(&p)
	return p.String()
}

func (g *grouping) print(p *printer) {
	switch {
	case g == nil:
	case len(g.names) == 0:
		p.words("by", "nothing")
	default:
		p.words("by")
		p.names(g.names)
	}
}

func (e *every) print(p *printer) {
	if e == nil {
		return
	}
	p.words("every", e.period.String())
	if e.offset != 0 {
		p.words("offset=" + period{n: e.offset}.String())
	}
	if e.zone != "" {
		p.words("tz=" + strconv.Quote(e.zone))
	}
}

func (s *aggregate) print(p *printer) {
	s.printCalls(p)
	s.by.print(p)
	s.every.print(p)
}

func (s *aggregate) printCalls(p *printer) {
	for i := range s.calls {
		if i > 0 {
			p.WriteString(", ")
		}
		s.calls[i].print(p)
	}
}

func (s *transform) print(p *printer) { s.call.print(p) }

func (s *arithmetic) print(p *printer) {
	p.WriteString(operatorName(s.op))
	p.WriteByte(' ')
	if s.query == nil {
		p.WriteString(formatNumber(s.number))
		return
	}
	s.query.print(p)
	printOn(p, s.on)
}

// printOn writes the dimensions to match on, where there are any.
func printOn(p *printer, on []string) {
	if on == nil {
		return
	}
	p.words("on")
	if len(on) == 0 {
		p.words("nothing")
	}
	p.names(on)
}

// operatorName returns the name of the stage for op.
func operatorName(op analytics.Operator) string {
	return [...]string{"", "add", "sub", "mul", "div"}[op]
}

func (s *fill) print(p *printer) {
	p.WriteString("fill ")
	switch {
	case s.none:
		p.WriteString("none")
	case s.how == analytics.FillPrevious:
		p.WriteString("previous")
	case s.how == analytics.FillLinear:
		p.WriteString("linear")
	default:
		p.WriteString(formatNumber(s.value))
	}
}

func (s *limit) print(p *printer) { p.WriteString("limit " + strconv.Itoa(s.n)) }

func (s *ends) print(p *printer) {
	name := "head "
	if s.tail {
		name = "tail "
	}
	p.WriteString(name + strconv.Itoa(s.n))
}

func (s *where) print(p *printer) {
	p.WriteString("where ")
	if s.query == nil {
		p.WriteString(s.compare.String() + " " + formatNumber(s.number))
		return
	}
	s.query.print(p)
	printOn(p, s.on)
}

func (s *order) print(p *printer) {
	switch {
	case s.n < 0:
		p.WriteString("sort")
	case s.falling:
		p.WriteString("top " + strconv.Itoa(s.n))
	default:
		p.WriteString("bottom " + strconv.Itoa(s.n))
	}
	if s.by != nil {
		p.words("by", s.by.String())
	}
	if s.n < 0 && s.falling {
		p.words("desc")
	}
}
