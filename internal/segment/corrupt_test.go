package segment_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/vfs"
)

// findings are what Check reports of a file.
func findings(t testing.TB, fs vfs.FS, name string) []error {
	t.Helper()
	r, err := segment.Open(fs, name)
	if err != nil {
		return []error{err}
	}
	defer r.Close()
	var found []error
	if err := r.Check(context.Background(), func(err error) { found = append(found, err) }); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCheckFindsNothingWhereNothingIs(t *testing.T) {
	for seed := range uint64(4) {
		fs := vfs.NewMem()
		write(t, fs, "a", sources(t, seed, 1+300*int(seed), 10_000>>(3*seed)), codec.Profile(seed%2))
		if found := findings(t, fs, "a"); len(found) > 0 {
			t.Errorf("seed %d: %v", seed, found)
		}
	}
}

// One flipped bit, anywhere, is found; what it does not touch reads as before, and what it touches
// is an error and never another answer.
func TestFlippedBit(t *testing.T) {
	fs := vfs.NewMem()
	all := sources(t, 3, 30, 200)
	write(t, fs, "whole", all, codec.Fast)
	whole, err := vfs.ReadFile(fs, "whole")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 400 {
		bit := rng.IntN(8 * len(whole))
		if i < 8*16 { // each bit of the header
			bit = i
		} else if i < 2*8*24 { // and of the footer, and before
			bit = 8*len(whole) - 1 - (i - 8*16)
		}
		data := slices.Clone(whole)
		data[bit/8] ^= 1 << (bit % 8)
		if err := vfs.WriteFile(fs, "flipped", data); err != nil {
			t.Fatal(err)
		}
		found := findings(t, fs, "flipped")
		if len(found) == 0 {
			t.Fatalf("bit %d of byte %d of %d: not found", bit%8, bit/8, len(data))
		}
		for _, err := range found {
			if !errors.Is(err, chunk.ErrCorrupt) || !strings.Contains(err.Error(), "flipped") {
				t.Fatalf("byte %d: finding %v", bit/8, err)
			}
		}
		readRest(t, fs, "flipped", all)
	}
}

// readRest reads what can be read.
func readRest(t *testing.T, fs vfs.FS, name string, all [][]segment.Row) {
	r, err := segment.Open(fs, name)
	if err != nil {
		return
	}
	defer r.Close()
	var buf segment.Buffer
	lost, read := 0, 0
	for _, rows := range all {
		for _, row := range rows {
			metas, err := r.AppendChunks(nil, row.Ordinal, chunk.Always)
			if err != nil {
				lost++
				continue
			}
			var got chunk.Samples
			for i := range metas {
				s, err := r.Read(&metas[i], &buf)
				if err != nil {
					if !errors.Is(err, chunk.ErrCorrupt) || !strings.Contains(err.Error(), "offset") ||
						!strings.Contains(err.Error(), fmt.Sprintf("series %d", row.Ordinal)) {
						t.Fatal(err)
					}
					lost++
					continue
				}
				got.Append(s)
			}
			if got.Len() == row.Samples.Len() && !same(got, row.Samples) {
				t.Fatalf("%v: wrong", row.Identity)
			}
			read++
		}
	}
	if lost+read == 0 {
		t.Fatal("nothing")
	}
}

// A damaged block does not keep others from being read.
func TestOtherBlocksStay(t *testing.T) {
	fs := vfs.NewMem()
	all := sources(t, 4, 20, 40_000)
	write(t, fs, "a", all, codec.Fast)
	data, _ := vfs.ReadFile(fs, "a")
	data[1000] ^= 1 // in the first block
	if err := vfs.WriteFile(fs, "a", data); err != nil {
		t.Fatal(err)
	}
	r := open(t, fs, "a")
	var buf segment.Buffer
	lost, read := 0, 0
	for e, err := range r.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range e.Chunks {
			if _, err := r.Read(&e.Chunks[i], &buf); err == nil {
				read++
			} else if lost++; e.Chunks[i].Block != 0 {
				t.Fatal(err)
			}
		}
	}
	if lost == 0 || read == 0 {
		t.Errorf("%d chunks lost, %d read", lost, read)
	}
}

