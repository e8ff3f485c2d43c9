package analytics_test

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// series draws the observations of a series in one of several moods. Only with infinities is a
// value infinite.
func series(t *rapid.T, infinities bool) (times []int64, values []float64) {
	n := rapid.IntRange(0, 700).Draw(t, "rows")
	if rapid.Bool().Draw(t, "short") {
		n %= 8
	}
	mood := rapid.SampledFrom([]string{
		"integers", "large integers", "any", "offset", "counter", "few values", "constant", "zeros",
	}).Draw(t, "mood")
	seed := rapid.Uint64().Draw(t, "seed")
	next := func() uint64 { // SplitMix64
		seed += 0x9E3779B97F4A7C15
		z := seed
		z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
		z = (z ^ z>>27) * 0x94D049BB133111EB
		return z ^ z>>31
	}
	unit := func() float64 { return float64(next()>>11) / (1 << 53) }
	gaps := rapid.SampledFrom([]float64{0, 0, 0.01, 0.5, 1}).Draw(t, "gaps")
	at := rapid.Int64Range(-1e18, 1e18).Draw(t, "start")
	counter := 0.0
	for range n {
		at += 1 + int64(next()%3e9)
		v := unit()*2 - 1
		switch mood {
		case "integers":
			v = math.Round(v * 1000)
		case "large integers":
			v = math.Round(v * (1 << 52))
		case "any":
			v *= math.Pow(10, math.Round(unit()*60-30))
		case "offset":
			v += 1e9
		case "counter":
			if counter += math.Round(unit() * 50); unit() < 0.05 {
				counter = math.Round(unit() * 10)
			}
			v = counter
		case "few values":
			v = math.Round(v * 2)
		case "constant":
			v = 42.5
		case "zeros":
			v = math.Copysign(0, v)
		}
		switch u := unit(); {
		case u < gaps:
			v = math.Float64frombits(0x7FF8000000000000 | next()>>13)
		case infinities && unit() < 0.02:
			v = math.Inf(1 - 2*int(next()%2))
		}
		times, values = append(times, at), append(values, v)
	}
	return times, values
}

// edges draws rising borders of windows, the first before and the last after all times.
func edges(t *rapid.T, times []int64) []int64 {
	out := []int64{math.MinInt64, math.MaxInt64}
	if len(times) > 0 {
		for range rapid.IntRange(0, 12).Draw(t, "inner edges") {
			at := rapid.IntRange(0, len(times)-1).Draw(t, "edge")
			out = append(out, times[at]+rapid.Int64Range(0, 1).Draw(t, "after"))
		}
	}
	slices.Sort(out)
	return out
}

// rowsOf are the bounds of windows over times, by definition.
func rowsOf(times, edges []int64) (out []int32) {
	for _, e := range edges {
		n := 0
		for _, t := range times {
			if t < e {
				n++
			}
		}
		out = append(out, int32(n))
	}
	return out
}

// ask makes the question of the rows from a to b.
func ask(times []int64, values []float64, a, b int32) (q question) {
	for i, v := range values[:b] {
		switch o := (obs{times[i], v}); {
		case math.IsNaN(v):
			if i >= int(a) {
				q.gaps++
			}
		case i < int(a):
			q.before = &o
		default:
			q.in = append(q.in, o)
		}
	}
	return q
}

// TestMergeLaw: however observations are cut into pieces, whether a piece is added by window, by
// runs, or from statistics, is written and read again, and in whatever tree the pieces are merged,
// each window answers what the definition says of it.
func TestMergeLaw(t *testing.T) {
	aggregates := bound(t)
	for _, name := range slices.Sorted(maps.Keys(aggregates)) {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) { checkMergeLaw(t, aggregates[name]) })
		})
	}
}

func checkMergeLaw(t *rapid.T, agg boundAggregate) {
	infinities := !agg.spec.PerSeries && rapid.IntRange(0, 4).Draw(t, "infinities") == 0
	times, values := series(t, infinities)
	cuts := edges(t, times)
	bounds := rowsOf(times, cuts)
	if got := analytics.AppendBounds(nil, times, cuts); !slices.Equal(got, bounds) {
		t.Fatalf("bounds %v, want %v", got, bounds)
	}
	states := mergePieces(t, agg, pieces(t, agg, times, values, cuts))
	if l, ok := states.(analytics.Linker); ok {
		l.Link(0, states.Len())
	}
	for w := range states.Len() {
		q := ask(times, values, bounds[w], bounds[w+1])
		got, want := states.Result(nil, w), agg.define(t, q)
		if len(got) != len(want) || len(got) != len(agg.Outputs()) {
			t.Fatalf("%d numbers, %d outputs, %d definitions", len(got), len(agg.Outputs()), len(want))
		}
		for k, a := range want {
			if !a.near(got[k]) {
				t.Fatalf("window %d of %v: %s is %v, want %v ± %v\nvalues %v",
					w, bounds, agg.Outputs()[k], got[k], a.value, a.within, values)
			}
			if got[k] == 0 && math.Signbit(got[k]) && (agg.spec.Name == "min" || agg.spec.Name == "max" || agg.spec.Name == "p") {
				t.Fatalf("%s is −0", agg.Outputs()[k])
			}
		}
	}
}

