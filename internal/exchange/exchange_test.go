package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// exampleResult has every kind of row.
func exampleResult() *query.Result {
	times := []int64{math.MinInt64, 0, math.MaxInt64}
	d := chunk.Dimensions{{Name: "a\xff", Value: "b\n"}, {Name: "c", Value: "d"}}
	return &query.Result{
		Series: []query.ResultSeries{
			{Dimensions: d, Samples: chunk.Samples{Kind: chunk.Float64, Times: times, Floats: []float64{math.Inf(1), math.Copysign(0, -1), math.Float64frombits(0x7ff8000000000abc)}}},
			{Samples: chunk.Samples{Kind: chunk.Int64, Times: times, Ints: []int64{math.MinInt64, 1<<53 + 1, 0}}},
			{Dimensions: d[:1], Samples: chunk.Samples{Kind: chunk.Bool, Times: times[:1], Bools: []bool{true}}},
			{Dimensions: d, Samples: chunk.Samples{Kind: chunk.String, Times: times[1:], Strings: []string{"", "\xff\x00"}}},
			{Samples: chunk.Samples{}},
			{Dimensions: d, Single: true, Value: math.Float64frombits(0xfff8000000000001)},
			{Dimensions: d, Single: true, IsText: true, Text: "x"},
		},
		Warnings: []string{"one", "two"},
		Stats:    query.Stats{SeriesSelected: 1, Chunks: 2, ChunksFromStats: 3, ChunksDecoded: 4, ChunksCut: 5, ChunksCorrupt: 6, Observations: 7, BytesDecoded: 8, PeakBytes: 9, Duration: 10},
	}
}

// bits compares floats by their bits.
var bits = cmp.Options{
	cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }),
	cmpopts.EquateEmpty(),
}