func TestTornFile(t *testing.T) {
	fs := vfs.NewMem()
	write(t, fs, "a", sources(t, 4, 3, 100), codec.Fast)
	data, _ := vfs.ReadFile(fs, "a")
	for n := range len(data) {
		if err := vfs.WriteFile(fs, "torn", data[:n]); err != nil {
			t.Fatal(err)
		}
		if r, err := segment.Open(fs, "torn"); !errors.Is(err, chunk.ErrCorrupt) {
			t.Fatalf("%d bytes of %d: %v, %v", n, len(data), r, err)
		}
	}
}

// Every operation of the file system fails once: no error is lost, the name is free or whole.
func TestFailingDisk(t *testing.T) {
	all := sources(t, 9, 20, 100)
	for k := int64(1); ; k++ {
		fs := vfs.NewMem()
		fs.FailAfter(k, false)
		err := func() error {
			w, err := segment.Create(fs, "a", codec.Fast)
			if err != nil {
				return err
			}
			for _, rows := range all {
				if err := w.AddSource(rows); err != nil {
					w.Abort()
					return err
				}
			}
			return w.Finish()
		}()
		failed := fs.Ops() >= k
		fs.FailAfter(0, false)
		if err == nil {
			check(t, open(t, fs, "a"), all)
			if !failed {
				return
			}
			t.Fatalf("operation %d failed, and Finish did not", k)
		}
		if vfs.Exists(fs, "a") {
			t.Fatalf("operation %d: %v, but the segment is there", k, err)
		}
	}
}

// After Finish a crash leaves the whole segment; before, none.
func TestCrash(t *testing.T) {
	all := sources(t, 10, 10, 300)
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		fs := vfs.NewMem()
		w, err := segment.Create(fs, "a", codec.Fast)
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range all {
			if err := w.AddSource(rows); err != nil {
				t.Fatal(err)
			}
		}
		if seed%2 == 0 {
			if vfs.Exists(fs.Crash(rng), "a") {
				t.Fatal("a segment that was not finished")
			}
			w.Abort()
			continue
		}
		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		check(t, open(t, fs.Crash(rng), "a"), all)
	}
}

func TestAbort(t *testing.T) {
	fs := vfs.NewMem()
	w, err := segment.Create(fs, "a", codec.Fast)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range sources(t, 1, 100, 500) {
		if err := w.AddSource(rows); err != nil {
			t.Fatal(err)
		}
	}
	w.Abort()
	if err := w.Finish(); err == nil {
		t.Error("finished after Abort")
	}
	if names, _ := fs.List("."); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}

// Every page damaged, one after another: the series of the others are all yielded.
func TestEntriesAfterDamage(t *testing.T) {
	fs := vfs.NewMem()
	all := pods(t, 300)
	write(t, fs, "a", all, codec.Fast)
	whole, _ := vfs.ReadFile(fs, "a")
	var text strings.Builder
	if err := segment.Inspect(&text, fs, "a", false); err != nil {
		t.Fatal(err)
	}
	pages := 0
	for line := range strings.Lines(text.String()) {
		kind, rest, _ := strings.Cut(line, " page ")
		var at, size, in int
		if n, _ := fmt.Sscanf(strings.TrimSpace(rest), "%d +%d %d", &at, &size, &in); n != 3 || kind == "lookup" {
			continue
		}
		pages++
		data := slices.Clone(whole)
		data[at+size-1] ^= 0x80
		if err := vfs.WriteFile(fs, "b", data); err != nil {
			t.Fatal(err)
		}
		found, bad := 0, 0
		for _, err := range open(t, fs, "b").Entries() {
			if err != nil {
				bad++
			} else {
				found++
			}
		}
		if bad != 1 || found != 3000-in {
			t.Errorf("damage in a %s page of %d: %d series, %d errors", kind, in, found, bad)
		}
	}
	if pages < 6 {
		t.Errorf("%d pages", pages)
	}
}
