package graphite_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/graphite"
	"github.com/chronodex/chronodex/internal/literal"
)

const now = 1_500_000_000_123_456_789

// show prints what a decoder has gathered, an observation a line.
func show(d *graphite.Decoder) string {
	var b strings.Builder
	for _, row := range d.Batch().Rows {
		for i, t := range row.Samples.Times {
			fmt.Fprintf(&b, "%v %d %s\n", row.Dimensions, t, literal.AppendFloat(nil, row.Samples.Floats[i]))
		}
	}
	return b.String()
}

func TestLines(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a line":               {"servers.web1.cpu0.user 42.5 1439400341\n", `{metric="servers.web1.cpu0.user"} 1439400341000000000 42.5`},
		"carriage returns":     {"a.b 1 2\r\n", `{metric="a.b"} 2000000000 1`},
		"tabs and blanks":      {" \ta.b\t 1\t2  \n", `{metric="a.b"} 2000000000 1`},
		"empty lines":          {"\n\r\n  \na 1 2\n\n", `{metric="a"} 2000000000 1`},
		"now as -1":            {"a 1 -1\n", `{metric="a"} 1500000000123456789 1`},
		"now as N":             {"a 1 N\n", `{metric="a"} 1500000000123456789 1`},
		"a fraction":           {"a 1 1439400341.389\n", `{metric="a"} 1439400341389000000 1`},
		"a nanosecond":         {"a 1 1439400341.000000001\n", `{metric="a"} 1439400341000000001 1`},
		"more than nanos":      {"a 1 1.0000000019\n", `{metric="a"} 1000000001 1`},
		"an exponent":          {"a 1e-3 1.4394e9\n", `{metric="a"} 1439400000000000000 0.001`},
		"before 1970":          {"a 1 -1.5\n", `{metric="a"} -1500000000 1`},
		"an infinity":          {"a inf 2\n", `{metric="a"} 2000000000 +Inf`},
		"tags":                 {"disk.used;host=web1;mount=/var 1 2\n", `{host="web1", metric="disk.used", mount="/var"} 2000000000 1`},
		"a tag called metric":  {"a;metric=x;metric_=y 1 2\n", `{metric="a", metric_="x", metric__="y"} 2000000000 1`},
		"an empty tag":         {"a;b= 1 2\n", `{metric="a"} 2000000000 1`},
		"= in a tag":           {"a;b=c=d 1 2\n", `{b="c=d", metric="a"} 2000000000 1`},
		"a series twice":       {"a 1 2\nb 1 2\na 3 4\n", "{metric=\"a\"} 2000000000 1\n{metric=\"a\"} 4000000000 3\n{metric=\"b\"} 2000000000 1"},
		"NaN is no value":      {"a nan 2\n", ""},
		"an unfinished line":   {"a 1 2\nb 1 20", `{metric="a"} 2000000000 1`},
		"UTF-8":                {"temp.köln 1 2\n", `{metric="temp.köln"} 2000000000 1`},
		"good ones around bad": {"a 1 2\nb\nc 3 4\n", "{metric=\"a\"} 2000000000 1\n{metric=\"c\"} 4000000000 3\nrefused 2 \"b\": " + graphite.ErrLine.Error()},
		"no time":              {"a 1\n", `refused 1 "a 1": not a line such as servers.web1.load 1.5 1439400341`},
		"four fields":          {"a 1 2 3\n", `refused 1 "a 1 2 3": not a line such as servers.web1.load 1.5 1439400341`},
		"no number":            {"a x 2\n", `refused 1 "a x 2": "x" is not a number: not a line such as servers.web1.load 1.5 1439400341`},
		"no time of day":       {"a 1 now\n", `refused 1 "a 1 now": "now" is not a time in seconds, -1 or N: not a line such as servers.web1.load 1.5 1439400341`},
		"a time out of range":  {"a 1 1e12\n", `refused 1 "a 1 1e12": "1e12" is not a time in seconds, -1 or N: not a line such as servers.web1.load 1.5 1439400341`},
		"milliseconds":         {"a 1 1439400341389\n", `refused 1 "a 1 1439400341389": "1439400341389" is not a time in seconds, -1 or N: not a line such as servers.web1.load 1.5 1439400341`},
		"no path":              {";a=b 1 2\n", `refused 1 ";a=b 1 2": no path before the tags: not a line such as servers.web1.load 1.5 1439400341`},
		"no tag":               {"a;b 1 2\n", `refused 1 "a;b 1 2": "b" is not a tag such as host=web1: not a line such as servers.web1.load 1.5 1439400341`},
		"a tag twice":          {"a;b=c;b=d 1 2\n", `refused 1 "a;b=c;b=d 1 2": dimension "b" twice: invalid dimensions`},
	} {
		t.Run(name, func(t *testing.T) {
			var d graphite.Decoder
			used := d.Lines([]byte(tc.text), now, false)
			if rest := tc.text[used:]; strings.Contains(rest, "\n") {
				t.Errorf("%q was not read", rest)
			}
			got := show(&d)
			_, refused := d.Refused()
			for _, r := range refused {
				got += fmt.Sprintf("refused %d %q: %v\n", r.Number, r.Text, r.Reason)
			}
			if got = strings.TrimSuffix(got, "\n"); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

// The last line of a datagram or of a connection needs no newline; one that is too long is refused.
func TestFinalLine(t *testing.T) {
	var d graphite.Decoder
	if n := d.Lines([]byte("a 1 2\nb 3 4"), now, true); n != 11 || show(&d) != "{metric=\"a\"} 2000000000 1\n{metric=\"b\"} 4000000000 3\n" {
		t.Errorf("read %d bytes: %s", n, show(&d))
	}
	d.Reset()
	d.Lines([]byte(strings.Repeat("x", graphite.MaxLine)+" 1 2\na 1 2\n"), now, false)
	if n, first := d.Refused(); n != 1 || !errors.Is(first[0].Reason, graphite.ErrLong) || d.Points() != 1 {
		t.Errorf("%d refused, %v; %d points", n, first, d.Points())
	}
}

func TestTemplates(t *testing.T) {
	for _, tc := range []struct{ template, path, want string }{
		{".host.metric*", "servers.web1.cpu0.user", `{host="web1", metric="cpu0.user"}`},
		{".host", "servers.web1.cpu0.user", `{host="web1", metric="servers.web1.cpu0.user"}`},
		{"measurement.host", "cpu.web1.user", `{host="web1", metric="cpu.user"}`},
		{"host.host.metric*", "web1.example.load", `{host="web1.example", metric="load"}`},
		{"host.metric", "web1.load.1", `{host="web1", metric="load.1"}`},
		{"host.metric", "web1", `{host="web1", metric="web1"}`},
		{"servers.* .host.metric* site=lon,host=x", "servers.web1.load", `{host="web1", metric="load", site="lon"}`},
		{"stats .metric*", "servers.web1.load", `{metric="servers.web1.load"}`},
		{"servers.*.cpu .host.metric*", "servers.web1", `{metric="servers.web1"}`},
		{"host.metric", "web1..load", `{host="web1", metric="load"}`},
	} {
		template, err := graphite.ParseTemplate(tc.template)
		if err != nil {
			t.Fatal(err)
		}
		d := graphite.Decoder{Templates: graphite.Templates{template}}
		d.Lines([]byte(tc.path+" 1 2\n"), now, false)
		if got, want := show(&d), tc.want+" 2000000000 1\n"; got != want {
			t.Errorf("%q of %q is %s, want %s", tc.template, tc.path, got, want)
		}
	}
	for _, bad := range []string{"", "a b c", "metric*.host", "host*", "a b=", "a.b x=1,y"} {
		if _, err := graphite.ParseTemplate(bad); !errors.Is(err, graphite.ErrTemplate) {
			t.Errorf("template %q: %v", bad, err)
		}
	}
}

// What has been seen costs no memory when it comes again.
func TestLinesDoNotAllocate(t *testing.T) {
	var d graphite.Decoder
	text := []byte("servers.web1.cpu0.user 42.5 1439400341\nservers.web1.cpu0.idle;x=y 57.5 1439400341.5\n")
	d.Lines(text, now, false)
	if n := testing.AllocsPerRun(100, func() { d.Reset(); d.Lines(text, now, false) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"a.b 1 2\n", "a;b=c 1e3 -1\r\n", "a 1 1.5\nb", "\x00 nan N\n", "a;;=x 1 2\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d graphite.Decoder
		n := d.Lines(text, now, false)
		n += d.Lines(text[n:], now, true)
		if n != len(text) {
			t.Fatalf("read %d of %d bytes", n, len(text))
		}
		validate(t, &d, len(text))
		// What was understood, written down as a line, means the same.
		for _, row := range d.Batch().Rows {
			line, ok := write(row)
			var again graphite.Decoder
			if again.Lines(line, now, true); ok && show(&again) != show(single(row)) {
				t.Fatalf("%v was written as %q, which means %s", row, line, show(&again))
			}
		}
	})
}

// validate checks that a batch can be stored, and is no more than its bytes can say.
func validate(t *testing.T, d *graphite.Decoder, size int) {
	t.Helper()
	for _, row := range d.Batch().Rows {
		if err := row.Dimensions.Validate(); err != nil || !row.Samples.Valid() {
			t.Fatalf("%v: %v", row, err)
		}
		for _, v := range row.Samples.Floats {
			if math.IsNaN(v) {
				t.Fatalf("%v has NaN", row)
			}
		}
	}
	if d.Points() > size || d.Points() != d.Batch().Observations() {
		t.Fatalf("%d points of %d bytes, in the batch %d", d.Points(), size, d.Batch().Observations())
	}
}

// write writes the first observation of a row as a line, if that is possible.
func write(row chunk.BatchRow) ([]byte, bool) {
	var line []byte
	name, _ := row.Dimensions.Get(chunk.MetricName)
	line = append(line, name...)
	for _, d := range row.Dimensions {
		if d.Name != chunk.MetricName {
			if strings.HasPrefix(d.Name, chunk.MetricName) {
				return nil, false
			}
			line = append(append(append(append(line, ';'), d.Name...), '='), d.Value...)
		}
	}
	line = literal.AppendFloat(append(line, ' '), row.Samples.Floats[0])
	line = literal.AppendUnits(append(line, ' '), row.Samples.Times[0], 1e9)
	return line, row.Samples.Times[0] != -1e9
}

// single returns a decoder that holds the first observation of a row.
func single(row chunk.BatchRow) *graphite.Decoder {
	d := new(graphite.Decoder)
	s, _ := d.Define(nil, chunk.Float64, row.Dimensions)
	d.Float(s, row.Samples.Times[0], row.Samples.Floats[0])
	return d
}

func BenchmarkLines(b *testing.B) {
	var text []byte
	for i := range 1000 {
		text = fmt.Appendf(text, "servers.host%d.cpu.user %d.%d 1439400341\n", i%100, i, i%7)
	}
	var d graphite.Decoder
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset()
		d.Lines(text, now, false)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
}
