package shard

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

// someRows are rows of every kind, with extreme stamps, shared ones, and none.
func someRows() []logRow {
	shared := []int64{10, 20, 30, 45}
	id := chunk.Dimensions{{Name: "host", Value: "a"}, {Name: "metric", Value: "m"}}
	return []logRow{
		{ordinal: 0, identity: id, samples: chunk.Samples{
			Kind: chunk.Float64, Times: shared,
			Floats: []float64{1, math.NaN(), math.Inf(-1), math.Copysign(0, -1)},
		}},
		{ordinal: 1, samples: chunk.Samples{Kind: chunk.Int64, Times: shared, Ints: []int64{math.MinInt64, math.MaxInt64, 0, 1}}},
		{ordinal: 1 << 30, samples: chunk.Samples{
			Kind: chunk.Bool, Times: []int64{math.MaxInt64, math.MinInt64, 0}, Bools: []bool{true, false, true},
		}},
		{ordinal: 7, samples: chunk.Samples{Kind: chunk.String, Times: []int64{5}, Strings: []string{strings.Repeat("long ", 500)}}},
	}
}

func encodeRows(rows []logRow) []byte {
	var e rowEncoder
	e.reset()
	for i := range rows {
		e.add(rows[i].ordinal, rows[i].identity, &rows[i].samples)
	}
	return slices.Clone(e.record())
}

func decodeRows(record []byte) (rows []logRow, err error) {
	data, err := unpackRows(record)
	if err != nil {
		return nil, err
	}
	for d := (rowDecoder{rest: data}); ; {
		row, ok, err := d.next()
		if err != nil || !ok {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestRowsComeBack(t *testing.T) {
	want := someRows()
	got, err := decodeRows(encodeRows(want))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\n got %v\nwant %v", err, got, want)
	}
	if &got[0].samples.Times[0] != &got[1].samples.Times[0] {
		t.Error("equal stamps are not shared")
	}
}

// What packs too well is not packed, so that a decoder can refuse what claims to.
func TestPackRatioIsBounded(t *testing.T) {
	s := chunk.Samples{Kind: chunk.Float64, Times: make([]int64, rowsPerRecord), Floats: make([]float64, rowsPerRecord)}
	record := encodeRows([]logRow{{samples: s}})
	if rows, err := decodeRows(record); err != nil || len(rows) != 1 || rows[0].samples.Len() != rowsPerRecord {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	record[0] = recPacked
	if _, err := decodeRows(append([]byte{recPacked, 0xff, 0xff, 0xff, 0x7f}, record[:9]...)); !errors.Is(err, errRecord) {
		t.Errorf("256 MiB of 14 bytes: %v", err)
	}
}

func FuzzRows(f *testing.F) {
	f.Add(encodeRows(someRows()))
	f.Add(encodeRows(someRows()[:2]))
	f.Add([]byte{recRows, 0, 1, 0})
	f.Add([]byte{recPacked, 1, 0, 0})
	f.Fuzz(func(t *testing.T, record []byte) {
		if len(record) == 0 || record[0] != recRows && record[0] != recPacked {
			return
		}
		rows, err := decodeRows(record)
		if err != nil {
			if !errors.Is(err, errRecord) {
				t.Fatalf("not errRecord: %v", err)
			}
			return
		}
		again, err := decodeRows(encodeRows(rows))
		if err != nil || fmt.Sprint(again) != fmt.Sprint(rows) {
			t.Fatalf("second trip: %v\n got %v\nwant %v", err, again, rows)
		}
	})
}

func FuzzRowsRoundTrip(f *testing.F) {
	f.Add(uint32(3), int64(5), int64(-7), uint64(1), "x", byte(1))
	f.Add(uint32(0), int64(math.MinInt64), int64(math.MaxInt64), uint64(0x7ff8000000000001), "", byte(4))
	f.Fuzz(func(t *testing.T, o uint32, a, b int64, bits uint64, text string, k byte) {
		s := chunk.Samples{Kind: chunk.Kind(k&3 + 1), Times: []int64{a, b, a}}
		for i := range s.Times {
			switch s.Kind {
			case chunk.Float64:
				s.Floats = append(s.Floats, math.Float64frombits(bits<<i))
			case chunk.Int64:
				s.Ints = append(s.Ints, int64(bits<<i))
			case chunk.Bool:
				s.Bools = append(s.Bools, bits>>i&1 == 1)
			case chunk.String:
				s.Strings = append(s.Strings, strings.Repeat(text, i))
			}
		}
		got, err := decodeRows(encodeRows([]logRow{{ordinal: o, samples: s}}))
		if err != nil || len(got) != 1 || got[0].ordinal != o || !sameBits(got[0].samples, s) {
			t.Fatalf("%v, %v; want %v", got, err, s)
		}
	})
}

func sameBits(a, b chunk.Samples) bool {
	return slices.Equal(a.Times, b.Times) && slices.Equal(a.Ints, b.Ints) && slices.Equal(a.Bools, b.Bools) &&
		slices.Equal(a.Strings, b.Strings) && slices.EqualFunc(a.Floats, b.Floats, func(x, y float64) bool {
		return math.Float64bits(x) == math.Float64bits(y)
	})
}

func TestDeletionComesBack(t *testing.T) {
	for name, ordinals := range map[string][]uint32{
		"none": nil, "one": {5}, "zero": {0}, "runs": {0, 1, 2, 9, 11, 12, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			want := chunk.Span{Start: -5, End: math.MaxInt64}
			span, series, err := parseDeletion(appendDeletion(nil, want, roaring.BitmapOf(ordinals...)))
			if err != nil || span != want || !slices.Equal(series.ToArray(), roaring.BitmapOf(ordinals...).ToArray()) {
				t.Errorf("%v %v %v", span, series, err)
			}
		})
	}
}

func FuzzDeletion(f *testing.F) {
	f.Add(appendDeletion(nil, chunk.Always, roaring.BitmapOf(1, 2, 3, 1000)))
	f.Add([]byte{recDeletion, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, record []byte) {
		if len(record) == 0 {
			return
		}
		span, series, err := parseDeletion(record)
		if err != nil {
			if !errors.Is(err, errRecord) {
				t.Fatalf("not errRecord: %v", err)
			}
			return
		}
		if series.GetCardinality() > 1<<16 {
			return // a run that takes long to walk through
		}
		span2, series2, err := parseDeletion(appendDeletion(nil, span, series))
		if err != nil || span2 != span || !series2.Equals(series) {
			t.Fatalf("second trip: %v %v %v", span2, series2, err)
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(string((&manifest{
		generation: 3, next: 17, floor: 4, synced: 9, file: 2,
		segments:  []segmentEntry{{1, -1, 3, 0, 0, 100}, {2, 5, 4, 4, 1, 999}},
		deletions: []deletion{{4, chunk.Always, roaring.BitmapOf(1, 5)}},
	}).text()))
	f.Add(shardFormat + "\nsegment 1 2 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseManifest(strings.Split(strings.TrimSuffix(text, "\n"), "\n"))
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("not ErrManifest: %v", err)
			}
			return
		}
		for _, d := range m.deletions {
			if d.series.GetCardinality() > 1<<16 {
				return
			}
		}
		first := m.text()
		again, err := parseManifest(strings.Split(strings.TrimSuffix(string(first), "\n"), "\n"))
		if err != nil || string(again.text()) != string(first) {
			t.Fatalf("second trip: %v\n%s", err, first)
		}
	})
}
