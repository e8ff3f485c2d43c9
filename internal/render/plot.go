package render

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/query"
)

const (
	maxLines = 8  // series of one plot
	maxBars  = 20 // bars of one chart
)

// writePlot draws series as lines over time, single values as bars.
func writePlot(w io.Writer, r *query.Result, o *Options) error {
	if err := writeWarnings(w, r); err != nil {
		return err
	}
	var lines, bars []query.ResultSeries
	for _, s := range r.Series {
		switch {
		case s.Single && !s.IsText:
			bars = append(bars, s)
		case !s.Single && s.Samples.Kind != chunk.String && s.Samples.Len() > 0:
			lines = append(lines, s)
		}
	}
	if !slices.ContainsFunc(lines, hasDot) {
		lines = nil
	}
	if len(lines)+len(bars) == 0 {
		_, err := io.WriteString(w, "nothing to plot\n")
		return err
	}
	if len(bars) > 0 {
		if err := drawBars(w, bars, o); err != nil {
			return err
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return drawLines(w, lines, o)
}

// hasDot reports whether a row has a value that can be drawn.
func hasDot(s query.ResultSeries) bool {
	low, high := bounds(floatsOf(&s.Samples))
	return low <= high
}

// drawBars draws a bar for each single value, from zero on.
func drawBars(w io.Writer, rows []query.ResultSeries, o *Options) error {
	shared, rest := labels(rows)
	if err := writeShared(w, shared, o); err != nil {
		return err
	}
	more := len(rows) - maxBars
	rows = rows[:min(len(rows), maxBars)]
	names, values := make([]string, len(rows)), make([]string, len(rows))
	nameWidth, valueWidth, most := 0, 0, 0.0
	for i := range rows {
		names[i] = shorten(label(rest[i]), max(minCell, o.Width/2))
		values[i] = number(rows[i].Value)
		nameWidth, valueWidth = max(nameWidth, width(names[i])), max(valueWidth, width(values[i]))
		if v := math.Abs(rows[i].Value); v-v == 0 {
			most = max(most, v)
		}
	}
	room := max(8, o.Width-nameWidth-valueWidth-4)
	var b strings.Builder
	for i := range rows {
		eighths := 0
		if v := math.Abs(rows[i].Value); v-v == 0 && most > 0 {
			eighths = int(math.Round(v / most * float64(room*8)))
		}
		bar := strings.Repeat("█", eighths/8)
		if part := eighths % 8; part > 0 {
			bar += string([]rune(" ▏▎▍▌▋▊▉")[part])
		}
		fmt.Fprintf(&b, "%s%s  %s%s  %s\n", names[i], strings.Repeat(" ", nameWidth-width(names[i])),
			strings.Repeat(" ", valueWidth-width(values[i])), values[i], bar)
	}
	if more > 0 {
		fmt.Fprintf(&b, "… %s\n", plural(more, "row", "more"))
	}
	_, err := io.WriteString(w, strings.ReplaceAll(b.String(), "  \n", "\n"))
	return err
}

// drawLines draws series over time, with axes and a legend.
func drawLines(w io.Writer, rows []query.ResultSeries, o *Options) error {
	shared, rest := labels(rows)
	more := len(rows) - maxLines
	rows = rows[:min(len(rows), maxLines)]
	p := newPlot(rows, o)
	for i := range rows {
		p.line(i, rows[i].Samples.Times, floatsOf(&rows[i].Samples))
	}
	var b strings.Builder
	head := pairs(shared)
	if len(rows) == 1 {
		head = pairs(rest[0])
	}
	if head != "" {
		fmt.Fprintf(&b, "%s\n", shorten(head, o.Width))
	}
	p.draw(&b)
	for i := range rows {
		if !p.several {
			break
		}
		text := label(rest[i])
		mark := p.paint(i, string(rune('1'+i)))
		fmt.Fprintf(&b, "%s%s %s\n", strings.Repeat(" ", p.margin), mark, shorten(text, max(minCell, o.Width-p.margin-2)))
	}
	if more > 0 {
		fmt.Fprintf(&b, "%s… %s: add a selector, or | top %d\n", strings.Repeat(" ", p.margin), plural(more, "series", "more"), maxLines)
	}
	_, err := io.WriteString(w, strings.ReplaceAll(b.String(), "seriess", "series"))
	return err
}

// A plot is a canvas of Braille cells, two dots wide and four high, between its axes.
type plot struct {
	o             *Options
	columns, rows int // cells
	margin        int // left of the canvas
	ticks         []float64
	labels        []string
	low, high     float64
	from, to      int64
	cells         []uint8
	owner         []int8  // the series that last drew into a cell, for its colour
	several       bool    // there is more than one series
	ends          [][]int // by line of cells, the series that end there
}

// newPlot makes a canvas on which all rows have room.
func newPlot(rows []query.ResultSeries, o *Options) *plot {
	p := &plot{o: o, several: len(rows) > 1, rows: o.Height, from: math.MaxInt64, to: math.MinInt64, low: math.Inf(1), high: math.Inf(-1)}
	for i := range rows {
		s := &rows[i].Samples
		p.from, p.to = min(p.from, s.Times[0]), max(p.to, s.Times[s.Len()-1])
		low, high := bounds(floatsOf(s))
		p.low, p.high = min(p.low, low), max(p.high, high)
	}
	if p.low > p.high {
		p.low, p.high = 0, 1
	}
	p.scale()
	for _, l := range p.labels {
		p.margin = max(p.margin, width(l)+2)
	}
	p.columns = max(16, o.Width-p.margin-4)
	p.cells = make([]uint8, p.columns*p.rows)
	p.owner = make([]int8, p.columns*p.rows)
	p.ends = make([][]int, p.rows)
	return p
}

// scale chooses about one tick in four lines at 1, 2 or 5 times a power of ten, and widens the
// range to the ticks (Heckbert, Nice Numbers for Graph Labels, Graphics Gems 1990).
func (p *plot) scale() {
	if p.low == p.high {
		d := math.Max(math.Abs(p.low)*0.1, 1e-300)
		if p.low == 0 {
			d = 1
		}
		p.low, p.high = p.low-d, p.high+d
	}
	want := max(2, p.rows/4)
	span := p.high/float64(want) - p.low/float64(want)
	unit := math.Pow(10, math.Floor(math.Log10(span)))
	step := 10 * unit
	for _, f := range []float64{5, 2, 1} {
		if f*unit >= span*0.7 {
			step = f * unit
		}
	}
	first, last := math.Floor(p.low/step), math.Ceil(p.high/step)
	if !(step > 0) || math.IsInf(step, 0) || last-first > 100 || math.Abs(first) > 1e15 {
		p.ticks, p.labels = []float64{p.low, p.high}, []string{number(p.low), number(p.high)}
		return
	}
	for k := first; k <= last; k++ {
		p.ticks = append(p.ticks, k*step)
		p.labels = append(p.labels, number(k*step))
	}
	p.low, p.high = first*step, last*step
}

// y returns the line of dots of a value, counted from the top.
func (p *plot) y(v float64) int {
	dots := p.rows*4 - 1
	return min(dots, max(0, dots-int(math.Round((v/2-p.low/2)/(p.high/2-p.low/2)*float64(dots)))))
}

// x returns the column of dots of a stamp.
func (p *plot) x(t int64) int {
	if p.to == p.from {
		return p.columns
	}
	return int(float64(uint64(t)-uint64(p.from)) / float64(uint64(p.to)-uint64(p.from)) * float64(p.columns*2-1))
}

// dot sets one dot.
func (p *plot) dot(series, x, y int) {
	bits := [4][2]uint8{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}
	i := y/4*p.columns + x/2
	p.cells[i] |= bits[y%4][x%2]
	p.owner[i] = int8(series)
}

// line draws a series: in each column of dots from its lowest to its highest value, and from
// column to column where neither a NaN nor a gap of many steps is between.
func (p *plot) line(series int, times []int64, values []float64) {
	gap := gapOf(times)
	lastX, lastY := -1, 0
	var last int64
	for i, v := range values {
		if v-v != 0 {
			lastX = -1
			continue
		}
		x, y := p.x(times[i]), p.y(v)
		if lastX < 0 || uint64(times[i])-uint64(last) > gap {
			p.dot(series, x, y)
		} else {
			p.segment(series, lastX, lastY, x, y)
		}
		lastX, lastY, last = x, y, times[i]
	}
	if lastX >= 0 && p.several {
		row := lastY / 4
		p.ends[row] = append(p.ends[row], series)
	}
}

// gapOf returns how far apart two stamps are that are not joined: eight times the median step.
func gapOf(times []int64) uint64 {
	if len(times) < 4 {
		return math.MaxUint64
	}
	steps := make([]uint64, 0, 1024)
	for i := 1; i < len(times); i += 1 + len(times)/1024 {
		steps = append(steps, uint64(times[i])-uint64(times[i-1]))
	}
	slices.Sort(steps)
	if m := steps[len(steps)/2]; m < math.MaxUint64/8 {
		return 8 * m
	}
	return math.MaxUint64
}

// segment draws a straight line of dots (Bresenham, 1965).
func (p *plot) segment(series, x0, y0, x1, y1 int) {
	dx, dy := x1-x0, -abs(y1-y0)
	sy := 1
	if y0 > y1 {
		sy = -1
	}
	for e := dx + dy; ; {
		p.dot(series, x0, y0)
		if x0 == x1 && y0 == y1 {
			return
		}
		if y0 == y1 || x0 < x1 && 2*e >= dy {
			e, x0 = e+dy, x0+1
		} else {
			e, y0 = e+dx, y0+sy
		}
	}
}

func abs(v int) int { return max(v, -v) }

// paint colours text as a series is, where there are colours.
func (p *plot) paint(series int, text string) string {
	if !p.o.Color {
		return text
	}
	colors := [maxLines]int{36, 33, 35, 32, 34, 31, 96, 93}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colors[series%maxLines], text)
}

// draw writes the canvas with its axes.
func (p *plot) draw(b *strings.Builder) {
	tick := make(map[int]string)
	for i, v := range p.ticks {
		tick[p.y(v)/4] = p.labels[i]
	}
	for row := range p.rows {
		l, ok := tick[row]
		axis := "│"
		if ok {
			axis = "┤"
		}
		fmt.Fprintf(b, "%s%s %s", strings.Repeat(" ", p.margin-2-width(l)), l, axis)
		var line strings.Builder
		for c := range p.columns {
			i := row*p.columns + c
			if p.cells[i] == 0 {
				line.WriteByte(' ')
				continue
			}
			line.WriteString(p.paint(int(p.owner[i]), string(rune(0x2800+int(p.cells[i])))))
		}
		for _, s := range p.ends[row] {
			line.WriteString(p.paint(s, string(rune('1'+s))))
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	p.timeAxis(b)
}

// timeAxis writes the line below the canvas and the times under it.
func (p *plot) timeAxis(b *strings.Builder) {
	axis := []rune(strings.Repeat("─", p.columns))
	text := []rune(strings.Repeat(" ", p.columns+p.margin+24))
	layout := p.timeLayout()
	sample := width(p.o.stampText(p.from, layout))
	n := max(1, min(5, p.columns/(sample+4)))
	for i := range n + 1 {
		t := p.from + int64(float64(uint64(p.to)-uint64(p.from))*float64(i)/float64(n))
		if i == n {
			t = p.to
		}
		at := min(p.columns-1, p.x(t)/2)
		axis[at] = '┬'
		l := []rune(p.o.stampText(t, layout))
		start := min(max(0, p.margin+at-len(l)/2), p.margin+p.columns+4-len(l))
		copy(text[max(0, start):], l)
		if p.from == p.to {
			break
		}
	}
	fmt.Fprintf(b, "%s└%s\n", strings.Repeat(" ", p.margin-1), string(axis))
	b.WriteString(strings.TrimRight(string(text), " ") + "\n")
	if !strings.HasPrefix(layout, "2006") && p.o.Unit == 0 {
		fmt.Fprintf(b, "%sfrom %s (%v)\n", strings.Repeat(" ", p.margin), p.o.stampText(p.from, "2006-01-02"), p.o.Location)
	}
}

// timeLayout returns how the times under the plot are written: as much as tells them apart.
func (p *plot) timeLayout() string {
	from, to := time.Unix(0, p.from).In(p.o.Location), time.Unix(0, p.to).In(p.o.Location)
	sameDay := from.YearDay() == to.YearDay() && from.Year() == to.Year()
	switch d := time.Duration(min(uint64(p.to)-uint64(p.from), math.MaxInt64)); {
	case d >= 10*24*time.Hour:
		return "2006-01-02"
	case d >= 10*time.Minute && sameDay:
		return "15:04"
	case d >= 10*time.Minute:
		return "01-02 15:04"
	case d >= 10*time.Second:
		return "15:04:05"
	}
	return "15:04:05.000"
}
