package shard

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// Delete removes the observations within span, written before, of the series that match f. When it
// returns nil that is durable and seen by every selection made from now on; compaction frees the
// space. It returns how many series matched and might have had observations there.
func (s *Set) Delete(ctx context.Context, f index.Filter, span chunk.Span) (series int64, err error) {
	if err := s.usable(); err != nil {
		return 0, fmt.Errorf("delete: %w", err)
	}
	if span.Empty() {
		return 0, nil
	}
	s.writing.RLock()
	defer s.writing.RUnlock()
	var n atomic.Int64
	err = s.each(func(sh *Shard) error {
		hit, err := sh.delete(ctx, f, span)
		n.Add(hit)
		return err
	})
	if err != nil {
		return n.Load(), fmt.Errorf("delete: %w", err)
	}
	return n.Load(), nil
}

func (s *Shard) delete(ctx context.Context, f index.Filter, span chunk.Span) (int64, error) {
	v := s.acquire()
	series, err := s.match(ctx, v, f, span)
	s.releaseVersion(v)
	if err != nil || series.IsEmpty() {
		return 0, err
	}
	if err := s.logDeletion(ctx, span, series); err != nil {
		return 0, err
	}
	return int64(series.GetCardinality()), nil
}

// logDeletion makes a deletion durable, and applies it.
func (s *Shard) logDeletion(ctx context.Context, span chunk.Span, series *roaring.Bitmap) error {
	record := appendDeletion(nil, span, series)
	s.gate.Lock() // what is encoded is in the head: it is deleted, too
	defer s.gate.Unlock()
	ticket, err := s.log.Enqueue(record)
	if err != nil {
		return err
	}
	if err := ticket.Wait(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.inTurn(ticket.Seq, func() { s.applyDeletion(deletion{ticket.Seq, span, series}) })
	return nil
}

// applyDeletion makes a new version in which d is applied.
func (s *Shard) applyDeletion(d deletion) {
	s.mu.Lock()
	v := s.cur.clone()
	v.deletions = append(v.deletions, d)
	v.active.erase(d.series, d.span)
	old := s.install(v)
	s.mu.Unlock()
	s.releaseVersion(old)
}

// match returns the ordinals of the series that match f and may have observations in span.
func (s *Shard) match(ctx context.Context, v *version, f index.Filter, span chunk.Span) (*roaring.Bitmap, error) {
	present := v.presentIn(span)
	if present.IsEmpty() {
		return present, nil
	}
	hits, indexed, err := s.index.search(ctx, f)
	if errors.Is(err, index.ErrDamaged) {
		s.suspectIndex(err)
		hits, indexed, err = roaring.New(), roaring.New(), nil
	}
	if err != nil {
		return nil, err
	}
	rest := roaring.AndNot(present, indexed)
	present.And(hits)
	return s.scan(ctx, present, rest, f)
}

// scan adds to hits those of rest that match f.
func (s *Shard) scan(ctx context.Context, hits, rest *roaring.Bitmap, f index.Filter) (*roaring.Bitmap, error) {
	var dims chunk.Dimensions
	n := 0
	for it := rest.Iterator(); it.HasNext(); {
		o := it.Next()
		if dims = s.table.appendDims(dims[:0], o); f.Match(dims) {
			hits.Add(o)
		}
		if n++; n%4096 == 0 && done(ctx) {
			return nil, context.Cause(ctx)
		}
	}
	return hits, nil
}
