package wal_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

// text is the record of a number: of a length and with bytes that follow from it.
func text(seq uint64) string {
	return fmt.Sprintf("record %d %s", seq, strings.Repeat("~", int(seq*seq%1500)))
}

// holds fails unless f has the records from..acked at least, each right, and none above written.
func (f found) holds(t *testing.T, what string, from, acked, written uint64) {
	t.Helper()
	last := from - 1
	for _, r := range f.records {
		var seq uint64
		_, _ = fmt.Sscanf(r, "%d:", &seq)
		if seq <= last || seq <= acked && seq != last+1 || seq > written || r != fmt.Sprintf("%d:%s", seq, text(seq)) {
			t.Fatalf("%s: after record %d came %.40q; %d were durable, %d written", what, last, r, acked, written)
		}
		last = seq
	}
	if last < acked {
		t.Fatalf("%s: the last record is %d; %d were durable", what, last, acked)
	}
	for _, d := range f.damage {
		if !d.Torn {
			t.Fatalf("%s: a crash passes for corruption: %v", what, d)
		}
	}
}

// TestCrash takes images of the disk at every operation while records are appended and released,
// and in every image finds what was durable then, goes on writing, and crashes again.
func TestCrash(t *testing.T) {
	for seed := range uint64(15) {
		rng, fsys := rand.New(rand.NewPCG(seed, 7)), vfs.NewMem()
		must(t, vfs.MkdirAll(fsys, dir))
		var acked, written, released uint64
		image := func(op vfs.Op) error {
			if !op.Change {
				return nil
			}
			what := fmt.Sprintf("seed %d, %s %s (%d)", seed, op.Kind, op.Name, op.N)
			again := fsys.Crash(rng)
			f := open(t, again, wal.Options{After: released, FileBytes: 3000})
			f.holds(t, what, released+1, acked, written)
			next := f.log.Synced() + 1
			appendAll(t, f.log, text(next))
			later := open(t, again.Crash(rng), wal.Options{After: released})
			later.expect(t, append(f.records, fmt.Sprintf("%d:%s", next, text(next)))...)
			return nil
		}
		fsys.Hook(image)
		f := open(t, fsys, wal.Options{FileBytes: 3000})
		for range 25 {
			var tickets []wal.Ticket
			for range 1 + rng.IntN(4) {
				written++
				ticket, err := f.log.Enqueue([]byte(text(written)))
				must(t, err)
				tickets = append(tickets, ticket)
			}
			for _, ticket := range tickets {
				must(t, ticket.Wait(t.Context()))
			}
			acked = written
			switch rng.IntN(8) {
			case 0:
				released = acked - uint64(rng.IntN(min(4, int(acked-released)+1)))
				must(t, f.log.Release(released))
			case 1:
				must(t, f.log.Close())
				f = open(t, fsys, wal.Options{After: released, FileBytes: 3000})
				f.holds(t, "reopened", released+1, acked, acked)
			}
		}
	}
}

// TestFailure makes the k-th operation fail for every k, alone and with all that follow: what was
// acknowledged is there, nothing is acknowledged after a failed write or sync, and a log that is
// opened anew over the same files takes records that survive a crash.
func TestFailure(t *testing.T) {
	for _, all := range []bool{false, true} {
		for k := int64(1); ; k++ {
			fsys, rng := vfs.NewMem(), rand.New(rand.NewPCG(uint64(k), 3))
			must(t, vfs.MkdirAll(fsys, dir))
			what := fmt.Sprintf("k=%d, all=%v", k, all)
			fsys.FailAfter(k, all)
			acked, written, failed := run(fsys)
			fsys.Hook(nil)
			if !failed {
				break
			}
			open(t, fsys.Crash(rng), wal.Options{}).holds(t, what+", crash", 1, acked, written)
			f := open(t, fsys, wal.Options{})
			f.holds(t, what, 1, acked, written)
			next := f.log.Synced() + 1
			appendAll(t, f.log, text(next))
			later := open(t, fsys.Crash(rng), wal.Options{})
			later.expect(t, append(f.records, fmt.Sprintf("%d:%s", next, text(next)))...)
		}
	}
}

