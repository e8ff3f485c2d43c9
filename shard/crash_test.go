package shard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// A crashRun does things at random to a store on a disk that can crash, and knows at any moment
// what was acknowledged, and what would be if the thing that is being done were.
type crashRun struct {
	t        *testing.T
	rng      *rand.Rand
	crashes  *rand.Rand // guarded by mu
	fsys     *vfs.Mem
	o        shard.Options
	indexes  string // folder for the folders of indexes
	gen      *generator
	store    *shard.Set
	model    model
	mu       sync.Mutex
	acked    map[string]string // guarded by mu; by series, replaced and never changed
	next     map[string]string // likewise
	doing    string
	attempts int
	split    func(map[string]string) map[string]string // into what comes or goes at once; nil: series
}

func newCrashRun(t *testing.T, seed uint64, shards int) *crashRun {
	rng := rand.New(rand.NewPCG(seed, 11))
	r := &crashRun{t: t, rng: rng, fsys: vfs.NewMem(), indexes: t.TempDir(), model: model{}, doing: "create"}
	r.crashes = rand.New(rand.NewPCG(seed, 12))
	r.gen = &generator{t: t, rng: rng, width: 3000}
	r.o = shard.Options{FS: r.fsys, Shards: shards, Partition: time.Duration(1000 + rng.IntN(3000)), Manual: true}
	r.o.IndexDir = r.indexDir()
	return r
}

// indexDir returns a new folder for an index: there is none after a crash, as if it were lost.
func (r *crashRun) indexDir() string {
	r.attempts++
	return filepath.Join(r.indexes, fmt.Sprint(r.attempts))
}

func (r *crashRun) open() error {
	s, err := shard.Open("store", r.o)
	if err == nil {
		r.store = s
	}
	return err
}

// expect says what is being done, and what the store will hold then.
func (r *crashRun) expect(doing string, next map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.doing, r.next = doing, next
}

// done says that it was acknowledged.
func (r *crashRun) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.acked = r.next
}

// step does one thing and returns its error; then what it would have written may be there or not.
func (r *crashRun) step(i int) error {
	err := r.choose(i)()
	if err == nil {
		r.done()
	}
	return err
}

// choose says what is to be done, and returns what does it, also once more.
func (r *crashRun) choose(i int) func() error {
	ctx, same := context.Background(), r.model.within(index.All(), chunk.Always)
	switch r.rng.IntN(9) {
	default:
		b := r.gen.batch()
		r.model.append(b)
		r.expect(fmt.Sprintf("step %d, append", i), r.model.within(index.All(), chunk.Always))
		return func() error { return r.store.Append(ctx, b) }
	case 5:
		r.expect(fmt.Sprintf("step %d, seal", i), same)
		return func() error { return r.store.Seal(ctx) }
	case 6:
		r.expect(fmt.Sprintf("step %d, compact", i), same)
		return func() error { return r.store.Compact(ctx, nil) }
	case 7:
		f, span := r.gen.filter(), r.gen.span()
		r.model.delete(f, span)
		r.expect(fmt.Sprintf("step %d, delete %v %v", i, f, span), r.model.within(index.All(), chunk.Always))
		return func() error {
			_, err := r.store.Delete(ctx, f, span)
			return err
		}
	case 8:
		r.expect(fmt.Sprintf("step %d, reopen", i), same)
		return func() error {
			if err := r.store.Close(); err != nil && !errors.Is(err, shard.ErrClosed) {
				return err
			}
			return r.open()
		}
	}
}

// An image is a disk after a crash, and what may be on it.
type image struct {
	what        string
	fsys        *vfs.Mem
	acked, next map[string]string
	indexes     string // folder of the indexes as they were; "" if they are lost
}

// take returns an image of the disk as of now. With indexes, those are copied, torn as they may be
// while the store writes them.
func (r *crashRun) take(op vfs.Op, indexes bool) image {
	im := image{
		what: fmt.Sprintf("%s, before %s %s (operation %d)", r.doing, op.Kind, op.Name, op.N),
		fsys: r.fsys.Crash(r.crashes), acked: r.acked, next: r.next,
	}
	if indexes {
		im.indexes = r.indexDir()
		_ = os.CopyFS(im.indexes, os.DirFS(r.o.IndexDir)) // a file that vanishes meanwhile ends it
	}
	return im
}

