package gate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// A clock stands still until it is moved.
type clock struct{ now atomic.Int64 }

func (c *clock) read() time.Time         { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func newClock() *clock {
	c := new(clock)
	c.now.Store(1e18)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func row(t testing.TB, pairs ...string) chunk.BatchRow {
	t.Helper()
	var list []chunk.Dimension
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	d, err := chunk.NewDimensions(list...)
	must(t, err)
	return chunk.BatchRow{Dimensions: d, Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{1e9, 2e9}, Floats: []float64{1, 2}}}
}

func batch(rows ...chunk.BatchRow) *chunk.Batch { return &chunk.Batch{Rows: rows} }

// A site is a store in memory, and its gate.
type site struct {
	*gate.Gate
	set   *shard.Set
	fsys  *vfs.Mem
	clock *clock
	log   bytes.Buffer

	ticking time.Duration // that the clock advances whenever it is read
}

func newSite(t testing.TB, l gate.Limits) *site {
	t.Helper()
	s := &site{fsys: vfs.NewMem(), clock: newClock()}
	set, err := shard.Open("store", shard.Options{FS: s.fsys, Shards: 2, IndexDir: t.TempDir(), Manual: true})
	must(t, err)
	t.Cleanup(func() { _ = set.Close() })
	s.set = set
	s.Gate = gate.New(set, gate.Options{
		Limits: l, Now: s.read, Logger: slog.New(slog.NewJSONHandler(&s.log, nil)), SlowQuery: time.Second,
	})
	return s
}

func (s *site) read() time.Time {
	s.clock.advance(s.ticking)
	return s.clock.read()
}

func filter(t testing.TB, text string) index.Filter {
	t.Helper()
	f, err := index.Parse(text)
	must(t, err)
	return f
}

func parse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	must(t, err)
	return q
}

// as returns the context of somebody.
func as(t testing.TB, name string, r access.Rights, within string, set ...chunk.Dimension) context.Context {
	t.Helper()
	who := &access.Identity{Name: name, Rights: r, Set: set}
	if within != "" {
		who.Within = filter(t, within)
	}
	return access.With(context.Background(), who)
}

