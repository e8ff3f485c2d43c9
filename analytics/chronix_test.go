package analytics_test

import (
	"math"
	"slices"
	"testing"

	"github.com/chronodex/chronodex/analytics"
)

// The tests of this file are named for answers that Chronix, the forefather, got wrong.

const second = int64(1e9)

// result asks one aggregate of a series.
func result(t *testing.T, times []int64, values []float64, name string, args ...float64) []float64 {
	t.Helper()
	spec, err := analytics.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	agg, err := spec.New(args...)
	if err != nil {
		t.Fatal(err)
	}
	s := agg.NewStates(1)
	s.Add(0, times, values)
	return s.Result(nil, 0)
}

// transformed is what a transform makes of a series that comes in two pieces.
func transformed(t *testing.T, p analytics.Points, name string, args ...float64) analytics.Points {
	t.Helper()
	spec, err := analytics.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := spec.NewTransform(args...)
	if err != nil {
		t.Fatal(err)
	}
	half := len(p.Times) / 2
	if spec.Whole {
		half = 0
	}
	out := f.Apply(analytics.Points{}, analytics.Points{Times: p.Times[:half], Values: p.Values[:half]})
	return f.Apply(out, analytics.Points{Times: p.Times[half:], Values: p.Values[half:]})
}

// points are a second apart, from second 0.
func points(values ...float64) (p analytics.Points) {
	for i, v := range values {
		p.Times = append(p.Times, int64(i)*second)
		p.Values = append(p.Values, v)
	}
	return p
}

// samePoints compares; NaN is equal to NaN.
func samePoints(a, b analytics.Points) bool {
	return slices.Equal(a.Times, b.Times) && slices.EqualFunc(a.Values, b.Values, same)
}

func same(v, w float64) bool { return v == w || v != v && w != w }

