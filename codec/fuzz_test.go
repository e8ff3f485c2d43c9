package codec

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// hostile are bytes that try to make a decoder take too long, too much, or panic.
var hostile = [][]byte{
	nil,
	{0},
	{0xff},
	{formRuns, 0xff, 0xff, 0x03},
	{formDict, 0, 0x00, 0x00},
	{formBins, 0xff, 0x01},
	{formSparse, 0, 0xff, 0xff, 0x03, 0, 0},
	{formMask, 1},
	{2 << headOrder, 1, 1},
	{3<<headOrder | formPack, 1, 1, 64},
	{formPatch, 0xff, 0xff, 0x40},
	{formPack, 65},
	{formPack | headGCD, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1},
	{formRuns, 2, formRuns, 1, formRuns, 0, 0, 0, 0, 0, 0, 0},
	{formBins, 1, 0, 3, 5, 7, 12, 129, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	{decimalOthers, 1, 0, 0, 0},
	{0x17, 0},
	{decimalRef, howTimes, 0},
	{decimalRef, howPlus, 0},
	{modelPart, 0, 0, 0},
	{modelDecimal, 23, 0, 0},
	{2, 3, 0},
}

// FuzzDecodeInts: no bytes make the decoder panic or return other than n values; an error wraps
// ErrCorrupt and leaves dst alone; and what was decoded is encoded and decoded again to the same.
func FuzzDecodeInts(f *testing.F) {
	for _, b := range hostile {
		f.Add(b, uint16(100), uint8(0))
	}
	for _, shape := range intShapes(rand.New(rand.NewPCG(21, 22))) {
		f.Add(EncodeInts(column(300, shape), Dense).Data, uint16(300), uint8(0))
		f.Add(EncodeInts(column(30, shape), Fast).Data, uint16(30), uint8(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, rows uint16, ref uint8) {
		n := int(rows) % 5000
		other := column(n, func(i int) int64 { return int64(i) * 1e6 })
		got, err := DecodeIntsRef(nil, Column{encInts, Ref(ref % 3), data}, n, other, other)
		Describe(Column{encInts, Ref(ref % 3), data}, n)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || got != nil {
				t.Fatalf("%d values and error %v", len(got), err)
			}
			return
		}
		again, err := DecodeInts(nil, EncodeInts(got, Profile(ref%2)), n)
		if err != nil || len(got) != n || !slices.Equal(again, got) {
			t.Fatalf("%d rows: second trip of %d: %v", n, len(got), err)
		}
	})
}

// FuzzInts: any integers come back.
func FuzzInts(f *testing.F) {
	for _, shape := range intShapes(rand.New(rand.NewPCG(23, 24))) {
		var b []byte
		for _, v := range column(70, shape) {
			b = binary.LittleEndian.AppendUint64(b, uint64(v))
		}
		f.Add(b, uint8(8))
	}
	f.Add([]byte{0, 0, 0, 1, 2, 3, 255, 255, 255, 0, 0, 0, 7}, uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		want := words(data, int(size%8)+1)
		for _, p := range []Profile{Fast, Dense} {
			got, err := DecodeInts(nil, EncodeInts(want, p), len(want))
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("profile %d: %d of %v: %v", p, len(got), want, err)
			}
		}
	})
}

// words makes integers of size bytes each.
func words(data []byte, size int) []int64 {
	out := []int64{}
	for part := range slices.Chunk(data[:len(data)/size*size], size) {
		var b [8]byte
		copy(b[:], part)
		out = append(out, int64(binary.LittleEndian.Uint64(b[:])))
	}
	return out
}