// pieces cuts the observations at random and gives each piece to states of its own.
func pieces(t *rapid.T, agg boundAggregate, times []int64, values []float64, cuts []int64) []analytics.States {
	var out []analytics.States
	for from := 0; from < len(times) || len(out) == 0; {
		to := from + rapid.IntRange(1, 300).Draw(t, "piece")
		to = min(to, len(times))
		s := agg.NewStates(len(cuts) - 1)
		fold(t, s, times[from:to], values[from:to], cuts)
		out = append(out, s)
		from = to
	}
	return out
}

// fold gives one piece to states, in one of the ways there are.
func fold(t *rapid.T, s analytics.States, times []int64, values []float64, cuts []int64) {
	bounds := rowsOf(times, cuts)
	way := rapid.SampledFrom([]string{"runs", "windows", "statistics", "chunk's statistics", "some runs"}).Draw(t, "way")
	if way == "runs" {
		s.AddRuns(0, bounds, times, values)
		return
	}
	first := 0
	if way == "some runs" {
		first = rapid.IntRange(0, len(bounds)-1).Draw(t, "first run")
		s.AddRuns(first, bounds[first:], times, values)
		bounds = bounds[:first+1]
	}
	for w := range len(bounds) - 1 {
		ts, vs := times[bounds[w]:bounds[w+1]], values[bounds[w]:bounds[w+1]]
		switch way {
		case "statistics":
			if st := statsOf(ts, vs); s.AddStats(w, &st) {
				continue
			}
		case "chunk's statistics":
			st := chunk.StatsOf(chunk.Samples{Kind: chunk.Float64, Times: ts, Floats: vs})
			if s.AddStats(w, &st) {
				continue
			}
		}
		s.Add(w, ts, vs)
	}
}

// mergePieces merges the pieces in a random tree; neighbours only, where order matters.
func mergePieces(t *rapid.T, agg boundAggregate, all []analytics.States) analytics.States {
	for len(all) > 1 {
		a := rapid.IntRange(0, len(all)-2).Draw(t, "left")
		b := a + 1
		if !agg.spec.PerSeries {
			b = rapid.IntRange(a+1, len(all)-1).Draw(t, "right")
		}
		x, y := all[a], all[b]
		if rapid.Bool().Draw(t, "later into earlier") {
			x, y = y, x
		}
		if rapid.IntRange(0, 3).Draw(t, "trip") == 0 {
			y = trip(t, agg, y)
		}
		for w := range x.Len() {
			x.Merge(w, y, w)
		}
		all[a] = x
		all = slices.Delete(all, b, b+1)
	}
	return all[0]
}

// trip writes states and reads them.
func trip(t interface{ Fatalf(string, ...any) }, agg analytics.Aggregate, s analytics.States) analytics.States {
	var buf []byte
	for i := range s.Len() {
		buf = s.AppendState(buf, i)
	}
	out := agg.NewStates(s.Len())
	for i := range s.Len() {
		var err error
		if buf, err = out.ParseState(i, buf); err != nil {
			t.Fatalf("read state %d: %v", i, err)
		}
	}
	if len(buf) > 0 {
		t.Fatalf("%d bytes left", len(buf))
	}
	return out
}

// TestEmptyStates: nothing added, only gaps added, statistics of nothing added: the same.
func TestEmptyStates(t *testing.T) {
	gap := []float64{math.NaN()}
	for name, agg := range bound(t) {
		s := agg.NewStates(3)
		s.Add(1, nil, nil)
		s.AddRuns(1, []int32{0, 0, 0}, nil, nil)
		s.AddRuns(1, nil, nil, nil)
		s.Add(2, []int64{1}, gap)
		st := statsOf([]int64{2}, gap)
		if !s.AddStats(2, &st) {
			t.Errorf("%s: statistics of a gap do not suffice", name)
		}
		for i := range 3 {
			s.Merge(i, agg.NewStates(1), 0)
			q := question{}
			if i == 2 {
				q.gaps = 2
			}
			for k, a := range agg.define(t, q) {
				if got := s.Result(nil, i)[k]; !a.near(got) {
					t.Errorf("%s: state %d is %v, want %v", name, i, got, a.value)
				}
			}
		}
	}
}

