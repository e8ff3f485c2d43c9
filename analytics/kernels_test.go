package analytics_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/chronodex/chronodex/analytics"
)

func TestScalars(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tc := range []struct {
		name string
		args []float64
		in   []float64
		want []float64
	}{
		{"add", []float64{1}, []float64{1, nan, -inf}, []float64{2, nan, -inf}},
		{"sub", []float64{1}, []float64{1, nan, inf}, []float64{0, nan, inf}},
		{"mul", []float64{-2}, []float64{1, nan, inf}, []float64{-2, nan, -inf}},
		{"div", []float64{0}, []float64{1, -1, 0, nan}, []float64{inf, -inf, nan, nan}},
		{"abs", nil, []float64{-1, 2, -inf, nan}, []float64{1, 2, inf, nan}},
		{"fill", []float64{0}, []float64{nan, 1, nan, nan, 4, nan}, []float64{nan, 1, 1, 1, 4, 4}},
		{"fill", []float64{1}, []float64{nan, 1, nan, nan, 4, nan}, []float64{nan, 1, 2, 3, 4, nan}},
		{"fill", []float64{1}, []float64{4, nan, nan, 1}, []float64{4, 3, 2, 1}},
		{"fill", []float64{2, 7}, []float64{nan, 1, nan}, []float64{7, 1, 7}},
		{"fill", []float64{2}, []float64{nan}, []float64{0}},
	} {
		p := points(tc.in...)
		want := points(tc.want...)
		if got := transformed(t, p, tc.name, tc.args...); !samePoints(got, want) {
			t.Errorf("%s %v of %v: got %v, want %v", tc.name, tc.args, tc.in, got.Values, tc.want)
		}
	}
}

// TestTransformsInPlace: every transform may write over what it reads.
func TestTransformsInPlace(t *testing.T) {
	args := map[string][]float64{"add": {1}, "sub": {1}, "mul": {2}, "div": {2}, "fill": {1}}
	for _, s := range analytics.Catalogue() {
		if !s.Transforms() {
			continue
		}
		p := points(math.NaN(), 3, 1, math.NaN(), 4, 4, 9)
		want := transformed(t, p, s.Name, args[s.Name]...)
		f, err := s.NewTransform(args[s.Name]...)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Apply(p.Head(), p); !samePoints(got, want) {
			t.Errorf("%s: in place %v, else %v", s.Name, got, want)
		}
	}
}

// TestSlopesAgainstSteps: what the slopes say, times their seconds, is the increase and the delta.
func TestSlopesAgainstSteps(t *testing.T) {
	aggregates := bound(t)
	for transform, aggregate := range map[string]string{"rate": "increase", "derivative": "delta"} {
		rapid.Check(t, func(rt *rapid.T) {
			times, values := series(rt, false)
			p := analytics.Points{Times: times, Values: values}
			got, size := 0.0, 0.0
			slopes := transformed(t, p, transform)
			for i, s := range slopes.Values {
				before := times[0]
				for k, v := range values {
					if times[k] < slopes.Times[i] && v == v {
						before = times[k]
					}
				}
				step := s * float64(slopes.Times[i]-before) / 1e9
				got += step
				size += math.Abs(step)
			}
			s := aggregates[aggregate].NewStates(1)
			s.Add(0, times, values)
			want := s.Result(nil, 0)[0]
			if !math.IsNaN(want) && math.Abs(got-want) > 1e-12*(size+math.Abs(want)+maxMagnitude(values)) {
				rt.Fatalf("%s sums to %v, %s is %v", transform, got, aggregate, want)
			}
		})
	}
}

func TestJoin(t *testing.T) {
	a := analytics.Points{Times: []int64{10, 20, 30, 40}, Values: []float64{1, 2, 3, 4}}
	b := analytics.Points{Times: []int64{8, 20, 33, 38, 60}, Values: []float64{100, 200, 300, 400, 500}}
	for name, tc := range map[string]struct {
		how       analytics.Pairing
		tolerance int64
		times     []int64
		values    []float64
	}{
		"equal stamps":           {analytics.Equal, 0, []int64{20}, []float64{202}},
		"previous":               {analytics.Previous, 0, []int64{10, 20, 30, 40}, []float64{101, 202, 203, 404}},
		"previous, at most 2":    {analytics.Previous, 2, []int64{10, 20, 40}, []float64{101, 202, 404}},
		"closest, equal":         {analytics.Closest, 0, []int64{20}, []float64{202}},
		"closest, at most 3":     {analytics.Closest, 3, []int64{10, 20, 30, 40}, []float64{101, 202, 303, 404}},
		"closest takes no later": {analytics.Closest, 2, []int64{10, 20, 40}, []float64{101, 202, 404}},
	} {
		got := analytics.AppendJoin(analytics.Points{}, analytics.Add, a, b, tc.how, tc.tolerance)
		if !samePoints(got, analytics.Points{Times: tc.times, Values: tc.values}) {
			t.Errorf("%s: got %v, want %v %v", name, got, tc.times, tc.values)
		}
	}
	for op, want := range map[analytics.Operator]float64{
		analytics.Add: 14, analytics.Sub: 6, analytics.Mul: 40, analytics.Div: 2.5,
	} {
		x := analytics.Points{Times: []int64{1}, Values: []float64{10}}
		y := analytics.Points{Times: []int64{1}, Values: []float64{4}}
		if got := analytics.AppendJoin(analytics.Points{}, op, x, y, analytics.Equal, 0).Values; got[0] != want {
			t.Errorf("10 %v 4 is %v, want %v", op, got[0], want)
		}
	}
}

