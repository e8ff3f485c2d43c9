package chunk

import (
	"fmt"
	"io"

	"github.com/chronodex/chronodex/codec"
)

// BlockSizes says what the bytes of a block are for.
type BlockSizes struct {
	Times  int // data of time columns
	Values int // data of value columns
	Rest   int // the rest of the message: numbers, lengths, ordinals
}

// Sizes adds up the columns of a block that was parsed from a message of so many bytes.
func (b *Block) Sizes(message int) BlockSizes {
	s := BlockSizes{Rest: message}
	for i := range b.times {
		s.Times += len(b.times[i].Data)
	}
	for i := range b.columns {
		s.Values += len(b.columns[i].Data)
	}
	s.Rest -= s.Times + s.Values
	return s
}

// Inspect prints what is in b, in the words of the comment of [Block]: a line for each time column
// and each group, and if verbose one for each value column with the chunks that have it. Lines
// begin with indent. The error is one of w.
func (b *Block) Inspect(w io.Writer, indent string, verbose bool) error {
	p := &printer{w: w, indent: indent}
	for i := range b.times {
		t := &b.times[i]
		p.line("time column %d: %d rows, %d bytes: %s", i, t.rows, len(t.Data), codec.Describe(t.Column, t.rows))
	}
	next := 0 // the first chunk not printed
	for i := range b.groups {
		g := &b.groups[i]
		first := next
		for next < len(b.chunks) && int(b.chunks[next].group) == i {
			next++
		}
		size := 0
		for _, c := range b.columns[g.first:g.end] {
			size += len(c.Data)
		}
		p.line("group %d: rows [%d, %d) of time column %d, %v, %d chunks from %d, %d value columns of %d bytes",
			i, g.offset, g.offset+g.rows, g.time, g.kind, next-first, first, g.end-g.first, size)
		if verbose {
			b.inspectColumns(p, g, first, next)
		}
	}
	return p.err
}

// inspectColumns prints the value columns of a group, whose chunks are [first, next).
func (b *Block) inspectColumns(p *printer, g *group, first, next int) {
	for i := g.first; i < g.end; i++ {
		c := b.columns[i].Column
		line := fmt.Sprintf("  column %d: %d bytes: %s; chunks", i-g.first, len(c.Data), codec.Describe(c, g.rows))
		for k := first; k < next; k++ {
			if int(b.chunks[k].column) == i {
				line += fmt.Sprintf(" %d (series %d)", k, b.chunks[k].series)
			}
		}
		p.line("%s", line)
	}
}

// A printer prints lines until the first error.
type printer struct {
	w      io.Writer
	indent string
	err    error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "%s%s\n", p.indent, fmt.Sprintf(format, args...))
	}
}
