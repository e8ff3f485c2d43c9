package shard_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// A value is any value, comparable bit for bit.
type value struct {
	bits uint64
	text string
}

func valueAt(s *chunk.Samples, i int) value {
	switch s.Kind {
	case chunk.Float64:
		return value{bits: math.Float64bits(s.Floats[i])}
	case chunk.Int64:
		return value{bits: uint64(s.Ints[i])}
	case chunk.Bool:
		if s.Bools[i] {
			return value{bits: 1}
		}
		return value{}
	}
	return value{text: s.Strings[i]}
}

// A model is what a store should hold, done naively.
type model map[string]*modelSeries

type modelSeries struct {
	series chunk.Series
	values map[int64]value
}

func (m model) append(b *chunk.Batch) {
	for i := range b.Rows {
		r := &b.Rows[i]
		key := fmt.Sprint(r.Samples.Kind, r.Dimensions)
		if m[key] == nil {
			m[key] = &modelSeries{chunk.Series{Dimensions: r.Dimensions, Kind: r.Samples.Kind}, map[int64]value{}}
		}
		for k, t := range r.Samples.Times {
			m[key].values[t] = valueAt(&r.Samples, k)
		}
	}
}

func (m model) delete(f index.Filter, span chunk.Span) {
	for _, s := range m {
		if f.Match(s.series.Dimensions) {
			for t := range s.values {
				if span.Contains(t) {
					delete(s.values, t)
				}
			}
		}
	}
}

// within prints what matches f and is in span, one series an entry.
func (m model) within(f index.Filter, span chunk.Span) map[string]string {
	out := map[string]string{}
	for key, s := range m {
		if !f.Match(s.series.Dimensions) {
			continue
		}
		var times []int64
		for t := range s.values {
			if span.Contains(t) {
				times = append(times, t)
			}
		}
		slices.Sort(times)
		var text []byte
		for _, t := range times {
			text = appendRow(text, t, s.values[t])
		}
		if len(text) > 0 {
			out[key] = string(text)
		}
	}
	return out
}

func appendRow(dst []byte, t int64, v value) []byte {
	dst = strconv.AppendInt(dst, t, 10)
	dst = strconv.AppendUint(append(dst, '='), v.bits, 16)
	return append(append(dst, v.text...), ' ')
}