func TestGrid(t *testing.T) {
	p := analytics.Points{Times: []int64{20, 25, 40}, Values: []float64{2, 9, 4}}
	got := analytics.AppendGrid(analytics.Points{}, []int64{10, 20, 30, 40, 50}, p)
	nan := math.NaN()
	if !slices.EqualFunc(got.Values, []float64{nan, 2, nan, 4, nan}, same) || len(got.Times) != 5 {
		t.Errorf("got %v", got)
	}
}

func TestRank(t *testing.T) {
	keys := []float64{2, math.NaN(), 1, 2, math.Inf(-1)}
	for name, tc := range map[string]struct {
		falling bool
		limit   int
		want    []int
	}{
		"rising":      {false, -1, []int{4, 2, 0, 3, 1}},
		"falling":     {true, -1, []int{0, 3, 2, 4, 1}},
		"top two":     {true, 2, []int{0, 3}},
		"none":        {true, 0, []int{}},
		"all of five": {false, 99, []int{4, 2, 0, 3, 1}},
	} {
		if got := analytics.Rank(keys, tc.falling, tc.limit); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

// TestTexts: strings, in pieces and in either order of merging.
func TestTexts(t *testing.T) {
	want := map[string]analytics.Text{
		"count":    {Number: 6},
		"distinct": {Number: 3},
		"first":    {Text: "c", IsText: true},
		"last":     {Text: "b", IsText: true},
	}
	for _, spec := range analytics.Catalogue() {
		if !spec.Strings {
			continue
		}
		s, err := spec.NewStringStates(3)
		if err != nil {
			t.Fatal(err)
		}
		s.Add(0, []int64{1, 5, 6}, []string{"a", "a", "b"})
		s.AddRuns(1, []int32{0, 3, 3}, []int64{1, 2, 3}, []string{"c", "b", "a"})
		s.Merge(2, s, 1)
		s.Merge(2, s, 0)
		for range 2 {
			if got := s.Result(2); got != want[spec.Name] {
				t.Errorf("%s: got %+v, want %+v", spec.Name, got, want[spec.Name])
			}
			buf := s.AppendState(nil, 2)
			if rest, err := s.ParseState(2, buf); err != nil || len(rest) > 0 {
				t.Errorf("%s: %d bytes left, %v", spec.Name, len(rest), err)
			}
		}
	}
	mean, err := analytics.Lookup("mean")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mean.NewStringStates(1); err == nil {
		t.Error("mean of strings has states")
	}
}

// FuzzParseText: as FuzzParseState, for strings.
func FuzzParseText(f *testing.F) {
	var specs []analytics.Spec
	for _, spec := range analytics.Catalogue() {
		if spec.Strings {
			specs = append(specs, spec)
		}
	}
	for i, spec := range specs {
		s, err := spec.NewStringStates(1)
		if err != nil {
			f.Fatal(err)
		}
		s.Add(0, []int64{1, 2, 3}, []string{"x", "y", ""})
		f.Add(byte(i), s.AppendState(nil, 0))
	}
	f.Fuzz(func(t *testing.T, which byte, src []byte) {
		s, err := specs[int(which)%len(specs)].NewStringStates(2)
		if err != nil {
			t.Fatal(err)
		}
		empty := s.Bytes()
		rest, err := s.ParseState(0, src)
		if err != nil {
			if !errorsIsCorrupt(err) || len(rest) != len(src) || s.Bytes() != empty {
				t.Fatalf("after %v: %d bytes left of %d", err, len(rest), len(src))
			}
			return
		}
		if s.Bytes() > 400+64*int64(len(src)) {
			t.Fatalf("%d bytes of state from %d", s.Bytes(), len(src))
		}
		if _, err := s.ParseState(1, s.AppendState(nil, 0)); err != nil || s.Result(0) != s.Result(1) && s.Result(0).Number == s.Result(0).Number {
			t.Fatalf("%+v, after a trip %+v, %v", s.Result(0), s.Result(1), err)
		}
		s.Merge(0, s, 1)
	})
}
