package query

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chronodex/chronodex/analytics"
)

// stage reads one stage and appends it to q, where its input fits.
func (p *parser) stage(q *Query) error {
	p.skip()
	at := p.pos
	spec, err := p.function()
	if err != nil {
		return err
	}
	var s stage
	switch spec.Name {
	case "add", "sub", "mul", "div":
		s, err = p.arithmetic(spec.Name)
	case "fill":
		if s, err = p.fill(q.every); err == nil && q.shape != windowed {
			err = p.fail(at, `fill wants windows: put a stage with "every" before it`)
		}
	case "limit":
		s, err = p.limit()
	case "head", "tail":
		if s, err = p.ends(spec.Name == "tail"); err == nil && q.shape == single {
			err = p.fail(at, "%s wants series, not single values", spec.Name)
		}
	case "where":
		s, err = p.where()
	case "sort", "top", "bottom":
		if s, err = p.order(spec.Name); err == nil && q.shape == single {
			err = p.checkOrder(at, s.(*order))
		}
	default:
		s, err = p.calls(at, spec, q.shape)
	}
	if err != nil {
		return err
	}
	q.stages = append(q.stages, s)
	switch s := s.(type) {
	case *aggregate:
		q.shape, q.every = s.output(q.shape), s.every
	case *arithmetic:
		if s.query != nil {
			q.shape, q.every = combineWindows(q.shape, q.every, s.query.shape, s.query.every)
		}
	}
	return nil
}

// function reads the name of a function.
func (p *parser) function() (analytics.Spec, error) {
	name := p.peekWord()
	if name == "" {
		return analytics.Spec{}, p.want(p.pos, `a stage, such as "mean"`)
	}
	spec, err := analytics.Lookup(name)
	if err != nil {
		return spec, &SyntaxError{
			Text: p.text, Offset: p.pos, Reason: "unknown function " + quoteShort(name), Near: analytics.Nearest(name),
		}
	}
	p.pos += len(name)
	return spec, nil
}

// quoteShort quotes a word for an error, cut where it is long.
func quoteShort(s string) string {
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return `"` + s + `"`
}

// calls reads the rest of a stage of aggregates, or of one transform, that begins with spec at
// offset at and is given shape in.
func (p *parser) calls(at int, spec analytics.Spec, in shape) (stage, error) {
	first, err := p.arguments(at, spec)
	if err != nil {
		return nil, err
	}
	s := &aggregate{calls: []call{first}}
	specs, offsets := []analytics.Spec{spec}, []int{at}
	for p.accept(',') {
		p.skip()
		offset := p.pos
		next, err := p.function()
		if err != nil {
			return nil, err
		}
		c, err := p.arguments(offset, next)
		if err != nil {
			return nil, err
		}
		if len(s.calls) == maxCalls {
			return nil, p.fail(offset, "a stage has at most %d functions", maxCalls)
		}
		s.calls, specs, offsets = append(s.calls, c), append(specs, next), append(offsets, offset)
	}
	p.skip()
	by := p.pos
	if s.by, err = p.grouping(); err != nil {
		return nil, err
	}
	p.skip()
	ev := p.pos
	if s.every, err = p.every(); err != nil {
		return nil, err
	}
	if err := p.endOfStage("by", "every"); err != nil {
		return nil, err
	}
	if spec.Transforms() && s.every == nil && len(s.calls) == 1 {
		return p.transform(at, by, spec, s, in)
	}
	named := make(map[string]bool)
	for i := range specs {
		if err := p.checkAggregate(&specs[i], offsets[i], s, in); err != nil {
			return nil, err
		}
		if err := p.checkOutputs(&specs[i], offsets[i], s.calls[i].args, named); err != nil {
			return nil, err
		}
	}
	if s.every != nil && in == single {
		return nil, p.fail(ev, "single values have no stamps that windows could hold")
	}
	return s, nil
}

// transform checks the stage of one transform.
func (p *parser) transform(at, by int, spec analytics.Spec, s *aggregate, in shape) (stage, error) {
	if s.by != nil {
		return nil, p.fail(by, "%s makes a series of each series and groups none", spec.Name)
	}
	if spec.PerSeries && in == single {
		return nil, p.fail(at, "%s wants series, not single values", spec.Name)
	}
	return &transform{call: s.calls[0]}, nil
}

