package render

import (
	"fmt"
	"io"
	"strings"
)

// A Grid is a table of text in the making: cells in rows under heads, numbers to the right. The
// zero value is an empty one.
type Grid struct {
	Heads []string
	Right []bool // columns whose cells stand to the right
	Whole bool   // the first column is never shortened
	Rows  [][]string
	Gap   int // rows from here on follow a line that says how many are left out; 0 means none are
	Out   int // how many those are
}

// Shorten keeps the first and the last of more than n rows.
func (g *Grid) Shorten(n int) {
	if len(g.Rows) <= n || n < 2 {
		return
	}
	g.Gap, g.Out = n-n/2, len(g.Rows)-n
	g.Rows = append(g.Rows[:g.Gap:g.Gap], g.Rows[len(g.Rows)-n/2:]...)
}

// Write writes the table, at most maxWidth columns wide: columns of text are shortened, then columns
// are left out, and a line says so.
func (g *Grid) Write(w io.Writer, maxWidth int) error {
	widths := make([]int, len(g.Heads))
	for i, h := range g.Heads {
		widths[i] = width(h)
	}
	for _, row := range g.Rows {
		for i, c := range row {
			widths[i] = max(widths[i], width(c))
		}
	}
	shown := g.fit(widths, maxWidth)
	var b strings.Builder
	g.line(&b, g.Heads[:shown], widths)
	for i, row := range g.Rows {
		if g.Out > 0 && i == g.Gap {
			fmt.Fprintf(&b, "… %s\n", plural(g.Out, "row", "more"))
		}
		g.line(&b, row[:shown], widths)
	}
	if left := len(g.Heads) - shown; left > 0 {
		fmt.Fprintf(&b, "(%s not shown: the terminal is too narrow)\n", plural(left, "column", ""))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fit narrows the widths to maxWidth in all, and returns how many columns are shown.
func (g *Grid) fit(widths []int, maxWidth int) int {
	total := -2
	for _, n := range widths {
		total += n + 2
	}
	for total > maxWidth {
		widest := -1
		for i, n := range widths {
			if !g.Right[i] && n > minCell && !(i == 0 && g.Whole) && (widest < 0 || n > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	shown := len(widths)
	for total > maxWidth && shown > 1 {
		shown--
		total -= widths[shown] + 2
	}
	return shown
}

// line writes one row, without blanks at its end.
func (g *Grid) line(b *strings.Builder, cells []string, widths []int) {
	var line strings.Builder
	for i, c := range cells {
		if i > 0 {
			line.WriteString("  ")
		}
		if !g.Right[i] {
			c = shorten(c, widths[i])
		}
		pad := strings.Repeat(" ", max(0, widths[i]-width(c)))
		if g.Right[i] {
			line.WriteString(pad + c)
		} else {
			line.WriteString(c + pad)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// plural writes a count with its noun, as in 2,000 more rows.
func plural(n int, noun, before string) string {
	if n != 1 {
		noun += "s"
	}
	if before != "" {
		noun = before + " " + noun
	}
	return Count(int64(n)) + " " + noun
}

// Count writes n with commas between thousands, as people read it.
func Count(n int64) string {
	text := string(appendInt(nil, n))
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
