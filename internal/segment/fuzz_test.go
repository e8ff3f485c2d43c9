package segment

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/vfs"
)

// someMetas are metas as a writer makes them.
func someMetas(rng *rand.Rand, n int) []Meta {
	metas := make([]Meta, n)
	block := rng.Uint32()
	for i := range metas {
		m := Meta{Series: rng.Uint32(), Kind: chunk.Kind(1 + rng.IntN(4)), Rows: 1 + rng.IntN(codec.MaxRows), Block: block, Index: uint32(i)}
		first := int64(rng.Uint64())
		m.Span = chunk.SpanOf(first, first+min(rng.Int64N(1e12), math.MaxInt64-max(first, 0)))
		switch rng.IntN(4) {
		case 0:
			m.NoGaps = true
		case 1:
			m.HasStats = true
			m.Stats = statsOfConstant(&m, float64(rng.IntN(10)))
		case 2:
			m.HasStats = true
			f := func() float64 { return math.Float64frombits(rng.Uint64()) }
			m.Stats = chunk.Stats{
				Count: int64(m.Rows), NaNs: rng.Int64N(int64(m.Rows)), FirstTime: int64(rng.Uint64()), LastTime: m.Span.End - 1,
				First: f(), Last: f(), Min: f(), Max: f(), Sum: f(), M2: f(),
			}
		}
		metas[i] = m
	}
	return metas
}

// someSeries are identities in no order, which costs bytes and is allowed.
func someSeries(t testing.TB, rng *rand.Rand, n int) []chunk.Series {
	series := make([]chunk.Series, n)
	for i := range series {
		var pairs []chunk.Dimension
		for _, name := range []string{"a", "field", "host", "metric", "n", "zone"} {
			if rng.IntN(3) > 0 {
				pairs = append(pairs, chunk.Dimension{Name: name, Value: fmt.Sprint("v", rng.IntN(3))})
			}
		}
		d, err := chunk.NewDimensions(pairs...)
		if err != nil {
			t.Fatal(err)
		}
		series[i] = chunk.Series{Dimensions: d, Kind: chunk.Kind(1 + rng.IntN(4))}
	}
	return series
}

func FuzzDirectoryRoundTrip(f *testing.F) {
	f.Add(uint64(1), uint16(0), false)
	f.Add(uint64(2), uint16(1), true)
	f.Add(uint64(3), uint16(300), true)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, dense bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p := codec.Fast
		if dense {
			p = codec.Dense
		}
		metas := someMetas(rng, int(n)%pageChunks)
		got, err := parseDirectory(appendDirectory(nil, metas, p))
		if err != nil || len(got) != len(metas) {
			t.Fatalf("%d of %d: %v", len(got), len(metas), err)
		}
		for i := range got {
			if !sameStats(got[i].Stats, metas[i].Stats) {
				t.Fatalf("statistics %+v, want %+v", got[i].Stats, metas[i].Stats)
			}
			got[i].Stats, metas[i].Stats = chunk.Stats{}, chunk.Stats{}
			if got[i] != metas[i] {
				t.Fatalf("%+v, want %+v", got[i], metas[i])
			}
		}
		series := someSeries(t, rng, int(n)%pageSeries)
		names, err := parseSeries(appendSeries(nil, series, p))
		if err != nil || !slices.EqualFunc(names, series, func(a, b chunk.Series) bool { return a.Kind == b.Kind && a.Dimensions.Equal(b.Dimensions) }) {
			t.Fatalf("%v\nwant %v: %v", names, series, err)
		}
	})
}

// hostile adds pages as seeds, and checks that what a parser does not take is corrupt.
func hostile[T any](f *testing.F, parse func([]byte) (T, error), pages ...[]byte) {
	for _, p := range pages {
		f.Add(p)
	}
	f.Add([]byte{0xff, 0xff, 3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parse(data)
		if err != nil && !errors.Is(err, chunk.ErrCorrupt) {
			t.Fatalf("%v, %v", v, err)
		}
	})
}

func FuzzParseDirectory(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	hostile(f, parseDirectory, appendDirectory(nil, someMetas(rng, 10), codec.Fast), appendDirectory(nil, someMetas(rng, 30), codec.Dense))
}

func FuzzParseSeries(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	hostile(f, parseSeries, appendSeries(nil, someSeries(f, rng, 9), codec.Fast), appendSeries(nil, someSeries(f, rng, 40), codec.Dense))
}

func FuzzParseLookups(f *testing.F) {
	hostile(f, parseLookups, appendLookups(nil, lookups{ordinals: []int64{1, 5, 9}, places: []int64{2, 0, 1}}, codec.Fast))
}

// FuzzOpen opens hostile files whose checksums are right, and reads all that they offer.
func FuzzOpen(f *testing.F) {
	fs := vfs.NewMem()
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 0))
		w, err := Create(fs, "a", codec.Profile(seed))
		if err != nil {
			f.Fatal(err)
		}
		series := someSeries(f, rng, 20)
		slices.SortFunc(series, func(a, b chunk.Series) int { return a.Compare(b) })
		series = slices.CompactFunc(series, func(a, b chunk.Series) bool { return a.Compare(b) == 0 })
		for i, s := range series {
			s.Kind = chunk.Int64
			rows := []Row{{Ordinal: uint32(i), Identity: s, Samples: chunk.Samples{Kind: s.Kind, Times: []int64{1, 2, 9}, Ints: []int64{1, 1, 1}}}}
			if err := w.AddSource(rows); err != nil && !errors.Is(err, ErrOrder) {
				f.Fatal(err)
			}
		}
		if err := w.Finish(); err != nil {
			f.Fatal(err)
		}
		data, _ := vfs.ReadFile(fs, "a")
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fs := vfs.NewMem()
		if err := vfs.WriteFile(fs, "a", mended(data)); err != nil {
			t.Fatal(err)
		}
		r, err := Open(fs, "a")
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		defer r.Close()
		report := func(err error) {
			if !errors.Is(err, chunk.ErrCorrupt) {
				t.Fatal(err)
			}
		}
		if err := r.Check(t.Context(), report); err != nil {
			t.Fatal(err)
		}
		for o := range uint32(30) {
			if _, err := r.AppendChunks(nil, o, chunk.Always); err != nil {
				report(err)
			}
			if _, _, err := r.Identity(o); err != nil {
				report(err)
			}
		}
	})
}

// mended makes the checksums of a file right, as far as its frames can be followed, so that what
// is behind them is tested too.
func mended(data []byte) []byte {
	if len(data) < headerSize+frameHead+footerSize {
		return data
	}
	out := appendHeader(make([]byte, 0, len(data)))
	body := slices.Clone(data[headerSize : len(data)-footerSize])
	last := 0
	for at := 0; at+frameHead <= len(body); {
		size := int(body[at+5]) | int(body[at+6])<<8
		end := at + frameHead + size
		if end > len(body) {
			end = len(body)
		}
		endFrame(body[:end], at, frameType(body[at+4]))
		last, at = at, end
	}
	return appendFooter(append(out, body...), int64(headerSize+last))
}
