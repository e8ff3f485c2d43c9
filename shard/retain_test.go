package shard_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// retain is the definition: of each series goes what is in partitions whose end has reached the age
// that the first policy it matches says.
func (m model) retain(policies []shard.Policy, now, width int64) {
	for _, s := range m {
		for _, p := range policies {
			if p.Filter != nil && !p.Filter.Match(s.series.Dimensions) {
				continue
			}
			maps.DeleteFunc(s.values, func(t int64, _ value) bool {
				end := (partition(t, width) + 1) * width
				return p.Age > 0 && t < math.MaxInt64-width && (t < math.MinInt64+width || end <= now-int64(p.Age))
			})
			break
		}
	}
}

func partition(t, width int64) int64 {
	n := t / width
	if t%width < 0 {
		n--
	}
	return n
}

// policies returns rules at random, some of which overlap.
func (g *generator) policies() []shard.Policy {
	var out []shard.Policy
	for range g.rng.IntN(4) {
		out = append(out, shard.Policy{Filter: g.filter(), Age: time.Duration(g.rng.Int64N(g.width) - g.width/8)})
	}
	return out
}

// TestRetentionLaw compares what policies leave with what their definition leaves, in stores that
// are written to, sealed, compacted and opened again meanwhile, while time goes on.
func TestRetentionLaw(t *testing.T) {
	for seed := range uint64(20 / slow) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			testRetentionLaw(t, seed)
		})
	}
}

func testRetentionLaw(t *testing.T, seed uint64) {
	rng, ctx := rand.New(rand.NewPCG(seed, 17)), context.Background()
	g := &generator{t: t, rng: rng, width: 3000}
	now, width := int64(-1000), int64(100+rng.IntN(1500))
	o := options(t, vfs.NewMem())
	o.Partition, o.Now = time.Duration(width), func() time.Time { return time.Unix(0, now) }
	var policies []shard.Policy
	s, m := mustOpen(t, o), model{}
	defer func() { s.Close() }()
	for step := range 50 {
		what := fmt.Sprintf("seed %d step %d", seed, step)
		switch rng.IntN(8) {
		default:
			b := g.batch()
			must(t, s.Append(ctx, b))
			m.append(b)
		case 3:
			must(t, s.Seal(ctx))
		case 4:
			must(t, s.Compact(ctx, nil))
		case 5:
			must(t, s.Close())
			s = mustOpen(t, o)
			s.SetRetention(policies)
		case 6:
			policies = g.policies()
			s.SetRetention(policies)
		case 7:
			now += rng.Int64N(800)
			must(t, s.Retain(ctx))
			m.retain(policies, now, width)
			if left, err := s.Expired(ctx, append(policies, shard.Policy{})); err != nil || len(left) > 0 {
				t.Fatalf("%s: %v is left: %v", what, left, err)
			}
		}
		compare(t, what, read(t, s, index.All(), chunk.Always), m.within(index.All(), chunk.Always))
	}
	must(t, s.Check(ctx, func(f shard.Finding) { t.Error(f) }))
}

// byPartition cuts what a store holds into one entry for each series and partition.
func byPartition(of map[string]string, width int64) map[string]string {
	out := map[string]string{}
	for series, text := range of {
		for _, row := range strings.Fields(text) {
			stamp, _, _ := strings.Cut(row, "=")
			at, err := strconv.ParseInt(stamp, 10, 64)
			if err != nil {
				panic(err)
			}
			out[fmt.Sprintf("%s in %d", series, partition(at, width))] += row + " "
		}
	}
	return out
}

// TestRetentionCrash takes images of the disk while policies let go of partitions: what has not
// reached its age is there, and of what has a series has all that a partition held of it, or nothing.
func TestRetentionCrash(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r, ctx := newCrashRun(t, seed+100, 1+int(seed%2)), context.Background()
			width := int64(r.o.Partition)
			now := int64(-1500)
			r.o.Now = func() time.Time { return time.Unix(0, now) }
			r.split = func(of map[string]string) map[string]string { return byPartition(of, width) }
			var images []image
			r.fsys.Hook(func(op vfs.Op) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				if op.Change && strings.HasPrefix(r.doing, "retain") {
					images = append(images, r.take(op, false))
				}
				return nil
			})
			must(t, r.open())
			defer func() { r.store.Close() }()
			for i := range 12 {
				for range 3 {
					must(t, r.step(i))
				}
				policies := r.gen.policies()
				now += r.rng.Int64N(900)
				r.model.retain(policies, now, width)
				r.expect(fmt.Sprintf("retain %d", i), r.model.within(index.All(), chunk.Always))
				r.store.SetRetention(policies)
				must(t, r.store.Retain(ctx))
				r.done()
			}
			for i, im := range images {
				if i%3 > 0 {
					r.look(im)
					continue
				}
				got := r.check(im)
				r.look(image{what: im.what + ", again", fsys: im.fsys.Crash(r.rng), acked: got, next: got})
			}
			t.Logf("%d images", len(images))
		})
	}
}

