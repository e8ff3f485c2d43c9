package shard

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/segment"
)

// A segmentFile is an open segment. It is shared by versions, and closed with the last of them;
// if it was replaced meanwhile, its file is removed then.
type segmentFile struct {
	entry    segmentEntry
	path     string
	reader   *segment.Reader // nil where the file cannot be read at all
	span     chunk.Span      // of its observations; of its partition where it cannot be read
	has      *roaring.Bitmap // the ordinals of its series; never changed
	order    []uint32        // the same in the file's order, where that matters; else nil
	err      error           // what keeps it from being read, or from being read wholly
	refs     atomic.Int32
	obsolete atomic.Bool
	broken   atomic.Bool // compaction found something that cannot be read
	retained atomic.Pointer[retained]
}

// seen is the number up to which the segment has seen deletions.
func (g *segmentFile) seen() uint64 { return max(g.entry.seq, g.entry.applied) }

func segmentName(file uint64) string { return fmt.Sprintf("%08d.seg", file) }

// A version is the state of a shard between two changes: which segments, which deletions, which
// heads. It does not change, but for the rows that the active head gains. Who uses one holds a
// reference.
type version struct {
	refs      atomic.Int32
	segments  []*segmentFile // by partition, then by seq: of overlapping ones the later is the newer
	deletions []deletion     // by seq
	sealing   *head          // being written to segments; often nil
	sealSeq   uint64         // the last record of the log in sealing
	active    *head
}

// heads returns the heads, older first.
func (v *version) heads() []*head {
	if v.sealing != nil {
		return []*head{v.sealing, v.active}
	}
	return []*head{v.active}
}

// present returns the ordinals of all series that v has observations of.
func (v *version) present() *roaring.Bitmap { return v.presentIn(chunk.Always) }

// presentIn returns the ordinals of the series that may have observations in span: those in heads,
// and in segments that overlap it, less what deletions remove from the whole of a segment.
func (v *version) presentIn(span chunk.Span) *roaring.Bitmap {
	out := roaring.New()
	for _, g := range v.segments {
		if !g.span.Overlaps(span) {
			continue
		}
		has := g.has
		for i := range v.deletions {
			if d := &v.deletions[i]; d.seq > g.seen() && d.span.Covers(g.span) {
				has = roaring.AndNot(has, d.series)
			}
		}
		out.Or(has)
	}
	for _, h := range v.heads() {
		h.union(out)
	}
	return out
}

// clone returns a copy of v that can be changed, and is made the current one by install.
func (v *version) clone() *version {
	return &version{
		segments: slices.Clone(v.segments), deletions: slices.Clone(v.deletions),
		sealing: v.sealing, sealSeq: v.sealSeq, active: v.active,
	}
}

func (v *version) sort() {
	slices.SortFunc(v.segments, func(a, b *segmentFile) int {
		return cmp.Or(cmp.Compare(a.entry.partition, b.entry.partition), cmp.Compare(a.entry.seq, b.entry.seq))
	})
}

// acquire returns the current version with a reference.
func (s *Shard) acquire() *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cur.refs.Add(1)
	return s.cur
}

// releaseVersion gives a reference back.
func (s *Shard) releaseVersion(v *version) {
	if v.refs.Add(-1) > 0 {
		return
	}
	for _, g := range v.segments {
		if g.refs.Add(-1) == 0 {
			s.closeSegment(g)
		}
	}
}

func (s *Shard) closeSegment(g *segmentFile) {
	if g.reader != nil {
		if err := g.reader.Close(); err != nil {
			s.logger.Warn("close segment", "file", g.path, "err", err)
		}
	}
	if g.obsolete.Load() && !s.o.ReadOnly {
		if err := s.o.FS.Remove(g.path); err != nil {
			s.logger.Warn("remove segment that was replaced", "file", g.path, "err", err)
		}
	}
}

// install makes v the current version. The caller holds mu, and gives the reference to the version
// that it returns back when it no longer holds mu.
func (s *Shard) install(v *version) (old *version) {
	v.sort()
	v.refs.Store(1)
	for _, g := range v.segments {
		g.refs.Add(1)
	}
	old, s.cur = s.cur, v
	return old
}

// openSegment opens the file of an entry. A file that cannot be read is a segment, too, with the
// reason: it must not be forgotten.
func (s *Shard) openSegment(e segmentEntry) *segmentFile {
	g := &segmentFile{
		entry: e, path: path.Join(s.dir, segmentName(e.file)),
		span: partitionSpan(e.partition, s.set.width), has: roaring.New(),
	}
	g.reader, g.err = segment.Open(s.o.FS, g.path)
	if g.err != nil {
		g.reader = nil
		return g
	}
	g.span = g.reader.Span()
	g.load(s.table)
	return g
}

// load enters the series of a segment into t and has.
func (g *segmentFile) load(t *table) {
	var order []uint32
	for e, err := range g.reader.Identities() {
		if err == nil {
			if err = t.put(e.Series, e.Identity); err != nil {
				err = fmt.Errorf("%s: %w: %w", g.path, err, chunk.ErrCorrupt)
			}
		}
		if err != nil {
			g.err = err
			continue
		}
		order = append(order, e.Series)
	}
	g.has.AddMany(order)
	g.has.RunOptimize()
	g.keepOrder(order)
}

// keepOrder keeps the order of the series in the file, where they are many and it is not that of
// the ordinals.
func (g *segmentFile) keepOrder(order []uint32) {
	if len(order) >= manySeries && !slices.IsSorted(order) {
		g.order = slices.Clip(order)
	}
}

// manySeries is from how many series on the order in which they are read matters.
const manySeries = 1024

// inOrder returns ordinals in the order of the largest segment that overlaps span, and those that
// it has not after them. All segments have the same order.
func (v *version) inOrder(found *roaring.Bitmap, span chunk.Span) []uint32 {
	out := found.ToArray()
	if len(out) < manySeries {
		return out
	}
	var largest *segmentFile
	for _, g := range v.segments {
		if g.order != nil && g.span.Overlaps(span) && (largest == nil || len(g.order) > len(largest.order)) {
			largest = g
		}
	}
	if largest == nil {
		return out
	}
	rest := roaring.AndNot(found, largest.has).ToArray()
	want := make([]uint64, int(found.Maximum())/64+1)
	for _, o := range out {
		want[o/64] |= 1 << (o % 64)
	}
	out = out[:0]
	for _, o := range largest.order {
		if int(o/64) < len(want) && want[o/64]&(1<<(o%64)) != 0 {
			out = append(out, o)
		}
	}
	return append(out, rest...)
}
