package chunk_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/chunk/blockpb"
	"github.com/chronodex/chronodex/codec"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// jittered are n rising stamps about a second apart.
func jittered(rng *rand.Rand, n int) []int64 {
	t, now := make([]int64, n), rng.Int64N(1e18)
	for i := range t {
		now += 1 + rng.Int64N(2_000)*1e6
		t[i] = now
	}
	return t
}

// valuesFor gives stamps values of a kind.
func valuesFor(rng *rand.Rand, kind chunk.Kind, times []int64) chunk.Samples {
	s := chunk.Samples{Kind: kind, Times: times}
	shape, v := rng.IntN(4), rng.NormFloat64()
	for range times {
		switch shape {
		case 1:
			v += float64(rng.IntN(7) - 3)
		case 2:
			v = math.Float64frombits(rng.Uint64())
		case 3:
			v = []float64{math.NaN(), math.Inf(1), math.Copysign(0, -1), 0}[rng.IntN(4)]
		}
		switch kind {
		case chunk.Float64:
			s.Floats = append(s.Floats, v)
		case chunk.Int64:
			s.Ints = append(s.Ints, int64(math.Float64bits(v)))
		case chunk.Bool:
			s.Bools = append(s.Bools, v > 0)
		case chunk.String:
			s.Strings = append(s.Strings, strconv.Itoa(int(v)))
		}
	}
	return s
}

// someRows are rows of a few sources: whole and partial time columns, copied and aliased, all kinds,
// equal value columns.
func someRows(rng *rand.Rand, maxRows int) []chunk.BlockRow {
	var rows []chunk.BlockRow
	series := rng.Uint32()
	for range 1 + rng.IntN(4) {
		times := jittered(rng, 1+rng.IntN(maxRows))
		for range 1 + rng.IntN(6) {
			i := 0
			if rng.IntN(3) == 0 {
				i = rng.IntN(len(times))
			}
			part := times[i:]
			if rng.IntN(3) == 0 {
				part = slices.Clone(part[:1+rng.IntN(len(part))])
			}
			s := valuesFor(rng, chunk.Kind(1+rng.IntN(4)), part)
			if k := len(rows) - 1; k >= 0 && rng.IntN(4) == 0 && rows[k].Samples.Len() == len(part) {
				s = rows[k].Samples
				s.Times = part
			}
			rows = append(rows, chunk.BlockRow{Series: series, Samples: s})
			series += rng.Uint32N(5)
		}
	}
	return rows
}

// same compares bit for bit.
func same(a, b chunk.Samples) bool {
	return a.Kind == b.Kind && slices.Equal(a.Times, b.Times) && slices.Equal(a.Ints, b.Ints) &&
		slices.Equal(a.Bools, b.Bools) && slices.Equal(a.Strings, b.Strings) &&
		slices.EqualFunc(a.Floats, b.Floats, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

func checkBlock(t interface {
	Helper()
	Fatalf(string, ...any)
}, b *chunk.Block, rows []chunk.BlockRow,
) {
	t.Helper()
	if b.Len() != len(rows) {
		t.Fatalf("%d chunks of %d rows", b.Len(), len(rows))
	}
	seen := make(map[int]bool)
	for k, r := range rows {
		i := r.Index
		span, err := b.Span(i)
		if err != nil {
			t.Fatalf("row %d: %v", k, err)
		}
		if seen[i] || b.Series(i) != r.Series || b.Kind(i) != r.Samples.Kind || b.Rows(i) != r.Samples.Len() ||
			span != chunk.SpanOf(r.Samples.Times[0], r.Samples.Times[r.Samples.Len()-1]) {
			t.Fatalf("row %d, chunk %d: series %d, %v, %d rows, %v", k, i, b.Series(i), b.Kind(i), b.Rows(i), span)
		}
		seen[i] = true
		got, err := b.Read(i)
		if err != nil || !same(got, r.Samples) {
			t.Fatalf("row %d, chunk %d: %v, error %v; want %v", k, i, got, err, r.Samples)
		}
	}
}

func TestBlockRoundTrip(t *testing.T) {
	var b chunk.Block // parsed again and again: memory of the block before does not shine through
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows := someRows(rng, rapid.SampledFrom([]int{1, 10, 300}).Draw(t, "rows"))
		p := rapid.SampledFrom([]codec.Profile{codec.Fast, codec.Dense}).Draw(t, "profile")
		data, err := chunk.AppendBlock([]byte("head"), rows, p)
		if err != nil || string(data[:4]) != "head" {
			t.Fatalf("%q: %v", data[:4], err)
		}
		if err := b.Parse(data[4:]); err != nil {
			t.Fatal(err)
		}
		checkBlock(t, &b, rows)
	})
}

// The generated code reads what we write by hand, writes the same bytes, and finds in them what we
// find.
func TestBlockIsTheMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rows := someRows(rng, 50)
		data, err := chunk.AppendBlock(nil, rows, codec.Fast)
		if err != nil {
			t.Fatal(err)
		}
		var m blockpb.Block
		if err := proto.Unmarshal(data, &m); err != nil {
			t.Fatal(err)
		}
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m)
		if err != nil || !slices.Equal(again, data) {
			t.Fatalf("%d bytes by hand, %d generated, %v", len(data), len(again), err)
		}
		b, err := chunk.ParseBlock(again)
		if err != nil {
			t.Fatal(err)
		}
		checkBlock(t, b, rows)
		i := 0
		for _, g := range m.Groups {
			series := int64(0)
			for _, d := range g.Series {
				series += d
				if b.Series(i) != uint32(series) || b.Kind(i) != chunk.Kind(g.Kind) || b.Rows(i) != int(g.Rows) {
					t.Fatalf("chunk %d: message %v", i, g)
				}
				i++
			}
		}
	})
}