// FuzzDecodeFloats is FuzzDecodeInts for doubles, of every encoding.
func FuzzDecodeFloats(f *testing.F) {
	for _, b := range hostile {
		for enc := encRaw; enc <= encPlain; enc++ {
			f.Add(b, uint16(100), uint8(enc), uint8(0))
		}
		f.Add(b, uint16(100), uint8(encDecimal), uint8(1))
		f.Add(b, uint16(100), uint8(encDecimal), uint8(2))
	}
	for _, shape := range floatShapes(rand.New(rand.NewPCG(25, 26))) {
		c := EncodeFloats([][]float64{column(300, shape)}, nil, Dense)[0]
		f.Add(c.Data, uint16(300), uint8(c.Encoding), uint8(0))
	}
	cols, times := heap(200)
	for _, c := range EncodeFloats(cols, times, Dense) {
		f.Add(c.Data, uint16(200), uint8(c.Encoding), uint8(min(c.Ref, 2)))
	}
	f.Fuzz(func(t *testing.T, data []byte, rows uint16, enc, ref uint8) {
		n := int(rows) % 5000
		other := column(n, func(i int) float64 { return []float64{float64(i), math.NaN(), math.Inf(1)}[i%3] })
		times := column(n, func(i int) int64 { return int64(i) * 1e6 })
		c := Column{Encoding(enc), Ref(ref % 3), data}
		got, err := DecodeFloats(nil, c, n, other, times)
		Describe(c, n)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || got != nil {
				t.Fatalf("%d values and error %v", len(got), err)
			}
			return
		}
		again, err := DecodeFloats(nil, EncodeFloats([][]float64{got}, times, Profile(ref%2))[0], n, nil, times)
		if err != nil || len(got) != n || !sameBits(again, got) {
			t.Fatalf("%d rows: second trip of %d: %v", n, len(got), err)
		}
	})
}

// FuzzFloats: any doubles come back bit for bit, alone or beside a sibling.
func FuzzFloats(f *testing.F) {
	for _, shape := range floatShapes(rand.New(rand.NewPCG(27, 28))) {
		var b []byte
		for _, v := range column(70, shape) {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b, int64(5), 0.0)
	}
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0xf0, 0x7f}, int64(-1), math.Copysign(0, -1))
	f.Fuzz(func(t *testing.T, data []byte, step int64, offset float64) {
		ints := words(data, 8)
		want := [][]float64{
			column(len(ints), func(i int) float64 { return math.Float64frombits(uint64(ints[i])) }),
			column(len(ints), func(i int) float64 { return float64(ints[i]>>20) + offset }),
			column(len(ints), func(i int) float64 { return float64(ints[i] >> 20) }),
		}
		times := column(len(ints), func(i int) int64 { return int64(i) * step })
		for _, p := range []Profile{Fast, Dense} {
			for k, c := range EncodeFloats(want, times, p) {
				var ref []float64
				if i, ok := c.Ref.Index(); ok {
					ref = want[i]
				}
				got, err := DecodeFloats(nil, c, len(ints), ref, times)
				if err != nil || !sameBits(got, want[k]) {
					t.Fatalf("profile %d: column %d: %s: %v", p, k, Describe(c, len(ints)), err)
				}
			}
		}
	})
}

// FuzzDecodeStrings is FuzzDecodeInts for strings.
func FuzzDecodeStrings(f *testing.F) {
	for _, b := range hostile {
		f.Add(b, uint16(100), true)
		f.Add(b, uint16(100), false)
	}
	for _, words := range [][]string{{"up", "down", "up", "up", "up"}, {"a", "bb", "", "cccccccccccccccccccccccccccccccccccccccccccccccccc"}} {
		for _, p := range []Profile{Fast, Dense} {
			for _, times := range []int{1, 40} {
				c := EncodeStrings(slices.Repeat(words, times), p)
				f.Add(c.Data, uint16(len(words)*times), c.Encoding == encDict)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, rows uint16, dict bool) {
		c := Column{Encoding: encPlain, Data: data}
		if dict {
			c.Encoding = encDict
		}
		n := int(rows) % 5000
		got, err := DecodeStrings(nil, c, n)
		Describe(c, n)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) || got != nil {
				t.Fatalf("%d strings and error %v", len(got), err)
			}
			return
		}
		again, err := DecodeStrings(nil, EncodeStrings(got, Dense), n)
		if err != nil || len(got) != n || !slices.Equal(again, got) {
			t.Fatalf("%d rows: second trip: %v", n, err)
		}
	})
}

