package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// smallDisk mounts a disk of so many bytes, or skips the test where that is not allowed.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("a disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestSmallDisk fills a real disk again and again, with what else is on it, and without a floor
// also to the last byte: writes are refused, what was acknowledged is read all the time, and writes
// are taken again as soon as there is room.
func TestSmallDisk(t *testing.T) {
	for name, floor := range map[string]int64{"with a floor": 4 << 20, "to the last byte": 0} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, 16<<20)
			ballast := filepath.Join(dir, "ballast")
			d := &diskRun{t: t, dir: filepath.Join(dir, "store"), floor: floor, rng: rand.New(rand.NewPCG(1, 2))}
			t.Cleanup(func() { _ = d.set.Close() }) // so that the disk can be taken away, whatever happens
			d.open()
			for round := range 3 {
				if err := os.WriteFile(ballast, make([]byte, (10-round)<<20), 0o644); err != nil {
					t.Fatal(err)
				}
				if n := d.fill(); n == 0 && round > 0 {
					t.Error("no write was taken")
				}
				d.verify()
				if round == 1 {
					d.reopen()
				}
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
				if err := d.write(); err != nil {
					t.Fatalf("when there is room again: %v", err)
				}
				must(t, d.set.Compact(context.Background(), nil))
				d.verify()
			}
			d.reopen()
			must(t, d.set.Close())
		})
	}
}

// A diskRun writes to a store on a disk that is full at times.
type diskRun struct {
	t     *testing.T
	dir   string
	floor int64
	rng   *rand.Rand
	set   *shard.Set
	gate  *gate.Gate
	n     int // batches that were acknowledged
}

func (d *diskRun) open() {
	d.t.Helper()
	set, err := shard.Open(d.dir, shard.Options{Shards: 2, HeadBytes: 1 << 20})
	must(d.t, err)
	d.set, d.gate = set, gate.New(set, gate.Options{Limits: gate.Limits{FreeDisk: d.floor}})
}

func (d *diskRun) reopen() {
	d.t.Helper()
	_ = d.set.Close() // which may not be able to say how far the log goes
	d.open()
	d.verify()
}

// write writes a batch of values that do not pack, and counts it where it is acknowledged; else it
// is written again by the next call.
func (d *diskRun) write() error {
	b := new(chunk.Batch)
	for s := range 4 {
		r := row(d.t, "metric", "m", "series", fmt.Sprint(s), "group", fmt.Sprint(d.n/20))
		r.Samples = chunk.Samples{Kind: chunk.Float64}
		for i := range 1000 {
			r.Samples.Times = append(r.Samples.Times, int64(d.n*1000+i)*1e9)
			r.Samples.Floats = append(r.Samples.Floats, d.rng.NormFloat64())
		}
		b.Rows = append(b.Rows, r)
	}
	_, err := d.gate.Append(context.Background(), b)
	if err == nil {
		d.n++
	}
	return err
}

// fill writes until several writes were refused, and returns how many were taken.
func (d *diskRun) fill() int {
	d.t.Helper()
	before := d.n
	for refused := 0; refused < 5; {
		if err := d.write(); err != nil {
			if refused++; !errors.Is(err, gate.ErrFull) {
				d.t.Fatalf("batch %d: %v", d.n, err)
			}
		}
		if d.n-before > 2000 {
			d.t.Fatal("the disk is never full")
		}
	}
	return d.n - before
}

// verify counts what is read: all that was acknowledged, and at most the one batch more that was
// refused last.
func (d *diskRun) verify() {
	d.t.Helper()
	r, err := d.gate.Query(context.Background(), parse(d.t, "metric:m | count"), query.Request{})
	must(d.t, err)
	if got := int(rows(r)); got < d.n*4000 || got > (d.n+1)*4000 {
		d.t.Fatalf("%d observations are read, of %d", got, d.n*4000)
	}
}