// TestStatsUse: an aggregate that says that statistics suffice takes them.
func TestStatsUse(t *testing.T) {
	varied := statsOf([]int64{1, 2, 3}, []float64{3, 1, 2})
	constant := statsOf([]int64{1, 2, 3}, []float64{2, 2, 2})
	for name, agg := range bound(t) {
		s := agg.NewStates(1)
		if got, want := s.AddStats(0, &varied), agg.spec.Stats == analytics.StatsAlways; got != want {
			t.Errorf("%s: statistics of varied values taken: %v, want %v", name, got, want)
		}
		if got, want := s.AddStats(0, &constant), agg.spec.Stats != analytics.StatsNever; got != want {
			t.Errorf("%s: statistics of a constant taken: %v, want %v", name, got, want)
		}
	}
}

// TestSumsOfWindows: what the windows say adds up to what the whole says.
func TestSumsOfWindows(t *testing.T) {
	aggregates := bound(t)
	for _, name := range []string{"increase", "delta", "integral trapezoid", "integral step", "sum", "count", "nans"} {
		agg := aggregates[name]
		rapid.Check(t, func(t *rapid.T) {
			times, values := series(t, false)
			cuts := edges(t, times)
			windows, whole := agg.NewStates(len(cuts)-1), agg.NewStates(1)
			windows.AddRuns(0, rowsOf(times, cuts), times, values)
			whole.Add(0, times, values)
			if l, ok := windows.(analytics.Linker); ok {
				l.Link(0, windows.Len())
			}
			sum, size := 0.0, 0.0
			for w := range windows.Len() {
				if v := windows.Result(nil, w)[0]; !math.IsNaN(v) {
					sum += v
					size += math.Abs(v)
				}
			}
			want := whole.Result(nil, 0)[0]
			if !math.IsNaN(want) && math.Abs(sum-want) > 1e-14*size+2e-15*maxMagnitude(values)*float64(len(cuts)) {
				t.Fatalf("%s: windows sum to %v, the whole is %v", name, sum, want)
			}
		})
	}
}

// maxMagnitude is the greatest |v|, gaps left out.
func maxMagnitude(values []float64) float64 {
	m := 0.0
	for _, v := range values {
		if a := math.Abs(v); a > m {
			m = a
		}
	}
	return m
}

// TestGroups: states of several series that share stamps, merged in either order, are the same bytes.
func TestGroups(t *testing.T) {
	for name, agg := range bound(t) {
		if agg.spec.PerSeries {
			continue
		}
		a, b := agg.NewStates(1), agg.NewStates(1)
		a.Add(0, []int64{1, 2, 3}, []float64{1, 5, 2})
		b.Add(0, []int64{1, 2, 3}, []float64{4, 0, 3})
		ab, ba := trip(t, agg, a), trip(t, agg, b)
		ab.Merge(0, b, 0)
		ba.Merge(0, a, 0)
		x, y := ab.Result(nil, 0), ba.Result(nil, 0)
		if !slices.Equal(x, y) {
			t.Errorf("%s: %v or %v, by the order of merging", name, x, y)
		}
		if name == "first" && x[0] != 4 || name == "last" && x[0] != 3 {
			t.Errorf("%s: %v is not the greater one", name, x)
		}
	}
}

// TestReset: a state that was reset is as a new one.
func TestReset(t *testing.T) {
	for name, agg := range bound(t) {
		s := agg.NewStates(2)
		empty := s.AppendState(nil, 0)
		s.Add(0, []int64{1, 2, 3, 4}, []float64{4, 0, 9, math.NaN()})
		s.Add(1, []int64{5}, []float64{6})
		constant := statsOf([]int64{5, 6}, []float64{2, 2})
		s.AddStats(0, &constant)
		s.Reset(0)
		if got := s.AppendState(nil, 0); !bytes.Equal(got, empty) {
			t.Errorf("%s: %x, empty is %x", name, got, empty)
		}
		if l, ok := s.(analytics.Linker); ok {
			l.Link(0, 2)
		}
		s.Add(0, []int64{1, 2}, []float64{1, 2})
		want := agg.define(t, question{in: []obs{{1, 1}, {2, 2}}})
		for k, got := range s.Result(nil, 0) {
			if !want[k].near(got) {
				t.Errorf("%s: %v, want %v", name, got, want[k])
			}
		}
	}
}

// TestMergeLeavesItsSource: what is merged elsewhere can go on, and shares nothing.
func TestMergeLeavesItsSource(t *testing.T) {
	for name, agg := range bound(t) {
		src, dst := agg.NewStates(1), agg.NewStates(1)
		src.Add(0, []int64{1, 2, 3, 4}, []float64{4, 4, 9, 1})
		before := src.AppendState(nil, 0)
		dst.Merge(0, src, 0)
		dst.Add(0, []int64{5, 6}, []float64{7, 8})
		dst.Result(nil, 0)
		if after := src.AppendState(nil, 0); !bytes.Equal(after, before) {
			t.Errorf("%s: the source changed", name)
		}
	}
}

