package backup_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/backup"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dump prints all that a store holds, a series an entry.
func dump(t testing.TB, set *shard.Set) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, part := range set.Parts() {
		sel, err := part.Select(context.Background(), index.All(), chunk.Always)
		must(t, err)
		var buf chunk.Buffer
		for i := range sel.Len() {
			text := ""
			for _, p := range sel.AppendPieces(nil, i) {
				s, err := sel.Read(context.Background(), p, &buf)
				must(t, err)
				text += fmt.Sprint(s.Times, s.Floats, s.Ints, s.Strings)
			}
			series := sel.Series(i)
			out[fmt.Sprint(series.Kind, series.Dimensions)] = text
		}
		must(t, sel.Close())
	}
	maps.DeleteFunc(out, func(_, text string) bool { return text == "" })
	return out
}

func same(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] != want[k] {
			t.Fatalf("%s: %s:\n got %.300s\nwant %.300s", what, k, got[k], want[k])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d series, want %d", what, len(got), len(want))
	}
}

// A world is a store, a folder of backups, and what each of these holds.
type world struct {
	t     *testing.T
	rng   *rand.Rand
	fsys  *vfs.Mem
	clock int64
	set   *shard.Set
	held  map[string]map[string]string // by backup
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 5)), fsys: vfs.NewMem(), held: map[string]map[string]string{}}
	w.set = w.open(w.fsys, "store")
	t.Cleanup(func() { w.set.Close() })
	return w
}

func (w *world) options(fsys vfs.FS) shard.Options {
	return shard.Options{
		FS: fsys, Shards: 2, Partition: 1000, Manual: true, IndexDir: filepath.Join(w.t.TempDir(), "index"),
		Now: func() time.Time { w.clock++; return time.Unix(1_700_000_000, w.clock) },
	}
}

func (w *world) open(fsys vfs.FS, dir string) *shard.Set {
	w.t.Helper()
	set, err := shard.Open(dir, w.options(fsys))
	must(w.t, err)
	return set
}

// work changes the store at random.
func (w *world) work(n int) {
	w.t.Helper()
	ctx := context.Background()
	for range n {
		switch w.rng.IntN(7) {
		default:
			b := new(chunk.Batch)
			for range 1 + w.rng.IntN(6) {
				d := chunk.Dimensions{{Name: "host", Value: fmt.Sprint("h", w.rng.IntN(6))}}
				s := chunk.Samples{Kind: chunk.Float64}
				for at := w.rng.Int64N(2500); s.Len() < 40; at++ {
					s.Times, s.Floats = append(s.Times, at), append(s.Floats, w.rng.Float64())
				}
				b.Rows = append(b.Rows, chunk.BatchRow{Dimensions: d, Samples: s})
			}
			must(w.t, w.set.Append(ctx, b))
		case 4:
			must(w.t, w.set.Seal(ctx))
		case 5:
			must(w.t, w.set.Compact(ctx, nil))
		case 6:
			f, err := index.Parse(fmt.Sprint("host:h", w.rng.IntN(6)))
			must(w.t, err)
			_, err = w.set.Delete(ctx, f, chunk.Span{Start: 0, End: w.rng.Int64N(2500)})
			must(w.t, err)
		}
	}
}

func (w *world) backup(o backup.Options) *backup.Backup {
	w.t.Helper()
	o.FS = w.fsys
	b, err := backup.Create(context.Background(), w.set, "backups", o)
	must(w.t, err)
	w.held[b.Name] = dump(w.t, w.set)
	return b
}

// check restores every backup of a disk, and finds in each what it held.
func (w *world) check(what string, fsys vfs.FS) {
	w.t.Helper()
	o, ctx := backup.Options{FS: fsys}, context.Background()
	all, err := backup.List("backups", o)
	must(w.t, err)
	must(w.t, backup.Verify(ctx, "backups", o, func(f backup.Finding) { w.t.Errorf("%s: %v", what, f) }))
	for i, b := range all {
		want := w.held[b.Name]
		if want == nil {
			continue
		}
		into := fmt.Sprintf("restored-%s-%d", strings.ReplaceAll(what, " ", "-"), i)
		_, err := backup.Restore(ctx, "backups", b.Name, into, o)
		must(w.t, err)
		set := w.open(fsys, into)
		same(w.t, what+": "+b.Name, dump(w.t, set), want)
		must(w.t, set.Check(ctx, func(f shard.Finding) { w.t.Errorf("%s: %v", what, f) }))
		must(w.t, set.Close())
		view, _, err := backup.OpenStore("backups", b.Name, o)
		must(w.t, err)
		same(w.t, what+": "+b.Name+" in place", dump(w.t, view), want)
		must(w.t, view.Close())
		must(w.t, fsys.RemoveAll(into))
	}
}