// checkOutputs checks that no result of the stage has the name of another, by which alone they are
// told apart.
func (p *parser) checkOutputs(spec *analytics.Spec, at int, args []float64, named map[string]bool) error {
	agg, err := spec.New(args...)
	if err != nil {
		return p.fail(at, "%v", err)
	}
	for _, name := range agg.Outputs() {
		if named[name] {
			return p.fail(at, "%s is asked for twice", name)
		}
		named[name] = true
	}
	return nil
}

// checkAggregate checks that spec can be in the stage s.
func (p *parser) checkAggregate(spec *analytics.Spec, at int, s *aggregate, in shape) error {
	switch {
	case spec.Kind == analytics.Filtering || !spec.Aggregates() && len(s.calls) > 1:
		return p.fail(at, "%s is a %v and stands alone in its stage", spec.Name, spec.Kind)
	case !spec.Aggregates():
		return p.fail(at, `%s makes a series of each series: "every" is for aggregates`, spec.Name)
	case spec.Windows && s.every == nil:
		return p.fail(at, `%s is an aggregate only with "every"`, spec.Name)
	case spec.PerSeries && s.by != nil:
		var e printer
		s.every.print(&e)
		return p.fail(at, "%s looks at one series at a time: write %s%s | sum by …", spec.Name, spec.Name, e.String())
	case spec.PerSeries && in == single:
		return p.fail(at, "%s wants series, not single values", spec.Name)
	}
	return nil
}

// arguments reads the arguments of spec, whose name is at offset at, and binds them.
func (p *parser) arguments(at int, spec analytics.Spec) (call, error) {
	c := call{name: spec.Name}
	for i := 0; ; i++ {
		var arg *analytics.Arg
		if n := len(spec.Args); i < n || n > 0 && spec.Args[n-1].Many {
			arg = &spec.Args[min(i, n-1)]
		}
		t := p.peekNumber()
		w := p.peekWord()
		switch {
		case t != "" && arg == nil:
			return c, p.fail(p.pos, "%s takes no more arguments: %s", spec.Name, spec.Usage())
		case t != "":
			v, err := p.number("a number")
			if err != nil {
				return c, err
			}
			c.args = append(c.args, v)
		case w != "" && arg != nil && arg.Words != nil && !isKeyword(w):
			v, ok := arg.Word(w)
			if !ok {
				return c, &SyntaxError{
					Text: p.text, Offset: p.pos, Want: "one of " + strings.Join(arg.Words, ", "), Near: nearest(w, arg.Words),
				}
			}
			p.pos += len(w)
			c.args = append(c.args, v)
		default:
			return c, p.checkArguments(at, spec, c.args)
		}
		if i > 1000 {
			return c, p.fail(p.pos, "too many arguments")
		}
	}
}

// checkArguments asks spec whether it takes args.
func (p *parser) checkArguments(at int, spec analytics.Spec, args []float64) error {
	var err error
	switch {
	case spec.Aggregates():
		_, err = spec.New(args...)
	case spec.Transforms():
		_, err = spec.NewTransform(args...)
	}
	if err != nil {
		return p.fail(at, "%s", strings.TrimSuffix(err.Error(), ": "+analytics.ErrArguments.Error()))
	}
	return nil
}

// endOfStage wants the end of a stage; keywords are what else could have followed.
func (p *parser) endOfStage(keywords ...string) error {
	c := p.peek()
	if c == '|' || c == ')' || p.pos == len(p.text) {
		return nil
	}
	want := `"|"`
	for _, k := range keywords {
		want += `, "` + k + `"`
	}
	return &SyntaxError{Text: p.text, Offset: p.pos, Want: want + " or the end", Near: nearest(p.peekWord(), keywords)}
}

// nearest returns the word that is most like w, "" where none is.
func nearest(w string, words []string) string {
	for _, k := range words {
		if w != "" && w != k && (strings.EqualFold(w, k) || strings.HasPrefix(k, w) || strings.HasPrefix(w, k) || oneOff(w, k)) {
			return k
		}
	}
	return ""
}