// Chronix: a ramp of 1/s has the derivative 0.5, first at second 3.
func TestChronixDerivativeOfARamp(t *testing.T) {
	got := transformed(t, points(0, 1, 2, 3, 4), "derivative")
	want := points(0, 1, 1, 1, 1)
	want.Times, want.Values = want.Times[1:], want.Values[1:]
	if !samePoints(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Chronix: observations 250 ms apart have an infinite derivative, for it counts whole seconds.
func TestChronixDerivativeBelowASecond(t *testing.T) {
	p := analytics.Points{Times: []int64{0, 250e6, 500e6, 750e6}, Values: []float64{0, 1, 2, 3}}
	if got := transformed(t, p, "derivative").Values; !slices.Equal(got, []float64{4, 4, 4}) {
		t.Errorf("got %v, want 4 per second", got)
	}
}

// Chronix: the derivative of a counter is kept where it is not negative; what a reset hid is lost.
func TestChronixNonNegativeDerivativeIsARate(t *testing.T) {
	if got := transformed(t, points(5, 7, 3, 4), "rate").Values; !slices.Equal(got, []float64{2, 3, 1}) {
		t.Errorf("got %v, want 2, 3 from the reset at zero, 1", got)
	}
}

// Chronix: the integral of 2 over 11 observations is 20, a second or ten apart.
func TestChronixIntegralKnowsTime(t *testing.T) {
	for gap, want := range map[int64]float64{second: 20, 10 * second: 200} {
		var times []int64
		var values []float64
		for i := range int64(11) {
			times, values = append(times, i*gap), append(values, 2)
		}
		for _, rule := range []float64{0, 1} {
			if got := result(t, times, values, "integral", rule)[0]; got != want {
				t.Errorf("gap %d, rule %v: got %v, want %v", gap, rule, got, want)
			}
		}
	}
}

func TestIntegralRules(t *testing.T) {
	p := points(0, 2, 4)
	if got := result(t, p.Times, p.Values, "integral", 0)[0]; got != 4 {
		t.Errorf("trapezoids: got %v, want 4", got)
	}
	if got := result(t, p.Times, p.Values, "integral", 1)[0]; got != 2 {
		t.Errorf("steps: got %v, want 2", got)
	}
}

// Chronix: top:10 of 3 observations throws.
func TestChronixTopOfFewer(t *testing.T) {
	p := points(3, math.NaN(), 1, 2)
	got := analytics.AppendTop(analytics.Points{}, p, 10, true)
	if want := []float64{3, 1, 2}; !slices.Equal(got.Values, want) {
		t.Errorf("top 10 of 3: got %v, want %v", got.Values, want)
	}
	if got := analytics.Rank(p.Values, true, 10); !slices.Equal(got, []int{0, 3, 2, 1}) {
		t.Errorf("ranked %v", got)
	}
	if got := analytics.AppendTop(analytics.Points{}, p, 2, false); !slices.Equal(got.Values, []float64{1, 2}) {
		t.Errorf("bottom 2: %v", got.Values)
	}
}

// Chronix: a NaN that comes first sticks to min and max, and sums are NaN.
func TestChronixNaNIsAGap(t *testing.T) {
	p := points(math.NaN(), 2, math.NaN(), 4)
	for name, want := range map[string]float64{
		"min": 2, "max": 4, "sum": 6, "mean": 3, "count": 2, "nans": 2, "first": 2, "last": 4,
		"diff": 2, "median": 3, "range": 2, "stdvar": 2, "distinct": 2, "increase": 2, "rate": 1,
	} {
		if got := result(t, p.Times, p.Values, name)[0]; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

// Chronix: only one q in a call.
func TestChronixSeveralPercentiles(t *testing.T) {
	p := points(1, 2, 3, 4)
	if got := result(t, p.Times, p.Values, "p", 0.5, 0, 1, 0.25); !slices.Equal(got, []float64{2.5, 1, 4, 1.75}) {
		t.Errorf("got %v", got)
	}
}

// Chronix: a sum loses what is small beside what is large.
func TestChronixSumIsCompensated(t *testing.T) {
	p := points(1, 1e100, 1, -1e100)
	if got := result(t, p.Times, p.Values, "sum")[0]; got != 2 {
		t.Errorf("got %v, want 2", got)
	}
}

// Chronix: its average of a constant is rounded, and so the constant deviates from it.
func TestChronixConstantsDoNotDeviate(t *testing.T) {
	values, times := make([]float64, 10_000), make([]int64, 10_000)
	for i := range values {
		values[i], times[i] = 1439400183742.1, int64(i)
	}
	if got := result(t, times, values, "dev")[0]; got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}

// Chronix: stamps before 1970 come back changed.
func TestChronixNegativeStamps(t *testing.T) {
	times := []int64{-5 * second, -second, 3 * second, 8 * second}
	if got := result(t, times, []float64{0, 4, 8, 13}, "rate")[0]; got != 1 {
		t.Errorf("got %v per second, want 1", got)
	}
}

// Stamps may be so far apart that their difference is no int64.
func TestStampsFarApart(t *testing.T) {
	times := []int64{math.MinInt64, math.MaxInt64}
	const seconds = (1<<64 - 1) / 1e9
	if got := result(t, times, []float64{2, 2}, "integral")[0]; math.Abs(got-2*seconds) > 1 {
		t.Errorf("integral: got %v, want %v", got, 2*seconds)
	}
	if got := result(t, times, []float64{0, 1}, "derivative")[0]; math.Abs(got*seconds-1) > 1e-9 {
		t.Errorf("derivative: got %v, want %v", got, 1/seconds)
	}
}

func TestInfinities(t *testing.T) {
	inf, big := math.Inf(1), math.MaxFloat64
	for _, tc := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"sum", []float64{1, inf, 2}, inf},
		{"sum", []float64{1, -inf, inf}, math.NaN()},
		{"sum", []float64{math.MaxFloat64, math.MaxFloat64, 1}, inf},
		{"sum", []float64{big, -big, 1, 0, big, -big, 1, 0}, 2},
		{"sum", []float64{1, math.NaN(), 1e100, 1, -1e100}, 2},
		{"mean", []float64{inf, 1}, inf},
		{"min", []float64{inf, inf}, inf},
		{"max", []float64{-inf}, -inf},
		{"range", []float64{-inf, 1}, inf},
		{"stddev", []float64{inf, 1}, math.NaN()},
		{"stddev_pop", []float64{inf}, math.NaN()},
		{"median", []float64{1, inf}, inf},
		{"median", []float64{-inf, inf}, math.NaN()},
		{"median", []float64{-inf, 7, inf}, 7},
		{"median", []float64{-math.MaxFloat64, math.MaxFloat64}, 0},
		{"distinct", []float64{inf, -inf, inf}, 2},
		{"count", []float64{inf, math.NaN()}, 1},
	} {
		p := points(tc.values...)
		if got := result(t, p.Times, p.Values, tc.name)[0]; !same(got, tc.want) {
			t.Errorf("%s of %v: got %v, want %v", tc.name, tc.values, got, tc.want)
		}
	}
}

func TestNegativeZero(t *testing.T) {
	minus := math.Copysign(0, -1)
	for name, signed := range map[string]bool{"min": false, "max": false, "median": false, "first": true, "last": true} {
		p := points(minus, minus)
		if got := result(t, p.Times, p.Values, name)[0]; got != 0 || math.Signbit(got) != signed {
			t.Errorf("%s of −0 is %v, with sign: %v", name, got, math.Signbit(got))
		}
	}
	p := points(minus, 0, 1)
	if got := result(t, p.Times, p.Values, "distinct")[0]; got != 2 {
		t.Errorf("−0, 0 and 1 are %v values, want 2", got)
	}
}

// Statistics of infinite values do not say enough for sums and deviations; what they are used for is
// right.
func TestStatsOfInfinities(t *testing.T) {
	times, values := []int64{1, 2, 3}, []float64{1, math.Inf(1), 3}
	st := statsOf(times, values)
	for name, agg := range bound(t) {
		if agg.spec.PerSeries {
			continue
		}
		s := agg.NewStates(1)
		if !s.AddStats(0, &st) {
			s.Add(0, times, values)
		}
		want := agg.define(t, question{in: []obs{{1, 1}, {2, math.Inf(1)}, {3, 3}}})
		for k, got := range s.Result(nil, 0) {
			if !want[k].near(got) {
				t.Errorf("%s: got %v, want %v", name, got, want[k].value)
			}
		}
	}
}
