package segment_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/vfs"
)

func series(t testing.TB, kind chunk.Kind, pairs ...string) chunk.Series {
	t.Helper()
	var d []chunk.Dimension
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	c, err := chunk.NewDimensions(d...)
	if err != nil {
		t.Fatal(err)
	}
	return chunk.Series{Dimensions: c, Kind: kind}
}

// rising are n stamps about a second apart.
func rising(rng *rand.Rand, n int) []int64 {
	t, now := make([]int64, n), 1_400_000_000_000_000_000+rng.Int64N(1e16)
	for i := range t {
		now += 500_000_000 + rng.Int64N(1000)*1_000_000
		t[i] = now
	}
	return t
}

// observed gives stamps values.
func observed(rng *rand.Rand, kind chunk.Kind, times []int64) chunk.Samples {
	s := chunk.Samples{Kind: kind, Times: times}
	shape, v := rng.IntN(4), float64(rng.IntN(1000))
	if shape == 2 && len(times) > 2000 {
		shape = 1 // noise takes long to encode
	}
	for range times {
		switch shape {
		case 1:
			v += float64(rng.IntN(5) - 2)
		case 2:
			v = rng.NormFloat64()
		case 3:
			if v = 1; rng.IntN(10) == 0 {
				v = math.NaN()
			}
		}
		switch kind {
		case chunk.Float64:
			s.Floats = append(s.Floats, v)
		case chunk.Int64:
			s.Ints = append(s.Ints, int64(v))
		case chunk.Bool:
			s.Bools = append(s.Bools, v > 0)
		case chunk.String:
			s.Strings = append(s.Strings, strconv.Itoa(int(v)))
		}
	}
	return s
}

// sources are n sources of a few series with up to rows observations, in source order; ordinals
// are in no order.
func sources(t testing.TB, seed uint64, n, rows int) [][]segment.Row {
	rng := rand.New(rand.NewPCG(seed, 0))
	ordinals := rng.Perm(20 * n)
	out := make([][]segment.Row, n)
	for i := range out {
		times := rising(rng, 1+rng.IntN(rows))
		for k := range 1 + rng.IntN(8) {
			kind := chunk.Float64
			if rng.IntN(4) == 0 {
				kind = chunk.Kind(1 + rng.IntN(4))
			}
			part := times
			switch rng.IntN(4) {
			case 0:
				part = slices.Clone(times[rng.IntN(len(times)):])
			case 1:
				part = rising(rng, 1+rng.IntN(rows))
			}
			s := series(t, kind, "host", fmt.Sprintf("host-%04d", i), "metric", fmt.Sprintf("m%d", k), "zone", "z")
			out[i] = append(out[i], segment.Row{Ordinal: uint32(ordinals[len(ordinals)-1]), Identity: s, Samples: observed(rng, kind, part)})
			ordinals = ordinals[:len(ordinals)-1]
		}
	}
	return out
}