// FuzzStrings: any strings come back.
func FuzzStrings(f *testing.F) {
	f.Add("up,down,up,,up", byte(','), true)
	f.Add("\xff\x00\xff", byte(0), false)
	f.Fuzz(func(t *testing.T, text string, separator byte, dense bool) {
		want := []string{}
		from := 0
		for i := range len(text) {
			if text[i] == separator {
				want = append(want, text[from:i])
				from = i + 1
			}
		}
		p := Fast
		if dense {
			p = Dense
		}
		got, err := DecodeStrings(nil, EncodeStrings(want, p), len(want))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q became %q: %v", want, got, err)
		}
	})
}

// FuzzDecodeBools and FuzzBools are the same for truth values.
func FuzzDecodeBools(f *testing.F) {
	for _, b := range hostile {
		f.Add(b, uint16(100))
	}
	f.Fuzz(func(t *testing.T, data []byte, rows uint16) {
		n := int(rows) % 5000
		got, err := DecodeBools(nil, Column{Encoding: encInts, Data: data}, n)
		if err == nil && len(got) != n || err != nil && (got != nil || !errors.Is(err, ErrCorrupt)) {
			t.Fatalf("%d values of %d and error %v", len(got), n, err)
		}
	})
}

func FuzzBools(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 2}, true)
	f.Fuzz(func(t *testing.T, data []byte, dense bool) {
		want := column(len(data), func(i int) bool { return data[i]%2 == 0 })
		p := Fast
		if dense {
			p = Dense
		}
		got, err := DecodeBools(nil, EncodeBools(want, p), len(want))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d values became %d: %v", len(want), len(got), err)
		}
	})
}

// TestHostileMemory: a few bytes cannot claim much memory beyond the rows asked for.
func TestHostileMemory(t *testing.T) {
	deep := []byte{}
	for range 12 {
		deep = append(deep, formRuns, 0xfe, 0x3f)
	}
	for _, data := range append(hostile, deep) {
		for enc := encRaw; enc <= encPlain; enc++ {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c := Column{Encoding: enc, Data: data}
			_, _ = DecodeFloats(nil, c, 8192, nil, nil)
			_, _ = DecodeInts(nil, c, 8192)
			_, _ = DecodeStrings(nil, c, 8192)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
				t.Errorf("encoding %d, %v: %d bytes", enc, data, used)
			}
		}
	}
	if _, err := DecodeInts(nil, EncodeInts(make([]int64, MaxRows), Fast), MaxRows+1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("more than MaxRows: %v", err)
	}
}

// TestTruncated: of every column, no part of its bytes decodes to as many rows, but where the
// tail is empty streams.
func TestTruncated(t *testing.T) {
	for name, shape := range floatShapes(rand.New(rand.NewPCG(29, 30))) {
		c := EncodeFloats([][]float64{column(200, shape)}, nil, Dense)[0]
		for k := range c.Data {
			part := Column{Encoding: c.Encoding, Data: c.Data[:k]}
			if _, err := DecodeFloats(nil, part, 200, nil, nil); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %d of %d bytes: %v", name, k, len(c.Data), err)
			}
		}
	}
}

// TestPlain: without unsafe, all columns decode to the same.
func TestPlain(t *testing.T) {
	cols, times := heap(1000)
	for _, shape := range floatShapes(rand.New(rand.NewPCG(31, 32))) {
		cols = append(cols, column(1000, shape))
	}
	for k, c := range EncodeFloats(cols, times, Dense) {
		var ref []float64
		if i, ok := c.Ref.Index(); ok {
			ref = cols[i]
		}
		r := newReader(c.Data)
		r.plain = true
		got := make([]float64, 1000)
		r.column(got, c, ref, times)
		if !r.done() || !sameBits(got, cols[k]) {
			t.Errorf("column %d: %s", k, Describe(c, 1000))
		}
		r.free()
	}
}