// run writes until something fails, and tells how far it came.
func run(fsys vfs.FS) (acked, written uint64, failed bool) {
	l, err := wal.Open(fsys, dir, wal.Options{FileBytes: 2000}, nil, nil)
	if err != nil {
		return 0, 0, true
	}
	for written < 20 {
		written++
		ticket, err := l.Enqueue([]byte(text(written)))
		if err == nil {
			err = ticket.Wait(context.Background())
		}
		if err == nil {
			if failed {
				return written, written, false // acknowledged after a failure: the caller will find out
			}
			acked = written
		} else if failed = true; !errors.Is(err, wal.ErrFailed) || !errors.Is(err, vfs.ErrInjected) {
			return acked, written, false
		}
	}
	return acked, written, l.Close() != nil || failed
}

// TestCrashWithWriters crashes while many goroutines append.
func TestCrashWithWriters(t *testing.T) {
	for seed := range uint64(5) {
		fsys := vfs.NewMem()
		must(t, vfs.MkdirAll(fsys, dir))
		f := open(t, fsys, wal.Options{FileBytes: 4000})
		var mu sync.Mutex // orders the text with the number
		var acked, written atomic.Uint64
		rng := rand.New(rand.NewPCG(seed, 9))
		var looks []func()
		fsys.Hook(func(op vfs.Op) error { // one at a time: only the writer of a batch uses the disk
			durable := acked.Load()
			image := fsys.Crash(rng)
			most := written.Load()
			looks = append(looks, func() { open(t, image, wal.Options{}).holds(t, op.Kind, 1, durable, most) })
			return nil
		})
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range 10 {
					mu.Lock()
					ticket, err := f.log.Enqueue([]byte(text(written.Add(1))))
					mu.Unlock()
					if err == nil {
						err = ticket.Wait(t.Context())
					}
					if err != nil {
						t.Error(err)
						return
					}
					for a := acked.Load(); a < ticket.Seq && !acked.CompareAndSwap(a, ticket.Seq); a = acked.Load() {
					}
				}
			})
		}
		wg.Wait()
		for _, look := range looks {
			look()
		}
	}
}

// TestFlippedBits flips every bit of a log: it is always noticed, in the right file, and no record
// is lost but the one that was hit.
func TestFlippedBits(t *testing.T) {
	fsys := vfs.NewMem()
	f := open(t, fsys, wal.Options{FileBytes: 150})
	const records = 7
	for i := range uint64(records) {
		appendAll(t, f.log, fmt.Sprintf("record %d %s", i+1, strings.Repeat("~", int(i))))
	}
	must(t, f.log.Close())
	for _, name := range files(t, fsys) {
		name = dir + "/" + name
		data, err := vfs.ReadFile(fsys, name)
		must(t, err)
		for bit := range 8 * len(data) {
			bad := fsys.Clone()
			data[bit/8] ^= 1 << (bit % 8)
			must(t, vfs.WriteFile(bad, name, data))
			data[bit/8] ^= 1 << (bit % 8)
			f := open(t, bad, wal.Options{})
			lost := 0
			for _, d := range f.damage {
				if d.File != name || d.Offset > int64(bit/8) || d.Offset+d.Bytes <= int64(bit/8) {
					t.Fatalf("%s, bit %d: reported %v", name, bit, d)
				}
				if d.First > 0 {
					lost += int(d.Last - d.First + 1)
				}
			}
			if len(f.damage) != 1 || len(f.records)+lost != records || lost > 1 {
				t.Fatalf("%s, bit %d: records %v, damage %v", name, bit, f.records, f.damage)
			}
			if d := f.damage[0]; d.Torn && d.Offset+d.Bytes < int64(len(data)) {
				t.Fatalf("%s, bit %d: %v", name, bit, d)
			}
			appendAll(t, f.log, "more")
		}
	}
}