// TestBytesGrow: states of functions that keep values say so, before and after a trip.
func TestBytesGrow(t *testing.T) {
	values, times := make([]float64, 1000), make([]int64, 1000)
	for i := range values {
		times[i], values[i] = int64(i), float64(i)
	}
	for name, agg := range bound(t) {
		s := agg.NewStates(2)
		empty := s.Bytes()
		s.Add(0, times, values)
		s.AddRuns(0, []int32{0, 500, 1000}, times, values)
		keeps := agg.spec.Stats == analytics.StatsConstant && !agg.spec.PerSeries
		if got := s.Bytes(); empty <= 0 || keeps && got < 8000 || !keeps && got != empty {
			t.Errorf("%s: %d bytes empty, %d with values", name, empty, got)
		}
		if got := trip(t, agg, s).Bytes(); keeps && got < 8000 {
			t.Errorf("%s: %d bytes after a trip", name, got)
		}
	}
}

// TestNoAllocations: what keeps no values needs no memory beyond its states.
func TestNoAllocations(t *testing.T) {
	times, values := columns(make([]byte, 8*1000))
	st := statsOf(times, values)
	bounds := []int32{0, 100, 100, 1000}
	dst := make([]float64, 0, 8)
	for name, agg := range bound(t) {
		if agg.spec.Stats == analytics.StatsConstant && !agg.spec.PerSeries {
			continue
		}
		s, o := agg.NewStates(3), agg.NewStates(3)
		o.Add(0, times, values)
		if n := testing.AllocsPerRun(10, func() {
			s.Add(0, times, values)
			s.AddRuns(0, bounds, times, values)
			s.AddStats(1, &st)
			s.Merge(2, o, 0)
			dst = s.Result(dst[:0], 0)
			s.Reset(0)
		}); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}

// FuzzParseState: no bytes make a state fail otherwise than by its error; what was read is written
// and read again as the same.
func FuzzParseState(f *testing.F) {
	aggregates := bound(f)
	names := slices.Sorted(maps.Keys(aggregates))
	for i, name := range names {
		s := aggregates[name].NewStates(1)
		f.Add(byte(i), s.AppendState(nil, 0))
		s.Add(0, []int64{1, 2, 3, 4}, []float64{3, 3, -1, math.NaN()})
		constant := statsOf([]int64{5, 6}, []float64{2, 2})
		s.AddStats(0, &constant)
		f.Add(byte(i), s.AppendState(nil, 0))
	}
	f.Add(byte(0), []byte{})
	f.Fuzz(func(t *testing.T, which byte, src []byte) {
		agg := aggregates[names[int(which)%len(names)]]
		s := agg.NewStates(1)
		empty := s.AppendState(nil, 0)
		rest, err := s.ParseState(0, src)
		if err != nil {
			if !errorsIsCorrupt(err) || !bytes.Equal(rest, src) || !bytes.Equal(s.AppendState(nil, 0), empty) {
				t.Fatalf("after %v: %d bytes of %d left, state %x", err, len(rest), len(src), s.AppendState(nil, 0))
			}
			return
		}
		if s.Bytes() > 200+16*int64(len(src)) {
			t.Fatalf("%d bytes of state from %d", s.Bytes(), len(src))
		}
		x := s.Result(nil, 0)
		y := trip(t, agg, s).Result(nil, 0)
		if fmt.Sprint(x) != fmt.Sprint(y) {
			t.Fatalf("%v, after a trip %v", x, y)
		}
		s.Merge(0, trip(t, agg, s), 0)
		s.Result(nil, 0)
	})
}

// FuzzStateRoundTrip: what values make is read back as it was written.
func FuzzStateRoundTrip(f *testing.F) {
	aggregates := bound(f)
	f.Add([]byte("some bytes that are values, 32 of"))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0xF0, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0x80})
	f.Fuzz(func(t *testing.T, src []byte) {
		times, values := columns(src)
		for name, agg := range aggregates {
			s := agg.NewStates(2)
			s.Add(0, times, values)
			once := s.AppendState(nil, 0)
			again := trip(t, agg, s)
			if twice := again.AppendState(nil, 0); len(twice) != len(once) {
				t.Fatalf("%s: %x, then %x", name, once, twice)
			}
			if x, y := s.Result(nil, 0), again.Result(nil, 0); fmt.Sprint(x) != fmt.Sprint(y) {
				t.Fatalf("%s: %v, after a trip %v", name, x, y)
			}
		}
	})
}