// Each backup holds what the store held then, and a second one copies only what is new.
func TestBackupAndRestore(t *testing.T) {
	for seed := range uint64(4) {
		w := newWorld(t, seed)
		for range 4 {
			w.work(8)
			w.backup(backup.Options{})
		}
		w.check(fmt.Sprint("seed ", seed), w.fsys)
		must(t, w.set.Seal(context.Background()))
		before := w.backup(backup.Options{})
		again := w.backup(backup.Options{})
		if again.Copied != 0 || again.Files != before.Files || again.Name <= before.Name {
			t.Errorf("nothing changed, and %d bytes were copied: %+v", again.Copied, again.Name)
		}
		if full := w.backup(backup.Options{Full: true}); full.Copied != full.Bytes {
			t.Errorf("a full backup copied %d of %d bytes", full.Copied, full.Bytes)
		}
		w.check(fmt.Sprint("seed ", seed, " at the end"), w.fsys)
	}
}

func TestPruneKeepsTheNewest(t *testing.T) {
	w := newWorld(t, 1)
	var names []string
	for range 5 {
		w.work(6)
		names = append(names, w.backup(backup.Options{Keep: 2}).Name)
	}
	all, err := backup.List("backups", backup.Options{FS: w.fsys})
	must(t, err)
	if len(all) != 2 || all[0].Name != names[3] || all[1].Name != names[4] {
		t.Fatalf("kept %v", all)
	}
	w.check("pruned", w.fsys)
	freed, err := backup.Prune("backups", 1, backup.Options{FS: w.fsys})
	must(t, err)
	if freed == 0 {
		t.Error("nothing was freed")
	}
	w.check("pruned again", w.fsys)
}

