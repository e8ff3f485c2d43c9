package promwrite

import (
	"errors"
	"math"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"pgregory.net/rapid"

	"github.com/chronodex/chronodex/chunk"
)

// bitwise compares floats by their bits.
var bitwise = gocmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })

func genModelHistogram(t *rapid.T) Histogram {
	spans := func(name string) (out []histogram.Span) {
		for range rapid.IntRange(0, 3).Draw(t, name) {
			out = append(out, histogram.Span{Offset: rapid.Int32().Draw(t, "offset"), Length: rapid.Uint32().Draw(t, "length")})
		}
		return out
	}
	floats := func(name string) (out []float64) {
		for range rapid.IntRange(0, 4).Draw(t, name) {
			out = append(out, genFloat().Draw(t, "v"))
		}
		return out
	}
	deltas := func(name string) (out []int64) {
		for range rapid.IntRange(0, 4).Draw(t, name) {
			out = append(out, rapid.Int64().Draw(t, "d"))
		}
		return out
	}
	h := Histogram{Start: rapid.OneOf(rapid.Just(int64(0)), rapid.Int64(), rapid.Just(int64(1_700_000_000_000_000_000))).Draw(t, "start")}
	hint := histogram.CounterResetHint(rapid.IntRange(0, 3).Draw(t, "hint"))
	if rapid.Bool().Draw(t, "float") {
		h.Float = &histogram.FloatHistogram{
			CounterResetHint: hint, Schema: rapid.Int32().Draw(t, "schema"), ZeroThreshold: genFloat().Draw(t, "zt"), ZeroCount: genFloat().Draw(t, "zc"),
			Count: genFloat().Draw(t, "count"), Sum: genFloat().Draw(t, "sum"), PositiveSpans: spans("ps"), NegativeSpans: spans("ns"),
			PositiveBuckets: floats("pb"), NegativeBuckets: floats("nb"), CustomValues: floats("cv"),
		}
	} else {
		h.Int = &histogram.Histogram{
			CounterResetHint: hint, Schema: rapid.Int32().Draw(t, "schema"), ZeroThreshold: genFloat().Draw(t, "zt"), ZeroCount: rapid.Uint64().Draw(t, "zc"),
			Count: rapid.Uint64().Draw(t, "count"), Sum: genFloat().Draw(t, "sum"), PositiveSpans: spans("ps"), NegativeSpans: spans("ns"),
			PositiveBuckets: deltas("pb"), NegativeBuckets: deltas("nb"), CustomValues: floats("cv"),
		}
	}
	return h
}

// TestHistogramRoundTrip: any histogram comes back, to the bit.
func TestHistogramRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := genModelHistogram(t)
		b := AppendHistogram([]byte("before"), h)
		back, err := ParseHistogram(string(b[len("before"):]))
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(h, back, bitwise); diff != "" {
			t.Fatalf("(-in +out):\n%s", diff)
		}
	})
}

func FuzzParseHistogram(f *testing.F) {
	for i := range 8 {
		f.Add(string(AppendHistogram(nil, rapid.Custom(genModelHistogram).Example(i))))
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHistogram(s)
		if err != nil {
			if !errors.Is(err, ErrHistogram) || h != (Histogram{}) {
				t.Fatalf("%v with %v", h, err)
			}
			return
		}
		if again := string(AppendHistogram(nil, h)); again != s {
			t.Fatalf("%q is written as %q", s, again)
		}
	})
}

