package gate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/shard"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func watched(t *testing.T) (*Gate, *clock) {
	t.Helper()
	set, err := shard.Open(t.TempDir(), shard.Options{Shards: 1, Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	c := &clock{t: time.Unix(1e9, 0)}
	return New(set, Options{Now: c.now}), c
}

// put appends n observations of a host.
func put(t *testing.T, g *Gate, host string, at int64, n int) {
	t.Helper()
	row := chunk.BatchRow{Dimensions: chunk.Dimensions{{Name: "host", Value: host}}, Samples: chunk.Samples{Kind: chunk.Int64}}
	for i := range n {
		row.Samples.Times = append(row.Samples.Times, at+int64(i))
		row.Samples.Ints = append(row.Samples.Ints, int64(i))
	}
	if _, err := g.Append(t.Context(), &chunk.Batch{Rows: []chunk.BatchRow{row}}); err != nil {
		t.Fatal(err)
	}
	clear(row.Samples.Times) // a batch belongs to its writer again
}

// next returns the next event, which must be there.
func next(t *testing.T, s *Subscription) Event {
	t.Helper()
	e, ok, err := s.ring.take(s.wake)
	if !ok || err != nil {
		t.Fatalf("no event: %v", err)
	}
	return e
}

func quiet(t *testing.T, s *Subscription) {
	t.Helper()
	if e, ok, err := s.ring.take(s.wake); ok || err != nil {
		t.Fatalf("an event that should not be: %+v, %v", e, err)
	}
}

func TestSubscription(t *testing.T) {
	g, _ := watched(t)
	put(t, g, "a", 1, 1)
	s, err := g.Subscribe(t.Context(), filter(t, "host:a"))
	if err != nil {
		t.Fatal(err)
	}
	quiet(t, s) // what was there before is not told
	put(t, g, "b", 1, 1)
	quiet(t, s)
	put(t, g, "a", 5, 3)
	e := next(t, s)
	if len(e.Rows) != 1 || e.Missed != 0 || e.Rows[0].Samples.Times[2] != 7 {
		t.Fatalf("%+v", e)
	}
	quiet(t, s)
}

func filter(t *testing.T, text string) index.Filter {
	t.Helper()
	f, err := index.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRefusedRowsAreNotTold: only what is durable is.
func TestRefusedRowsAreNotTold(t *testing.T) {
	g, _ := watched(t)
	s, err := g.Subscribe(t.Context(), index.All())
	if err != nil {
		t.Fatal(err)
	}
	within := access.With(t.Context(), &access.Identity{Rights: access.All, Within: filter(t, "host:a")})
	b := &chunk.Batch{}
	for _, host := range []string{"b", "a", "c"} {
		b.Rows = append(b.Rows, chunk.BatchRow{
			Dimensions: chunk.Dimensions{{Name: "host", Value: host}}, Samples: chunk.Samples{Kind: chunk.Bool, Times: []int64{1}, Bools: []bool{true}},
		})
	}
	if out, err := g.Append(within, b); err != nil || len(out.Refused) != 2 {
		t.Fatal(out, err)
	}
	if e := next(t, s); len(e.Rows) != 1 || e.Rows[0].Dimensions[0].Value != "a" {
		t.Fatalf("%+v", e)
	}
}

// TestRingIsBounded: the latest is kept, and what is missed is counted exactly, however large a write.
func TestRingIsBounded(t *testing.T) {
	g, _ := watched(t)
	s, err := g.Subscribe(t.Context(), index.All())
	if err != nil {
		t.Fatal(err)
	}
	const each, writes = 20_000, 20 // 6.4 MB
	for i := range writes {
		put(t, g, "a", int64(i*each), each)
	}
	got, missed := 0, int64(0)
	for got+int(missed) < each*writes {
		e := next(t, s)
		missed += e.Missed
		for _, r := range e.Rows {
			got += r.Samples.Len()
		}
	}
	quiet(t, s)
	if s.ring.bytes > maxRing || missed == 0 || got == 0 || got+int(missed) != each*writes {
		t.Fatalf("got %d, missed %d of %d; %d bytes", got, missed, each*writes, s.ring.bytes)
	}
	put(t, g, "a", 1<<40, 200_000) // larger than the ring
	if e := next(t, s); e.Missed != 200_000 || len(e.Rows) != 0 {
		t.Fatalf("%d missed, %d rows", e.Missed, len(e.Rows))
	}
	quiet(t, s)
}

func TestResume(t *testing.T) {
	g, c := watched(t)
	ctx := access.With(t.Context(), &access.Identity{Name: "ann", Rights: access.Read})
	s, err := g.Subscribe(ctx, filter(t, "host:a"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, g, "a", 1, 1)
	put(t, g, "a", 2, 1)
	first, second := next(t, s), next(t, s)
	for name, tc := range map[string]struct {
		ctx    context.Context
		asked  string
		id     string
		resume bool
	}{
		"as somebody else":      {t.Context(), "host:a", first.ID, false},
		"for other series":      {ctx, "host:*", first.ID, false},
		"behind no event":       {ctx, "host:a", "x", false},
		"behind a later event":  {ctx, "host:a", strings.Replace(first.ID, "-1", "-7f", 1), false},
		"behind the first":      {ctx, "host:a", first.ID, true},
		"behind it once more":   {ctx, "host:a", first.ID, true},
		"of another one":        {ctx, "host:a", "1-1", false},
		"with a negative place": {ctx, "host:a", strings.Replace(first.ID, "-1", "--1", 1), false},
	} {
		again, ok := g.Resume(tc.ctx, filter(t, tc.asked), tc.id)
		if ok != tc.resume {
			t.Errorf("%s: %v", name, ok)
		}
		if ok {
			if e := next(t, again); e.ID != second.ID || e.Rows[0].Samples.Times[0] != 2 {
				t.Errorf("%s: %+v", name, e)
			}
			s = again
		}
	}
	s.Close()
	c.add(linger)
	again, ok := g.Resume(ctx, filter(t, "host:a"), second.ID)
	if !ok {
		t.Fatal("not kept for a minute")
	}
	s.Close() // one whose place was taken does not park the other one
	c.add(time.Hour)
	put(t, g, "a", 3, 1)
	next(t, again)
	again.Close()
	c.add(linger + 1)
	put(t, g, "a", 4, 1)
	if _, ok := g.Resume(ctx, filter(t, "host:a"), second.ID); ok || g.watch.watching.Load() != 0 {
		t.Fatal("kept for more than a minute")
	}
}

// TestTakenOver: who waits is told that somebody else goes on.
func TestTakenOver(t *testing.T) {
	g, _ := watched(t)
	s, err := g.Subscribe(t.Context(), index.All())
	if err != nil {
		t.Fatal(err)
	}
	put(t, g, "a", 1, 1)
	e := next(t, s)
	done := make(chan error)
	go func() {
		_, err := s.Next(t.Context())
		done <- err
	}()
	if _, ok := g.Resume(t.Context(), index.All(), e.ID); !ok {
		t.Fatal("not resumed")
	}
	if err := <-done; !errors.Is(err, errTaken) {
		t.Fatal(err)
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	g, _ := watched(t)
	var all []*Subscription
	for range maxSubscriptions {
		s, err := g.Subscribe(t.Context(), index.All())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if _, err := g.Subscribe(t.Context(), index.All()); !errors.Is(err, ErrOverload) {
		t.Fatal(err)
	}
	all[7].Close() // one that waits for somebody to come back makes room
	if _, err := g.Subscribe(t.Context(), index.All()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all[0].Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestSubscribersBesideWriters is for the race detector: each of several readers hears all.
func TestSubscribersBesideWriters(t *testing.T) {
	g, _ := watched(t)
	const writers, writes = 4, 25
	var wg sync.WaitGroup
	for range 3 {
		s, err := g.Subscribe(t.Context(), index.All())
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer s.Close()
			for got := 0; got < writers*writes; {
				e, err := s.Next(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got += int(e.Missed)
				for _, r := range e.Rows {
					got += r.Samples.Len()
				}
			}
		})
	}
	for w := range writers {
		wg.Go(func() {
			for i := range writes {
				put(t, g, "a", int64(w*writes+i), 1)
			}
		})
	}
	wg.Wait()
}

func BenchmarkPublish(b *testing.B) {
	set, err := shard.Open(b.TempDir(), shard.Options{Shards: 1, Manual: true})
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	g := New(set, Options{})
	batch := &chunk.Batch{Rows: make([]chunk.BatchRow, 1000)}
	for i := range batch.Rows {
		batch.Rows[i] = chunk.BatchRow{Dimensions: chunk.Dimensions{{Name: "host", Value: "a"}}, Samples: chunk.Samples{Kind: chunk.Bool, Times: []int64{1}, Bools: []bool{true}}}
	}
	b.Run("nobody listens", func(b *testing.B) {
		for b.Loop() {
			g.publish(batch, nil)
		}
	})
	if _, err := g.Subscribe(b.Context(), index.All()); err != nil {
		b.Fatal(err)
	}
	b.Run("one listens", func(b *testing.B) {
		for b.Loop() {
			g.publish(batch, nil)
		}
	})
}
