package shard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// options are those of a small store in memory.
func options(t testing.TB, mem *vfs.Mem) shard.Options {
	return shard.Options{FS: mem, Shards: 2, Partition: 1000, Manual: true, IndexDir: filepath.Join(t.TempDir(), "index")}
}

// batch is one observation at each stamp.
func batch(d chunk.Dimensions, v float64, times ...int64) *chunk.Batch {
	s := chunk.Samples{Kind: chunk.Float64, Times: times}
	for range times {
		s.Floats = append(s.Floats, v)
	}
	return &chunk.Batch{Rows: []chunk.BatchRow{{Dimensions: d, Samples: s}}}
}

func parse(t testing.TB, text string) index.Filter {
	t.Helper()
	f, err := index.Parse(text)
	must(t, err)
	return f
}

func texts(counts []shard.Count) string {
	var out []string
	for _, c := range counts {
		out = append(out, fmt.Sprint(c.Text, "=", c.Count))
	}
	return strings.Join(out, " ")
}

func TestInvalidBatches(t *testing.T) {
	s := mustOpen(t, options(t, vfs.NewMem()))
	defer s.Close()
	good := batch(dims(t, "a", "b"), 1, 1).Rows[0]
	for name, row := range map[string]chunk.BatchRow{
		"unsorted dimensions": {Dimensions: chunk.Dimensions{{Name: "b", Value: "1"}, {Name: "a", Value: "1"}}, Samples: good.Samples},
		"empty value":         {Dimensions: chunk.Dimensions{{Name: "a"}}, Samples: good.Samples},
		"no kind":             {Dimensions: good.Dimensions, Samples: chunk.Samples{Times: []int64{1}}},
		"columns differ":      {Dimensions: good.Dimensions, Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{1, 2}, Floats: []float64{1}}},
		"a string too long": {Dimensions: good.Dimensions, Samples: chunk.Samples{
			Kind: chunk.String, Times: []int64{1}, Strings: []string{strings.Repeat("x", 1<<20+1)},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Append(context.Background(), &chunk.Batch{Rows: []chunk.BatchRow{good, row}})
			if !errors.Is(err, shard.ErrInvalid) {
				t.Errorf("got %v", err)
			}
			if got := read(t, s, index.All(), chunk.Always); len(got) != 0 {
				t.Errorf("something was stored: %v", got)
			}
		})
	}
}

