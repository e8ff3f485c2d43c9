package wal_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

// logFile returns the bytes of a file with the records.
func logFile(t testing.TB, closed bool, texts ...string) []byte {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{})
	appendAll(t, f.log, texts...)
	if closed {
		must(t, f.log.Close())
	}
	b, err := vfs.ReadFile(fsys, dir+"/"+files(t, fsys)[0])
	must(t, err)
	return b
}

// FuzzReplay opens a log of hostile bytes: it comes up, its numbers rise, and what it mended it
// reads again, with nothing torn.
func FuzzReplay(f *testing.F) {
	whole := logFile(f, true, "one", "two", "three")
	f.Add(whole)
	f.Add(whole[:len(whole)-40])
	f.Add(append(slices.Clone(whole[:60]), whole[50:]...))
	f.Add(logFile(f, false, "", string(whole)))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := vfs.NewMem()
		must(t, fsys.MkdirAll(dir))
		must(t, vfs.WriteFile(fsys, dir+"/00000000000000000001.log", data))
		l, err := wal.Open(fsys, dir, wal.Options{}, nil, nil)
		if errors.Is(err, wal.ErrVersion) {
			return
		}
		must(t, err)
		var records []string
		last, bytes := uint64(0), 0
		for rec, err := range wal.Replay(fsys, dir, 0) {
			if err != nil {
				if errors.Is(err, wal.ErrTorn) || !errors.Is(err, wal.ErrCorrupt) {
					t.Fatalf("after mending: %v", err)
				}
				continue
			}
			if rec.Seq <= last {
				t.Fatalf("record %d after %d", rec.Seq, last)
			}
			last, bytes = rec.Seq, bytes+len(rec.Data)
			records = append(records, fmt.Sprintf("%d:%s", rec.Seq, rec.Data))
		}
		if bytes > len(data) {
			t.Fatalf("%d bytes of records in %d bytes", bytes, len(data))
		}
		next, err := l.Append(t.Context(), []byte("next"))
		must(t, err)
		must(t, l.Close())
		again := open(t, fsys, wal.Options{}).records
		if !slices.Equal(again, append(records, fmt.Sprintf("%d:next", next))) {
			t.Fatalf("reopened: %q, before: %q and %d", again, records, next)
		}
	})
}

// FuzzRoundTrip appends the pieces of text, cut everywhere that a byte of cuts says, and reads them.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("some text, of which records are made"), []byte{0, 3, 10, 1}, int64(100))
	f.Add(logFile(f, true, "a log", "in a log"), []byte{40, 2, 200}, int64(1))
	f.Fuzz(func(t *testing.T, text, cuts []byte, fileBytes int64) {
		fsys := vfs.NewMem()
		l := open(t, fsys, wal.Options{FileBytes: fileBytes}).log
		var want []string
		for i, n := range cuts {
			record := text[:min(int(n), len(text))]
			text = text[len(record):]
			ticket, err := l.Enqueue(record)
			must(t, err)
			want = append(want, fmt.Sprintf("%d:%s", ticket.Seq, record))
			if i%3 == 0 {
				must(t, ticket.Wait(t.Context()))
			}
		}
		must(t, l.Close())
		open(t, fsys, wal.Options{}).expect(t, want...)
	})
}
