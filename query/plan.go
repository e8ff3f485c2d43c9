package query

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/chronodex/chronodex/analytics"
)

// The costs of a step, from the least to the greatest.
const (
	costIndex  = "index"        // the index says which series
	costStats  = "statistics"   // directories of chunks are read
	costDecode = "decode"       // chunks are decoded, piece by piece
	costWhole  = "whole series" // whole series are held in memory
)

// A Plan is how a query is answered: a step, and the steps that it takes its input from. After
// [Engine.Analyze] it also says what each step did.
type Plan struct {
	Text   string  `json:"text"`           // the step
	Cost   string  `json:"cost,omitempty"` // index, statistics, decode, whole series; empty: next to nothing
	Inputs []*Plan `json:"inputs,omitempty"`

	Analyzed bool    `json:"analyzed,omitempty"`
	Rows     int64   `json:"rows,omitempty"`  // of the result of the step
	Parts    []Stats `json:"parts,omitempty"` // of a step that reads: by part, such as shard
}

// Explain returns the plan of q.
func (q *Query) Explain() *Plan {
	stages := q.stages
	var p *Plan
	switch s := q.source.(type) {
	case *selection:
		p, stages = planSelection(s, stages)
	case *operation:
		p = planOperation(s)
	case *Query:
		p = s.Explain()
	default:
		p = &Plan{Text: "number"}
	}
	for _, s := range stages {
		p = &Plan{Text: textOf(s), Inputs: []*Plan{p}}
		switch s := s.(type) {
		case *transform:
			p.Cost = costWhole
		case *arithmetic:
			if s.query != nil {
				p.Cost = costWhole
				p.Text = operatorName(s.op)
				p.Inputs = append(p.Inputs, s.query.Explain())
			}
		case *where:
			if s.query != nil {
				p.Cost = costWhole
				p.Text = "where"
				p.Inputs = append(p.Inputs, s.query.Explain())
			}
		}
	}
	return p
}

// textOf returns the text of a stage.
func textOf(s stage) string {
	var p printer
	s.print(&p)
	return p.String()
}

// planSelection plans s and the stage after it where that is an aggregate, and returns the others.
func planSelection(s *selection, stages []stage) (*Plan, []stage) {
	find := &Plan{Text: "select " + s.filter.String(), Cost: costIndex}
	if len(stages) > 0 {
		if a, ok := stages[0].(*aggregate); ok {
			part := &Plan{Text: "each shard: " + textOf(a), Cost: a.cost(), Inputs: []*Plan{find}}
			return &Plan{Text: "merge " + textOf(a), Inputs: []*Plan{part}}, stages[1:]
		}
	}
	part := &Plan{Text: "each shard: read", Cost: costDecode, Inputs: []*Plan{find}}
	return &Plan{Text: "gather", Inputs: []*Plan{part}}, stages
}

// cost returns what s costs at most, as far as chunks are whole.
func (s *aggregate) cost() string {
	cost := costStats
	for _, c := range s.calls {
		if spec, err := analytics.Lookup(c.name); err != nil || spec.Stats != analytics.StatsAlways || s.every != nil {
			cost = costDecode
		}
	}
	return cost
}

func planOperation(o *operation) *Plan {
	p := &Plan{Text: operatorName(o.op), Cost: costWhole}
	for _, s := range []source{o.left, o.right} {
		switch s := s.(type) {
		case number:
			p.Inputs = append(p.Inputs, &Plan{Text: formatNumber(float64(s))})
		case *operation:
			p.Inputs = append(p.Inputs, planOperation(s))
		case *Query:
			p.Inputs = append(p.Inputs, s.Explain())
		}
	}
	return p
}

// String draws p as a tree, the costs in a column.
func (p *Plan) String() string {
	width := p.width(0)
	var b strings.Builder
	p.draw(&b, "", "", width)
	return b.String()
}

// width returns the columns that the widest line takes, in runes, where p begins at column at.
func (p *Plan) width(at int) int {
	w := at + utf8.RuneCountInString(p.Text)
	for _, in := range p.Inputs {
		w = max(w, in.width(at+4))
	}
	return w
}

// draw writes p after head, and what is below it after rest.
func (p *Plan) draw(b *strings.Builder, head, rest string, width int) {
	line := head + p.Text
	if note := p.note(); note != "" {
		line += strings.Repeat(" ", width-utf8.RuneCountInString(line)+5) + note
	}
	b.WriteString(line + "\n")
	bar := "    "
	if len(p.Inputs) > 0 {
		bar = "│   "
	}
	for i := range p.Parts {
		s := &p.Parts[i]
		fmt.Fprintf(b, "%s%sshard %d: %v", rest, bar, i, s)
		if s.Duration > 0 {
			fmt.Fprintf(b, ", %v", s.Duration.Round(time.Microsecond))
		}
		b.WriteByte('\n')
	}
	for i, in := range p.Inputs {
		if i < len(p.Inputs)-1 {
			in.draw(b, rest+"├── ", rest+"│   ", width)
		} else {
			in.draw(b, rest+"└── ", rest+"    ", width)
		}
	}
}

// note returns what stands in the column beside the step.
func (p *Plan) note() string {
	var out []string
	if p.Cost != "" {
		out = append(out, "cost: "+p.Cost)
	}
	if p.Analyzed {
		out = append(out, fmt.Sprintf("rows: %d", p.Rows))
	}
	return strings.Join(out, "  ")
}

// The methods that follow note figures; on a nil plan, where none are wanted, they do nothing.

// stage returns the step that is n below p.
func (p *Plan) stage(n int) *Plan {
	for ; n > 0 && p != nil; n-- {
		p = p.input(0)
	}
	return p
}

// input returns the i-th input of p.
func (p *Plan) input(i int) *Plan {
	if p == nil || i >= len(p.Inputs) {
		return nil
	}
	return p.Inputs[i]
}

// rows notes how many rows a step made.
func (p *Plan) rows(s *set) {
	if p != nil {
		p.Analyzed, p.Rows = true, int64(len(s.rows))
	}
}

// selected notes how many series the parts have.
func (p *Plan) selected(s *survey) {
	if p != nil {
		p.Analyzed, p.Rows = true, int64(len(s.series))
	}
}

// read notes what was read of each part of s.
func (p *Plan) read(parts []Stats, s *survey) {
	if p == nil {
		return
	}
	p.Parts = slices.Clone(parts[:len(s.parts)])
	for i := range p.Parts {
		p.Parts[i].SeriesSelected = int64(s.from[i+1] - s.from[i])
	}
}