func TestFind(t *testing.T) {
	w := newWorld(t, 2)
	w.clock = 0
	first := w.backup(backup.Options{})
	w.clock = int64(time.Hour)
	second := w.backup(backup.Options{})
	for which, want := range map[string]string{
		"":                                    second.Name,
		first.Name:                            first.Name,
		"2023-11-14T22:30:00Z":                first.Name,
		"2023-11-15T00:13:20+01:00":           first.Name,
		"2024-01-01T00:00:00Z":                second.Name,
		"2023-11-14T22:00:00Z":                "no such backup",
		"yesterday":                           "no such backup",
		"../../" + first.Name:                 "no such backup",
		second.Name + ".backup":               "no such backup",
		second.Taken.Format(time.RFC3339Nano): second.Name,
	} {
		b, err := backup.Find("backups", which, backup.Options{FS: w.fsys})
		switch {
		case err != nil && (!errors.Is(err, backup.ErrNone) || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want %s", which, err, want)
		case err == nil && b.Name != want:
			t.Errorf("%q: %s, want %s", which, b.Name, want)
		}
	}
	for _, dir := range []string{"store", "nowhere"} {
		if _, err := backup.List(dir, backup.Options{FS: w.fsys}); !errors.Is(err, backup.ErrNone) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := backup.Create(context.Background(), w.set, "store", backup.Options{FS: w.fsys}); !errors.Is(err, backup.ErrNotEmpty) {
		t.Errorf("backup into the store: %v", err)
	}
}

// What is damaged is found, named and not restored; nothing is left of the try.
func TestDamagedBackup(t *testing.T) {
	w := newWorld(t, 3)
	w.work(20)
	must(t, w.set.Seal(context.Background()))
	b := w.backup(backup.Options{})
	names, err := w.fsys.List("backups/files")
	must(t, err)
	ctx, o := context.Background(), backup.Options{FS: w.fsys}
	for _, name := range names {
		place := path.Join("backups/files", name)
		good, err := vfs.ReadFile(w.fsys, place)
		must(t, err)
		bad := slices.Clone(good)
		bad[len(bad)/2] ^= 4
		for what, data := range map[string][]byte{"a bit": bad, "cut": good[:len(good)-1], "longer": append(slices.Clone(good), 0)} {
			must(t, vfs.WriteFile(w.fsys, place, data))
			found := 0
			must(t, backup.Verify(ctx, "backups", o, func(backup.Finding) { found++ }))
			if _, err := backup.Restore(ctx, "backups", "", "new", o); !errors.Is(err, backup.ErrCorrupt) || found == 0 {
				t.Errorf("%s: %d findings, restore says %v", what, found, err)
			}
			if vfs.Exists(w.fsys, "new") {
				t.Fatal("something is left of a restore that was refused")
			}
		}
		must(t, vfs.WriteFile(w.fsys, place, good))
	}
	must(t, vfs.WriteFile(w.fsys, "backups/"+b.Name+".backup", []byte("chronodex backup 1\n")))
	found := 0
	must(t, backup.Verify(ctx, "backups", o, func(backup.Finding) { found++ }))
	if _, err := backup.Restore(ctx, "backups", "", "new", o); err == nil || found == 0 {
		t.Errorf("damaged manifest: %d findings, %v", found, err)
	}
	if _, err := backup.Prune("backups", 1, o); !errors.Is(err, backup.ErrCorrupt) {
		t.Errorf("prune: %v", err)
	}
	w.backup(backup.Options{}) // another one can be made beside it
}

func TestRestoreRefusesFolders(t *testing.T) {
	w := newWorld(t, 4)
	w.work(10)
	w.backup(backup.Options{})
	ctx, o := context.Background(), backup.Options{FS: w.fsys}
	must(t, w.fsys.MkdirAll("mine"))
	must(t, vfs.WriteFile(w.fsys, "mine/file", []byte("x")))
	for _, into := range []string{"store", "mine", "backups"} {
		if _, err := backup.Restore(ctx, "backups", "", into, o); !errors.Is(err, backup.ErrNotEmpty) {
			t.Errorf("%s: %v", into, err)
		}
	}
	must(t, w.fsys.MkdirAll("empty"))
	_, err := backup.Restore(ctx, "backups", "", "empty", o)
	must(t, err)
}

// A cut restore is no store, and the next one begins anew.
func TestRestoreIsCut(t *testing.T) {
	w := newWorld(t, 5)
	w.work(20)
	b := w.backup(backup.Options{})
	ctx := context.Background()
	for k := int64(1); ; k++ {
		fsys := w.fsys.Clone()
		o := backup.Options{FS: fsys}
		fsys.FailAfter(k, true)
		_, err := backup.Restore(ctx, "backups", "", "new", o)
		fsys.Hook(nil)
		if err == nil {
			if k < 20 {
				t.Fatalf("only %d operations", k)
			}
			return
		}
		if k%7 > 0 {
			continue
		}
		after := fsys.Crash(w.rng)
		o.FS = after
		_, err = backup.Restore(ctx, "backups", "", "new", o)
		if err != nil && !errors.Is(err, backup.ErrNotEmpty) {
			t.Fatalf("operation %d: %v", k, err)
		}
		set := w.open(after, "new")
		same(t, fmt.Sprint("operation ", k), dump(t, set), w.held[b.Name])
		must(t, set.Close())
	}
}

// A backup that a crash cuts is none: the earlier ones are whole, and the next one goes on.
func TestBackupCrash(t *testing.T) {
	for seed := range uint64(3) {
		w := newWorld(t, 10+seed)
		w.work(12)
		w.backup(backup.Options{})
		w.work(12)
		want := dump(t, w.set)
		var images []*vfs.Mem
		w.fsys.Hook(func(op vfs.Op) error {
			if op.Change && (op.N+int64(seed))%9 == 0 {
				images = append(images, w.fsys.Crash(w.rng))
			}
			return nil
		})
		last := w.backup(backup.Options{Keep: 1 + int(seed%2)})
		w.fsys.Hook(nil)
		for i, fsys := range images {
			what := fmt.Sprintf("seed %d image %d", seed, i)
			w.check(what, fsys)
			set := w.open(fsys, "store")
			b, err := backup.Create(context.Background(), set, "backups", backup.Options{FS: fsys, Keep: 2})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			w.held[b.Name] = want
			w.check(what+" again", fsys)
			if b.Name != last.Name {
				delete(w.held, b.Name)
			}
			must(t, set.Close())
		}
		t.Logf("%d images", len(images))
	}
}

// A backup that could not be written goes on where it was cut.
func TestBackupResumes(t *testing.T) {
	w := newWorld(t, 20)
	for range 6 {
		w.work(6)
		must(t, w.set.Seal(context.Background()))
	}
	done := 0
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	_, err := backup.Create(ctx, w.set, "backups", backup.Options{FS: w.fsys, Progress: func(n, total int64) {
		if done++; n > total/2 {
			cancel(enough)
		}
	}})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if all, err := backup.List("backups", backup.Options{FS: w.fsys}); err != nil || len(all) > 0 {
		t.Fatalf("a cut backup is listed: %v, %v", all, err)
	}
	if b := w.backup(backup.Options{}); b.Copied > b.Bytes*2/3 {
		t.Errorf("%d of %d bytes were copied again", b.Copied, b.Bytes)
	}
	w.check("resumed", w.fsys)
	if vfs.Exists(w.fsys, "backups/RESUME") {
		t.Error("RESUME is still there")
	}
}
