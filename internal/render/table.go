package render

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/query"
)

// maxColumns is how many series stand side by side; of more, each becomes a line.
const maxColumns = 8

func writeTable(w io.Writer, r *query.Result, o *Options) error {
	if err := writeWarnings(w, r); err != nil {
		return err
	}
	if len(r.Series) == 0 {
		_, err := io.WriteString(w, "no series\n")
		return err
	}
	var singles, timed []query.ResultSeries
	for _, s := range r.Series {
		if s.Single {
			singles = append(singles, s)
		} else {
			timed = append(timed, s)
		}
	}
	if len(singles) > 0 {
		if err := singleTable(w, singles, o); err != nil {
			return err
		}
	}
	if len(timed) == 0 {
		return nil
	}
	return timedTable(w, timed, o)
}

// writeWarnings writes what the answer leaves out, before the answer.
func writeWarnings(w io.Writer, r *query.Result) error {
	for _, text := range r.Warnings {
		if _, err := fmt.Fprintf(w, "warning: %s\n", Clean(text)); err != nil {
			return err
		}
	}
	return nil
}

// writeShared writes what all rows have in common.
func writeShared(w io.Writer, shared chunk.Dimensions, o *Options) error {
	if len(shared) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s\n\n", shorten(pairs(shared), max(o.Width, 40)))
	return err
}

// singleTable writes rows of one value: a line for each set of dimensions, a column for each
// aggregate where there are several.
func singleTable(w io.Writer, rows []query.ResultSeries, o *Options) error {
	shared, rest := labels(rows)
	names, heads := columnsOf(rest)
	g := &Grid{Heads: slices.Clone(names), Right: make([]bool, len(names), len(names)+len(heads))}
	g.Heads = append(g.Heads, heads...)
	for range heads {
		g.Right = append(g.Right, true)
	}
	at := make(map[string]int)
	for i := range rows {
		cells := make([]string, len(names), len(g.Heads))
		for k, name := range names {
			v, _ := rest[i].Get(name)
			cells[k] = Clean(v)
		}
		column, ok := rest[i].Get(query.AggregateName)
		if !ok || len(heads) == 1 {
			column = heads[0]
		}
		key := strings.Join(cells, "\x00")
		line, ok := at[key]
		if !ok || g.Rows[line][len(names)+slices.Index(heads, column)] != "" {
			line, at[key] = len(g.Rows), len(g.Rows)
			g.Rows = append(g.Rows, append(cells, make([]string, len(heads))...))
		}
		g.Rows[line][len(names)+slices.Index(heads, column)] = single(&rows[i])
	}
	g.Shorten(o.MaxRows)
	if err := writeShared(w, shared, o); err != nil {
		return err
	}
	return g.Write(w, o.Width)
}

// columnsOf returns the names of the dimensions, but the aggregate's, and the heads of the values.
func columnsOf(rest []chunk.Dimensions) (names, heads []string) {
	for _, d := range rest {
		for _, p := range d {
			switch {
			case p.Name == query.AggregateName && !slices.Contains(heads, p.Value):
				heads = append(heads, p.Value)
			case p.Name != query.AggregateName && !slices.Contains(names, p.Name):
				names = append(names, p.Name)
			}
		}
	}
	slices.Sort(names)
	if len(heads) == 0 {
		heads = []string{"value"}
	}
	return names, heads
}