// TestWhoMayWhat calls every method as everybody: what comes back is what they may see.
func TestWhoMayWhat(t *testing.T) {
	people := map[string]func(testing.TB) context.Context{
		"anybody":        func(testing.TB) context.Context { return context.Background() },
		"reader":         func(t testing.TB) context.Context { return as(t, "reader", access.Read, "") },
		"writer":         func(t testing.TB) context.Context { return as(t, "writer", access.Write, "") },
		"admin":          func(t testing.TB) context.Context { return as(t, "admin", access.Admin, "") },
		"nobody":         func(t testing.TB) context.Context { return as(t, "nobody", 0, "") },
		"tenant":         func(t testing.TB) context.Context { return as(t, "tenant", access.All, "tenant:a") },
		"tenant of none": func(t testing.TB) context.Context { return as(t, "tenant of none", access.All, "tenant:c") },
	}
	calls := map[string]func(s *site, ctx context.Context) (string, error){
		"append": func(s *site, ctx context.Context) (string, error) {
			out, err := s.Append(ctx, batch(row(t, "metric", "new", "tenant", "a"), row(t, "metric", "new", "tenant", "b")))
			return fmt.Sprint(out.Stored), err
		},
		"query": func(s *site, ctx context.Context) (string, error) {
			r, err := s.Query(ctx, parse(t, "metric:cpu | count"), query.Request{})
			return fmt.Sprint(rows(r)), err
		},
		"analyze": func(s *site, ctx context.Context) (string, error) {
			_, r, err := s.Analyze(ctx, parse(t, "metric:cpu | count"), query.Request{})
			return fmt.Sprint(rows(r)), err
		},
		"parts": func(s *site, ctx context.Context) (string, error) {
			n := 0
			for _, p := range s.Parts(ctx) {
				sel, err := p.Select(ctx, index.All(), chunk.Always)
				must(t, err)
				n += sel.Len()
				must(t, sel.Close())
			}
			return fmt.Sprint(n), nil
		},
		"search": func(s *site, ctx context.Context) (string, error) {
			list, n, err := s.Search(ctx, index.All(), 0)
			if len(list) != n {
				t.Errorf("%d of %d", len(list), n)
			}
			return fmt.Sprint(n), err
		},
		"names": func(s *site, ctx context.Context) (string, error) {
			list, err := s.Names(ctx, index.All())
			return fmt.Sprint(len(list)), err
		},
		"values": func(s *site, ctx context.Context) (string, error) {
			list, err := s.Values(ctx, index.All(), "tenant", "", 0)
			return fmt.Sprint(len(list)), err
		},
		"complete": func(s *site, ctx context.Context) (string, error) {
			list, err := s.Complete(ctx, "host", 0)
			return fmt.Sprint(len(list)), err
		},
		"begin": func(s *site, ctx context.Context) (string, error) {
			_, end, err := s.Begin(ctx)
			if err == nil {
				end()
			}
			return "", err
		},
		"delete": func(s *site, ctx context.Context) (string, error) {
			n, err := s.Delete(ctx, index.All(), chunk.Always)
			return fmt.Sprint(n), err
		},
		"stats": func(s *site, ctx context.Context) (string, error) {
			st, err := s.Stats(ctx)
			return fmt.Sprint(st.Series), err
		},
	}
	for _, tc := range []string{
		// who: what each call returns; - is not allowed
		"anybody:        append 4 query 6 analyze 6 parts 3 search 3 names 3 values 2 complete 8 begin _ delete 3 stats 3",
		"reader:         append - query 6 analyze 6 parts 3 search 3 names 3 values 2 complete 8 begin _ delete - stats -",
		"writer:         append 4 query - analyze - parts 0 search - names - values - complete - begin - delete - stats -",
		"admin:          append - query - analyze - parts 0 search - names - values - complete - begin - delete 3 stats 3",
		"nobody:         append - query - analyze - parts 0 search - names - values - complete - begin - delete - stats -",
		"tenant:         append 2 query 4 analyze 4 parts 2 search 2 names 3 values 1 complete 6 begin _ delete 2 stats -",
		"tenant of none: append 0 query 0 analyze 0 parts 0 search 0 names 0 values 0 complete 0 begin _ delete 0 stats -",
	} {
		who, rest, _ := strings.Cut(tc, ":")
		words := strings.Fields(rest)
		for i := 0; i < len(words); i += 2 {
			call, want := words[i], words[i+1]
			t.Run(who+"/"+call, func(t *testing.T) {
				s := newSite(t, gate.Limits{})
				must(t, s.set.Append(context.Background(), batch(row(t, "metric", "cpu", "tenant", "a", "host", "host1"),
					row(t, "metric", "cpu", "tenant", "a", "host", "host2"), row(t, "metric", "cpu", "tenant", "b", "host", "host3"))))
				got, err := calls[call](s, people[who](t))
				if want == "-" {
					if !errors.Is(err, gate.ErrForbidden) {
						t.Errorf("not refused: %s, %v", got, err)
					}
					return
				}
				if err != nil || got != want && want != "_" {
					t.Errorf("got %s, %v; want %s", got, err, want)
				}
			})
		}
	}
}

// rows returns the sum of the single values of a result.
func rows(r *query.Result) float64 {
	n := 0.0
	if r != nil {
		for _, s := range r.Series {
			n += s.Value
		}
	}
	return n
}

// series returns the text of all series of the store.
func (s *site) series(t testing.TB) string {
	t.Helper()
	list, _, err := s.set.Search(context.Background(), index.All(), 0)
	must(t, err)
	var all []string
	for _, one := range list {
		all = append(all, one.Dimensions.String())
	}
	return strings.Join(all, " ")
}

// reasons returns the refused rows of an outcome, each with what it is refused for.
func reasons(out gate.Outcome) string {
	var all []string
	for _, r := range out.Refused {
		why := "other"
		for name, err := range map[string]error{"invalid": gate.ErrInvalid, "forbidden": gate.ErrForbidden, "overload": gate.ErrOverload} {
			if errors.Is(r.Reason, err) {
				why = name
			}
		}
		all = append(all, fmt.Sprintf("%d:%s", r.Row, why))
	}
	return strings.Join(all, " ")
}

