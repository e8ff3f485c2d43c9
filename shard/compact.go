package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
)

// requestWork asks the background to look for something to compact.
func (s *Shard) requestWork() {
	select {
	case s.workNow <- struct{}{}:
	default:
	}
}

// compactLoop merges segments in the background and drops what retention lets go, until ctx ends.
func (s *Shard) compactLoop(ctx context.Context) {
	if s.o.Manual {
		return
	}
	every := time.NewTicker(min(time.Minute, s.o.SealAfter))
	defer every.Stop()
	var calm calm
	s.requestWork()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.workNow:
		case <-every.C:
			if s.sealError() != nil || calm.due(s.activeHead(), s.o.Now(), s.o.SealAfter) {
				s.requestSeal() // in the first case, since there may be room again
			}
		}
		err := s.retain(ctx, s.o.Now())
		for more := true; more && err == nil; {
			more, err = s.compactSome(ctx)
		}
		if err != nil && !done(ctx) {
			s.logger.Error("compaction failed, segments stay as they are", "err", err)
		}
	}
}

// fanIn is how many segments of like size are merged into one in the background.
const fanIn = 4

// pick returns segments of one partition, neighbours by age, that are worth merging, or none: at
// least fanIn of which the largest is not larger than all others together, fewest bytes first; or
// one that a deletion waits for.
func pick(v *version) []*segmentFile {
	var best []*segmentFile
	least := int64(0)
	for _, run := range runs(v.segments) {
		for i := range run {
			largest, sum := int64(0), int64(0)
			for j := i; j < len(run); j++ {
				sum += run[j].entry.bytes
				largest = max(largest, run[j].entry.bytes)
				if j-i+1 >= fanIn && largest <= sum-largest && (best == nil || sum < least) {
					best, least = run[i:j+1], sum
				}
			}
			if best == nil && len(pending(v.deletions, &version{segments: run[i : i+1]})) > 0 {
				best, least = run[i:i+1], run[i].entry.bytes
			}
		}
	}
	return best
}

// runs returns the segments that can be merged with their neighbours: by partition, in order of
// age, cut where one cannot be read.
func runs(segments []*segmentFile) [][]*segmentFile {
	var out [][]*segmentFile
	var run []*segmentFile
	for _, g := range segments {
		if len(run) > 0 && (run[0].entry.partition != g.entry.partition || g.unfit()) {
			out, run = append(out, run), nil
		}
		if !g.unfit() {
			run = append(run, g)
		}
	}
	if len(run) > 0 {
		out = append(out, run)
	}
	return out
}

// unfit reports whether the segment cannot be read wholly, and so stays as it is.
func (g *segmentFile) unfit() bool { return g.err != nil || g.broken.Load() }

// compactSome merges the segments most worth it, and reports whether there were any.
func (s *Shard) compactSome(ctx context.Context) (bool, error) {
	s.compacting.Lock()
	defer s.compacting.Unlock()
	v := s.acquire()
	inputs := pick(v)
	s.releaseVersion(v)
	if inputs == nil {
		return false, nil
	}
	return true, s.merge(ctx, inputs, nil)
}

// merge replaces segments by one dense segment of what is left of their observations. One that
// cannot be read is marked, and nothing changes. The caller holds compacting.
func (s *Shard) merge(ctx context.Context, inputs []*segmentFile, progress func(int64)) error {
	v := s.acquire()
	defer s.releaseVersion(v)
	job := &rewriteJob{
		partition: inputs[0].entry.partition, inputs: inputs, series: roaring.New(),
		deletions: v.deletions, profile: codec.Dense, progress: progress,
	}
	for _, g := range inputs {
		job.series.Or(g.has)
		job.seq = max(job.seq, g.entry.seq)
	}
	made, err := s.rewrite(ctx, job)
	if d := (damaged{}); errors.As(err, &d) && errors.Is(err, chunk.ErrCorrupt) {
		d.segment.broken.Store(true)
		s.logger.Error("segment cannot be compacted, and stays as it is", "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("shard %d: compact: %w", s.number, err)
	}
	err = s.edit(func(_ *manifest, v *version) {
		v.segments = slices.DeleteFunc(v.segments, func(g *segmentFile) bool { return slices.Contains(inputs, g) })
		if made != nil {
			v.segments = append(v.segments, made)
		}
	})
	if err != nil {
		if made != nil {
			s.giveUp([]*segmentFile{made}, err)
		}
		return fmt.Errorf("shard %d: compact: %w", s.number, err)
	}
	for _, g := range inputs {
		g.obsolete.Store(true) // removed with the last version that has it, of which v is one
	}
	s.updateIndex(ctx)
	return nil
}

// Compact seals what is in the heads and makes one dense segment of each partition of each shard.
// Progress is told, from time to time, how many observations of how many are done; it may be nil,
// and is called by one goroutine at a time. What is in the heads is written densely at once where
// its partition has no segments. Segments that cannot be read wholly stay, and are named by
// [Set.Check].
func (s *Set) Compact(ctx context.Context, progress func(done, total int64)) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	t := tally{report: progress, step: make(chan struct{}, 1)}
	return s.each(func(sh *Shard) error {
		if err := sh.seal(ctx, codec.Dense, &t); err != nil {
			return err
		}
		return sh.compactAll(ctx, &t)
	})
}

// A tally counts observations for a progress report. A nil one counts nothing.
type tally struct {
	report      func(done, total int64)
	step        chan struct{} // holds a token while report runs
	done, total atomic.Int64
}

func (t *tally) expect(rows int64) {
	if t != nil {
		t.total.Add(rows)
	}
}

func (t *tally) add(rows int64) {
	if t == nil || t.report == nil {
		return
	}
	n := t.done.Add(rows)
	t.step <- struct{}{}
	defer func() { <-t.step }()
	t.report(n, max(n, t.total.Load()))
}

// compactAll makes one dense segment of each partition that has others.
func (s *Shard) compactAll(ctx context.Context, t *tally) error {
	s.compacting.Lock() // nobody else removes segments
	defer s.compacting.Unlock()
	v := s.acquire()
	jobs := slices.DeleteFunc(runs(v.segments), func(run []*segmentFile) bool { return !worthIt(v, run) })
	s.releaseVersion(v) // so that what is replaced is removed at once
	for _, run := range jobs {
		for _, g := range run {
			_, _, rows := g.reader.Len()
			t.expect(rows)
		}
	}
	for len(jobs) > 0 {
		run := jobs[0]
		jobs = jobs[1:]
		if err := s.merge(ctx, run, t.add); err != nil {
			return err
		}
		if slices.ContainsFunc(run, (*segmentFile).unfit) {
			jobs = append(jobs, runs(run)...) // without what turned out to be damaged
		}
	}
	return nil
}

// worthIt reports whether a run is more than one dense segment to which no deletion applies.
func worthIt(v *version, run []*segmentFile) bool {
	return len(run) > 1 || run[0].entry.level == 0 || len(pending(v.deletions, &version{segments: run})) > 0
}
