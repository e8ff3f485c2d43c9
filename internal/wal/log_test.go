package wal_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

const dir = "log"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A found is what opening a log gave.
type found struct {
	log     *wal.Log
	records []string // as "seq:text"
	damage  []*wal.Damage
}

func open(t testing.TB, fsys vfs.FS, o wal.Options) found {
	t.Helper()
	var f found
	l, err := wal.Open(fsys, dir, o, func(r wal.Record) error {
		f.records = append(f.records, fmt.Sprintf("%d:%s", r.Seq, r.Data))
		return nil
	}, func(d *wal.Damage) { f.damage = append(f.damage, d) })
	must(t, err)
	f.log = l
	return f
}

func appendAll(t testing.TB, l *wal.Log, texts ...string) {
	t.Helper()
	for _, s := range texts {
		_, err := l.Append(t.Context(), []byte(s))
		must(t, err)
	}
}

func files(t testing.TB, fsys vfs.FS) []string {
	t.Helper()
	names, err := fsys.List(dir)
	must(t, err)
	return names
}

// expect fails unless f has exactly the records, and no damage.
func (f found) expect(t testing.TB, records ...string) found {
	t.Helper()
	if !slices.Equal(f.records, records) || len(f.damage) > 0 {
		t.Fatalf("got %v and damage %v, want %v", f.records, f.damage, records)
	}
	return f
}

func TestAppendAndReplay(t *testing.T) {
	for name, fsys := range map[string]vfs.FS{"mem": vfs.NewMem(), "os": vfs.OS{}} {
		t.Run(name, func(t *testing.T) {
			if name == "os" {
				t.Chdir(t.TempDir())
			}
			f := open(t, fsys, wal.Options{}).expect(t)
			if names := files(t, fsys); len(names) > 0 {
				t.Errorf("an empty log has files: %v", names)
			}
			appendAll(t, f.log, "one", "", "three")
			if n := f.log.Synced(); n != 3 {
				t.Errorf("synced %d", n)
			}
			must(t, f.log.Check(t.Context(), func(d *wal.Damage) { t.Error(d) }))
			must(t, f.log.Close())
			f = open(t, fsys, wal.Options{}).expect(t, "1:one", "2:", "3:three")
			appendAll(t, f.log, "four")
			must(t, f.log.Check(t.Context(), func(d *wal.Damage) { t.Error(d) }))
			must(t, f.log.Close())
			f = open(t, fsys, wal.Options{After: 2}).expect(t, "3:three", "4:four")
			must(t, f.log.Close())
			if err := f.log.Close(); !errors.Is(err, wal.ErrClosed) {
				t.Errorf("closed twice: %v", err)
			}
			if _, err := f.log.Append(t.Context(), nil); !errors.Is(err, wal.ErrClosed) {
				t.Errorf("append after close: %v", err)
			}
		})
	}
}

func TestRotationAndRelease(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{FileBytes: 100})
	var want []string
	for i := 1; i <= 10; i++ {
		appendAll(t, f.log, strings.Repeat("x", 40))
		want = append(want, fmt.Sprintf("%d:%s", i, strings.Repeat("x", 40)))
	}
	if names := files(t, fsys); len(names) != 5 || names[1] != "00000000000000000003.log" {
		t.Fatalf("files %v", names)
	}
	if size := f.log.Size(); size != 5*20+10*(28+40) {
		t.Errorf("size %d", size)
	}
	must(t, f.log.Release(5)) // 6 is still needed, so its file with 5 stays
	if names := files(t, fsys); len(names) != 3 {
		t.Fatalf("files %v", names)
	}
	must(t, f.log.Check(t.Context(), func(d *wal.Damage) { t.Error(d) }))
	open(t, fsys.Clone(), wal.Options{After: 5}).expect(t, want[5:]...)
	must(t, f.log.Release(10))
	if names := files(t, fsys); len(names) != 0 || f.log.Size() != 0 {
		t.Fatalf("files %v", names)
	}
	appendAll(t, f.log, "next")
	open(t, fsys.Clone(), wal.Options{After: 10}).expect(t, "11:next")
	must(t, f.log.Close())
	open(t, fsys, wal.Options{After: 10}).expect(t, "11:next")
	f = open(t, fsys, wal.Options{After: 11}).expect(t)
	if names := files(t, fsys); len(names) != 0 {
		t.Errorf("opening kept %v", names)
	}
	appendAll(t, f.log, "after")
	must(t, f.log.Close())
	open(t, fsys, wal.Options{After: 11}).expect(t, "12:after")
}

func TestMissingFile(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{FileBytes: 1})
	appendAll(t, f.log, "a", "b", "c")
	must(t, f.log.Close())
	must(t, fsys.Remove("log/00000000000000000002.log"))
	f = open(t, fsys, wal.Options{})
	if len(f.damage) != 1 || f.damage[0].First != 2 || f.damage[0].Last != 2 || !errors.Is(f.damage[0], wal.ErrCorrupt) {
		t.Errorf("damage %v", f.damage)
	}
	if !slices.Equal(f.records, []string{"1:a", "3:c"}) {
		t.Errorf("records %v", f.records)
	}
}