func TestBadRowsDoNotKeepGoodOnesOut(t *testing.T) {
	s := newSite(t, gate.Limits{})
	good, short, unnamed, long := row(t, "metric", "good"), row(t, "metric", "short"), row(t, "metric", "x"), row(t, "metric", "long")
	short.Samples.Floats = short.Samples.Floats[:1]
	unnamed.Dimensions = chunk.Dimensions{{Name: "", Value: "x"}}
	long.Samples = chunk.Samples{Kind: chunk.String, Times: []int64{1}, Strings: []string{strings.Repeat("x", 1<<20+1)}}
	same := unnamed // shares its dimensions
	out, err := s.Append(context.Background(), batch(short, good, unnamed, same, long, row(t, "metric", "late")))
	must(t, err)
	if got := reasons(out); out.Stored != 4 || got != "0:invalid 2:invalid 3:invalid 4:invalid" {
		t.Errorf("stored %d, refused %s", out.Stored, got)
	}
	if got := s.series(t); got != `{metric="good"} {metric="late"}` {
		t.Errorf("the store has %s", got)
	}
	if c := s.Counts(); c.Stored != 4 || c.Batches != 1 || c.Refused["invalid"] != 4 {
		t.Errorf("counts: %+v", c)
	}
}

func TestConfinedWriter(t *testing.T) {
	s := newSite(t, gate.Limits{})
	ctx := as(t, "a", access.Write, "tenant:a", chunk.Dimension{Name: "tenant", Value: "a"}, chunk.Dimension{Name: "via", Value: "token"})
	mine, theirs, none := row(t, "metric", "mine", "tenant", "a"), row(t, "metric", "theirs", "tenant", "b"), row(t, "metric", "none", "zone", "z")
	again := theirs
	out, err := s.Append(ctx, batch(mine, theirs, again, none))
	must(t, err)
	if out.Stored != 8 || len(out.Refused) > 0 {
		t.Errorf("stored %d, refused %s", out.Stored, reasons(out))
	}
	want := `{metric="mine", tenant="a", via="token"} {metric="none", tenant="a", via="token", zone="z"} {metric="theirs", tenant="a", via="token"}`
	if got := s.series(t); got != want {
		t.Errorf("the store has %s", got)
	}
	out, err = s.Append(as(t, "b", access.Write, "tenant:b"), batch(row(t, "metric", "m", "tenant", "b"), row(t, "metric", "m", "tenant", "a")))
	must(t, err)
	if got := reasons(out); out.Stored != 2 || got != "1:forbidden" {
		t.Errorf("stored %d, refused %s", out.Stored, got)
	}
}

func TestSeriesInAll(t *testing.T) {
	s := newSite(t, gate.Limits{Series: 2})
	out, err := s.Append(context.Background(), batch(row(t, "metric", "a"), row(t, "metric", "b"), row(t, "metric", "c"), row(t, "metric", "a")))
	must(t, err)
	if got := reasons(out); out.Stored != 6 || got != "2:overload" {
		t.Errorf("stored %d, refused %s", out.Stored, got)
	}
	if text := out.Refused[0].Reason.Error(); !strings.Contains(text, "limits.series is 2") {
		t.Error(text)
	}
	s.SetLimits(gate.Limits{Series: 3})
	out, err = s.Append(context.Background(), batch(row(t, "metric", "c")))
	must(t, err)
	if out.Stored != 2 {
		t.Errorf("after the limit was raised: %s", reasons(out))
	}
}

