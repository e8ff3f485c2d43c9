package segment

import (
	"fmt"
	"io"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/vfs"
)

// Inspect prints the bytes of a segment in the words of this package's comment: each part with its
// offset and its length, and what all parts of a type take together. If verbose, also each column
// of each block, chunk of the directory, and series. What is corrupt is printed as such, and the
// rest all the same; the error is one of w, or of opening the file.
func Inspect(w io.Writer, fs vfs.FS, name string, verbose bool) error {
	f, err := fs.Open(name)
	if err != nil {
		return fmt.Errorf("segment %s: %w", name, err)
	}
	defer f.Close()
	data, err := f.Map()
	if err != nil {
		return fmt.Errorf("segment %s: %w", name, err)
	}
	p := &inspector{w: w, verbose: verbose, data: data}
	p.line("segment of %d bytes", len(data))
	if p.err == nil {
		p.fixed("header", 0, headerSize, parseHeader(data), fmt.Sprintf("%q, version %d", magicHead, version))
	}
	x, err := parseFile(data)
	if err != nil {
		p.line("corrupt: %v", err)
		return p.err
	}
	p.r = &Reader{path: name, file: f, data: data, index: x}
	for n, f := range x.frames {
		p.frame(n, f)
	}
	p.index()
	p.totals()
	return p.err
}

// An inspector is Inspect at work.
type inspector struct {
	w       io.Writer
	err     error
	verbose bool
	data    []byte
	r       *Reader
	blocks  int // seen so far
	place   int // of the next series page
	sizes   chunk.BlockSizes
	bytes   [frameIndex + 1]int64 // by type of frame, heads too
	counts  [frameIndex + 1]int64
}

// line prints one line.
func (p *inspector) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// fixed prints a part of the file.
func (p *inspector) fixed(what string, offset, size int64, err error, words string) {
	if err != nil {
		words = "corrupt: " + err.Error()
	}
	p.line("%-14s %10d +%-8d %s", what, offset, size, words)
}

// frame prints one frame.
func (p *inspector) frame(n int, f frame) {
	p.bytes[f.kind] += f.size
	p.counts[f.kind]++
	b, err := p.r.frame(n)
	if err != nil {
		p.fixed(f.kind.String(), f.offset, f.size, err, "")
		return
	}
	switch f.kind {
	case frameBlock:
		p.block(f, b)
	case frameDirectory:
		p.directory(f, b)
	case frameSeries:
		p.series(f, b)
	case frameLookup:
		l, err := parseLookups(b)
		words := ""
		if k := len(l.ordinals); k > 0 {
			words = fmt.Sprintf("%d series, ordinals %d to %d", k, l.ordinals[0], l.ordinals[k-1])
		}
		p.fixed(f.kind.String(), f.offset, f.size, err, words)
	}
}

// block prints a block.
func (p *inspector) block(f frame, b []byte) {
	number := p.blocks
	p.blocks++
	blk, err := chunk.ParseBlock(b)
	s := blk.Sizes(len(b))
	p.fixed(f.kind.String(), f.offset, f.size, err, fmt.Sprintf("number %d: %d chunks; %d bytes of times, %d of values, %d others",
		number, blk.Len(), s.Times, s.Values, s.Rest))
	p.sizes.Times += s.Times
	p.sizes.Values += s.Values
	p.sizes.Rest += s.Rest
	if p.err == nil {
		p.err = blk.Inspect(p.w, "    ", p.verbose)
	}
}

// directory prints a directory page.
func (p *inspector) directory(f frame, b []byte) {
	metas, err := parseDirectory(b)
	words := fmt.Sprintf("%d chunks", len(metas))
	p.fixed(f.kind.String(), f.offset, f.size, err, words)
	if !p.verbose || err != nil {
		return
	}
	for i := range metas {
		m, stats := &metas[i], ""
		if s := &m.Stats; m.HasStats {
			stats = fmt.Sprintf("; gaps %d, first %v, last %v, min %v, max %v, sum %v, M2 %v",
				s.NaNs, s.First, s.Last, s.Min, s.Max, s.Sum, s.M2)
		}
		p.line("    series %d: chunk %d of block %d, %d rows of %v in %v%s", m.Series, m.Index, m.Block, m.Rows, m.Kind, m.Span, stats)
	}
}

// series prints a series page.
func (p *inspector) series(f frame, b []byte) {
	all, err := parseSeries(b)
	p.fixed(f.kind.String(), f.offset, f.size, err, fmt.Sprintf("%d series from place %d", len(all), p.place))
	for i := range all {
		if p.verbose {
			p.line("    place %d: %v, %v", p.place+i, all[i].Dimensions, all[i].Kind)
		}
	}
	p.place += pageSeries
}

// index prints the index and the footer.
func (p *inspector) index() {
	x := p.r.index
	offset := x.end()
	size := int64(len(p.data)) - footerSize - offset
	p.bytes[frameIndex], p.counts[frameIndex] = size, 1
	p.fixed("index", offset, size, nil, fmt.Sprintf("%d frames; %d series, %d chunks, %d observations in %v",
		len(x.frames), x.series, x.chunks, x.observations, x.span))
	p.fixed("footer", offset+size, footerSize, nil, fmt.Sprintf("index at %d, version %d, %q", offset, version, magicTail))
}

// totals prints what the parts take together.
func (p *inspector) totals() {
	p.line("")
	all := float64(max(p.r.index.observations, 1))
	row := func(what string, count, size int64) {
		p.line("%-18s %8d %12d bytes %6.2f %% %10.5f bytes/observation", what, count, size,
			100*float64(size)/float64(len(p.data)), float64(size)/all)
	}
	for t := frameBlock; t <= frameIndex; t++ {
		row(strings.Replace(t.String()+"s", "indexs", "index", 1), p.counts[t], p.bytes[t])
		if t == frameBlock {
			row("  time columns", 0, int64(p.sizes.Times))
			row("  value columns", 0, int64(p.sizes.Values))
		}
	}
	row("all", int64(len(p.r.index.frames)+3), int64(len(p.data)))
}
