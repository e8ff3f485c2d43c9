package literal_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/chronodex/chronodex/internal/literal"
)

func TestAppendFloat(t *testing.T) {
	for want, v := range map[string]float64{
		"0":                       0,
		"-0":                      math.Copysign(0, -1),
		"1":                       1,
		"-664333512":              -664333512,
		"0.004":                   0.004,
		"66.9":                    66.9,
		"-1.05":                   -1.05,
		"0.1":                     0.1,
		"0.30000000000000004":     0.30000000000000004,
		"100000000000000000000":   1e20,
		"1e+21":                   1e21,
		"1e-07":                   1e-7,
		"0.000001":                1e-6,
		"5e-324":                  math.SmallestNonzeroFloat64,
		"1.7976931348623157e+308": math.MaxFloat64,
		"NaN":                     math.NaN(),
		"NaN(0x7ff8000000000000)": math.Float64frombits(0x7ff8000000000000),
		"NaN(0xfff0000000000001)": math.Float64frombits(0xfff0000000000001),
		"+Inf":                    math.Inf(1),
		"-Inf":                    math.Inf(-1),
		"999999999999999.9":       999999999999999.9,
		"123456.789012":           123456.789012,
	} {
		if got := string(literal.AppendFloat(nil, v)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Law: as short as strconv's shortest, and reads back to the same bits.
func TestFloatLaw(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300_000 {
		v := math.Float64frombits(rng.Uint64())
		switch rng.IntN(3) {
		case 0:
			v = float64(rng.Int64N(1e9)) / math.Pow10(rng.IntN(9))
		case 1:
			v = float64(rng.Int64()) / math.Pow10(rng.IntN(20))
		}
		text := literal.AppendFloat(nil, v)
		got, ok := literal.ParseFloat(text)
		if !ok || math.Float64bits(got) != math.Float64bits(v) {
			t.Fatalf("%x: %s reads back as %v, %v", math.Float64bits(v), text, got, ok)
		}
		if math.IsNaN(v) {
			continue
		}
		shortest := strconv.FormatFloat(v, 'f', -1, 64)
		if a := math.Abs(v); a < 1e-6 || a >= 1e21 {
			shortest = strconv.FormatFloat(v, 'e', -1, 64)
		}
		if string(text) != shortest {
			t.Fatalf("got %s, want %s", text, shortest)
		}
	}
}

func TestParseFloatRefuses(t *testing.T) {
	for _, text := range []string{
		"", "-", "+", ".", "1.2.3", "1e", "0x10", "1_000", "1,5", "nanx", "NaN(0x1)", "NaN()", "NaN(0x7ff8000000000001",
		" 1", "1 ", "--1", "e5", "inf1", "i", "0x1p-2", "1e400",
	} {
		if v, ok := literal.ParseFloat([]byte(text)); ok {
			t.Errorf("%q was read as %v", text, v)
		}
	}
}

func FuzzParseFloat(f *testing.F) {
	f.Add([]byte("12.5e3"))
	f.Add([]byte("NaN(0x7ff8000000000000)"))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, ok := literal.ParseFloat(b)
		if !ok {
			return
		}
		if want, err := strconv.ParseFloat(string(b), 64); err == nil && !math.IsNaN(v) && v != want {
			t.Fatalf("%q: got %v, want %v", b, v, want)
		}
	})
}

func FuzzFloatRoundTrip(f *testing.F) {
	f.Add(uint64(0x7ff8000000000001))
	f.Fuzz(func(t *testing.T, bits uint64) {
		got, ok := literal.ParseFloat(literal.AppendFloat(nil, math.Float64frombits(bits)))
		if !ok || math.Float64bits(got) != bits {
			t.Fatalf("%x came back as %x, %v", bits, math.Float64bits(got), ok)
		}
	})
}

func TestParseInt(t *testing.T) {
	for _, v := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64} {
		if got, ok := literal.ParseInt(strconv.AppendInt(nil, v, 10)); !ok || got != v {
			t.Errorf("%d: got %d, %v", v, got, ok)
		}
	}
	for _, text := range []string{"", "-", "9223372036854775808", "-9223372036854775809", "1a", "99999999999999999999"} {
		if v, ok := literal.ParseInt([]byte(text)); ok {
			t.Errorf("%q was read as %d", text, v)
		}
	}
}

// Law: the text is what package time prints, in any zone, and reads back to the same stamp.
func TestClockLaw(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Skip(err)
		}
		c := literal.Clock{Location: loc}
		for range 20_000 {
			ns := rng.Int64N(4e18) - rng.Int64N(1e18)
			if rng.IntN(2) == 0 {
				ns = ns / 1e9 * 1e9
			}
			text := c.Append(nil, ns)
			if want := time.Unix(0, ns).In(loc).Format(time.RFC3339Nano); string(text) != want && ns > 0 {
				t.Fatalf("%s: got %s, want %s", name, text, want)
			}
			if got, ok := c.Parse(text); !ok || got != ns {
				t.Fatalf("%s: %s reads back as %d, %v, want %d", name, text, got, ok, ns)
			}
		}
	}
}

