package shard_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// smallStore is a store with all that a store can have: sealed and compacted segments, late
// observations, a deletion that is not applied yet, and a log.
func smallStore(t *testing.T, fsys vfs.FS, indexes string) model {
	t.Helper()
	s := mustOpen(t, shard.Options{FS: fsys, Shards: 2, Partition: 1000, Manual: true, IndexDir: indexes})
	m, ctx := model{}, context.Background()
	write := func(host, metric string, k chunk.Kind, from, to int64) {
		row := chunk.BatchRow{Dimensions: dims(t, "host", host, "metric", metric), Samples: chunk.Samples{Kind: k}}
		for at := from; at < to; at++ {
			row.Samples.Times = append(row.Samples.Times, at)
			switch k {
			case chunk.Float64:
				row.Samples.Floats = append(row.Samples.Floats, float64(at*at%97)/8)
			case chunk.String:
				row.Samples.Strings = append(row.Samples.Strings, strings.Repeat("x", int(at%5)))
			}
		}
		b := &chunk.Batch{Rows: []chunk.BatchRow{row}}
		must(t, s.Append(ctx, b))
		m.append(b)
	}
	for _, host := range []string{"a", "b", "c"} {
		write(host, "cpu", chunk.Float64, 0, 300)
		write(host, "mem", chunk.Float64, 900, 1200)
		write(host, "state", chunk.String, 0, 20)
	}
	must(t, s.Compact(ctx, nil))
	write("a", "cpu", chunk.Float64, 250, 350)
	must(t, s.Seal(ctx))
	f, err := index.Parse("host:b")
	must(t, err)
	span := chunk.Span{Start: 100, End: 150}
	_, err = s.Delete(ctx, f, span)
	must(t, err)
	m.delete(f, span)
	write("b", "cpu", chunk.Float64, 2000, 2010)
	write("d", "new", chunk.Float64, 5, 15)
	must(t, s.Seal(ctx))
	write("a", "cpu", chunk.Float64, 5000, 5010)
	write("c", "state", chunk.String, 6000, 6010)
	write("b", "cpu", chunk.Float64, 5, 8)
	must(t, s.Close())
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, o shard.Options) *shard.Set {
	t.Helper()
	s, err := shard.Open("store", o)
	must(t, err)
	return s
}

// walk returns all files below dir.
func walk(t testing.TB, fsys vfs.FS, dir string) []string {
	t.Helper()
	names, err := fsys.List(dir)
	must(t, err)
	var out []string
	for _, n := range names {
		name := path.Join(dir, n)
		if _, err := fsys.List(name); err == nil {
			out = append(out, walk(t, fsys, name)...)
		} else {
			out = append(out, name)
		}
	}
	return out
}

// TestFlippedBitIsFound flips a bit in every part of every file: it is found, and no answer is
// wrong without a warning, however often the store was opened and written since.
func TestFlippedBitIsFound(t *testing.T) {
	mem := vfs.NewMem()
	m := smallStore(t, mem, filepath.Join(t.TempDir(), "index"))
	want := m.within(index.All(), chunk.Always)
	flips := 0
	for _, name := range walk(t, mem, "store") {
		data, err := vfs.ReadFile(mem, name)
		must(t, err)
		step := max(1, len(data)*slow/32)
		for at := 0; at < len(data); at += step {
			bad := append([]byte(nil), data...)
			bad[at] ^= 1 << (at % 8)
			image := mem.Clone()
			must(t, vfs.WriteFile(image, name, bad))
			checkFlip(t, image, name, at, want)
			flips++
		}
	}
	t.Logf("%d flips", flips)
}

func checkFlip(t *testing.T, image *vfs.Mem, name string, at int, want map[string]string) {
	t.Helper()
	rewritten := false
	for _, readOnly := range []bool{true, false, true} {
		o := shard.Options{FS: image, Manual: true, ReadOnly: readOnly, IndexDir: filepath.Join(t.TempDir(), "index")}
		s, err := shard.Open("store", o)
		if err != nil {
			t.Fatalf("%s at %d: does not open (read-only: %v): %v", name, at, readOnly, err)
		}
		found := 0
		must(t, s.Check(context.Background(), func(f shard.Finding) { found++ }))
		// A manifest, and the closing mark of a log, are mended when opened for writing.
		mended := strings.Contains(name, "MANIFEST") || strings.HasSuffix(name, ".log")
		if found == 0 && (readOnly || !mended) && !rewritten {
			t.Errorf("%s at %d: not found (read-only: %v)", name, at, readOnly)
		}
		got, warned := tolerantRead(t, s)
		if !warned {
			compare(t, fmt.Sprint(name, " at ", at), got, want)
		}
		if !readOnly {
			must(t, s.Seal(context.Background()))
			_ = s.Compact(context.Background(), nil)
			rewritten = true
		}
		must(t, s.Close())
	}
}