// oneOff reports whether one letter more, less, other, or two swapped make b of a.
func oneOff(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	switch {
	case len(a) > 0 && a[1:] == b, len(b) > 0 && b[1:] == a, len(a) > 0 && len(b) > 0 && a[1:] == b[1:]:
		return true
	}
	return len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
}

// grouping reads by and its names, where they are next.
func (p *parser) grouping() (*grouping, error) {
	if !p.acceptWord("by") {
		return nil, nil
	}
	names, err := p.names("by")
	return &grouping{names: names}, err
}

// names reads the names of dimensions after the word after; "nothing" is none of them.
func (p *parser) names(after string) ([]string, error) {
	if p.acceptWord("nothing") {
		return []string{}, nil
	}
	var names []string
	for {
		p.skip()
		at, name := p.pos, p.peekWord()
		var err error
		switch {
		case p.peek() == '"':
			name, err = p.quoted()
		case name == "" || isKeyword(name):
			err = p.want(at, `the name of a dimension, or "nothing"`)
		default:
			p.pos += len(name)
		}
		switch {
		case err != nil:
			return nil, err
		case name == "":
			return nil, p.fail(at, "a dimension has a name")
		case slices.Contains(names, name):
			return nil, p.fail(at, "%s names %s twice", after, quoteShort(name))
		case len(names) == maxNames:
			return nil, p.fail(at, "%s takes at most %d names", after, maxNames)
		}
		names = append(names, name)
		if !p.accept(',') {
			return names, nil
		}
	}
}