func TestNewSeriesInAMinute(t *testing.T) {
	s := newSite(t, gate.Limits{NewSeries: 3})
	write := func(names ...string) (gate.Outcome, error) {
		b := new(chunk.Batch)
		for _, n := range names {
			b.Rows = append(b.Rows, row(t, "metric", n))
		}
		return s.Append(context.Background(), b)
	}
	out, err := write("a", "b", "c", "d", "a")
	must(t, err)
	if got := reasons(out); out.Stored != 8 || got != "3:overload" {
		t.Errorf("stored %d, refused %s", out.Stored, got)
	}
	_, err = write("d", "e")
	var o *gate.Overload
	if !errors.As(err, &o) || o.Name != "limits.new_series_per_minute" || o.Limit != 3 || o.After != 20*time.Second {
		t.Errorf("nothing but new series: %v, %+v", err, o)
	}
	s.clock.advance(o.After)
	out, err = write("d", "e", "b")
	must(t, err)
	if got := reasons(out); out.Stored != 4 || got != "1:overload" {
		t.Errorf("after a third of a minute: stored %d, refused %s", out.Stored, got)
	}
	if c := s.Counts(); c.Refused["limits.new_series_per_minute"] != 2 || c.Rejected["limits.new_series_per_minute"] != 1 {
		t.Errorf("counts: %+v", c)
	}
}

func TestBytesInFlight(t *testing.T) {
	s := newSite(t, gate.Limits{InFlight: 1000})
	must(t, s.Hold(600))
	var o *gate.Overload
	if err := s.Hold(600); !errors.As(err, &o) || o.Name != "limits.in_flight" {
		t.Errorf("beyond the limit: %v", err)
	}
	s.Release(600)
	must(t, s.Hold(5000)) // alone: the limit of a body says no, if anything
	s.Release(5000)
	if n := s.Counts().InFlightBytes; n != 0 {
		t.Errorf("%d bytes stay", n)
	}
	_, err := s.Append(context.Background(), batch(row(t, "metric", "a"))) // gives back what it took
	must(t, err)
	if n := s.Counts().InFlightBytes; n != 0 {
		t.Errorf("%d bytes stay", n)
	}
}

func TestFullDisk(t *testing.T) {
	s := newSite(t, gate.Limits{FreeDisk: 10_000})
	s.fsys.SetRoom(40_000)
	write := func(n int) error {
		_, err := s.Append(context.Background(), batch(row(t, "metric", fmt.Sprint(n))))
		return err
	}
	n := 0
	var err error
	for err == nil && n < 10_000 {
		s.clock.advance(2 * time.Second)
		err = write(n)
		n++
	}
	if !errors.Is(err, gate.ErrFull) || !strings.Contains(err.Error(), "limits.free_disk") {
		t.Fatalf("after %d writes: %v", n, err)
	}
	if !s.Counts().DiskFull || s.Counts().Rejected["disk full"] != 1 {
		t.Errorf("counts: %+v", s.Counts())
	}
	r, err := s.Query(context.Background(), parse(t, "metric:* | count"), query.Request{})
	must(t, err)
	if got := rows(r); got != float64(2*(n-1)) {
		t.Errorf("%v observations are read of %d", got, 2*(n-1))
	}
	if _, err := s.Delete(context.Background(), filter(t, "metric:1"), chunk.Always); err != nil {
		t.Errorf("deleting while the disk is full: %v", err)
	}
	s.fsys.SetRoom(1 << 20)
	must(t, write(n))
	if s.Counts().DiskFull || !strings.Contains(s.log.String(), "room again") {
		t.Error(s.log.String())
	}
}

func TestDeletesAreLogged(t *testing.T) {
	s := newSite(t, gate.Limits{})
	_, err := s.Append(context.Background(), batch(row(t, "metric", "cpu", "tenant", "a"), row(t, "metric", "cpu", "tenant", "b")))
	must(t, err)
	_, err = s.Delete(as(t, "eve", access.All, "tenant:a"), filter(t, "metric:cpu"), chunk.Always)
	must(t, err)
	_, err = s.Delete(as(t, "mallory", access.Read, ""), filter(t, "metric:cpu"), chunk.Always)
	if !errors.Is(err, gate.ErrForbidden) {
		t.Error(err)
	}
	for _, want := range []string{"\"msg\":\"deleted\",\"audit\":true,\"who\":\"eve\",\"selector\":\"metric:cpu AND tenant:a\",\"span\":\"[always)\",\"series\":1", "not deleted\",\"audit\":true,\"who\":\"mallory"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, s.log.String())
		}
	}
}