// write makes a segment of sources.
func write(t testing.TB, fs vfs.FS, name string, sources [][]segment.Row, p codec.Profile) {
	t.Helper()
	w, err := segment.Create(fs, name, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range sources {
		if err := w.AddSource(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, fs vfs.FS, name string) *segment.Reader {
	t.Helper()
	r, err := segment.Open(fs, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// same compares bit for bit.
func same(a, b chunk.Samples) bool {
	return a.Kind == b.Kind && slices.Equal(a.Times, b.Times) && slices.Equal(a.Ints, b.Ints) &&
		slices.Equal(a.Bools, b.Bools) && slices.Equal(a.Strings, b.Strings) &&
		slices.EqualFunc(a.Floats, b.Floats, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// readAll reads all chunks, and checks what the directory says of them.
func readAll(t testing.TB, r *segment.Reader, metas []segment.Meta, buf *segment.Buffer) chunk.Samples {
	t.Helper()
	var all chunk.Samples
	for i := range metas {
		m := &metas[i]
		s, err := r.Read(m, buf)
		if err != nil {
			t.Fatal(err)
		}
		if m.HasStats != (m.Rows >= 64) {
			t.Fatalf("%d rows, statistics %v", m.Rows, m.HasStats)
		}
		if m.NoGaps != (m.Rows < 64 && chunk.StatsOf(s).NaNs == 0) {
			t.Fatalf("%d rows, %d of them gaps, NoGaps %v", m.Rows, chunk.StatsOf(s).NaNs, m.NoGaps)
		}
		if want := chunk.StatsOf(s); m.HasStats && fmt.Sprint(m.Stats) != fmt.Sprint(want) {
			t.Fatalf("statistics %+v, want %+v", m.Stats, want)
		}
		if m.Rows != s.Len() || m.Kind != s.Kind || m.Rows > 2*8192 {
			t.Fatalf("%+v of %d %v", m, s.Len(), s.Kind)
		}
		all.Append(s)
	}
	return all
}

// check compares all that is in a segment with what was written.
func check(t testing.TB, r *segment.Reader, sources [][]segment.Row) {
	t.Helper()
	var want []segment.Row
	span, observations := chunk.Span{}, int64(0)
	for _, s := range sources {
		for _, row := range s {
			if n := row.Samples.Len(); n > 0 {
				want = append(want, row)
				span = span.Union(chunk.SpanOf(row.Samples.Times[0], row.Samples.Times[n-1]))
				observations += int64(n)
			}
		}
	}
	n, chunks, obs := r.Len()
	if n != len(want) || obs != observations || r.Span() != span && n > 0 {
		t.Fatalf("%d series, %d observations in %v; want %d, %d, %v", n, obs, r.Span(), len(want), observations, span)
	}
	var buf segment.Buffer
	i := 0
	for e, err := range r.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Series != want[i].Ordinal || e.Identity.Compare(want[i].Identity) != 0 {
			t.Fatalf("entry %d is %d %v, want %d %v", i, e.Series, e.Identity, want[i].Ordinal, want[i].Identity)
		}
		if got := readAll(t, r, e.Chunks, &buf); !same(got, want[i].Samples) {
			t.Fatalf("%v: %d observations, want %d", e.Identity, got.Len(), want[i].Samples.Len())
		}
		chunks -= int64(len(e.Chunks))
		i++
	}
	if i != len(want) || chunks != 0 {
		t.Fatalf("%d entries, %d chunks too few", i, chunks)
	}
	for _, row := range want {
		metas, err := r.AppendChunks(nil, row.Ordinal, chunk.Always)
		if err != nil || len(metas) == 0 || metas[0].Series != row.Ordinal {
			t.Fatalf("ordinal %d: %v, %v", row.Ordinal, metas, err)
		}
		if id, ok, err := r.Identity(row.Ordinal); !ok || err != nil || id.Compare(row.Identity) != 0 {
			t.Fatalf("ordinal %d is %v, %v, %v", row.Ordinal, id, ok, err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, tc := range []struct{ sources, rows int }{{0, 1}, {1, 1}, {1, 30_000}, {40, 300}, {600, 12}, {6, 20_000}} {
		for _, p := range []codec.Profile{codec.Fast, codec.Dense} {
			t.Run(fmt.Sprintf("%dx%d profile %d", tc.sources, tc.rows, p), func(t *testing.T) {
				fs := vfs.NewMem()
				all := sources(t, uint64(tc.rows), tc.sources, tc.rows)
				write(t, fs, "a", all, p)
				check(t, open(t, fs, "a"), all)
				write(t, fs, "b", all, p)
				a, _ := vfs.ReadFile(fs, "a")
				if b, _ := vfs.ReadFile(fs, "b"); !slices.Equal(a, b) {
					t.Error("the same calls made different bytes")
				}
				if names, _ := fs.List("."); !slices.Equal(names, []string{"a", "b"}) {
					t.Errorf("files: %v", names)
				}
			})
		}
	}
}

// A source in several calls is the same source.
func TestSourceInParts(t *testing.T) {
	fs := vfs.NewMem()
	all := sources(t, 5, 5, 30_000)
	w, err := segment.Create(fs, "a", codec.Fast)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range all {
		for from := 0; from == 0 || from < 30_000; from += 7_000 {
			var part []segment.Row
			for _, r := range rows {
				n := r.Samples.Len()
				r.Samples = r.Samples.Slice(min(n, from), min(n, from+7_000))
				if from == 0 || r.Samples.Len() > 0 {
					part = append(part, r)
				}
			}
			if err := w.AddSource(part); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, fs, "a"), all)
}

func TestAppendChunks(t *testing.T) {
	fs := vfs.NewMem()
	all := sources(t, 6, 3, 60_000)
	write(t, fs, "a", all, codec.Fast)
	r := open(t, fs, "a")
	var buf segment.Buffer
	rng := rand.New(rand.NewPCG(1, 1))
	for _, rows := range all {
		for _, row := range rows {
			times := row.Samples.Times
			for range 5 {
				i := rng.IntN(len(times))
				span := chunk.SpanOf(times[i], times[i+rng.IntN(len(times)-i)])
				metas, err := r.AppendChunks(nil, row.Ordinal, span)
				if err != nil {
					t.Fatal(err)
				}
				got := readAll(t, r, metas, &buf)
				if !same(got.Clip(span), row.Samples.Clip(span)) {
					t.Fatalf("%v: %d chunks", span, len(metas))
				}
				for _, m := range metas {
					if !m.Span.Overlaps(span) {
						t.Errorf("chunk in %v for %v", m.Span, span)
					}
				}
			}
		}
	}
	if m, err := r.AppendChunks(nil, math.MaxUint32, chunk.Always); len(m) > 0 || err != nil {
		t.Errorf("unknown series: %v, %v", m, err)
	}
	if ok, err := r.Has(math.MaxUint32); ok || err != nil {
		t.Errorf("has an unknown series: %v", err)
	}
}

// Equal stamps of a source are one slice, also in a reader.
func TestSharedTimes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	times := rising(rng, 5000)
	rows := make([]segment.Row, 5)
	for i := range rows {
		id := series(t, chunk.Float64, "host", "a", "metric", strconv.Itoa(i))
		rows[i] = segment.Row{Ordinal: uint32(i), Identity: id, Samples: observed(rng, chunk.Float64, slices.Clone(times))}
	}
	fs := vfs.NewMem()
	write(t, fs, "a", [][]segment.Row{rows}, codec.Dense)
	r := open(t, fs, "a")
	var buf segment.Buffer
	seen := map[*int64]bool{}
	for e, err := range r.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Read(&e.Chunks[0], &buf)
		if err != nil {
			t.Fatal(err)
		}
		seen[&s.Times[0]] = true
	}
	if len(seen) != 1 {
		t.Errorf("%d slices of the same stamps", len(seen))
	}
}

func TestSortBySource(t *testing.T) {
	fs := vfs.NewMem()
	all := sources(t, 8, 700, 3)
	write(t, fs, "a", all, codec.Fast)
	r := open(t, fs, "a")
	var want, given []uint32
	for _, rows := range all {
		for _, row := range rows {
			if row.Ordinal%3 == 0 {
				want = append(want, row.Ordinal)
			}
		}
	}
	given = append(slices.Clone(want), 1e6, 2e6)
	slices.Sort(given)
	if got, err := r.SortBySource(given); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestWriterRefuses(t *testing.T) {
	one := observed(rand.New(rand.NewPCG(1, 1)), chunk.Float64, []int64{10, 20})
	row := func(ordinal uint32, host, metric string) segment.Row {
		return segment.Row{Ordinal: ordinal, Identity: series(t, chunk.Float64, "host", host, "metric", metric), Samples: one}
	}
	unsorted := row(1, "b", "a")
	unsorted.Samples = chunk.Samples{Kind: chunk.Float64, Times: []int64{2, 1}, Floats: []float64{1, 2}}
	otherKind := row(1, "b", "a")
	otherKind.Identity.Kind = chunk.Int64
	for name, rows := range map[string][]segment.Row{
		"a source before the last one":    {row(1, "a", "z")},
		"a new series in the last one":    {row(1, "b", "z")},
		"a stamp before the last one":     {row(0, "b", "m")},
		"series not sorted":               {row(1, "c", "b"), row(2, "c", "a")},
		"two sources":                     {row(1, "c", "b"), row(2, "d", "b")},
		"stamps not sorted":               {unsorted},
		"values of another kind":          {otherKind},
		"an ordinal of the series itself": {row(9, "b", "m")},
	} {
		fs := vfs.NewMem()
		w, err := segment.Create(fs, "a", codec.Fast)
		if err != nil {
			t.Fatal(err)
		}
		first := []segment.Row{row(0, "b", "m")}
		if err := w.AddSource(first); err != nil {
			t.Fatal(err)
		}
		if err := w.AddSource(rows); !errors.Is(err, segment.ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
		if err := w.Finish(); err != nil { // what was refused has changed nothing
			t.Fatal(err)
		}
		check(t, open(t, fs, "a"), [][]segment.Row{first})
	}
}

// The ordinal of a series is its own.
func TestWriterRefusesEqualOrdinals(t *testing.T) {
	fs := vfs.NewMem()
	w, _ := segment.Create(fs, "a", codec.Fast)
	for _, host := range []string{"a", "b"} {
		s := observed(rand.New(rand.NewPCG(1, 1)), chunk.Float64, []int64{10, 20})
		if err := w.AddSource([]segment.Row{{Ordinal: 3, Identity: series(t, chunk.Float64, "host", host), Samples: s}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); !errors.Is(err, segment.ErrOrder) {
		t.Error(err)
	}
	if names, _ := fs.List("."); len(names) > 0 {
		t.Errorf("left behind: %v", names)
	}
}