// check opens the store on an image: what was acknowledged is there, nothing else but what was
// being written appears, and nothing passes for damage. It returns what was found.
func (r *crashRun) check(im image) map[string]string {
	r.t.Helper()
	o := r.o
	o.FS, o.IndexDir = im.fsys, im.indexes
	if o.IndexDir == "" {
		o.IndexDir = r.indexDir()
	}
	s, err := shard.Open("store", o)
	if err != nil {
		r.t.Fatalf("%s: %v", im.what, err)
	}
	got := read(r.t, s, index.All(), chunk.Always)
	r.compare(im, got)
	for _, host := range []string{"h0", "h1", "h2", "h3"} { // the index finds all of them, and no others
		found := maps.Clone(got)
		maps.DeleteFunc(found, func(k, _ string) bool { return !strings.Contains(k, fmt.Sprintf("host=%q", host)) })
		compare(r.t, im.what+" host:"+host, read(r.t, s, mustParse(r.t, "host:"+host), chunk.Always), found)
	}
	if err := s.Check(context.Background(), func(f shard.Finding) { r.t.Errorf("%s: %v", im.what, f) }); err != nil {
		r.t.Fatalf("%s: %v", im.what, err)
	}
	if err := s.Close(); err != nil {
		r.t.Fatalf("%s: %v", im.what, err)
	}
	if err := os.RemoveAll(o.IndexDir); err != nil {
		r.t.Fatal(err)
	}
	return got
}

// look opens the store on an image for reading only, which changes nothing of it.
func (r *crashRun) look(im image) {
	r.t.Helper()
	o := r.o
	o.FS, o.IndexDir, o.ReadOnly = im.fsys, r.indexDir(), true
	s, err := shard.Open("store", o)
	if errors.Is(err, shard.ErrNoStore) && len(im.acked) == 0 {
		return
	}
	if err != nil {
		r.t.Fatalf("%s: %v", im.what, err)
	}
	r.compare(im, read(r.t, s, index.All(), chunk.Always))
	if err := s.Close(); err != nil {
		r.t.Fatalf("%s: %v", im.what, err)
	}
}

// compare fails unless what was found is what may be there.
func (r *crashRun) compare(im image, got map[string]string) {
	r.t.Helper()
	if r.split != nil {
		im.acked, im.next, got = r.split(im.acked), r.split(im.next), r.split(got)
	}
	for _, of := range []map[string]string{im.acked, im.next, got} {
		for k := range of {
			if got[k] != im.acked[k] && got[k] != im.next[k] {
				r.t.Fatalf("%s: series %s:\n   got %.300s\nbefore %.300s\n after %.300s", im.what, k, got[k], im.acked[k], im.next[k])
			}
		}
	}
}

// TestCrash takes images of the disk before operations while a store is made, written to, sealed,
// compacted, deleted from and opened again, and opens each image: all for reading, and some for
// writing, which then crash once more.
func TestCrash(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newCrashRun(t, seed, 1+int(seed%2))
			var images []image
			every := 2 + r.rng.IntN(8)
			if seed >= 4 { // with work in the background
				r.o.Manual, r.o.HeadBytes = false, 16<<10
			}
			r.fsys.Hook(func(op vfs.Op) error {
				r.mu.Lock() // shards work in parallel
				defer r.mu.Unlock()
				if op.Change && (op.N%int64(every) == 0 || op.N < 60 && seed < 1) {
					images = append(images, r.take(op, len(images)%12 == 6))
				}
				return nil
			})
			if err := r.open(); err != nil {
				t.Fatal(err)
			}
			defer func() { r.store.Close() }()
			for i := range 25 {
				if err := r.step(i); err != nil {
					t.Fatal(err)
				}
			}
			for i, im := range images {
				if i%6 > 0 {
					r.look(im) // costs little
					continue
				}
				got := r.check(im)
				again := im.fsys.Crash(r.rng) // what was found is durable now
				r.look(image{what: im.what + ", again", fsys: again, acked: got, next: got})
			}
			t.Logf("%d images", len(images))
		})
	}
}

