package segment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// checkBatch is how many chunks are checked together, sorted by block.
const checkBatch = 1 << 14

// Check reads everything: it verifies every checksum, decodes every column, and compares it with
// the directory, and the directory with the index, the identities and the lookups. It reports each
// finding, which wraps [chunk.ErrCorrupt], and goes on. What it returns is the end of ctx, or nil.
func (r *Reader) Check(ctx context.Context, report func(error)) error {
	c := checker{r: r, report: report, chunks: make([]int, len(r.index.blocks))}
	c.header()
	for n, f := range r.index.frames {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.frame(n); err != nil {
			report(err)
			c.damaged = true
		} else if err := c.parse(n, f.kind); err != nil {
			report(r.where(f, err))
			c.damaged = true
		}
	}
	for n := range r.index.directory {
		p, err := r.metas(n)
		if err != nil {
			c.damaged = true // and reported
			continue
		}
		metas := p.metas()
		c.page(n, metas)
		if c.batch = append(c.batch, metas...); len(c.batch) >= checkBatch || n == len(r.index.directory)-1 {
			if err := c.readBatch(ctx); err != nil {
				return err
			}
		}
	}
	if !c.damaged {
		c.counts()
	}
	return nil
}

// A checker is a Check at work.
type checker struct {
	r       *Reader
	report  func(error)
	damaged bool // something could not be read, so that counts will not fit
	place   int64
	last    *Meta // the chunk before, in the directory
	batch   []Meta
	chunks  []int // of each block, as in the directory
	buf     Buffer
}

// header checks the parts of fixed size, which were read by Open, again.
func (c *checker) header() {
	if _, err := parseFile(c.r.data); err != nil {
		c.report(fmt.Errorf("segment %s: %w", c.r.path, err))
	}
}

// parse reads a page that nothing else here reads.
func (c *checker) parse(n int, kind frameType) error {
	b, err := c.r.frame(n)
	if err != nil {
		return err
	}
	switch kind {
	case frameSeries:
		_, err = parseSeries(b)
	case frameLookup:
		_, err = parseLookups(b)
	case frameDirectory:
		_, err = parseDirectory(b)
	}
	return err
}

// page checks a directory page: its order, the identities and the lookups of its series.
func (c *checker) page(n int, metas []Meta) {
	fail := func(m *Meta, format string, args ...any) {
		f := c.r.index.frames[c.r.index.directory[n].frame]
		c.report(c.r.lost(m, c.r.where(f, corrupt(format, args...))))
	}
	c.place = c.r.index.directory[n].place
	for i := range metas {
		m := &metas[i]
		switch {
		case i > 0 && m.Series != metas[i-1].Series:
			c.place++
		case c.last != nil && c.last.Series == m.Series && c.last.Span.Overlaps(m.Span):
			fail(m, "after a chunk in %v", c.last.Span)
		}
		c.last = m
		if !c.r.index.directory[n].span.Covers(m.Span) {
			fail(m, "not in the span of its page")
		}
		if place, ok, err := c.r.place(m.Series); err == nil && (!ok || place != c.place) {
			fail(m, "at place %d, but found at %d", c.place, place)
		}
		if id, err := c.r.identity(c.place); err == nil && id.Kind != m.Kind {
			fail(m, "%v, but its series is of %v", m.Kind, id.Kind)
		}
	}
}

// readBatch reads the chunks of the batch, and compares their statistics.
func (c *checker) readBatch(ctx context.Context) error {
	slices.SortFunc(c.batch, func(a, b Meta) int {
		if a.Block != b.Block {
			return int(int64(a.Block) - int64(b.Block))
		}
		return int(int64(a.Index) - int64(b.Index))
	})
	for i := range c.batch {
		m := &c.batch[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := c.r.Read(m, &c.buf)
		if err != nil {
			c.report(fmt.Errorf("chunk %d of block %d: %w", m.Index, m.Block, err))
			c.damaged = true
			continue
		}
		c.chunks[m.Block]++
		if got := chunk.StatsOf(s); m.HasStats && !closeStats(got, m.Stats) {
			c.report(c.r.lost(m, corrupt("segment %s: chunk %d of block %d: statistics %+v, but the directory has %+v",
				c.r.path, m.Index, m.Block, got, m.Stats)))
		} else if m.NoGaps && got.NaNs > 0 {
			c.report(c.r.lost(m, corrupt("segment %s: chunk %d of block %d: gaps, of which the directory does not know",
				c.r.path, m.Index, m.Block)))
		}
	}
	c.batch = c.batch[:0]
	return nil
}

// counts checks that each chunk of a block is in the directory.
func (c *checker) counts() {
	for n, chunks := range c.chunks {
		if err := c.r.load(uint32(n), &c.buf); err == nil && c.buf.block.Len() != chunks {
			c.report(c.r.where(c.r.index.frames[c.r.index.blocks[n]],
				corrupt("%d chunks, of which the directory has %d", c.buf.block.Len(), chunks)))
		}
	}
}

// closeStats compares statistics: sums up to rounding, which may differ between machines.
func closeStats(a, b chunk.Stats) bool {
	near := func(x, y, size float64) bool {
		return x == y || math.Abs(x-y) <= 1e-9*size || x != x && y != y
	}
	size := math.Max(math.Abs(b.Min), math.Abs(b.Max)) * float64(b.Count)
	ok := near(a.Sum, b.Sum, size) && near(a.M2, b.M2, math.Abs(b.M2)+size*size*0x1p-90)
	a.Sum, a.M2, b.Sum, b.M2 = 0, 0, 0, 0
	return ok && sameStats(a, b)
}
