package shard_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// copySnapshot writes the files of a snapshot into a new disk.
func copySnapshot(t testing.TB, s *shard.Snapshot) *vfs.Mem {
	t.Helper()
	out := vfs.NewMem()
	for i := range s.Files {
		f := &s.Files[i]
		if !shard.IsStoreFile(f.Name) {
			t.Errorf("%s is no file of a store", f.Name)
		}
		r, err := s.Open(f)
		must(t, err)
		data, err := io.ReadAll(r)
		must(t, err)
		must(t, r.Close())
		if int64(len(data)) != f.Bytes {
			t.Fatalf("%s: %d bytes, not %d", f.Name, len(data), f.Bytes)
		}
		name := path.Join("store", f.Name)
		must(t, vfs.MkdirAll(out, path.Dir(name)))
		must(t, vfs.WriteFile(out, name, data))
	}
	return out
}

// A snapshot holds what the store held when it was taken, whatever was done since.
func TestSnapshot(t *testing.T) {
	for seed := range uint64(12 / slow) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng, ctx := rand.New(rand.NewPCG(seed, 23)), context.Background()
			g := &generator{t: t, rng: rng, width: 3000}
			o := options(t, vfs.NewMem())
			o.Partition, o.Manual = 1000, seed%2 == 0
			if !o.Manual {
				o.HeadBytes = 8 << 10
			}
			s, m := mustOpen(t, o), model{}
			do := func(n int) {
				for range n {
					switch rng.IntN(6) {
					default:
						b := g.batch()
						must(t, s.Append(ctx, b))
						m.append(b)
					case 3:
						must(t, s.Seal(ctx))
					case 4:
						must(t, s.Compact(ctx, nil))
					case 5:
						f, span := g.filter(), g.span()
						_, err := s.Delete(ctx, f, span)
						must(t, err)
						m.delete(f, span)
					}
				}
			}
			do(rng.IntN(25))
			snap, err := s.Snapshot(ctx)
			must(t, err)
			want := m.within(index.All(), chunk.Always)
			do(rng.IntN(25))
			fsys := copySnapshot(t, snap)
			must(t, snap.Close())
			o2 := o
			o2.FS, o2.IndexDir, o2.Shards = fsys, filepath.Join(t.TempDir(), "index"), 0
			for _, o2.ReadOnly = range []bool{true, false} {
				r := mustOpen(t, o2)
				compare(t, "of the snapshot", read(t, r, index.All(), chunk.Always), want)
				must(t, r.Check(ctx, func(f shard.Finding) {
					if !o2.ReadOnly { // for reading, the log has no end
						t.Error(f)
					}
				}))
				must(t, r.Close())
			}
			compare(t, "of the store", read(t, s, index.All(), chunk.Always), m.within(index.All(), chunk.Always))
			must(t, s.Check(ctx, func(f shard.Finding) { t.Error(f) }))
			must(t, s.Close())
			names, err := o.FS.List("store/shard-0000/log")
			must(t, err)
			again := mustOpen(t, o)
			must(t, again.Close())
			if left, err := o.FS.List("store/shard-0000/log"); err != nil || len(left) > len(names) {
				t.Errorf("%v, then %v: %v", names, left, err)
			}
		})
	}
}

// A batch over several shards is in a snapshot wholly or not at all, and wholly when it was
// acknowledged before.
func TestSnapshotIsOneInstant(t *testing.T) {
	ctx := context.Background()
	o := options(t, vfs.NewMem())
	o.Shards, o.HeadBytes = 3, 20<<10
	s := mustOpen(t, o)
	var acknowledged atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := int64(1); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			b := new(chunk.Batch)
			for k := range 12 {
				b.Rows = append(b.Rows, batch(dims(t, "host", fmt.Sprint("h", k)), 1, i).Rows...)
			}
			if err := s.Append(ctx, b); err != nil {
				t.Error(err)
				return
			}
			acknowledged.Store(i)
		}
	})
	for range 8 {
		before := acknowledged.Load()
		snap, err := s.Snapshot(ctx)
		must(t, err)
		o2 := o
		o2.FS, o2.ReadOnly, o2.IndexDir = copySnapshot(t, snap), true, filepath.Join(t.TempDir(), "none")
		must(t, snap.Close())
		r := mustOpen(t, o2)
		rows := map[string]bool{}
		for _, text := range read(t, r, index.All(), chunk.Always) {
			rows[text] = true
		}
		if len(rows) > 1 {
			t.Errorf("series differ: %v", rows)
		}
		if last := r.Stats().Span.End - 1; before > 0 && last < before {
			t.Errorf("ends at %d, %d was acknowledged", last, before)
		}
		must(t, r.Close())
	}
	close(stop)
	wg.Wait()
	must(t, s.Close())
}