// TestHistogramSize: what native histograms of Prometheus' own take.
func TestHistogramSize(t *testing.T) {
	typical := &histogram.Histogram{
		Schema: 3, ZeroThreshold: math.Ldexp(1, -128), ZeroCount: 3, Count: 1003, Sum: 812.25,
		PositiveSpans: []histogram.Span{{Offset: -20, Length: 10}, {Offset: 3, Length: 4}},
	}
	for i := range 14 {
		typical.PositiveBuckets = append(typical.PositiveBuckets, int64(5*(i%3)))
	}
	for name, tc := range map[string]struct {
		h     Histogram
		bytes int
	}{
		"empty":           {Histogram{Int: &histogram.Histogram{}}, 11},
		"fourteen":        {Histogram{Int: typical}, 35},
		"with a start":    {Histogram{Int: typical, Start: 1_700_000_000_000_000_000}, 35 + 6},
		"as floats":       {Histogram{Float: typical.ToFloat(nil)}, 62},
		"a stale marker":  {Histogram{Float: &histogram.FloatHistogram{Sum: math.Float64frombits(0x7ff0000000000002)}}, 19},
		"of whole floats": {Histogram{Float: &histogram.FloatHistogram{Count: 2, Sum: 2}}, 11},
	} {
		if got := len(AppendHistogram(nil, tc.h)); got != tc.bytes {
			t.Errorf("%s: %d bytes, want %d", name, got, tc.bytes)
		}
	}
}

func TestParseHistogramRefuses(t *testing.T) {
	good := string(AppendHistogram(nil, Histogram{Int: &histogram.Histogram{PositiveBuckets: []int64{1, 2}}}))
	for name, s := range map[string]string{
		"nothing":              "",
		"another version":      "\x02" + good[1:],
		"unknown flags":        "\x01\x40" + good[2:],
		"too short":            good[:len(good)-1],
		"too long":             good + "\x00",
		"more than it can":     "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\x03",
		"a long form of zero":  "\x01\x00\x80\x00" + good[3:],
		"custom, but none":     good[:1] + "\x20" + good[2:] + "\x00",
		"two starts":           good[:1] + "\x18\x02" + good[2:],
		"schema of 64 bits":    good[:2] + "\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + good[3:],
		"a number of 65 bits":  good[:2] + strings.Repeat("\xff", 9) + "\x02" + good[3:],
		"a number without end": good[:2] + strings.Repeat("\xff", 3),
	} {
		if h, err := ParseHistogram(s); !errors.Is(err, ErrHistogram) {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
}

// TestNames: labels become dimensions and come back.
func TestNames(t *testing.T) {
	for label, dimension := range map[string]string{
		"__name__": "metric", "metric": "metric_", "metric_": "metric__", "metric___": "metric____",
		"metrics": "metrics", "metric_x": "metric_x", "Metric": "Metric", "": "", "job": "job", "_metric": "_metric",
	} {
		if got := DimensionName(label); got != dimension {
			t.Errorf("label %q is dimension %q, want %q", label, got, dimension)
		}
		if got := LabelName(dimension); got != label {
			t.Errorf("dimension %q is label %q, want %q", dimension, got, label)
		}
	}
}

func TestExemplarsAndMetadataRoundTrip(t *testing.T) {
	es := []Exemplar{
		{Labels: []chunk.Dimension{{Name: "a", Value: `"quoted"`}, {Name: "trace_id", Value: "測"}}, Value: math.Float64frombits(0x7ff0000000000002)},
		{Value: math.Inf(-1)},
	}
	back, err := ParseExemplars(string(AppendExemplars(nil, es)))
	if diff := gocmp.Diff(es, back, bitwise); err != nil || diff != "" {
		t.Errorf("%v (-in +out):\n%s", err, diff)
	}
	for _, m := range []Metadata{{}, {Type: "counter"}, {"gauge", "a \"b\"\n", "s"}, {Unit: "s"}} {
		if back, err := ParseMetadata(string(AppendMetadata(nil, m))); err != nil || back != m {
			t.Errorf("%v came back as %v, %v", m, back, err)
		}
	}
	for _, s := range []string{"", "x", `[{"value":"x"}]`, `{"type":1}`} {
		_, err := ParseExemplars(s)
		if _, err2 := ParseMetadata(s); !errors.Is(err, ErrValue) || s != `[{"value":"x"}]` && s != `{"type":1}` && !errors.Is(err2, ErrValue) {
			t.Errorf("%q: %v, %v", s, err, err2)
		}
	}
}