// every reads the windows and their options, where they are next.
func (p *parser) every() (*every, error) {
	if !p.acceptWord("every") {
		return nil, nil
	}
	e := &every{}
	var err error
	if e.period, err = p.period(); err != nil {
		return nil, err
	}
	for {
		switch {
		case p.acceptWord("offset"):
			err = p.offset(e)
		case p.acceptWord("tz"):
			err = p.zone(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// period reads the length of windows.
func (p *parser) period() (period, error) {
	t := p.peekNumber()
	if t == "" {
		return period{}, p.want(p.pos, `a duration, such as "5m" or "1d"`)
	}
	d, err := parsePeriod(t)
	if err != nil {
		return d, p.fail(p.pos, "%s", reasonOf(err))
	}
	p.pos += len(t)
	return d, nil
}

func (p *parser) offset(e *every) error {
	if !p.accept('=') {
		return p.want(p.pos, `"="`)
	}
	t := p.peekNumber()
	d, err := ParseDuration(t)
	if t == "" || err != nil || d < 0 {
		return p.want(p.pos, `a duration, such as "6h"`)
	}
	p.pos += len(t)
	e.offset = int64(d)
	return nil
}

func (p *parser) zone(e *every) (err error) {
	if !p.accept('=') {
		return p.want(p.pos, `"="`)
	}
	p.skip()
	at := p.pos
	if p.peek() == '"' {
		e.zone, err = p.quoted()
	} else {
		e.zone = p.peekWord()
		p.pos += len(e.zone)
	}
	if err != nil {
		return err
	}
	if _, err := loadZone(e.zone); err != nil || e.zone == "" {
		return p.want(at, `a time zone, such as "Europe/Berlin"`)
	}
	return nil
}

// loadZone is time.LoadLocation without the zone of the machine, which is another everywhere.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" || len(name) > 64 {
		return nil, errors.New("unknown time zone")
	}
	return time.LoadLocation(name)
}

// reasonOf returns the text of err without the sentinel at its end.
func reasonOf(err error) string {
	return strings.TrimSuffix(err.Error(), ": "+ErrTime.Error())
}

func (p *parser) arithmetic(name string) (stage, error) {
	s := &arithmetic{op: map[string]analytics.Operator{
		"add": analytics.Add, "sub": analytics.Sub, "mul": analytics.Mul, "div": analytics.Div,
	}[name]}
	var err error
	if p.peek() != '(' {
		s.number, err = p.number("a number, or a query in parentheses")
		if err != nil {
			return nil, err
		}
		return s, p.endOfStage()
	}
	if s.query, err = p.inParentheses("("); err != nil {
		return nil, err
	}
	if p.acceptWord("on") {
		if s.on, err = p.names("on"); err != nil {
			return nil, err
		}
	}
	return s, p.endOfStage("on")
}

func (p *parser) fill(e *every) (stage, error) {
	words := []string{"none", "previous", "linear"}
	w := p.peekWord()
	s := &fill{every: e}
	switch w {
	case "none":
		s.none = true
	case "previous":
		s.how = analytics.FillPrevious
	case "linear":
		s.how = analytics.FillLinear
	case "", "value":
		s.how = analytics.FillValue
		if p.acceptWord("value") && p.peekNumber() == "" {
			return s, p.endOfStage() // 0
		}
		v, err := p.number("none, previous, linear or a number")
		if err != nil {
			return nil, err
		}
		s.value = v
		return s, p.endOfStage()
	default:
		return nil, &SyntaxError{
			Text: p.text, Offset: p.pos, Want: "none, previous, linear or a number", Near: nearest(w, words),
		}
	}
	p.pos += len(w)
	return s, p.endOfStage()
}

func (p *parser) limit() (stage, error) {
	n, err := p.count("how many series to keep")
	if err != nil {
		return nil, err
	}
	return &limit{n: n}, p.endOfStage()
}

func (p *parser) ends(tail bool) (stage, error) {
	n, err := p.count("how many observations of each series to keep")
	if err != nil {
		return nil, err
	}
	return &ends{n: n, tail: tail}, p.endOfStage()
}

func (p *parser) where() (stage, error) {
	s := &where{}
	var err error
	if p.peek() == '(' {
		if s.query, err = p.inParentheses("("); err != nil {
			return nil, err
		}
		if p.acceptWord("on") {
			if s.on, err = p.names("on"); err != nil {
				return nil, err
			}
		}
		return s, p.endOfStage("on")
	}
	p.skip()
	for _, sign := range signs {
		if strings.HasPrefix(p.text[p.pos:], sign.text) {
			p.pos += len(sign.text)
			s.compare = sign.is
			if s.number, err = p.number("a number to compare with"); err != nil {
				return nil, err
			}
			return s, p.endOfStage()
		}
	}
	return nil, p.want(p.pos, `a comparison, such as "> 90", or a query in parentheses`)
}

// order reads the rest of sort, top and bottom.
func (p *parser) order(name string) (stage, error) {
	s := &order{n: -1, falling: name == "top"}
	var err error
	if name != "sort" {
		if s.n, err = p.count("how many series to keep"); err != nil {
			return nil, err
		}
	}
	if p.acceptWord("by") {
		if s.by, err = p.orderBy(); err != nil {
			return nil, err
		}
	}
	if name != "sort" {
		return s, p.endOfStage("by")
	}
	if s.falling = p.acceptWord("desc"); !s.falling {
		p.acceptWord("asc")
	}
	return s, p.endOfStage("by", "desc", "asc")
}

// checkOrder checks that single values can be ordered by s.
func (p *parser) checkOrder(at int, s *order) error {
	if s.by == nil {
		return nil
	}
	if spec, err := analytics.Lookup(s.by.name); err != nil || spec.PerSeries {
		return p.fail(at, "%s wants series, not single values", s.by.name)
	}
	return nil
}

// orderBy reads the aggregate to order by: one with one output.
func (p *parser) orderBy() (*call, error) {
	p.skip()
	at := p.pos
	spec, err := p.function()
	if err != nil {
		return nil, err
	}
	if !spec.Aggregates() || spec.Windows {
		return nil, p.fail(at, "%s is no aggregate", spec.Name)
	}
	c, err := p.arguments(at, spec)
	if err != nil {
		return nil, err
	}
	if a, err := spec.New(c.args...); err != nil || len(a.Outputs()) != 1 {
		return nil, p.fail(at, "to order by %s, it must be one number", spec.Name)
	}
	return &c, nil
}