// timedTable writes rows of columns: side by side where there are few with common stamps, else a
// line for each.
func timedTable(w io.Writer, rows []query.ResultSeries, o *Options) error {
	shared, rest := labels(rows)
	if len(rows) == 1 {
		shared, rest[0] = rest[0], nil
	}
	if err := writeShared(w, shared, o); err != nil {
		return err
	}
	times := union(rows)
	longest := 0
	for i := range rows {
		longest = max(longest, rows[i].Samples.Len())
	}
	if len(rows) > maxColumns || len(times) > 2*longest {
		return summaryTable(w, rows, rest, o)
	}
	g := &Grid{Heads: []string{o.timeHead()}, Right: []bool{o.Unit > 0}, Whole: true}
	at := make([]int, len(rows))
	for i := range rows {
		head := label(rest[i])
		if head == "" {
			head = "value"
		}
		g.Heads = append(g.Heads, shorten(head, max(minCell, o.Width/(len(rows)+1))))
		g.Right = append(g.Right, true)
	}
	keep := func(k int) bool {
		return len(times) <= o.MaxRows || k < o.MaxRows-o.MaxRows/2 || k >= len(times)-o.MaxRows/2
	}
	layout := timeFormat(times)
	if o.clocksChange(times) {
		layout += " -07:00"
	}
	for k, t := range times {
		var cells []string
		if keep(k) {
			cells = append(make([]string, 0, len(g.Heads)), o.stampText(t, layout))
		}
		for i := range rows {
			s := &rows[i].Samples
			text := ""
			if at[i] < s.Len() && s.Times[at[i]] == t {
				if cells != nil {
					text = cell(s, at[i])
				}
				at[i]++
			}
			if cells != nil {
				cells = append(cells, text)
			}
		}
		if cells != nil {
			g.Rows = append(g.Rows, cells)
		}
	}
	if out := len(times) - len(g.Rows); out > 0 {
		g.Gap, g.Out = o.MaxRows-o.MaxRows/2, out
	}
	return g.Write(w, o.Width)
}

// union returns the stamps of all rows, sorted, each once.
func union(rows []query.ResultSeries) []int64 {
	var all []int64
	var last []int64
	for i := range rows {
		times := rows[i].Samples.Times
		if len(times) > 0 && len(last) == len(times) && &last[0] == &times[0] {
			continue
		}
		last = times
		all = append(all, times...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// summaryTable writes a line for each row: how many observations, between which times, and what
// they look like.
func summaryTable(w io.Writer, rows []query.ResultSeries, rest []chunk.Dimensions, o *Options) error {
	names := []string{}
	for _, d := range rest {
		for _, p := range d {
			if !slices.Contains(names, p.Name) {
				names = append(names, p.Name)
			}
		}
	}
	slices.Sort(names)
	g := &Grid{Heads: slices.Clone(names), Right: make([]bool, len(names))}
	g.Heads = append(g.Heads, "count", "min", "max", "last", "shape")
	g.Right = append(g.Right, true, true, true, true, false)
	for i := range rows {
		cells := make([]string, 0, len(g.Heads))
		for _, name := range names {
			v, _ := rest[i].Get(name)
			cells = append(cells, Clean(v))
		}
		s := &rows[i].Samples
		low, high, last := "", "", ""
		values := floatsOf(s)
		if a, b := bounds(values); a <= b {
			low, high = number(a), number(b)
		}
		if s.Len() > 0 {
			last = shorten(cell(s, s.Len()-1), 24)
		}
		g.Rows = append(g.Rows, append(cells, Count(int64(s.Len())), low, high, last, spark(values, 12)))
	}
	g.Shorten(o.MaxRows)
	return g.Write(w, o.Width)
}

// bounds returns the smallest and the largest finite value; the first is larger where there is none.
func bounds(values []float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v-v == 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// spark draws values as a line of n blocks, each as high as the mean of its share.
func spark(values []float64, n int) string {
	low, high := bounds(values)
	if low > high {
		return ""
	}
	n = min(n, len(values))
	out := make([]rune, n)
	for i := range n {
		sum, count := 0.0, 0
		for _, v := range values[i*len(values)/n : (i+1)*len(values)/n] {
			if v-v == 0 {
				sum, count = sum+v/2-low/2, count+1
			}
		}
		switch {
		case count == 0:
			out[i] = ' '
		case high == low:
			out[i] = '▄'
		default:
			out[i] = []rune("▁▂▃▄▅▆▇█")[min(7, max(0, int(sum/float64(count)/(high/2-low/2)*7.999)))]
		}
	}
	return string(out)
}
