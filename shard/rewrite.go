package shard

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
)

// A rewriteJob says what one new segment is made of: a part of a head, segments, or both, all of
// one partition. Sealing and compaction are this.
type rewriteJob struct {
	partition int64
	inputs    []*segmentFile // older first, neighbours in the order of seq
	head      *head          // newer than inputs; may be nil
	series    *roaring.Bitmap
	seq       uint64     // of the new segment
	deletions []deletion // of the version that inputs and head are of
	headSeq   uint64     // deletions after it mask the head
	profile   codec.Profile
	progress  func(rows int64) // called from time to time; may be nil
}

// sourceRows is about how many observations of one source are in memory at a time.
const sourceRows = 4 << 20

// rewrite writes the segment of a job, and returns it, opened; nil where nothing is left of the
// observations. What has been seen of deletions is left out.
func (s *Shard) rewrite(ctx context.Context, job *rewriteJob) (*segmentFile, error) {
	file := s.nextFile()
	name := path.Join(s.dir, segmentName(file))
	w, err := segment.Create(s.o.FS, name, job.profile)
	if err != nil {
		return nil, err
	}
	r := rewriter{Shard: s, job: job, w: w, span: partitionSpan(job.partition, s.set.width), bufs: make([]segment.Buffer, len(job.inputs))}
	for _, source := range s.table.bySource(job.series) {
		if err := errors.Join(context.Cause(ctx), r.source(source)); err != nil {
			w.Abort()
			return nil, err
		}
	}
	if len(r.kept) == 0 {
		w.Abort()
		return nil, nil
	}
	if err := w.Finish(); err != nil {
		return nil, err
	}
	g, err := s.adopt(job, file, name, r.kept)
	if err != nil {
		err = errors.Join(err, s.o.FS.Remove(name))
	}
	return g, err
}

// adopt opens a segment that was just written.
func (s *Shard) adopt(job *rewriteJob, file uint64, name string, kept []uint32) (*segmentFile, error) {
	size, err := s.o.FS.Size(name)
	if err != nil {
		return nil, err
	}
	reader, err := segment.Open(s.o.FS, name)
	if err != nil {
		return nil, err
	}
	e := segmentEntry{file: file, partition: job.partition, seq: job.seq, bytes: size}
	if job.profile == codec.Dense {
		e.level = 1
	}
	if n := len(job.deletions); n > 0 {
		e.applied = job.deletions[n-1].seq
	}
	g := &segmentFile{entry: e, path: name, reader: reader, span: reader.Span(), has: roaring.BitmapOf(kept...)}
	g.has.RunOptimize()
	g.keepOrder(kept)
	return g, nil
}

// A rewriter feeds the writer of one job.
type rewriter struct {
	*Shard
	job   *rewriteJob
	w     *segment.Writer
	span  chunk.Span
	kept  []uint32 // ordinals that have observations in the new segment, in its order
	metas []segment.Meta
	bufs  []segment.Buffer // of the inputs
	merge merger

	times  []int64 // room for chains
	floats []float64
}

// source writes the series of one source, all at once or, where they are many, in windows of time.
func (r *rewriter) source(ordinals []uint32) error {
	cuts, err := r.windows(ordinals)
	if err != nil {
		return err
	}
	kept := make([]bool, len(ordinals))
	for i := range cuts[1:] {
		window := chunk.Span{Start: cuts[i], End: cuts[i+1]}
		rows := make([]segment.Row, 0, len(ordinals))
		n := 0
		for k, o := range ordinals {
			samples, err := r.series(o, window)
			if err != nil {
				return err
			}
			if samples.Len() > 0 {
				kept[k] = true
			}
			n += samples.Len()
			rows = append(rows, segment.Row{Ordinal: o, Identity: r.table.series(o), Samples: samples})
		}
		if n == 0 && len(cuts) == 2 {
			continue
		}
		if err := r.w.AddSource(rows); err != nil {
			return err
		}
		if r.job.progress != nil {
			r.job.progress(int64(n))
		}
	}
	for k, o := range ordinals {
		if kept[k] {
			r.kept = append(r.kept, o)
		}
	}
	return nil
}