func TestWhoMayOpen(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	beside := o
	beside.ReadOnly = true
	if _, err := shard.Open("store", beside); !errors.Is(err, shard.ErrNoStore) {
		t.Errorf("read-only, none there: %v", err)
	}
	s := mustOpen(t, o)
	if _, err := shard.Open("store", o); !errors.Is(err, shard.ErrLocked) {
		t.Errorf("second writer: %v", err)
	}
	d := dims(t, "host", "a")
	must(t, s.Append(ctx, batch(d, 1, 5)))
	r := mustOpen(t, beside)
	must(t, s.Append(ctx, batch(d, 2, 6)))
	must(t, s.Compact(ctx, nil))
	if got := len(read(t, r, index.All(), chunk.Span{Start: 6, End: 7})); got != 0 {
		t.Errorf("a snapshot changed: %d series", got)
	}
	for what, err := range map[string]error{
		"append": r.Append(ctx, batch(d, 3, 7)), "seal": r.Seal(ctx), "compact": r.Compact(ctx, nil),
		"retain": r.Retain(ctx), "reindex": r.Reindex(ctx),
	} {
		if !errors.Is(err, shard.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, r.Close())
	must(t, s.Close())
	for what, err := range map[string]error{"append": s.Append(ctx, batch(d, 3, 7)), "close": s.Close()} {
		if !errors.Is(err, shard.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	o.Shards = 7
	s = mustOpen(t, o)
	if n := len(s.Parts()); n != 2 {
		t.Errorf("%d shards, made with 2", n)
	}
	must(t, s.Close())
}

// A reader that opens beside a writer sees all that was acknowledged before, whatever that does.
func TestOpenBesideWriter(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	o.HeadBytes = 2000
	s := mustOpen(t, o)
	var acknowledged atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := int64(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.Append(ctx, batch(dims(t, "host", fmt.Sprint("h", i%3)), 1, i)); err != nil {
				t.Error(err)
				return
			}
			acknowledged.Store(i + 1)
			if i%50 == 49 {
				if err := s.Compact(ctx, nil); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	beside := o
	beside.ReadOnly = true
	for range 40 / slow {
		least := acknowledged.Load()
		r := mustOpen(t, beside)
		n := int64(0)
		for _, text := range read(t, r, index.All(), chunk.Always) {
			n += int64(strings.Count(text, " "))
		}
		if n < least {
			t.Errorf("%d observations, %d were acknowledged before", n, least)
		}
		must(t, r.Close())
	}
	close(stop)
	wg.Wait()
	must(t, s.Close())
}

func TestRetention(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	now := time.Unix(0, 10_500)
	o.Retention, o.Now = 5000, func() time.Time { return now }
	s := mustOpen(t, o)
	old, young, both := dims(t, "age", "old"), dims(t, "age", "young"), dims(t, "age", "both")
	must(t, s.Append(ctx, batch(old, 1, 100, 4999)))
	must(t, s.Append(ctx, batch(both, 1, 100, 5100)))
	must(t, s.Append(ctx, batch(young, 1, 5500, 9000)))
	must(t, s.Seal(ctx))
	must(t, s.Retain(ctx))
	check := func(want ...string) {
		t.Helper()
		got, err := s.Values(ctx, index.All(), "age", "", 0)
		must(t, err)
		if texts(got) != strings.Join(want, " ") {
			t.Errorf("values %q, want %q", texts(got), want)
		}
		for _, text := range want {
			f := parse(t, "age:"+strings.TrimSuffix(text, "=1"))
			if len(read(t, s, f, chunk.Always)) != 1 {
				t.Errorf("no observations of %s", text)
			}
		}
	}
	check("both=1", "young=1")
	now = time.Unix(0, 11_000)
	must(t, s.Retain(ctx))
	check("young=1")
	must(t, s.Close())
	s = mustOpen(t, o)
	check("young=1")
	must(t, s.Append(ctx, batch(old, 1, 100))) // it may come back, until the next time
	check("old=1", "young=1")
	must(t, s.Close())
}

// A deletion takes what was written before it, at once, and is forgotten when it is applied.
func TestDeletion(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	s := mustOpen(t, o)
	a, b := dims(t, "host", "a"), dims(t, "host", "b")
	must(t, s.Append(ctx, batch(a, 1, 10, 20, 30)))
	must(t, s.Append(ctx, batch(b, 1, 10, 20, 30)))
	must(t, s.Seal(ctx))
	must(t, s.Append(ctx, batch(a, 1, 40)))
	n, err := s.Delete(ctx, parse(t, "host:a"), chunk.Always)
	if must(t, err); n != 1 {
		t.Errorf("%d series", n)
	}
	count := func() string {
		counts, err := s.Values(ctx, index.All(), "host", "", 0)
		must(t, err)
		_, total, err := s.Search(ctx, index.All(), 1)
		must(t, err)
		return fmt.Sprint(texts(counts), " of ", total, ", deletions ", s.Stats().Deletions)
	}
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, "b=1 of 1, deletions 1"},
		{func() error { return s.Append(ctx, batch(a, 2, 20)) }, "a=1 b=1 of 2, deletions 1"},
		{func() error { _, err := s.Delete(ctx, parse(t, "host:a"), chunk.Always); return err }, "b=1 of 1, deletions 2"},
		{s.Close, ""},
		{func() (err error) { s, err = shard.Open("store", o); return err }, "b=1 of 1, deletions 2"},
		{func() error { return s.Compact(ctx, nil) }, "b=1 of 1, deletions 0"},
		{func() error { return s.Append(ctx, batch(a, 3, 20)) }, "a=1 b=1 of 2, deletions 0"},
	}
	for i, step := range steps {
		if must(t, step.do()); step.want != "" && count() != step.want {
			t.Errorf("step %d: %s, want %s", i, count(), step.want)
		}
	}
	want := model{}
	want.append(batch(a, 3, 20))
	want.append(batch(b, 1, 10, 20, 30))
	compare(t, "at the end", read(t, s, index.All(), chunk.Always), want.within(index.All(), chunk.Always))
	must(t, s.Close())
}

// What is found does not depend on what the index has already.
func TestLookups(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	s := mustOpen(t, options(t, mem))
	for i := range 30 {
		d := dims(t, "host", fmt.Sprint("h", i%3), "metric", fmt.Sprint("heap/used", i))
		must(t, s.Append(ctx, batch(d, 1, int64(i))))
	}
	check := func(what string) {
		t.Helper()
		names, err := s.Names(ctx, parse(t, "host:h1"))
		must(t, err)
		hosts, err := s.Values(ctx, parse(t, "metric:*5"), "host", "h", 0)
		must(t, err)
		found, total, err := s.Search(ctx, parse(t, "heap host:h2"), 2)
		must(t, err)
		complete, err := s.Complete(ctx, "he", 1)
		must(t, err)
		got := fmt.Sprint(texts(names), "; ", texts(hosts), "; ", found[0].Dimensions, " of ", len(found), " of ", total, "; ", len(complete))
		want := `host=10 metric=10; h0=1 h1=1 h2=1; {host="h2", metric="heap/used11"} of 2 of 10; 2`
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	check("none indexed")
	must(t, s.Seal(ctx))
	check("all indexed")
	must(t, s.Append(ctx, batch(dims(t, "x", "y"), 1, 1)))
	check("and one more")
	must(t, s.Reindex(ctx))
	check("indexed anew")
	must(t, s.Close())
}

// Writers, readers, sealing, compaction and deletion at once: under the race detector.
func TestConcurrent(t *testing.T) {
	mem := vfs.NewMem()
	o := options(t, mem)
	o.HeadBytes, o.Manual = 64<<10, false
	s := mustOpen(t, o)
	ctx := context.Background()
	const writers, rounds = 4, 120 / slow
	var writing, others sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			d := dims(t, "host", fmt.Sprint("h", w), "metric", "m")
			for i := range int64(rounds) {
				times := make([]int64, 20)
				for k := range times {
					times[k] = i*10 + int64(k)
				}
				if err := s.Append(ctx, batch(d, float64(i), times...)); err != nil {
					t.Error(err)
				}
				if err := s.Append(ctx, batch(dims(t, "host", "shared"), float64(w), i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	loop := func(f func() error) {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := f(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	loop(func() error { read(t, s, parse(t, "host:h*"), chunk.Span{Start: 100, End: 900}); return nil })
	loop(func() error { return s.Compact(ctx, nil) })
	loop(func() error {
		_, err := s.Delete(ctx, parse(t, "host:none OR host:h0"), chunk.Span{Start: 1 << 40, End: 1 << 41})
		return err
	})
	loop(func() error { _, _, err := s.Search(ctx, index.All(), 3); s.Stats(); return err })
	writing.Wait()
	close(stop)
	others.Wait()
	want := model{}
	for w := range writers {
		d := dims(t, "host", fmt.Sprint("h", w), "metric", "m")
		for i := range int64(rounds) {
			for k := range int64(20) {
				want.append(batch(d, float64(i), i*10+k))
			}
		}
	}
	got := read(t, s, parse(t, "metric:m"), chunk.Always)
	compare(t, "at the end", got, want.within(index.All(), chunk.Always))
	if err := s.Check(ctx, func(f shard.Finding) { t.Error(f) }); err != nil {
		t.Error(err)
	}
	must(t, s.Close())
}

// A selection is a snapshot: what is written, deleted and compacted after it does not change it.
func TestSelectionIsSnapshot(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	s := mustOpen(t, options(t, mem))
	d := dims(t, "host", "a")
	m := model{}
	for _, b := range []*chunk.Batch{batch(d, 1, 10, 20), batch(d, 2, 20, 1500)} {
		must(t, s.Append(ctx, b))
		must(t, s.Seal(ctx))
		m.append(b)
	}
	last := batch(d, 3, 15)
	must(t, s.Append(ctx, last))
	m.append(last)
	var selections []chunk.Selection
	for _, p := range s.Parts() {
		sel, err := p.Select(ctx, index.All(), chunk.Always)
		must(t, err)
		selections = append(selections, sel)
	}
	must(t, s.Append(ctx, batch(d, 9, 10, 15, 16)))
	_, err := s.Delete(ctx, index.All(), chunk.Always)
	must(t, err)
	must(t, s.Compact(ctx, nil))
	got := map[string]string{}
	for _, sel := range selections {
		readSelection(t, sel, chunk.Always, got)
	}
	compare(t, "snapshot", got, m.within(index.All(), chunk.Always))
	for _, sel := range selections {
		must(t, sel.Close())
		must(t, sel.Close())
	}
	if got := read(t, s, index.All(), chunk.Always); len(got) != 0 {
		t.Errorf("after the deletion: %v", got)
	}
	if files := segmentFiles(t, mem); len(files) != 0 {
		t.Errorf("files stay: %v", files)
	}
	must(t, s.Close())
}

func segmentFiles(t testing.TB, mem *vfs.Mem) (out []string) {
	for _, name := range walk(t, mem, "store") {
		if path.Ext(name) == ".seg" {
			out = append(out, name)
		}
	}
	return out
}

// A whole chunk within the span has exact statistics; a cut one has not.
func TestExactPieces(t *testing.T) {
	s := mustOpen(t, options(t, vfs.NewMem()))
	defer s.Close()
	ctx := context.Background()
	var times []int64
	for i := range int64(500) {
		times = append(times, i)
	}
	must(t, s.Append(ctx, batch(dims(t, "host", "a"), 2, times...)))
	must(t, s.Compact(ctx, nil))
	exact := func(span chunk.Span) (out []bool) {
		for _, p := range s.Parts() {
			sel, err := p.Select(ctx, index.All(), span)
			must(t, err)
			for i := range sel.Len() {
				for _, p := range sel.AppendPieces(nil, i) {
					out = append(out, p.Exact)
				}
			}
			must(t, sel.Close())
		}
		return out
	}
	if got := exact(chunk.Always); !slices.Equal(got, []bool{true}) {
		t.Errorf("whole: %v", got)
	}
	if got := exact(chunk.Span{Start: 0, End: 500}); !slices.Equal(got, []bool{true}) {
		t.Errorf("just whole: %v", got)
	}
	if got := exact(chunk.Span{Start: 0, End: 499}); !slices.Equal(got, []bool{false}) {
		t.Errorf("cut: %v", got)
	}
	_, err := s.Delete(ctx, index.All(), chunk.Span{Start: 3, End: 4})
	must(t, err)
	if got := exact(chunk.Always); !slices.Equal(got, []bool{false}) {
		t.Errorf("something deleted: %v", got)
	}
	must(t, s.Compact(ctx, nil))
	must(t, s.Append(ctx, batch(dims(t, "host", "a"), 3, 250)))
	if got := exact(chunk.Always); !slices.Equal(got, []bool{false}) {
		t.Errorf("something overwritten: %v", got)
	}
	must(t, s.Append(ctx, batch(dims(t, "host", "a"), 3, math.MaxInt64)))
	if got := exact(chunk.Span{Start: 600, End: math.MaxInt64}); !slices.Equal(got, []bool{false}) {
		t.Errorf("the last stamp: %v", got)
	}
}

// A damaged segment stays where it is, and what of it can be read stays readable, while others are
// compacted.
func TestCompactionKeepsDamagedSegments(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	o.Shards = 1
	s := mustOpen(t, o)
	m := model{}
	for i := range int64(3) {
		b := batch(dims(t, "host", fmt.Sprint("h", i)), 1, i, i+10)
		m.append(b)
		must(t, s.Append(ctx, b))
		must(t, s.Seal(ctx))
	}
	must(t, s.Close())
	name := segmentFiles(t, mem)[1]
	data, err := vfs.ReadFile(mem, name)
	must(t, err)
	data[30] ^= 4 // in the block
	must(t, vfs.WriteFile(mem, name, data))
	s = mustOpen(t, o)
	must(t, s.Append(ctx, batch(dims(t, "host", "h2"), 1, 50)))
	must(t, s.Compact(ctx, nil))
	got, warned := tolerantRead(t, s)
	if !warned || len(got) != 2 {
		t.Errorf("warned %v, %v", warned, got)
	}
	if n := s.Stats().Segments; n != 3 {
		t.Errorf("%d segments, want the one before, the damaged one, and one of all after it", n)
	}
	found := 0
	must(t, s.Check(ctx, func(f shard.Finding) {
		if found++; f.File != name || f.Lost == "" || f.Repair == "" {
			t.Errorf("finding %v", f)
		}
	}))
	if found == 0 {
		t.Error("nothing found")
	}
	must(t, s.Close())
}

// A segment that is gone is a finding and a warning; the rest can be read.
func TestMissingSegment(t *testing.T) {
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	o.Shards = 1
	s := mustOpen(t, o)
	for i := range int64(2) {
		must(t, s.Append(ctx, batch(dims(t, "host", fmt.Sprint("h", i)), 1, i)))
		must(t, s.Seal(ctx))
	}
	must(t, s.Close())
	name := segmentFiles(t, mem)[0]
	must(t, mem.Remove(name))
	for _, readOnly := range []bool{true, false} {
		o.ReadOnly = readOnly
		s = mustOpen(t, o)
		if got, warned := tolerantRead(t, s); !warned || len(got) != 1 {
			t.Errorf("read-only %v: warned %v, %v", readOnly, warned, got)
		}
		found := 0
		must(t, s.Check(ctx, func(f shard.Finding) {
			if found++; f.File != name {
				t.Error(f)
			}
		}))
		if found != 1 {
			t.Errorf("read-only %v: %d findings", readOnly, found)
		}
		must(t, s.Close())
	}
}

// A source with very many series is spread over the shards, and each series stays where it is.
func TestCrowdedSourceIsSpread(t *testing.T) {
	if testing.Short() || slow > 1 {
		t.Skip("stores 40,000 series")
	}
	mem, ctx := vfs.NewMem(), context.Background()
	o := options(t, mem)
	s := mustOpen(t, o)
	b := new(chunk.Batch)
	for i := range 40_000 {
		b.Rows = append(b.Rows, batch(dims(t, "host", "a", "metric", fmt.Sprint("m", i)), 1, 5).Rows...)
	}
	must(t, s.Append(ctx, b))
	sizes := func() (out []int) {
		for _, p := range s.Parts() {
			sel, err := p.Select(ctx, index.All(), chunk.Always)
			must(t, err)
			out = append(out, sel.Len())
			must(t, sel.Close())
		}
		return out
	}
	first := sizes()
	if first[0]+first[1] != 40_000 || min(first[0], first[1]) < 8000 {
		t.Errorf("series by shard: %v", first)
	}
	must(t, s.Seal(ctx))
	must(t, s.Close())
	s = mustOpen(t, o)
	must(t, s.Append(ctx, b))
	if again := sizes(); !slices.Equal(again, first) {
		t.Errorf("series by shard: %v, before %v", again, first)
	}
	must(t, s.Close())
}

// TestReaderTellsTheLog holds that whoever only reads says how large the log is that it read.
func TestReaderTellsTheLog(t *testing.T) {
	mem := vfs.NewMem()
	o := options(t, mem)
	s := mustOpen(t, o)
	must(t, s.Append(context.Background(), batch(dims(t, "host", "a"), 1, 1, 2, 3)))
	o.ReadOnly = true
	r := mustOpen(t, o)
	if got, want := r.Stats().LogBytes, s.Stats().LogBytes; want == 0 || got != want {
		t.Errorf("the reader sees %d bytes of log, the writer %d", got, want)
	}
	must(t, r.Close())
	must(t, s.Close())
}

// TestReplayIsTold holds that opening tells how much of the logs was read, up to all of it.
func TestReplayIsTold(t *testing.T) {
	mem := vfs.NewMem()
	o := options(t, mem)
	s := mustOpen(t, o)
	for i := range int64(50) {
		must(t, s.Append(context.Background(), batch(dims(t, "host", fmt.Sprint(i)), 1, i, 2, 3)))
	}
	size := s.Stats().LogBytes
	must(t, s.Close())
	var mu sync.Mutex
	var last, all, calls int64
	o.Replayed = func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if done > total {
			t.Errorf("%d of %d bytes", done, total)
		}
		last, all, calls = max(last, done), max(all, total), calls+1
	}
	must(t, mustOpen(t, o).Close())
	if last != all || all < size || calls < 50 {
		t.Errorf("told %d of %d bytes in %d calls, the log has %d", last, all, calls, size)
	}
}

// A series without dimensions is one as any other, for the log too: with the rows beside it, it is
// there when the log is read again.
func TestSeriesWithoutDimensions(t *testing.T) {
	for name, none := range map[string]chunk.Dimensions{"nil": nil, "empty": {}} {
		o := options(t, vfs.NewMem())
		s := mustOpen(t, o)
		b := batch(none, 1, 1, 2, 3)
		b.Rows = append(b.Rows, batch(dims(t, "host", "a"), 2, 1, 2, 3).Rows...)
		must(t, s.Append(context.Background(), b))
		want := read(t, s, index.All(), chunk.Always)
		o.ReadOnly = true // so that the log is what it reads
		r := mustOpen(t, o)
		if got := read(t, r, index.All(), chunk.Always); len(want) != 2 || !maps.Equal(got, want) {
			t.Errorf("%s: read %v, want %v", name, got, want)
		}
		must(t, r.Close())
		must(t, s.Close())
	}
}
