package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"

	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/vfs"
)

// requestSeal asks the background to seal, which it may be about to.
func (s *Shard) requestSeal() {
	select {
	case s.sealNow <- struct{}{}:
	default:
	}
}

// SealSoon has all heads sealed in the background, which makes room in memory and in the log.
func (s *Set) SealSoon() {
	for _, sh := range s.shards {
		sh.requestSeal()
	}
}

// sealAgain has the background seal once more what it could not seal, and forgets why.
func (s *Shard) sealAgain() {
	s.mu.Lock()
	s.sealErr = nil
	s.mu.Unlock()
	s.requestSeal()
}

// sealLoop seals when asked to, until ctx ends.
func (s *Shard) sealLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.sealNow:
		}
		if err := s.seal(ctx, codec.Fast, nil); err != nil && !done(ctx) {
			s.logger.Error("sealing failed, the log keeps what was to be sealed", "err", err)
		}
		s.requestWork()
	}
}

// Seal writes what is in the heads to segments. The store does so by itself when heads are full.
func (s *Set) Seal(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return s.each(func(sh *Shard) error { return sh.seal(ctx, codec.Fast, nil) })
}

// seal writes the head to one segment a partition, with the profile where the partition has none
// yet and else fast, since compaction merges them; then it releases the log.
func (s *Shard) seal(ctx context.Context, p codec.Profile, t *tally) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	s.busy.Store(true)
	defer s.busy.Store(false)
	err := s.sealHead(ctx, p, t)
	s.mu.Lock()
	if s.sealErr = err; done(ctx) {
		s.sealErr = nil
	}
	s.mu.Unlock()
	s.set.madeRoom()
	if err != nil {
		return fmt.Errorf("shard %d: seal: %w", s.number, err)
	}
	return nil
}

func (s *Shard) sealHead(ctx context.Context, p codec.Profile, t *tally) error {
	if !s.freeze() {
		return nil
	}
	v := s.acquire()
	defer s.releaseVersion(v)
	h := v.sealing
	h.sort()
	rows, bytes := h.size()
	t.expect(rows)
	var made []*segmentFile
	parts := h.partitions(s.set.width, math.MaxInt64)
	for _, n := range slices.Sorted(maps.Keys(parts)) {
		job := &rewriteJob{
			partition: n, head: h, series: parts[n], seq: v.sealSeq,
			deletions: v.deletions, headSeq: v.sealSeq, profile: p, progress: t.add,
		}
		if slices.ContainsFunc(v.segments, func(g *segmentFile) bool { return g.entry.partition == n }) {
			job.profile = codec.Fast
		}
		g, err := s.rewrite(ctx, job)
		if err != nil {
			s.discard(made)
			return err
		}
		if g != nil {
			made = append(made, g)
		}
	}
	err := s.edit(func(m *manifest, v *version) {
		m.floor = max(m.floor, v.sealSeq)
		v.segments = append(v.segments, made...)
		v.sealing = nil
	})
	if err != nil {
		s.giveUp(made, err)
		return err
	}
	s.set.headBytes.Add(-bytes)
	if err := s.log.Release(v.sealSeq); err != nil {
		s.logger.Warn("log files that are not needed any more stay", "err", err)
	}
	s.updateIndex(ctx)
	return nil
}

// freeze makes the active head the one that is being sealed, unless there is one that could not
// be sealed before. It reports whether there is anything to seal.
func (s *Shard) freeze() bool {
	floor := s.floor() // only a seal raises it, and this is the only one
	s.gate.Lock()      // no batch is between its encoding and the head
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur.sealing != nil {
		return true
	}
	if s.applied <= floor {
		return false
	}
	v := s.cur.clone()
	v.sealing, v.sealSeq, v.active = v.active, s.applied, newHead()
	old := s.install(v)
	s.releaseVersion(old) // v has its segments, so that none is closed here
	return true
}

// giveUp closes segments that an edit, which failed so, should have entered into the manifest.
// Where nobody knows whether it did, they stay until another manifest was written, or the next
// opening tells.
func (s *Shard) giveUp(made []*segmentFile, err error) {
	if !errors.Is(err, vfs.ErrUnsure) {
		s.discard(made)
		return
	}
	s.editing.Lock()
	defer s.editing.Unlock()
	for _, g := range made {
		s.orphans = append(s.orphans, g.path)
		s.closeSegment(g)
	}
}

// sweepOrphans removes the segments that were given up, none of which is in the manifest that was
// just written. The caller holds editing.
func (s *Shard) sweepOrphans() {
	for _, name := range s.orphans {
		if err := s.o.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.logger.Warn("a file that is not needed any more stays until the store is opened again", "err", err)
		}
	}
	s.orphans = nil
}

// discard closes and removes segments that are not in the manifest.
func (s *Shard) discard(made []*segmentFile) {
	for _, g := range made {
		g.obsolete.Store(true)
		s.closeSegment(g)
	}
}
