package shard

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

func ints(pairs ...int64) chunk.Samples {
	s := chunk.Samples{Kind: chunk.Int64}
	for i := 0; i < len(pairs); i += 2 {
		s.Times, s.Ints = append(s.Times, pairs[i]), append(s.Ints, pairs[i+1])
	}
	return s
}

func TestMergeTwo(t *testing.T) {
	for name, tc := range map[string]struct{ older, newer, want chunk.Samples }{
		"both empty":       {ints(), ints(), ints()},
		"apart":            {ints(1, 1, 2, 2), ints(5, 5), ints(1, 1, 2, 2, 5, 5)},
		"apart, reversed":  {ints(5, 5), ints(1, 1, 2, 2), ints(1, 1, 2, 2, 5, 5)},
		"the newer wins":   {ints(1, 1, 2, 2, 3, 3), ints(2, 9), ints(1, 1, 2, 9, 3, 3)},
		"interleaved":      {ints(1, 1, 3, 3), ints(2, 2, 4, 4), ints(1, 1, 2, 2, 3, 3, 4, 4)},
		"extreme stamps":   {ints(math.MinInt64, 1, math.MaxInt64, 1), ints(math.MaxInt64, 2), ints(math.MinInt64, 1, math.MaxInt64, 2)},
		"all of them anew": {ints(1, 1, 2, 2), ints(1, 3, 2, 4), ints(1, 3, 2, 4)},
	} {
		t.Run(name, func(t *testing.T) {
			var got chunk.Samples
			if mergeTwo(&got, tc.older, tc.newer); !slices.Equal(got.Times, tc.want.Times) || !slices.Equal(got.Ints, tc.want.Ints) {
				t.Errorf("got %v %v, want %v %v", got.Times, got.Ints, tc.want.Times, tc.want.Ints)
			}
		})
	}
}

// A merger gives what writing one after the other into a map gives.
func TestMergerIsLastWrittenWins(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var m merger
	for range 300 {
		m.reset()
		want := map[int64]int64{}
		for range rng.IntN(6) {
			var s chunk.Samples
			at := rng.Int64N(50)
			for range rng.IntN(20) {
				at += 1 + rng.Int64N(4)
				v := rng.Int64()
				s.Append(ints(at, v))
				want[at] = v
			}
			m.add(s)
		}
		got := m.result()
		if !got.Sorted() || got.Len() != len(want) {
			t.Fatalf("%d rows, want %d: %v", got.Len(), len(want), got.Times)
		}
		for i, at := range got.Times {
			if got.Ints[i] != want[at] {
				t.Fatalf("at %d: %d, want %d", at, got.Ints[i], want[at])
			}
		}
	}
}

func TestWithout(t *testing.T) {
	all := ints(1, 1, 2, 2, 3, 3, 4, 4, 5, 5)
	for name, tc := range map[string]struct {
		spans []chunk.Span
		want  []int64
	}{
		"no span":      {nil, []int64{1, 2, 3, 4, 5}},
		"beside":       {[]chunk.Span{{Start: 9, End: 10}}, []int64{1, 2, 3, 4, 5}},
		"half-open":    {[]chunk.Span{{Start: 2, End: 4}}, []int64{1, 4, 5}},
		"two spans":    {[]chunk.Span{{Start: 0, End: 2}, {Start: 5, End: 6}}, []int64{2, 3, 4}},
		"all of it":    {[]chunk.Span{chunk.Always}, nil},
		"they overlap": {[]chunk.Span{{Start: 1, End: 3}, {Start: 2, End: 4}}, []int64{4, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := without(all, tc.spans); !slices.Equal(got.Times, tc.want) {
				t.Errorf("got %v, want %v", got.Times, tc.want)
			}
		})
	}
}

func TestPartitions(t *testing.T) {
	for name, tc := range map[string]struct{ at, width, want int64 }{
		"zero":            {0, 10, 0},
		"end of one":      {9, 10, 0},
		"start of next":   {10, 10, 1},
		"just before":     {-1, 10, -1},
		"start of before": {-10, 10, -1},
		"the first stamp": {math.MinInt64, 1000, math.MinInt64/1000 - 1},
		"the last stamp":  {math.MaxInt64, 1000, math.MaxInt64 / 1000},
		"one for all":     {math.MinInt64, math.MaxInt64, -2},
	} {
		t.Run(name, func(t *testing.T) {
			n := partitionOf(tc.at, tc.width)
			if span := partitionSpan(n, tc.width); n != tc.want || !span.Contains(tc.at) {
				t.Errorf("partition %d, want %d, with span %v", n, tc.want, span)
			}
		})
	}
}

func tableSeries(i int) chunk.Series {
	d := chunk.Dimensions{{Name: "host", Value: fmt.Sprint("h", i/10)}, {Name: "metric", Value: fmt.Sprint("m", i%10)}}
	if i%7 == 0 {
		d = d[:1]
	}
	if i%3 == 0 { // before the host, which is of the source, and beside the metric, which is not
		d = append(chunk.Dimensions{{Name: "field", Value: fmt.Sprint("f", i%5)}}, d...)
	}
	if i%11 == 0 {
		d = append(d, chunk.Dimension{Name: "zone", Value: fmt.Sprint(i % 2)})
	}
	return chunk.Series{Dimensions: d, Kind: chunk.Kind(1 + i%4)}
}

