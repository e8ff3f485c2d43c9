package wal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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

// A trial writes to a log whose disk fails, and knows what was acknowledged.
type trial struct {
	acked    []string // by number - 1; "" where a crash tore a record that was refused
	refused  map[string]bool
	released uint64
	pending  []string // being written
}

// holds fails unless f has what was acknowledged, each record under its number, and behind it
// nothing but what was tried.
func (w *trial) holds(t *testing.T, what string, f found) {
	t.Helper()
	last := w.released
	for _, r := range f.records {
		var seq uint64
		_, _ = fmt.Sscanf(r, "%d:", &seq)
		_, text, _ := strings.Cut(r, ":")
		for last+1 < seq && last < uint64(len(w.acked)) && w.acked[last] == "" {
			last++
		}
		switch {
		case seq <= last || seq != last+1 && last < uint64(len(w.acked)):
			t.Fatalf("%s: after record %d came %d; %d are durable", what, last, seq, len(w.acked))
		case seq <= uint64(len(w.acked)) && text != w.acked[seq-1]:
			t.Fatalf("%s: record %d is %.40q, not %.40q", what, seq, text, w.acked[seq-1])
		case seq > uint64(len(w.acked)) && !w.refused[text] && !slices.Contains(w.pending, text):
			t.Fatalf("%s: record %d, %.40q, was never tried", what, seq, text)
		}
		last = seq
	}
	if last < uint64(len(w.acked)) {
		t.Fatalf("%s: the last record is %d; %d are durable", what, last, len(w.acked))
	}
	for _, d := range f.damage {
		if !d.Torn {
			t.Fatalf("%s: a failure passes for corruption: %v", what, d)
		}
	}
}

// write writes some records at once, which are acknowledged or refused together.
func (w *trial) write(t *testing.T, l *wal.Log, texts ...string) error {
	t.Helper()
	w.pending = texts
	var tickets []wal.Ticket
	for _, text := range texts {
		ticket, err := l.Enqueue([]byte(text))
		must(t, err)
		tickets = append(tickets, ticket)
	}
	var err error
	for i, ticket := range tickets {
		if err = ticket.Wait(t.Context()); err != nil {
			w.refused[texts[i]] = true
			continue
		}
		if ticket.Seq != uint64(len(w.acked))+1 {
			t.Fatalf("record %d follows %d", ticket.Seq, len(w.acked))
		}
		w.acked = append(w.acked, texts[i])
	}
	w.pending = nil
	return err
}

// TestFailuresPass makes operations fail, one after the other or at random: what was acknowledged is
// there at any moment, after a crash and after a kill, and the log takes records as soon as
// nothing fails.
func TestFailuresPass(t *testing.T) {
	for what, fails := range map[string]func(rng *rand.Rand, k int64) func(vfs.Op) bool{
		"one": func(_ *rand.Rand, k int64) func(vfs.Op) bool {
			return func(op vfs.Op) bool { return op.N == k }
		},
		"three": func(_ *rand.Rand, k int64) func(vfs.Op) bool {
			return func(op vfs.Op) bool { return op.N >= k && op.N < k+3 }
		},
		"half of all": func(rng *rand.Rand, _ int64) func(vfs.Op) bool {
			return func(vfs.Op) bool { return rng.IntN(2) == 0 }
		},
		"some writes": func(rng *rand.Rand, _ int64) func(vfs.Op) bool {
			return func(op vfs.Op) bool { return op.Kind == "write" && rng.IntN(3) == 0 }
		},
		"some syncs": func(rng *rand.Rand, _ int64) func(vfs.Op) bool {
			return func(op vfs.Op) bool { return strings.HasPrefix(op.Kind, "sync") && rng.IntN(3) == 0 }
		},
		"no truncation": func(rng *rand.Rand, _ int64) func(vfs.Op) bool {
			return func(op vfs.Op) bool { return op.Kind == "truncate" || op.Kind == "write" && rng.IntN(3) == 0 }
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for k := range int64(25) {
				runTrial(t, fmt.Sprintf("%s, %d", what, k), k, fails)
			}
		})
	}
}