func TestClockExtremes(t *testing.T) {
	var c literal.Clock
	for _, ns := range []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64} {
		text := c.Append(nil, ns)
		if want := time.Unix(0, ns).UTC().Format(time.RFC3339Nano); string(text) != want {
			t.Errorf("%d: got %s, want %s", ns, text, want)
		}
		if got, ok := c.Parse(text); !ok || got != ns {
			t.Errorf("%s: got %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"2262-04-11T23:47:16.854775808Z", "1677-09-21T00:12:43.145224191Z", "2015-02-29", "2015-08-12T24:00:00Z",
		"2015-08-12T17:60:00Z", "2015-08-12T17:25:60Z", "2015-08-12T17:25:40.Z", "2015-08-12T17:25:40.1234567891Z",
		"2015-08-12X", "15-08-12", "9999-01-01", "2015-13-01", "2015-08-12T17:25:40+2:00", "",
	} {
		if v, ok := c.Parse([]byte(text)); ok {
			t.Errorf("%q was read as %d", text, v)
		}
	}
}

func TestClockLocal(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	c := literal.Clock{Location: berlin}
	for text, want := range map[string]string{
		"2015-08-12 17:25:40.5": "2015-08-12T15:25:40.5Z",
		"2015-01-12T17:25":      "2015-01-12T16:25:00Z",
		"2015/08/12":            "2015-08-11T22:00:00Z",
		"2015-08-12T17:25:40Z":  "2015-08-12T17:25:40Z",
		"2015-08-12 17:25 -01":  "2015-08-12T18:25:00Z",
	} {
		got, ok := c.Parse([]byte(text))
		if w, _ := time.Parse(time.RFC3339, want); !ok || got != w.UnixNano() {
			t.Errorf("%s: got %s, %v, want %s", text, time.Unix(0, got).UTC(), ok, want)
		}
	}
}

func FuzzClockParse(f *testing.F) {
	f.Add([]byte("2015-08-12T17:25:40.964Z"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c literal.Clock
		ns, ok := c.Parse(b)
		if !ok {
			return
		}
		if again, ok := c.Parse(c.Append(nil, ns)); !ok || again != ns {
			t.Fatalf("%q: %d, then %d", b, ns, again)
		}
	})
}

func TestAppendUnits(t *testing.T) {
	for _, tc := range []struct {
		ns   int64
		unit time.Duration
		want string
	}{
		{1439400341389000000, time.Millisecond, "1439400341389"},
		{1500000000, time.Second, "1.5"},
		{-1, time.Second, "-0.000000001"},
		{math.MinInt64, time.Nanosecond, "-9223372036854775808"},
		{math.MinInt64, time.Second, "-9223372036.854775808"},
		{1001, time.Microsecond, "1.001"},
	} {
		if got := string(literal.AppendUnits(nil, tc.ns, tc.unit)); got != tc.want {
			t.Errorf("%d in %v: got %s, want %s", tc.ns, tc.unit, got, tc.want)
		}
	}
}

func BenchmarkAppendFloat(b *testing.B) {
	values := make([]float64, 1024)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range values {
		values[i] = float64(rng.IntN(1e6)) / 1000
	}
	buf := make([]byte, 0, 32<<10)
	for b.Loop() {
		buf = buf[:0]
		for _, v := range values {
			buf = literal.AppendFloat(buf, v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/value")
}

func BenchmarkClockAppend(b *testing.B) {
	var c literal.Clock
	buf := make([]byte, 0, 64)
	ns := int64(1439400341389000000)
	for b.Loop() {
		buf = c.Append(buf[:0], ns)
		ns += 1_013_000_000
	}
}

func TestJSON(t *testing.T) {
	for s, want := range map[string]string{
		"plain":            `"plain"`,
		`\CPU\ni "x"`:      `"\\CPU\\ni \"x\""`,
		"a\nb\tc\x01":      `"a\nb\tc\u0001"`,
		"ünïcode €":        `"ünïcode €"`,
		"\xff\xc3":         `"\udcff\udcc3"`,
		"\xed\xb2\x80":     `"\udced\udcb2\udc80"`, // a surrogate in UTF-8 is not valid UTF-8
		"\U0001F600\u2028": "\"\U0001F600\u2028\"",
	} {
		got := literal.AppendJSON(nil, s)
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if back, n := literal.ParseJSON(nil, got); n != len(got) || string(back) != s {
			t.Errorf("%s reads back as %q, %d", got, back, n)
		}
	}
	for text, want := range map[string]string{
		`"\ud83d\ude00" rest`: "\U0001F600",
		`"\/\b\f\r"`:          "/\b\f\r",
		`"\ud83dx"`:           "\uFFFDx",
	} {
		if back, n := literal.ParseJSON(nil, []byte(text)); n == 0 || string(back) != want {
			t.Errorf("%s: got %q, %d", text, back, n)
		}
	}
	for _, text := range []string{"", "x", `"`, `"\`, `"\u12`, `"\u12g4"`, "\"a\nb\"", `"\x"`} {
		if back, n := literal.ParseJSON(nil, []byte(text)); n != 0 {
			t.Errorf("%q was read as %q", text, back)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("a\xffb\xed\xa0\xbd")
	f.Fuzz(func(t *testing.T, s string) {
		if back, n := literal.ParseJSON(nil, literal.AppendJSON(nil, s)); n == 0 || string(back) != s {
			t.Fatalf("%q came back as %q", s, back)
		}
		_, _ = literal.ParseJSON(nil, []byte(s))
	})
}
