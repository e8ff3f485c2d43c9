package shard

import (
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

// A deletion removes the observations of some series within a span that were written before it.
// From the head they are removed at once. In segments, which do not change, they are masked when
// read, until compaction has left them out; then the deletion is dropped.
type deletion struct {
	seq    uint64          // of its record in the log
	span   chunk.Span      // of stamps
	series *roaring.Bitmap // ordinals; never changed
}

// masks returns the spans of series o that deletions remove from data that has seen the log, or
// deletions, up to seq. Spans that do not overlap span are left out.
func masks(dst []chunk.Span, deletions []deletion, seq uint64, o uint32, span chunk.Span) []chunk.Span {
	for i := range deletions {
		d := &deletions[i]
		if d.seq > seq && d.span.Overlaps(span) && d.series.Contains(o) {
			dst = append(dst, d.span)
		}
	}
	return dst
}

// pending returns the deletions that some segment, or a head that is being sealed, has still to
// apply.
func pending(deletions []deletion, v *version) []deletion {
	return slices.DeleteFunc(slices.Clone(deletions), func(d deletion) bool {
		if v.sealing != nil && v.sealSeq < d.seq {
			return false
		}
		for _, g := range v.segments {
			if g.seen() < d.seq && g.span.Overlaps(d.span) && g.has.Intersects(d.series) {
				return false
			}
		}
		return true
	})
}