func runTrial(t *testing.T, what string, k int64, fails func(*rand.Rand, int64) func(vfs.Op) bool) {
	t.Helper()
	fsys, rng := vfs.NewMem(), rand.New(rand.NewPCG(uint64(k), 3))
	must(t, vfs.MkdirAll(fsys, dir))
	w := &trial{refused: map[string]bool{}}
	o := wal.Options{FileBytes: 2000}
	f := open(t, fsys, o)
	failing := fails(rng, fsys.Ops()+1+k)
	watch := func(op vfs.Op) error {
		if op.Change {
			at := fmt.Sprintf("%s, %s %s (%d)", what, op.Kind, op.Name, op.N)
			image := fsys.Crash(rng)
			w.holds(t, at+", crash", open(t, image, wal.Options{After: w.released}))
			w.holds(t, at+", kill", open(t, fsys.Clone(), wal.Options{After: w.released}))
		}
		if failing(op) {
			return vfs.ErrInjected
		}
		return nil
	}
	fsys.Hook(watch)
	for i := range 24 {
		var texts []string
		for j := range 1 + rng.IntN(3) {
			texts = append(texts, fmt.Sprintf("%d.%d %s", i, j, strings.Repeat("~", rng.IntN(700))))
		}
		if err := w.write(t, f.log, texts...); err != nil && (!errors.Is(err, wal.ErrFailed) || !errors.Is(err, vfs.ErrInjected)) {
			t.Fatalf("%s: %v", what, err)
		}
		if rng.IntN(6) == 0 {
			w.released = max(w.released, uint64(len(w.acked)-rng.IntN(min(3, len(w.acked)+1))))
			_ = f.log.Release(w.released) // tried again with the next one
		}
		if rng.IntN(8) == 0 {
			if rng.IntN(2) == 0 {
				_ = f.log.Close()
			}
			if fsys.Hook(nil); rng.IntN(2) == 0 {
				fsys = fsys.Crash(rng)
			} else {
				fsys = fsys.Clone() // a new process; nobody remembers which syncs failed
			}
			f = open(t, fsys, wal.Options{After: w.released, FileBytes: o.FileBytes})
			w.holds(t, what+", reopened", f)
			for _, r := range f.records { // what was refused, and is there, counts from now on
				var seq uint64
				_, _ = fmt.Sscanf(r, "%d:", &seq)
				for seq > uint64(len(w.acked)) {
					w.acked = append(w.acked, "")
				}
				_, w.acked[seq-1], _ = strings.Cut(r, ":")
			}
			fsys.Hook(watch)
		}
	}
	fsys.Hook(nil)
	must(t, w.write(t, f.log, "nothing fails any more"))
	w.holds(t, what+", in the end", open(t, fsys.Crash(rng), wal.Options{After: w.released}))
	must(t, f.log.Close())
}

// TestFullDisk fills a small disk, makes room, and fills it again.
func TestFullDisk(t *testing.T) {
	fsys, rng := vfs.NewMem(), rand.New(rand.NewPCG(1, 3))
	must(t, vfs.MkdirAll(fsys, dir))
	w := &trial{refused: map[string]bool{}}
	f := open(t, fsys, wal.Options{FileBytes: 2000})
	for round := range int64(20) {
		fsys.SetRoom(5000 * (round + 1))
		refused := 0
		for i := 0; refused < 3; i++ {
			if err := w.write(t, f.log, fmt.Sprintf("%d.%d %s", round, i, strings.Repeat("~", rng.IntN(700)))); err != nil {
				if refused++; !vfs.IsFull(err) {
					t.Fatal(err)
				}
			}
			w.holds(t, "crash", open(t, fsys.Crash(rng), wal.Options{}))
		}
	}
	fsys.SetRoom(0)
	must(t, w.write(t, f.log, "room"))
	must(t, f.log.Close())
	w.holds(t, "in the end", open(t, fsys, wal.Options{}))
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