// TestFailingDisk makes the k-th operation fail, alone or with all that follow: what was
// acknowledged is there, in the running store, after a kill, and after a crash.
func TestFailingDisk(t *testing.T) {
	for seed := range uint64(40) {
		r := newCrashRun(t, seed, 1)
		k, all := int64(1+seed*7+r.rng.Uint64N(7)), seed%3 == 0
		what := fmt.Sprintf("seed %d, operation %d fails, all=%v", seed, k, all)
		r.fsys.FailAfter(k, all)
		err := r.open()
		for i := 0; i < 12 && err == nil; i++ {
			if err = r.step(i); err != nil && r.store != nil && len(r.acked) == len(r.next) && !changes(r) {
				err = nil // sealing failed: the store goes on
			}
		}
		if err != nil && !errors.Is(err, vfs.ErrInjected) && !errors.Is(err, shard.ErrClosed) {
			t.Fatalf("%s: %s: %v", what, r.doing, err)
		}
		r.fsys.Hook(nil)
		im := image{what: what + ": " + r.doing, fsys: r.fsys.Crash(r.rng), acked: r.acked, next: r.next}
		killed := im
		killed.fsys = r.fsys.Clone()
		got := r.check(killed)
		r.look(im)
		r.look(image{what: im.what + ", opened, and crashed later", fsys: killed.fsys.Crash(r.rng), acked: got, next: got})
		if r.store != nil {
			_ = r.store.Close() // may tell again what failed
		}
	}
}

// TestDiskRecovers makes operations fail now and then, or fills the disk: what was acknowledged is
// there all the time, in the running store and after a crash, and the store goes on by itself as
// soon as nothing fails.
func TestDiskRecovers(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := newCrashRun(t, seed+100, 1+int(seed%2))
			if err := r.open(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.store.Close() }()
			var images []image
			fails := r.failing(seed)
			watch := func(op vfs.Op) error {
				r.mu.Lock() // shards work in parallel
				defer r.mu.Unlock()
				if op.Change && op.N%7 == 0 {
					images = append(images, r.take(op, false))
				}
				return fails(op)
			}
			failures := 0
			for i := range 40 {
				do := r.choose(i)
				r.fsys.Hook(watch)
				err := do()
				if err != nil && !errors.Is(err, vfs.ErrInjected) && !vfs.IsFull(err) {
					t.Fatalf("%s: %v", r.doing, err)
				}
				r.fsys.Hook(nil)
				if err != nil {
					failures++
					if !strings.Contains(r.doing, "reopen") {
						r.compare(image{what: r.doing + ", failed", acked: r.acked, next: r.next}, read(t, r.store, index.All(), chunk.Always))
					}
					r.fsys.SetRoom(0)
					if err := do(); err != nil {
						t.Fatalf("%s, when nothing fails: %v", r.doing, err)
					}
				}
				r.done()
				compare(t, r.doing, read(t, r.store, index.All(), chunk.Always), r.acked)
			}
			for _, im := range images {
				r.look(im)
			}
			r.look(image{what: "the end", fsys: r.fsys.Crash(r.rng), acked: r.acked, next: r.acked})
			names, err := r.fsys.List("store/shard-0000")
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d failures, %d images, in the end %v", failures, len(images), names)
		})
	}
}

// failing returns what makes operations fail: some writes, syncs or all changes, or a disk that is
// full soon.
func (r *crashRun) failing(seed uint64) func(vfs.Op) error {
	rng := rand.New(rand.NewPCG(seed, 13)) // used under mu
	return func(op vfs.Op) error {
		hit := op.Change && rng.IntN(12) == 0
		switch seed % 4 {
		case 1:
			hit = op.Kind == "write" && rng.IntN(4) == 0
		case 2:
			hit = strings.HasPrefix(op.Kind, "sync") && rng.IntN(4) == 0
		case 3:
			if rng.IntN(12) == 0 {
				r.fsys.SetRoom(1)
			}
			hit = false
		}
		if hit {
			return vfs.ErrInjected
		}
		return nil
	}
}

// changes reports whether what r does changes what the store holds.
func changes(r *crashRun) bool {
	for k := range r.next {
		if r.next[k] != r.acked[k] {
			return true
		}
	}
	return false
}