func TestTable(t *testing.T) {
	table := newTable()
	ordinals := map[string]uint32{}
	for i := range 3000 {
		s := tableSeries(i)
		o := table.add(hashSeries(s.Dimensions, s.Kind), s.Dimensions.Source(), s.Dimensions, s.Kind)
		if had, ok := ordinals[fmt.Sprint(s)]; ok && had != o {
			t.Fatalf("%v: ordinal %d, before it was %d", s, o, had)
		}
		ordinals[fmt.Sprint(s)] = o
	}
	again := newTable() // as opening does, in any order
	for text, o := range ordinals {
		s := table.series(o)
		if fmt.Sprint(s) != text {
			t.Fatalf("ordinal %d is %v, want %s", o, s, text)
		}
		if err := again.put(o, s); err != nil {
			t.Fatal(err)
		}
		if err := again.put(o, s); err != nil {
			t.Fatal("twice:", err)
		}
	}
	for i := range 3000 {
		s := tableSeries(i)
		if o, ok := again.find(hashSeries(s.Dimensions, s.Kind), s.Dimensions, s.Kind); !ok || o != ordinals[fmt.Sprint(s)] {
			t.Fatalf("%v: %d %v", s, o, ok)
		}
	}
	if err := again.put(0, tableSeries(1)); err == nil {
		t.Error("ordinal of two series")
	}
	if err := again.put(1<<31, chunk.Series{Dimensions: chunk.Dimensions{{Name: "a", Value: "b"}}, Kind: chunk.Bool}); err == nil {
		t.Error("ordinal far beyond the others")
	}
}

// bySource orders as chunk.Series.Compare does.
func TestBySource(t *testing.T) {
	table := newTable()
	var all []uint32
	rng := rand.New(rand.NewPCG(3, 4))
	add := func(s chunk.Series) {
		all = append(all, table.add(hashSeries(s.Dimensions, s.Kind), s.Dimensions.Source(), s.Dimensions, s.Kind))
	}
	for _, i := range rng.Perm(400) {
		add(tableSeries(i))
	}
	for i := range 1 << 10 { // each with some of the dimensions, the ones that name what is measured among them
		var d chunk.Dimensions
		for k, name := range []string{"arch", "field", "host", "metric", "zone"} {
			if v := i >> (2 * k) & 3; v > 0 {
				d = append(d, chunk.Dimension{Name: name, Value: strings.Repeat("v", v)})
			}
		}
		add(chunk.Series{Dimensions: d, Kind: chunk.Float64})
	}
	var before chunk.Series
	n := 0
	for _, source := range table.bySource(roaring.BitmapOf(all...)) {
		for k, o := range source {
			s := table.series(o)
			if n > 0 && before.Compare(s) >= 0 {
				t.Fatalf("%v after %v", s, before)
			}
			if n > 0 && before.SameSource(s) != (k > 0) {
				t.Fatalf("%v and %v: place %d in its source", before, s, k)
			}
			before = s
			n++
		}
	}
	if n != table.size {
		t.Errorf("%d series, want %d", n, table.size)
	}
}

// A head shows the last written of each stamp, and what a snapshot saw does not change.
func TestHeadSnapshot(t *testing.T) {
	h := newHead()
	h.append([]headRow{{3, new(ints(10, 1, 20, 2))}})
	before := h.ref(3)
	h.append([]headRow{{3, new(ints(15, 3, 20, 4))}})
	after := h.ref(3)
	h.erase(roaring.BitmapOf(3), chunk.Span{Start: 15, End: 16})
	for name, tc := range map[string]struct {
		ref  headRef
		want chunk.Samples
	}{
		"before": {before, ints(10, 1, 20, 2)},
		"after":  {after, ints(10, 1, 15, 3, 20, 4)},
		"erased": {h.ref(3), ints(10, 1, 20, 4)},
	} {
		if got := h.read(tc.ref, new(chunk.Samples)); !sameBits(got, tc.want) {
			t.Errorf("%s: got %v %v, want %v %v", name, got.Times, got.Ints, tc.want.Times, tc.want.Ints)
		}
	}
	h.erase(roaring.BitmapOf(3), chunk.Always)
	if rows, _ := h.size(); rows != 0 || !h.set.IsEmpty() {
		t.Errorf("%d rows, series %v", rows, h.set)
	}
	if h.append([]headRow{{3, new(ints(1, 1))}}); !h.set.Contains(3) {
		t.Error("series that came back is not there")
	}
}

// Segments to merge are neighbours in age, of like size.
func TestPick(t *testing.T) {
	sizes := func(sizes ...int64) *version {
		v := new(version)
		for i, b := range sizes {
			v.segments = append(v.segments, &segmentFile{entry: segmentEntry{seq: uint64(i), bytes: b}, has: roaring.New()})
		}
		return v
	}
	for name, tc := range map[string]struct {
		v    *version
		want []uint64
	}{
		"few":              {sizes(1, 1, 1), nil},
		"enough":           {sizes(1, 1, 1, 1), []uint64{0, 1, 2, 3}},
		"not the large":    {sizes(100, 1, 1, 1, 1), []uint64{1, 2, 3, 4}},
		"large among them": {sizes(1, 1, 100, 1, 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []uint64
			for _, g := range pick(tc.v) {
				got = append(got, g.entry.seq)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
