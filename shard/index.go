package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
)

// A shardIndex is the index of a shard and what of the segments is in it. It may lack series, which
// are then looked at one by one, and is never believed to have one that the shard has not.
type shardIndex struct {
	dir        string
	mu         sync.RWMutex
	ix         *index.Index    // nil where there is none, as beside a store that has no index yet
	have       *roaring.Bitmap // series that it has; replaced, never changed
	rebuilding atomic.Bool
	change     sync.Mutex // held while series are added or removed, or the index is replaced
}

const indexDir = "index"

// docsPerBatch is how many series are added at a time: more take more memory, fewer are merged more
// often.
const docsPerBatch = 40_000

// open opens the index, builds it anew if it is damaged, and adds the series that it lacks.
func (x *shardIndex) open(s *Shard) error {
	x.have = roaring.New()
	x.dir = filepath.Join(filepath.FromSlash(s.dir), indexDir)
	if s.o.IndexDir != "" {
		x.dir = filepath.Join(s.o.IndexDir, fmt.Sprintf("shard-%04d", s.number))
	}
	ix, have, err := x.load(s)
	if err != nil && s.o.ReadOnly {
		if !errors.Is(err, fs.ErrNotExist) {
			s.logger.Warn("index cannot be read, series are looked at one by one", "err", err)
			s.noteDamage(err)
		}
		return nil
	}
	if errors.Is(err, index.ErrDamaged) {
		s.logger.Warn("index is damaged, building it anew", "err", err)
		if err = os.RemoveAll(x.dir); err == nil {
			ix, have, err = x.load(s)
		}
	}
	if err == nil {
		x.ix, x.have = ix, have
		if s.o.ReadOnly {
			return nil
		}
		err = x.update(context.Background(), s)
	}
	if vfs.IsFull(err) {
		s.logger.Warn("index cannot be brought up to date, series that it lacks are looked at one by one", "err", err)
		err = nil
	}
	return err
}

func (x *shardIndex) load(s *Shard) (*index.Index, *roaring.Bitmap, error) {
	ix, err := index.Open(x.dir, index.Options{ReadOnly: s.o.ReadOnly, Identity: s.table.identity})
	if err != nil {
		return nil, nil, err
	}
	have, err := ix.Ordinals()
	if err != nil {
		return nil, nil, errors.Join(err, ix.Close())
	}
	return ix, have, nil
}

// search returns the series that match f of those that the index has, and the latter.
func (x *shardIndex) search(ctx context.Context, f index.Filter) (hits, have *roaring.Bitmap, err error) {
	x.mu.RLock()
	ix, have := x.ix, x.have
	x.mu.RUnlock()
	if ix == nil || have.IsEmpty() {
		return roaring.New(), roaring.New(), nil
	}
	if hits, err = ix.Search(ctx, f); err != nil {
		return nil, nil, err
	}
	hits.And(have)
	return hits, have, nil
}

// update adds the series of segments that the index lacks, and removes those that no segment has
// any more. Segments come first: so the index may lag, and never leads.
func (x *shardIndex) update(ctx context.Context, s *Shard) error {
	x.change.Lock()
	defer x.change.Unlock()
	if err := x.reload(s); err != nil || x.ix == nil {
		return err
	}
	want := s.sealed()
	if gone := roaring.AndNot(x.have, want); !gone.IsEmpty() {
		x.set(roaring.And(x.have, want))
		if err := x.ix.Remove(gone); err != nil {
			return fmt.Errorf("shard %d: %w", s.number, err)
		}
	}
	return x.add(ctx, s, roaring.AndNot(want, x.have))
}

// reload opens the index where it could not be opened before, as on a full disk. The caller holds
// change.
func (x *shardIndex) reload(s *Shard) error {
	if x.ix != nil || s.o.ReadOnly {
		return nil
	}
	ix, have, err := x.load(s)
	if err != nil {
		return fmt.Errorf("shard %d: %w", s.number, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ix, x.have = ix, have
	return nil
}

func (x *shardIndex) add(ctx context.Context, s *Shard, series *roaring.Bitmap) error {
	docs := make([]index.Doc, 0, min(docsPerBatch, series.GetCardinality()))
	flush := func() error {
		if len(docs) == 0 {
			return nil
		}
		added := roaring.New()
		for i := range docs {
			added.Add(docs[i].Ordinal)
		}
		if err := errors.Join(context.Cause(ctx), x.ix.Add(docs)); err != nil {
			return fmt.Errorf("shard %d: %w", s.number, err)
		}
		x.set(roaring.Or(x.have, added))
		docs = docs[:0]
		return nil
	}
	for it := series.Iterator(); it.HasNext(); {
		o := it.Next()
		docs = append(docs, index.Doc{Ordinal: o, Dimensions: s.table.series(o).Dimensions})
		if len(docs) == docsPerBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (x *shardIndex) set(have *roaring.Bitmap) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.have = have
}

// rebuild builds the index anew.
func (x *shardIndex) rebuild(ctx context.Context, s *Shard) error {
	x.change.Lock()
	x.mu.Lock()
	err := func() error {
		if x.ix != nil {
			if err := x.ix.Close(); err != nil {
				return err
			}
		}
		x.ix, x.have = nil, roaring.New()
		if err := os.RemoveAll(x.dir); err != nil {
			return err
		}
		var err error
		x.ix, _, err = x.load(s)
		return err
	}()
	x.mu.Unlock()
	x.change.Unlock()
	if err != nil {
		return fmt.Errorf("shard %d: reindex: %w", s.number, err)
	}
	return x.update(ctx, s)
}

func (x *shardIndex) close() error {
	x.change.Lock()
	defer x.change.Unlock()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ix == nil {
		return nil
	}
	err := x.ix.Close()
	x.ix = nil
	return err
}

// Reindex builds the indexes anew from the segments.
func (s *Set) Reindex(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("reindex: %w", err)
	}
	return s.each(func(sh *Shard) error { return sh.index.rebuild(ctx, sh) })
}

// sealed returns the series that segments have.
func (s *Shard) sealed() *roaring.Bitmap {
	v := s.acquire()
	defer s.releaseVersion(v)
	out := roaring.New()
	for _, g := range v.segments {
		out.Or(g.has)
	}
	return out
}

// updateIndex brings the index up to date. What fails is logged: the index may lag, and series
// that it lacks are looked at one by one.
func (s *Shard) updateIndex(ctx context.Context) {
	err := s.index.update(ctx, s)
	if errors.Is(err, index.ErrDamaged) {
		s.suspectIndex(err)
		return
	}
	if err != nil && !done(ctx) {
		s.logger.Error("index could not be brought up to date", "err", err)
	}
}

// suspectIndex has the index built anew in the background, since it turned out to be damaged.
func (s *Shard) suspectIndex(err error) {
	s.logger.Warn("index is damaged", "err", err)
	if s.o.ReadOnly || s.set.closed.Load() || !s.index.rebuilding.CompareAndSwap(false, true) {
		return
	}
	s.set.work.Go(func() {
		defer s.index.rebuilding.Store(false)
		if err := s.index.rebuild(s.set.ctx, s); err != nil && !done(s.set.ctx) {
			s.logger.Error("index could not be built anew", "err", err)
		}
	})
}