// tolerantRead is read where chunks may be corrupt.
func tolerantRead(t *testing.T, s *shard.Set) (out map[string]string, warned bool) {
	t.Helper()
	out = map[string]string{}
	for _, part := range s.Parts() {
		sel, err := part.Select(context.Background(), index.All(), chunk.Always)
		must(t, err)
		warned = warned || len(sel.(interface{ Warnings() []string }).Warnings()) > 0
		var buf chunk.Buffer
		for i := range sel.Len() {
			var all chunk.Samples
			for _, p := range sel.AppendPieces(nil, i) {
				s, err := sel.Read(context.Background(), p, &buf)
				if err != nil {
					if !errors.Is(err, chunk.ErrCorrupt) {
						t.Fatalf("not ErrCorrupt: %v", err)
					}
					warned = true
					continue
				}
				all.Append(s)
			}
			one := model{}
			one.append(&chunk.Batch{Rows: []chunk.BatchRow{{Dimensions: sel.Series(i).Dimensions, Samples: all}}})
			if all.Len() > 0 {
				for k, v := range one.within(index.All(), chunk.Always) {
					out[k] = v
				}
			}
		}
		must(t, sel.Close())
	}
	return out, warned
}

// TestDamagedIndexIsBuiltAnew flips bits in the indexes' files.
func TestDamagedIndexIsBuiltAnew(t *testing.T) {
	mem, dir := vfs.NewMem(), filepath.Join(t.TempDir(), "index")
	m := smallStore(t, mem, dir)
	want := m.within(index.All(), chunk.Always)
	var files []string
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, err = filepath.Rel(dir, name)
			files = append(files, name)
		}
		return err
	}))
	if len(files) == 0 {
		t.Fatal("no files of indexes")
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(dir, name))
		must(t, err)
		for at := 0; at < len(data); at += max(1, len(data)/8) {
			bad := append([]byte(nil), data...)
			bad[at] ^= 1 << (at % 8)
			image := filepath.Join(t.TempDir(), "image")
			must(t, os.CopyFS(image, os.DirFS(dir)))
			must(t, os.WriteFile(filepath.Join(image, name), bad, 0o666))
			r := mustOpen(t, shard.Options{FS: mem, ReadOnly: true, IndexDir: image})
			found := 0
			must(t, r.Check(context.Background(), func(shard.Finding) { found++ }))
			if found == 0 {
				t.Errorf("%s at %d: not found", name, at)
			}
			compare(t, name, read(t, r, index.All(), chunk.Always), want)
			must(t, r.Close())
			s := mustOpen(t, shard.Options{FS: mem, Manual: true, IndexDir: image})
			must(t, s.Check(context.Background(), func(f shard.Finding) { t.Errorf("after opening: %v", f) }))
			compare(t, name, read(t, s, index.All(), chunk.Always), want)
			must(t, s.Close())
		}
	}
}

// TestFailingCalls has one call of the file system fail, every one in turn: the store reports an
// error or succeeds, and opened anew it has all that was acknowledged.
func TestFailingCalls(t *testing.T) {
	for _, all := range []bool{false, true} {
		for k := int64(1); ; k += slow {
			mem := vfs.NewMem()
			mem.FailAfter(k, all)
			m, maybe := failingRun(t, mem)
			if mem.Ops() < k {
				break
			}
			mem.Hook(nil)
			s, err := shard.Open("store", shard.Options{FS: mem, Manual: true, Shards: 2, Partition: 1000, IndexDir: filepath.Join(t.TempDir(), "index")})
			if err != nil {
				t.Fatalf("call %d (and all later: %v): %v", k, all, err)
			}
			got := read(t, s, index.All(), chunk.Always)
			want, also := m.within(index.All(), chunk.Always), maybe.within(index.All(), chunk.Always)
			for key, text := range got { // what was not acknowledged may be there
				if text == also[key] {
					want[key] = text
				}
			}
			compare(t, fmt.Sprint("call ", k), got, want)
			must(t, s.Check(context.Background(), func(f shard.Finding) { t.Errorf("call %d: %v", k, f) }))
			must(t, s.Close())
		}
	}
}

// failingRun does what it can on a failing disk, and returns what was acknowledged, and what was
// tried, which has more or less in it.
func failingRun(t *testing.T, mem *vfs.Mem) (acknowledged, tried model) {
	acknowledged, tried = model{}, model{}
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "index")
	for round := range int64(3) {
		s, err := shard.Open("store", shard.Options{FS: mem, Manual: true, Shards: 2, Partition: 1000, IndexDir: dir})
		if err != nil {
			continue
		}
		for i := range int64(4) {
			row := chunk.BatchRow{Dimensions: dims(t, "host", string(rune('a'+i%3)), "n", string(rune('a'+i))), Samples: chunk.Samples{Kind: chunk.Int64}}
			for j := range int64(5) {
				row.Samples.Times = append(row.Samples.Times, 100*j+10*round+i)
				row.Samples.Ints = append(row.Samples.Ints, round)
			}
			b := &chunk.Batch{Rows: []chunk.BatchRow{row}}
			if s.Append(ctx, b) == nil {
				acknowledged.append(b)
				tried.append(b)
				continue
			}
			if tried.within(index.All(), chunk.Always) != nil {
				tried.append(b)
			}
		}
		_ = s.Seal(ctx)
		if round == 1 {
			_ = s.Compact(ctx, nil)
		}
		_ = s.Close()
	}
	return acknowledged, tried
}
