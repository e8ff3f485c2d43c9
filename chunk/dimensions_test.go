package chunk_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
)

// dims makes dimensions of name=value words.
func dims(t testing.TB, words ...string) chunk.Dimensions {
	t.Helper()
	pairs := make([]chunk.Dimension, 0, len(words))
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		pairs = append(pairs, chunk.Dimension{Name: name, Value: value})
	}
	d, err := chunk.NewDimensions(pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNewDimensions(t *testing.T) {
	long := strings.Repeat("x", chunk.MaxValueBytes+1)
	for name, tc := range map[string]struct {
		pairs []chunk.Dimension
		want  string // or "" for an error
	}{
		"none":               {nil, `{}`},
		"sorted by name":     {[]chunk.Dimension{{"b", "1"}, {"a", "2"}}, `{a="2", b="1"}`},
		"empty values go":    {[]chunk.Dimension{{"b", ""}, {"a", "2"}}, `{a="2"}`},
		"quotes are escaped": {[]chunk.Dimension{{"a", `"x"`}}, `{a="\"x\""}`},
		"a name twice":       {[]chunk.Dimension{{"a", "1"}, {"a", "1"}}, ""},
		"no name":            {[]chunk.Dimension{{"", "1"}}, ""},
		"no name, no value":  {[]chunk.Dimension{{"", ""}}, ""},
		"long name":          {[]chunk.Dimension{{long[:chunk.MaxNameBytes+1], "1"}}, ""},
		"long value":         {[]chunk.Dimension{{"a", long}}, ""},
		"too many":           {slices.Repeat([]chunk.Dimension{{"a", "1"}}, chunk.MaxDimensions+1), ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := chunk.NewDimensions(tc.pairs...)
			if tc.want == "" {
				if !errors.Is(err, chunk.ErrDimensions) {
					t.Errorf("%v, error %v", d, err)
				}
				return
			}
			if err != nil || d.String() != tc.want {
				t.Errorf("%v, error %v, want %s", d, err, tc.want)
			}
		})
	}
}

func TestDimensionsAccess(t *testing.T) {
	d := dims(t, "host=a", "metric=cpu", "process=p")
	if v, ok := d.Get("metric"); v != "cpu" || !ok {
		t.Errorf("metric is %q, %v", v, ok)
	}
	if v, ok := d.Get("hos"); v != "" || ok {
		t.Errorf("hos is %q, %v", v, ok)
	}
	if got := d.Only("process", "none", "host").String(); got != `{host="a", process="p"}` {
		t.Errorf("only: %s", got)
	}
}

// The hashes are stored: these are the values of all versions.
func TestDimensionsHashes(t *testing.T) {
	d, e := dims(t, "host=a", "metric=cpu"), dims(t, "host=a", "metric=memory")
	if d.Hash() == e.Hash() || d.Source() != e.Source() {
		t.Errorf("hashes %x, %x; sources %x, %x", d.Hash(), e.Hash(), d.Source(), e.Source())
	}
	if d.Hash() != hashOfHostACPU || d.Source() != sourceOfHostA {
		t.Errorf("hash %#x, source %#x", d.Hash(), d.Source())
	}
}

const (
	hashOfHostACPU = 0x6835432640670fc0
	sourceOfHostA  = 0x3deb9a9a0ee2ce79
)

func TestDimensionsOrder(t *testing.T) {
	rising := []chunk.Dimensions{
		nil, dims(t, "a=1"), dims(t, "a=1", "b=1"), dims(t, "a=1", "b=2"), dims(t, "a=2"), dims(t, "b=0"),
	}
	for i, a := range rising {
		for j, b := range rising {
			if got := a.Compare(b); got != cmpInt(i, j) || a.Equal(b) != (i == j) {
				t.Errorf("%v, %v: %d", a, b, got)
			}
		}
	}
}

func cmpInt(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// In source order the series of a source are neighbours, whatever their metrics are called.
func TestCompareSeries(t *testing.T) {
	f := func(kind chunk.Kind, words ...string) chunk.Series {
		return chunk.Series{Dimensions: dims(t, words...), Kind: kind}
	}
	rising := []chunk.Series{
		f(chunk.Float64, "metric=z"),
		f(chunk.Float64, "host=a"),
		f(chunk.Int64, "host=a"),
		f(chunk.Float64, "host=a", "metric=cpu"),
		f(chunk.Float64, "field=b", "host=a", "metric=cpu"),
		f(chunk.Float64, "host=a", "metric=mem"),
		f(chunk.String, "host=a", "metric=mem"),
		f(chunk.Float64, "host=a", "metric=a", "zone=1"),
		f(chunk.Float64, "host=b", "metric=a"),
		f(chunk.Float64, "metric=a", "zone=1"),
	}
	for i, a := range rising {
		for j, b := range rising {
			if got := a.Compare(b); got != cmpInt(i, j) {
				t.Errorf("%v, %v: %d", a, b, got)
			}
		}
		if i > 0 {
			want := rising[i-1].Dimensions.Source() == a.Dimensions.Source()
			if got := a.SameSource(rising[i-1]); got != want {
				t.Errorf("%v, %v: same source %v", rising[i-1], a, got)
			}
		}
	}
}

func FuzzParseDimensions(f *testing.F) {
	f.Add(dims(f, "host=a", "metric=cpu").Append(nil))
	f.Add([]byte{0})
	f.Add([]byte{2, 1, 'a', 1, 'b', 1, 'a', 1, 'c'})
	f.Add([]byte{1, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, rest, err := chunk.ParseDimensions(data)
		if err != nil {
			if !errors.Is(err, chunk.ErrCorrupt) || d != nil || len(rest) != len(data) {
				t.Fatalf("%v, %d bytes left of %d, %v", d, len(rest), len(data), err)
			}
			return
		}
		again, rest2, err := chunk.ParseDimensions(append(d.Append(nil), rest...))
		if err != nil || !again.Equal(d) || len(rest2) != len(rest) {
			t.Fatalf("%v, then %v: %v", d, again, err)
		}
	})
}