func encode(t testing.TB, r *query.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteResult(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestResult(t *testing.T) {
	want := exampleResult()
	b := encode(t, want)
	got, err := ReadResult(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, bits); d != "" {
		t.Fatal(d)
	}
	for n := range b { // a result is never short in silence
		if _, err := ReadResult(bytes.NewReader(b[:n])); !errors.Is(err, ErrResult) {
			t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := ReadResult(bytes.NewReader(append(b, 0))); !errors.Is(err, ErrResult) {
		t.Fatal(err)
	}
}

// TestResultSharesStamps: stamps that rows share are read once and stay shared.
func TestResultSharesStamps(t *testing.T) {
	got, err := ReadResult(bytes.NewReader(encode(t, exampleResult())))
	if err != nil {
		t.Fatal(err)
	}
	if &got.Series[0].Samples.Times[0] != &got.Series[1].Samples.Times[0] {
		t.Error("two rows of the same stamps have a column each")
	}
}

func TestResultError(t *testing.T) {
	broken := errors.New("broken")
	r := io.MultiReader(bytes.NewReader(encode(t, exampleResult())[:30]), failing{broken})
	if _, err := ReadResult(r); !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func FuzzReadResult(f *testing.F) {
	f.Add(encode(f, exampleResult()))
	f.Add(encode(f, &query.Result{}))
	f.Add([]byte(resultHead + "S\x00\x00\x01\xff\xff\xff\xff\x07\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadResult(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrResult) {
				t.Fatal(err)
			}
			return
		}
		again, err := ReadResult(bytes.NewReader(encode(t, r)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again, bits); d != "" {
			t.Fatal(d)
		}
	})
}

func TestSeriesAsJSON(t *testing.T) {
	for _, want := range []chunk.Series{
		{Kind: chunk.Float64},
		{Kind: chunk.String, Dimensions: chunk.Dimensions{{Name: "ü", Value: "\u2028"}, {Name: "\xfe", Value: "{\"\\"}, {Name: "\xff", Value: ":,\x00"}}},
	} {
		b, err := json.Marshal(Series(want))
		if err != nil {
			t.Fatal(err)
		}
		var got Series
		if err := json.Unmarshal(b, &got); err != nil || !got.Dimensions.Equal(want.Dimensions) || got.Kind != want.Kind {
			t.Errorf("%v became %s and %v, %v", want, b, got, err)
		}
	}
	for _, bad := range []string{`{"dimensions":{"a":{}},"kind":"bool"}`, `{"dimensions":{"a":"b"},"kind":"x"}`, `{"dimensions":{"":"b"},"kind":"bool"}`, `{"dimensions":["a"],"kind":"bool"}`} {
		if err := json.Unmarshal([]byte(bad), new(Series)); err == nil {
			t.Errorf("%s is taken for a series", bad)
		}
	}
}

// TestProblem: what a problem says is what the error was, on both sides.
func TestProblem(t *testing.T) {
	_, syntax := query.Parse("metric:cpu | meen")
	_, selector := ParseSelector("selector", "host:(a")
	for name, tc := range map[string]struct {
		err    error
		text   string // that the client sent
		status int
	}{
		"syntax":   {syntax, "metric:cpu | meen", 400},
		"selector": {selector, "host:(a", 400},
		"limit":    {fmt.Errorf("x: %w", &query.LimitError{What: "memory", Limit: 5, Need: 7, Cure: "ask for less"}), "", 422},
		"overload": {&gate.Overload{What: "queries at once", Limit: 3, Name: "limits.queries", After: 1500 * time.Millisecond}, "", 429},
		"match":    {query.ErrMatch, "", 422},
		"full":     {gate.ErrFull, "", 507},
		"closing":  {gate.ErrClosing, "", 503},
		"closed":   {shard.ErrClosed, "", 503},
		"forbid":   {gate.ErrForbidden, "", 403},
		"invalid":  {gate.ErrInvalid, "", 400},
		"deadline": {context.DeadlineExceeded, "", 503},
		"gone":     {context.Canceled, "", 499},
		"other":    {errors.New("the disk caught fire"), "", 500},
		"param":    {&ParameterError{Name: "limit", Near: "limit", Reason: errors.New("no count")}, "", 400},
	} {
		p := ProblemOf(tc.err)
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var there Problem
		if err := json.Unmarshal(b, &there); err != nil {
			t.Fatal(err)
		}
		got := there.Of(tc.text)
		if p.Status != tc.status || p.Title == "" || p.Type == "" {
			t.Errorf("%s: %s", name, b)
		}
		want := tc.err
		if limit := (*query.LimitError)(nil); errors.As(tc.err, &limit) {
			want = limit
		}
		if got.Error() != want.Error() {
			t.Errorf("%s: became %q, was %q", name, got, want)
		}
		for _, is := range []error{query.ErrLimit, gate.ErrOverload} {
			if errors.Is(got, is) != errors.Is(tc.err, is) {
				t.Errorf("%s: %v is %v: %v there, %v here", name, tc.err, is, errors.Is(got, is), errors.Is(tc.err, is))
			}
		}
	}
	var here, there *query.SyntaxError
	if !errors.As(syntax, &here) || !errors.As(ProblemOf(syntax).Of("metric:cpu | meen"), &there) || *here != *there {
		t.Errorf("%+v became %+v", here, there)
	}
	if p := ProblemOf(&gate.Overload{After: 1500 * time.Millisecond}); p.After() != 2*time.Second {
		t.Errorf("after 1.5 s became %v", p.After())
	}
}

func FuzzSeries(f *testing.F) {
	f.Add([]byte(`{"dimensions":{"a":"b","\udcff":"\u2028"},"kind":"int64"}`))
	f.Add([]byte(`{"dimensions":{"a":{"b":"c"}},"kind":"bool"}`))
	f.Add([]byte(`{"kind":"string","dimensions":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again Series
		if json.Unmarshal(b, &s) != nil {
			return
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &again); err != nil || !again.Dimensions.Equal(s.Dimensions) || again.Kind != s.Kind {
			t.Fatalf("%s became %v and then %v: %v", b, s, again, err)
		}
	})
}
