package analytics

import (
	"math"
	"strings"

	"github.com/chronodex/chronodex/chunk"
)

// texts are the [StringStates] of count, distinct, first and last.
type texts struct {
	cells []textCell
	what  textResult
	bytes int64 // that the cells point to
}

type textCell struct {
	n           int64
	first, last textSample // where n > 0, of first and last
	set         map[string]struct{}
}

// A textSample is one observation of a string.
type textSample struct {
	time int64
	text string
}

type textResult uint8

const (
	textCount textResult = iota
	textDistinct
	textFirst
	textLast
)

// textEntry is about what a string in a set needs beside its bytes.
const textEntry = 40

func newTexts(what textResult) func(n int) StringStates {
	return func(n int) StringStates { return &texts{cells: make([]textCell, n), what: what} }
}

func (s *texts) Len() int { return len(s.cells) }

func (s *texts) Add(i int, times []int64, values []string) {
	if len(values) == 0 {
		return
	}
	c := &s.cells[i]
	b := len(values) - 1
	switch s.what {
	case textDistinct:
		for k, v := range values {
			if k == 0 || v != values[k-1] {
				s.insert(c, v)
			}
		}
	case textFirst:
		s.early(c, textSample{times[0], values[0]})
	case textLast:
		s.late(c, textSample{times[b], values[b]})
	}
	c.n += int64(len(values))
}

func (s *texts) AddRuns(first int, bounds []int32, times []int64, values []string) {
	for k := range len(bounds) - 1 {
		a, b := bounds[k], bounds[k+1]
		s.Add(first+k, times[a:b], values[a:b])
	}
}

// insert adds v to the set of c.
func (s *texts) insert(c *textCell, v string) {
	if _, ok := c.set[v]; ok {
		return
	}
	if c.set == nil {
		c.set = make(map[string]struct{})
	}
	c.set[strings.Clone(v)] = struct{}{}
	s.bytes += int64(len(v)) + textEntry
}

// early takes v as a candidate for the first observation. Of equal stamps, which different series
// may have, the greater string counts.
func (s *texts) early(c *textCell, v textSample) {
	if c.n == 0 || v.time < c.first.time || v.time == c.first.time && v.text > c.first.text {
		s.keep(&c.first, v)
	}
}

// late is early for the last observation.
func (s *texts) late(c *textCell, v textSample) {
	if c.n == 0 || v.time > c.last.time || v.time == c.last.time && v.text > c.last.text {
		s.keep(&c.last, v)
	}
}

// keep puts a copy of v in place.
func (s *texts) keep(place *textSample, v textSample) {
	s.bytes += int64(len(v.text) - len(place.text))
	*place = textSample{v.time, strings.Clone(v.text)}
}

func (s *texts) AddStats(i int, st *chunk.Stats) bool {
	if st.Count > 0 && s.what != textCount {
		return false
	}
	s.cells[i].n += st.Count
	return true
}

func (s *texts) Merge(i int, other StringStates, j int) {
	c, o := &s.cells[i], &other.(*texts).cells[j]
	if o.n == 0 {
		return
	}
	switch s.what {
	case textDistinct:
		for v := range o.set {
			s.insert(c, v)
		}
	case textFirst:
		s.early(c, o.first)
	case textLast:
		s.late(c, o.last)
	}
	c.n += o.n
}

func (s *texts) Result(i int) Text {
	c := &s.cells[i]
	switch {
	case s.what == textCount:
		return Text{Number: float64(c.n)}
	case s.what == textDistinct:
		return Text{Number: float64(len(c.set))}
	case c.n == 0:
		return Text{Number: math.NaN()}
	case s.what == textFirst:
		return Text{Text: c.first.text, IsText: true}
	}
	return Text{Text: c.last.text, IsText: true}
}

func (s *texts) Bytes() int64 { return s.bytes + int64(cap(s.cells))*sizeOf[textCell]() }

func (s *texts) AppendState(dst []byte, i int) []byte {
	c := &s.cells[i]
	dst = appendCount(append(dst, tagText, byte(s.what)), c.n)
	switch {
	case c.n == 0:
	case s.what == textDistinct:
		dst = appendCount(dst, int64(len(c.set)))
		for v := range c.set {
			dst = appendText(dst, v)
		}
	case s.what == textFirst:
		dst = appendText(appendTime(dst, c.first.time), c.first.text)
	case s.what == textLast:
		dst = appendText(appendTime(dst, c.last.time), c.last.text)
	}
	return dst
}

// appendText appends the length of v, and v.
func appendText(dst []byte, v string) []byte { return append(appendCount(dst, int64(len(v))), v...) }

// text reads what appendText wrote.
func (p *parser) text(field string) string {
	n := p.length(field, 1)
	v := string(p.rest[:n])
	p.rest = p.rest[n:]
	return v
}

func (s *texts) ParseState(i int, src []byte) ([]byte, error) {
	p := parse("strings", tagText, src)
	if p.count("function") != int64(s.what) {
		p.fail("function")
	}
	parsed := texts{what: s.what}
	c := textCell{n: p.count("observations")}
	switch {
	case c.n == 0:
	case s.what == textDistinct:
		for range p.length("values", 1) {
			parsed.insert(&c, p.text("value"))
		}
		if int64(len(c.set)) > c.n || len(c.set) == 0 {
			p.fail("values")
		}
	case s.what == textFirst:
		parsed.keep(&c.first, textSample{p.time("stamp"), p.text("value")})
	case s.what == textLast:
		parsed.keep(&c.last, textSample{p.time("stamp"), p.text("value")})
	}
	if p.err != nil {
		return src, p.err
	}
	s.bytes += parsed.bytes - s.cells[i].bytes()
	s.cells[i] = c
	return p.rest, nil
}

// bytes is what c points to.
func (c *textCell) bytes() int64 {
	n := int64(len(c.first.text) + len(c.last.text))
	for v := range c.set {
		n += int64(len(v)) + textEntry
	}
	return n
}