func TestReplayChangesNothing(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{})
	appendAll(t, f.log, "a", "b")
	fsys.Hook(func(op vfs.Op) error {
		if op.Change {
			t.Errorf("%s %s", op.Kind, op.Name)
		}
		return nil
	})
	n := 0
	for rec, err := range wal.Replay(fsys, dir, 1) {
		must(t, err)
		if n++; rec.Seq != 2 || string(rec.Data) != "b" {
			t.Errorf("record %d: %s", rec.Seq, rec.Data)
		}
	}
	if n != 1 {
		t.Errorf("%d records", n)
	}
	for _, err := range wal.Replay(fsys, "nowhere", 0) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

func TestUnknownVersion(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{})
	appendAll(t, f.log, "a")
	must(t, f.log.Close())
	name := "log/" + files(t, fsys)[0]
	b, err := vfs.ReadFile(fsys, name)
	must(t, err)
	must(t, vfs.WriteFile(fsys, name, wal.OfVersion(b, 2)))
	if _, err := wal.Open(fsys, dir, wal.Options{}, nil, nil); !errors.Is(err, wal.ErrVersion) {
		t.Fatalf("opened: %v", err)
	}
	if now, _ := vfs.ReadFile(fsys, name); !slices.Equal(now, wal.OfVersion(b, 2)) {
		t.Error("the file was changed")
	}
}

// TestGroupCommit holds the disk until all writers wait: the next sync then serves them all.
func TestGroupCommit(t *testing.T) {
	const writers = 50
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{})
	hold, syncs := make(chan struct{}), 0
	fsys.Hook(func(op vfs.Op) error {
		if op.Kind == "sync" {
			if syncs++; syncs == 1 {
				<-hold
			}
		}
		return nil
	})
	var wg sync.WaitGroup
	wait := func(ticket wal.Ticket) {
		wg.Go(func() {
			if err := ticket.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	first, err := f.log.Enqueue([]byte("first"))
	must(t, err)
	wait(first)
	var want []string
	for i := range writers {
		ticket, err := f.log.Enqueue(fmt.Append(nil, i))
		must(t, err)
		if ticket.Seq != uint64(i+2) {
			t.Errorf("record %d got number %d", i, ticket.Seq)
		}
		want = append(want, fmt.Sprintf("%d:%d", i+2, i))
		wait(ticket)
	}
	close(hold)
	wg.Wait()
	if syncs > 2 {
		t.Errorf("%d syncs", syncs)
	}
	open(t, fsys.Clone(), wal.Options{}).expect(t, append([]string{"1:first"}, want...)...)
}

func TestCancelledWait(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{})
	hold, started := make(chan struct{}), make(chan struct{})
	fsys.Hook(func(op vfs.Op) error {
		if op.Kind == "sync" {
			close(started)
			<-hold
		}
		return nil
	})
	done := make(chan error)
	go func() {
		_, err := f.log.Append(context.Background(), []byte("slow"))
		done <- err
	}()
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.log.Append(ctx, []byte("cancelled")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled append: %v", err)
	}
	fsys.Hook(nil)
	close(hold)
	must(t, <-done)
	appendAll(t, f.log, "good")
	must(t, f.log.Close())
	open(t, fsys, wal.Options{}).expect(t, "1:slow", "2:cancelled", "3:good")
}

func TestTooLarge(t *testing.T) {
	f := open(t, vfs.NewMem(), wal.Options{})
	if _, err := f.log.Append(t.Context(), make([]byte, wal.MaxRecord+1)); err == nil {
		t.Error("taken")
	}
	appendAll(t, f.log, "good")
}

// BenchmarkAppend shows what group commit gives: records a second on the real disk by writers.
func BenchmarkAppend(b *testing.B) {
	for _, parallel := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", parallel*runtime.GOMAXPROCS(0)), func(b *testing.B) {
			b.Chdir(b.TempDir())
			f := open(b, vfs.OS{}, wal.Options{})
			record := make([]byte, 1000)
			for i := range record {
				record[i] = byte(rand.Uint32())
			}
			b.SetBytes(int64(len(record)))
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := f.log.Append(context.Background(), record); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			must(b, f.log.Close())
		})
	}
}

// BenchmarkReplay reads a log of many records from memory.
func BenchmarkReplay(b *testing.B) {
	fsys := vfs.NewMem()
	f := open(b, fsys, wal.Options{})
	const records, size = 20_000, 1000
	for range records {
		_, err := f.log.Enqueue(make([]byte, size))
		must(b, err)
	}
	must(b, f.log.Close())
	b.SetBytes(records * size)
	for b.Loop() {
		for _, err := range wal.Replay(fsys, dir, 0) {
			must(b, err)
		}
	}
}

func TestInspect(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{})
	appendAll(t, f.log, "one", "second")
	must(t, f.log.Close())
	const name = "log/00000000000000000001.log"
	inspect := func() string {
		var b strings.Builder
		must(t, wal.Inspect(&b, fsys, name, false))
		return b.String()
	}
	want := `log of 113 bytes: 2 records of 9 bytes
       0  header, version 1, first record 1
      20  record 1, 3 bytes, 0 bytes into its write, crc 2a94b2e9
      51  record 2, 6 bytes, 0 bytes into its write, crc 7afd9428
      85  closed, next record 3
`
	if got := inspect(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	b, err := vfs.ReadFile(fsys, name)
	must(t, err)
	b[50] ^= 1
	must(t, vfs.WriteFile(fsys, name, b))
	if got, want := inspect(), name+": record: wrong checksum at offset 20, 31 bytes, record 1 is lost: corrupt log\n"; !strings.HasSuffix(got, want) {
		t.Errorf("got\n%swant at its end\n%s", got, want)
	}
}