// What a later version adds is skipped; what this one does not know it does not guess.
func TestBlockVersions(t *testing.T) {
	rows := someRows(rand.New(rand.NewPCG(1, 1)), 20)
	data, _ := chunk.AppendBlock(nil, rows, codec.Fast)
	extended := protowire.AppendTag(slices.Clone(data), 100, protowire.Fixed64Type)
	extended = protowire.AppendFixed64(extended, 1<<63)
	extended = protowire.AppendTag(extended, 101, protowire.VarintType)
	extended = protowire.AppendVarint(extended, math.MaxUint64)
	b, err := chunk.ParseBlock(extended)
	if err != nil {
		t.Fatal(err)
	}
	checkBlock(t, b, rows)
	data[1] = 2
	if _, err := chunk.ParseBlock(data); !errors.Is(err, chunk.ErrCorrupt) {
		t.Errorf("version 2: %v", err)
	}
}

// Stamps are decoded once, and handed out as one slice; what others refer to is decoded once.
func TestBlockSharesTimes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	times := jittered(rng, 100)
	rows := make([]chunk.BlockRow, 4)
	for i := range rows {
		rows[i] = chunk.BlockRow{Series: uint32(i), Samples: valuesFor(rng, chunk.Float64, slices.Clone(times))}
	}
	rows[3].Samples = rows[2].Samples.Slice(40, 60)
	data, err := chunk.AppendBlock(nil, rows, codec.Dense)
	if err != nil {
		t.Fatal(err)
	}
	b, err := chunk.ParseBlock(data)
	if err != nil {
		t.Fatal(err)
	}
	read := func(row int) []int64 {
		s, err := b.Read(rows[row].Index)
		if err != nil {
			t.Fatal(err)
		}
		return s.Times
	}
	if a, c := read(0), read(1); &a[0] != &c[0] || len(a) != len(c) {
		t.Error("two chunks of a group have two time slices")
	}
	if a, c := read(0), read(3); &a[40] != &c[0] {
		t.Error("part of a time column was decoded by itself")
	}
}

func TestAppendBlockRefuses(t *testing.T) {
	long := make([]int64, codec.MaxRows+1)
	for i := range long {
		long[i] = int64(i)
	}
	for name, s := range map[string]chunk.Samples{
		"no observation":    floats(),
		"no kind":           {Times: []int64{1}},
		"a value too few":   {Kind: chunk.Int64, Times: []int64{1, 2}, Ints: []int64{1}},
		"two value columns": {Kind: chunk.Int64, Times: []int64{1}, Ints: []int64{1}, Floats: []float64{1}},
		"a stamp twice":     {Kind: chunk.Int64, Times: []int64{1, 1}, Ints: []int64{1, 2}},
		"too many":          {Kind: chunk.Int64, Times: long, Ints: long},
	} {
		if _, err := chunk.AppendBlock(nil, []chunk.BlockRow{{Samples: s}}, codec.Fast); !errors.Is(err, chunk.ErrBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseBlock(f *testing.F) {
	for seed := range uint64(8) {
		data, _ := chunk.AppendBlock(nil, someRows(rand.New(rand.NewPCG(seed, 0)), 20), codec.Profile(seed%2))
		f.Add(data)
	}
	f.Add([]byte("\x08\x01\x1a\x05\x18\x01\x20\x01\x2a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := chunk.ParseBlock(data)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) || b.Len() != 0 {
				t.Fatalf("%d chunks, %v", b.Len(), err)
			}
			return
		}
		for i := range b.Len() {
			s, err := b.Read(i)
			if err != nil && !errors.Is(err, chunk.ErrCorrupt) || err == nil && (!s.Valid() || !s.Sorted() || s.Len() != b.Rows(i)) {
				t.Fatalf("chunk %d: %v, %v", i, s, err)
			}
		}
	})
}

func FuzzBlockRoundTrip(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed, uint16(1<<(3*seed)), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, dense bool) {
		rows := someRows(rand.New(rand.NewPCG(seed, 1)), 1+int(n)%2000)
		p := codec.Fast
		if dense {
			p = codec.Dense
		}
		data, err := chunk.AppendBlock(nil, rows, p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := chunk.ParseBlock(data)
		if err != nil {
			t.Fatal(err)
		}
		checkBlock(t, b, rows)
	})
}

func BenchmarkParseBlock(b *testing.B) {
	for _, columns := range []int{1, 128} {
		b.Run("columns="+strconv.Itoa(columns), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 1))
			times, rows := jittered(rng, 1000), make([]chunk.BlockRow, columns)
			for i := range rows {
				rows[i] = chunk.BlockRow{Series: uint32(i), Samples: valuesFor(rng, chunk.Float64, times)}
			}
			data, _ := chunk.AppendBlock(nil, rows, codec.Fast)
			var blk chunk.Block
			b.ReportAllocs()
			for b.Loop() {
				if err := blk.Parse(data); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(columns), "ns/column")
		})
	}
}
