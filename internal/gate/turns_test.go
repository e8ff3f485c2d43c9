package gate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestOrderOfTurns lets one query run, has others come, and ends one after the other.
func TestOrderOfTurns(t *testing.T) {
	for _, tc := range []string{
		// who comes, in this order: who is let in
		"a1 a2 a3: a1 a2 a3",
		"a1 a2 a3 b1: a1 b1 a2 a3",
		"a1 a2 b1 b2 c1: a1 b1 c1 a2 b2",
		"a1 b1 a2 c1 a3 b2: a1 b1 c1 a2 b2 a3",
	} {
		come, want, _ := strings.Cut(tc, ": ")
		t.Run(tc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := new(turns)
				q.bound(1, 100)
				if err := q.enter(t.Context(), "first", 0); err != nil {
					t.Fatal(err)
				}
				var mu sync.Mutex
				var order []string
				for _, name := range strings.Fields(come) {
					go func() {
						if err := q.enter(t.Context(), name[:1], 0); err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						order = append(order, name)
					}()
					synctest.Wait() // until it waits
				}
				for range strings.Fields(come) {
					q.leave()
					synctest.Wait() // until the next one was let in
				}
				if got := strings.Join(order, " "); got != want {
					t.Errorf("let in: %s; want %s", got, want)
				}
				q.leave()
				if running, waiting := q.now(); running+waiting+len(q.lines) > 0 {
					t.Errorf("%d run and %d wait in the end, in %d lines", running, waiting, len(q.lines))
				}
			})
		})
	}
}

// TestFullQueue sends away who makes the longest line longer, and not who comes alone.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(turns)
		q.bound(1, 3)
		_ = q.enter(t.Context(), "busy", 0)
		errs := map[string]error{}
		var mu sync.Mutex
		come := func(name string) {
			go func() {
				err := q.enter(t.Context(), name[:1], 0)
				mu.Lock()
				defer mu.Unlock()
				if errs[name] = err; err == nil {
					q.leave()
				}
			}()
			synctest.Wait()
		}
		for _, name := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "d1"} {
			come(name)
		}
		q.leave()
		synctest.Wait()
		var in, out []string
		for name, err := range errs {
			if err == nil {
				in = append(in, name)
			} else if out = append(out, name); !errors.Is(err, ErrOverload) {
				t.Errorf("%s: %v", name, err)
			}
		}
		slices.Sort(in)
		slices.Sort(out)
		if fmt.Sprint(in, out) != "[a1 b1 c1] [a2 a3 a4 d1]" {
			t.Errorf("let in %v, sent away %v", in, out)
		}
	})
}

func TestLeavingTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(turns)
		q.bound(1, 10)
		_ = q.enter(t.Context(), "busy", 0)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- q.enter(ctx, "a", 0) }()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		start := time.Now()
		if err := q.enter(t.Context(), "a", 3*time.Second); !errors.Is(err, errQueueTime) || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if _, waiting := q.now(); waiting > 0 || len(q.lines) > 0 {
			t.Errorf("%d wait, in %d lines", waiting, len(q.lines))
		}
		q.leave()
		if err := q.enter(t.Context(), "a", 0); err != nil {
			t.Error(err)
		}
	})
}

func TestMoreTurnsLetMoreIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(turns)
		q.bound(1, 10)
		var in sync.WaitGroup
		for i := range 5 {
			in.Go(func() {
				if err := q.enter(t.Context(), fmt.Sprint(i%2), 0); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		q.bound(5, 10)
		in.Wait()
		if running, waiting := q.now(); running != 5 || waiting != 0 {
			t.Errorf("%d run, %d wait", running, waiting)
		}
	})
}

// TestManyTurns has many come, leave and give up at any moment: never do more run than may, and in
// the end nobody does.
func TestManyTurns(t *testing.T) {
	q := new(turns)
	q.bound(3, 20)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range 300 {
				ctx, cancel := context.WithCancel(context.Background())
				if rng.IntN(3) == 0 {
					cancel()
				}
				err := q.enter(ctx, fmt.Sprint(rng.IntN(4)), time.Minute)
				if running, _ := q.now(); running > 3 {
					t.Errorf("%d run", running)
				}
				if err == nil {
					q.leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if running, waiting := q.now(); running+waiting+len(q.lines) > 0 {
		t.Errorf("%d run and %d wait in the end", running, waiting)
	}
}