// read prints the same of a store, and checks what a Selection promises.
func read(t testing.TB, s *shard.Set, f index.Filter, span chunk.Span) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, part := range s.Parts() {
		sel, err := part.Select(context.Background(), f, span)
		if err != nil {
			t.Fatal(err)
		}
		readSelection(t, sel, span, out)
		if err := sel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func readSelection(t testing.TB, sel chunk.Selection, span chunk.Span, out map[string]string) {
	t.Helper()
	var buf chunk.Buffer
	for i := range sel.Len() {
		series := sel.Series(i)
		key := fmt.Sprint(series.Kind, series.Dimensions)
		if _, twice := out[key]; twice {
			t.Fatalf("series %s twice", key)
		}
		var text []byte
		last, any := int64(0), false
		pieces := sel.AppendPieces(nil, i)
		for k, p := range pieces {
			if k > 0 && pieces[k-1].Span.Overlaps(p.Span) {
				t.Fatalf("%s: pieces %v and %v overlap", key, pieces[k-1].Span, p.Span)
			}
			s, err := sel.Read(context.Background(), p, &buf)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Valid() || s.Kind != series.Kind {
				t.Fatalf("%s: invalid samples of kind %v", key, s.Kind)
			}
			if s.Len() > p.Rows {
				t.Fatalf("%s: piece of %d rows has %d", key, p.Rows, s.Len())
			}
			if want := chunk.StatsOf(s); p.Exact && !sameStats(p.Stats, want) {
				t.Fatalf("%s: piece says %+v, has %+v", key, p.Stats, want)
			}
			for j, at := range s.Times {
				if any && at <= last || !span.Contains(at) || !p.Span.Contains(at) {
					t.Fatalf("%s: stamp %d after %d in piece %v of selection %v", key, at, last, p.Span, span)
				}
				last, any = at, true
				text = appendRow(text, at, valueAt(&s, j))
			}
		}
		if len(text) > 0 {
			out[key] = string(text)
		}
	}
}

// sameStats takes any NaN for any other.
func sameStats(a, b chunk.Stats) bool {
	return a == b || fmt.Sprint(a) == fmt.Sprint(b)
}

func compare(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	var keys []string
	for k := range got {
		keys = append(keys, k)
	}
	for k := range want {
		if _, ok := got[k]; !ok {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		if got[k] != want[k] {
			t.Fatalf("%s: series %s:\n got %.600s\nwant %.600s", what, k, got[k], want[k])
		}
	}
}

func dims(t testing.TB, pairs ...string) chunk.Dimensions {
	t.Helper()
	var list []chunk.Dimension
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	d, err := chunk.NewDimensions(list...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A generator makes batches of few series with few stamps, so that they meet often.
type generator struct {
	t     testing.TB
	rng   *rand.Rand
	width int64 // of the stamps
	clock int64
}

func (g *generator) batch() *chunk.Batch {
	b := new(chunk.Batch)
	for range 1 + g.rng.IntN(8) {
		d := dims(g.t, "host", fmt.Sprint("h", g.rng.IntN(4)), "metric", fmt.Sprint("m", g.rng.IntN(4)))
		b.Rows = append(b.Rows, chunk.BatchRow{Dimensions: d, Samples: g.samples(chunk.Kind(1 + g.rng.IntN(4)))})
	}
	if g.rng.IntN(2) == 0 { // the series of one source share their stamps
		for i := range b.Rows {
			if b.Rows[i].Samples.Len() == b.Rows[0].Samples.Len() {
				b.Rows[i].Samples.Times = b.Rows[0].Samples.Times
			}
		}
	}
	return b
}

func (g *generator) samples(k chunk.Kind) chunk.Samples {
	s := chunk.Samples{Kind: k}
	n := g.rng.IntN(12)
	if g.rng.IntN(10) == 0 {
		n = 200 + g.rng.IntN(400) // enough for statistics
	}
	rising := g.rng.IntN(3) > 0
	at := g.rng.Int64N(g.width) - g.width/2
	if rising && g.rng.IntN(2) == 0 {
		at = g.clock
	}
	for range n {
		if rising {
			at += 1 + g.rng.Int64N(3)
			g.clock = max(g.clock, at)
		} else if at = g.rng.Int64N(g.width) - g.width/2; g.rng.IntN(200) == 0 {
			at = []int64{math.MinInt64, math.MaxInt64, math.MaxInt64 - 1}[g.rng.IntN(3)]
		}
		s.Times = append(s.Times, at)
		switch k {
		case chunk.Float64:
			s.Floats = append(s.Floats, []float64{math.NaN(), math.Inf(1), math.Copysign(0, -1), g.rng.Float64(), 7}[g.rng.IntN(5)])
		case chunk.Int64:
			s.Ints = append(s.Ints, g.rng.Int64()>>g.rng.IntN(64))
		case chunk.Bool:
			s.Bools = append(s.Bools, g.rng.IntN(2) == 0)
		case chunk.String:
			s.Strings = append(s.Strings, fmt.Sprint("s", g.rng.IntN(9)))
		}
	}
	return s
}

func (g *generator) span() chunk.Span {
	if g.rng.IntN(4) == 0 {
		return chunk.Always
	}
	start := g.rng.Int64N(g.width) - g.width/2
	return chunk.Span{Start: start, End: start + g.rng.Int64N(g.width/2)}
}

func (g *generator) filter() index.Filter {
	text := []string{"*", "host:h1", "metric:m2", "host:h1 metric:m1", "host:[h0 TO h2] AND NOT metric:m3", "host:none"}[g.rng.IntN(6)]
	f, err := index.Parse(text)
	if err != nil {
		g.t.Fatal(err)
	}
	return f
}

// TestModel does at random what can be done to a store, and compares it with the model.
func TestModel(t *testing.T) {
	for seed := range uint64(24 / slow) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			testModel(t, seed, 60)
		})
	}
}

func testModel(t *testing.T, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 7))
	g := &generator{t: t, rng: rng, width: 3000}
	o := shard.Options{
		FS: vfs.NewMem(), Shards: 1 + rng.IntN(3), Partition: time.Duration(200 + rng.IntN(4000)),
		HeadBytes: []int64{4 << 10, 64 << 10, 0}[rng.IntN(3)], Manual: rng.IntN(3) > 0,
		IndexDir: filepath.Join(t.TempDir(), "index"),
	}
	if o.Partition < 400 {
		g.width = 1000
	}
	s, err := shard.Open("store", o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	m := model{}
	ctx := context.Background()
	for step := range steps {
		what := fmt.Sprintf("seed %d step %d", seed, step)
		switch rng.IntN(12) {
		default:
			b := g.batch()
			if err := s.Append(ctx, b); err != nil {
				t.Fatal(what, err)
			}
			m.append(b)
		case 6:
			if err := s.Seal(ctx); err != nil {
				t.Fatal(what, err)
			}
		case 7:
			if rng.IntN(3) == 0 {
				if err := s.Compact(ctx, nil); err != nil {
					t.Fatal(what, err)
				}
			}
		case 8:
			f, span := g.filter(), g.span()
			if _, err := s.Delete(ctx, f, span); err != nil {
				t.Fatal(what, err)
			}
			m.delete(f, span)
		case 9:
			if err := s.Close(); err != nil {
				t.Fatal(what, err)
			}
			if rng.IntN(3) == 0 {
				o.IndexDir = filepath.Join(t.TempDir(), fmt.Sprint("index", step)) // as if it were lost
			}
			if s, err = shard.Open("store", o); err != nil {
				t.Fatal(what, err)
			}
		case 10:
			beside := o
			beside.ReadOnly = true
			r, err := shard.Open("store", beside)
			if err != nil {
				t.Fatal(what, err)
			}
			compare(t, what+" read-only", read(t, r, index.All(), chunk.Always), m.within(index.All(), chunk.Always))
			if err := r.Close(); err != nil {
				t.Fatal(what, err)
			}
		}
		f, span := g.filter(), g.span()
		compare(t, fmt.Sprint(what, " ", f, " ", span), read(t, s, f, span), m.within(f, span))
	}
	compare(t, "at the end", read(t, s, index.All(), chunk.Always), m.within(index.All(), chunk.Always))
	if err := s.Check(ctx, func(f shard.Finding) { t.Error(f) }); err != nil {
		t.Fatal(err)
	}
}
