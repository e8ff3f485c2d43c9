package shard

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Retain drops, at once, all partitions whose observations are all older than the store's
// retention. The store does so by itself, unless it is Manual. Without a retention it does nothing.
func (s *Set) Retain(_ context.Context) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("retain: %w", err)
	}
	now := s.o.Now()
	return s.each(func(sh *Shard) error { return sh.retain(now) })
}

func (s *Shard) retain(now time.Time) error {
	if s.o.Retention <= 0 {
		return nil
	}
	oldest := now.Add(-s.o.Retention).UnixNano()
	old := func(g *segmentFile) bool {
		span := partitionSpan(g.entry.partition, s.set.width)
		return span.End <= oldest
	}
	s.compacting.Lock()
	defer s.compacting.Unlock()
	v := s.acquire()
	defer s.releaseVersion(v)
	if !slices.ContainsFunc(v.segments, old) {
		return nil
	}
	var gone []*segmentFile
	err := s.edit(func(_ *manifest, v *version) {
		gone = nil
		v.segments = slices.DeleteFunc(v.segments, func(g *segmentFile) bool {
			if old(g) {
				gone = append(gone, g)
			}
			return old(g)
		})
	})
	if err != nil {
		return fmt.Errorf("shard %d: retain: %w", s.number, err)
	}
	for _, g := range gone {
		g.obsolete.Store(true)
		s.logger.Info("partition dropped, it is older than the retention", "file", g.path, "span", g.span)
	}
	s.updateIndex(context.Background())
	return nil
}