// windows returns the stamps at which the partition is cut for a source, its start and end among
// them.
func (r *rewriter) windows(ordinals []uint32) ([]int64, error) {
	type step struct {
		at   int64
		rows int
	}
	var steps []step
	total := 0
	for _, o := range ordinals {
		for _, g := range r.job.inputs {
			if !g.has.Contains(o) {
				continue
			}
			var err error
			if r.metas, err = g.reader.AppendChunks(r.metas[:0], o, chunk.Always); err != nil {
				return nil, damaged{g, err}
			}
			for _, m := range r.metas {
				steps = append(steps, step{m.Span.Start, m.Rows})
				total += m.Rows
			}
		}
		if r.job.head == nil {
			continue
		}
		if ref := r.job.head.ref(o); ref.rows > 0 {
			if ref.columns == nil {
				total += ref.rows // too few to matter
				continue
			}
			s := r.job.head.read(ref, nil)
			s = s.Clip(r.span)
			total += s.Len()
			for i := 0; i < s.Len(); i += rowsPerRecord {
				steps = append(steps, step{s.Times[i], min(rowsPerRecord, s.Len()-i)})
			}
		}
	}
	cuts := []int64{r.span.Start}
	if total > sourceRows+sourceRows/2 {
		slices.SortFunc(steps, func(a, b step) int {
			if a.at < b.at {
				return -1
			}
			return 1
		})
		n := 0
		for _, st := range steps {
			if n >= sourceRows && st.at > cuts[len(cuts)-1] {
				cuts, n = append(cuts, st.at), 0
			}
			n += st.rows
		}
	}
	return append(cuts, r.span.End), nil
}

// series returns the observations of a series within window, in memory of their own or the head's.
func (r *rewriter) series(o uint32, window chunk.Span) (chunk.Samples, error) {
	r.merge.reset()
	for k, g := range r.job.inputs {
		if !g.has.Contains(o) {
			continue
		}
		var err error
		if r.metas, err = g.reader.AppendChunks(r.metas[:0], o, window); err != nil {
			return chunk.Samples{}, damaged{g, err}
		}
		for i := range r.metas {
			s, err := g.reader.Read(&r.metas[i], &r.bufs[k])
			if err != nil {
				return chunk.Samples{}, damaged{g, err}
			}
			s = s.Clip(window)
			if gone := masks(nil, r.job.deletions, g.seen(), o, window); len(gone) > 0 {
				s = without(s, gone)
			}
			r.merge.add(s)
		}
	}
	var late chunk.Samples
	if r.job.head != nil {
		if ref := r.job.head.ref(o); ref.rows > 0 {
			room := r.room(ref)
			s := r.job.head.read(ref, &room)
			late = s.Clip(window)
			if gone := masks(nil, r.job.deletions, r.job.headSeq, o, window); len(gone) > 0 {
				late = without(late, gone)
			}
		}
	}
	if r.merge.n == 0 {
		return late, nil
	}
	r.merge.add(late)
	return r.merge.take(), nil
}

// room returns empty columns with memory for the rows of a chain, which many series share.
func (r *rewriter) room(ref headRef) chunk.Samples {
	n := ref.rows
	if ref.columns != nil {
		return chunk.Samples{}
	}
	if len(r.times) < n {
		r.times = make([]int64, roomRows)
	}
	s := chunk.Samples{Times: r.times[:0:n]}
	r.times = r.times[n:]
	if ref.kind == chunk.Float64 {
		if len(r.floats) < n {
			r.floats = make([]float64, roomRows)
		}
		s.Floats = r.floats[:0:n]
		r.floats = r.floats[n:]
	}
	return s
}

// roomRows is how many rows of chains share one allocation.
const roomRows = 4096

// damaged is the error of a segment that cannot be rewritten, since it cannot be read wholly.
type damaged struct {
	segment *segmentFile
	err     error
}

func (d damaged) Error() string { return fmt.Sprintf("%s: %v", d.segment.path, d.err) }
func (d damaged) Unwrap() error { return d.err }