// A policy makes one record a partition, once; a segment of which nothing stays goes without one.
func TestRetentionRecords(t *testing.T) {
	ctx := context.Background()
	o := options(t, vfs.NewMem())
	now := int64(10_000)
	o.Now, o.Partition, o.Shards = func() time.Time { return time.Unix(0, now) }, 1000, 1
	s := mustOpen(t, o)
	a, b := dims(t, "db", "a"), dims(t, "db", "b")
	must(t, s.Append(ctx, batch(a, 1, 100, 1100)))
	must(t, s.Append(ctx, batch(b, 1, 1200, 2200)))
	must(t, s.Seal(ctx))
	state := func() string {
		st := s.Stats()
		_, total, err := s.Search(ctx, index.All(), 0)
		must(t, err)
		return fmt.Sprintf("%d segments, %d deletions, %d series", st.Segments, st.Deletions, total)
	}
	s.SetRetention([]shard.Policy{{Filter: mustParse(t, "db:a"), Age: 5000}})
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, "3 segments, 0 deletions, 2 series"},
		{func() error { return s.Retain(ctx) }, "2 segments, 1 deletions, 1 series"},
		{func() error { return s.Retain(ctx) }, "2 segments, 1 deletions, 1 series"},
		{func() error { s.SetRetention([]shard.Policy{{Age: 7900}}); return s.Retain(ctx) }, "1 segments, 0 deletions, 1 series"},
		{func() error { now++; return s.Retain(ctx) }, "1 segments, 0 deletions, 1 series"},
		{func() error { now = 10_900; return s.Retain(ctx) }, "0 segments, 0 deletions, 0 series"},
		{func() error { return s.Append(ctx, batch(a, 1, 50)) }, "0 segments, 0 deletions, 1 series"},
		{func() error { return s.Retain(ctx) }, "0 segments, 1 deletions, 0 series"}, // for the log to tell
		{func() error { return s.Seal(ctx) }, "0 segments, 0 deletions, 0 series"},
	} {
		must(t, step.do())
		if got := state(); got != step.want {
			t.Errorf("%s, want %s", got, step.want)
		}
	}
	must(t, s.Close())
}

// The first policy that a series matches is its own.
func TestRetentionFirstMatch(t *testing.T) {
	ctx := context.Background()
	o := options(t, vfs.NewMem())
	o.Now, o.Partition = func() time.Time { return time.Unix(0, 10_000) }, 10
	o.Retention = 6000
	o.Policies = []shard.Policy{
		{Filter: mustParse(t, "keep:forever"), Age: 0},
		{Filter: mustParse(t, "host:a"), Age: 1000},
		{Filter: mustParse(t, "host:[a TO b]"), Age: 3000},
	}
	s := mustOpen(t, o)
	for _, d := range []chunk.Dimensions{
		dims(t, "host", "a"), dims(t, "host", "b"), dims(t, "host", "c"), dims(t, "host", "a", "keep", "forever"),
	} {
		must(t, s.Append(ctx, batch(d, 1, 100, 5000, 8000, 9500)))
	}
	must(t, s.Seal(ctx))
	expired, err := s.Expired(ctx, nil)
	must(t, err)
	if len(expired) != 3 || expired[0].Series != 3 || expired[1].Series != 2 || expired[2].Series != 1 {
		t.Errorf("would go: %+v", expired)
	}
	must(t, s.Retain(ctx))
	for host, want := range map[string]int{"a": 4 + 1, "b": 2, "c": 3} {
		n := 0
		for _, text := range read(t, s, mustParse(t, "host:"+host), chunk.Always) {
			n += len(strings.Fields(text))
		}
		if n != want {
			t.Errorf("host %s: %d observations, want %d", host, n, want)
		}
	}
	must(t, s.Close())
}
