package render

import (
	"io"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// WriteDimensions writes a table of series, at most width columns wide: first what all of them
// have in common, then a line for each, with a column for each of the other dimensions. Rows need
// not be sorted by name.
func WriteDimensions(w io.Writer, rows []chunk.Dimensions, width int) error {
	var shared chunk.Dimensions
	if len(rows) > 1 {
		for _, p := range rows[0] {
			if !slices.ContainsFunc(rows, func(d chunk.Dimensions) bool { return !slices.Contains(d, p) }) {
				shared = append(shared, p)
			}
		}
	}
	o := &Options{Width: width}
	if err := writeShared(w, shared, o); err != nil {
		return err
	}
	var g Grid
	column := make(map[string]int)
	for _, d := range rows {
		for _, p := range d {
			if _, ok := column[p.Name]; !ok && !slices.Contains(shared, p) {
				column[p.Name] = 0
				g.Heads = append(g.Heads, p.Name)
			}
		}
	}
	slices.Sort(g.Heads)
	for i, name := range g.Heads {
		column[name] = i
	}
	for _, d := range rows {
		cells := make([]string, len(g.Heads))
		for _, p := range d {
			if i, ok := column[p.Name]; ok && !slices.Contains(shared, p) {
				cells[i] = Clean(p.Value)
			}
		}
		g.Rows = append(g.Rows, cells)
	}
	for i, name := range g.Heads {
		g.Heads[i] = Clean(name)
	}
	g.Right = make([]bool, len(g.Heads))
	return g.Write(w, width)
}
