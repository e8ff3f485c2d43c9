package opentsdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/internal/ingest/opentsdb"
	"github.com/chronodex/chronodex/internal/literal"
)

// show prints what a decoder has gathered and refused, a line each.
func show(d *opentsdb.Decoder) string {
	var b strings.Builder
	for _, row := range d.Batch().Rows {
		for i, t := range row.Samples.Times {
			fmt.Fprintf(&b, "%v %d %s\n", row.Dimensions, t, literal.AppendFloat(nil, row.Samples.Floats[i]))
		}
	}
	_, refused := d.Refused()
	for _, r := range refused {
		fmt.Fprintf(&b, "refused %d: %v\n", r.Number, r.Reason)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func TestJSON(t *testing.T) {
	for name, tc := range map[string]struct{ body, want string }{
		"a point":              {`{"metric":"cpu","timestamp":1346846400,"value":18,"tags":{"host":"a"}}`, `{host="a", metric="cpu"} 1346846400000000000 18`},
		"an array":             {` [ {"metric":"a","timestamp":1,"value":1} , {"metric":"b","timestamp":2,"value":2} ] `, "{metric=\"a\"} 1000000000 1\n{metric=\"b\"} 2000000000 2"},
		"nothing":              {`[]`, ""},
		"milliseconds":         {`{"metric":"a","timestamp":1346846400123,"value":1}`, `{metric="a"} 1346846400123000000 1`},
		"the last second":      {`{"metric":"a","timestamp":4294967295,"value":1}`, `{metric="a"} 4294967295000000000 1`},
		"the first of ms":      {`{"metric":"a","timestamp":4294967296,"value":1}`, `{metric="a"} 4294967296000000 1`},
		"a fraction":           {`{"metric":"a","timestamp":1.5,"value":1}`, `{metric="a"} 1500000000 1`},
		"strings":              {`{"metric":"a","timestamp":"7","value":"-2.5e1"}`, `{metric="a"} 7000000000 -25`},
		"a long integer":       {`{"metric":"a","timestamp":7,"value":9007199254740993}`, `{metric="a"} 7000000000 9007199254740992`},
		"escapes":              {`{"metric":"a\u00e4\"","timestamp":7,"value":1,"tags":{"k\n":"\/"}}`, `{k` + "\n" + `="/", metric="aä\""} 7000000000 1`},
		"a tag metric":         {`{"metric":"a","timestamp":7,"value":1,"tags":{"metric":"x"}}`, `{metric="a", metric_="x"} 7000000000 1`},
		"numbers as tags":      {`{"metric":"a","timestamp":7,"value":1,"tags":{"cpu":0}}`, `{cpu="0", metric="a"} 7000000000 1`},
		"no tags":              {`{"metric":"a","timestamp":7,"value":1,"tags":null}`, `{metric="a"} 7000000000 1`},
		"other members":        {`{"metric":"a","timestamp":7,"value":1,"more":[{}]}`, `{metric="a"} 7000000000 1`},
		"null":                 {`[null]`, `refused 1: Unexpected null datapoint encountered in set.`},
		"no metric":            {`[{"timestamp":7,"value":1},{"metric":"","timestamp":7,"value":1}]`, "refused 1: Metric name was empty\nrefused 2: Metric name was empty"},
		"bad times":            {`[{"metric":"a","value":1},{"metric":"a","timestamp":0,"value":1},{"metric":"a","timestamp":-5,"value":1},{"metric":"a","timestamp":"x","value":1},{"metric":"a","timestamp":[1],"value":1},{"metric":"a","timestamp":1e30,"value":1},{"metric":"a","timestamp":9223372036854775807,"value":1}]`, strings.TrimSuffix(strings.Repeat("refused #: Invalid timestamp\n", 7), "\n")},
		"no value":             {`[{"metric":"a","timestamp":7},{"metric":"a","timestamp":7,"value":""}]`, "refused 1: Empty value\nrefused 2: Empty value"},
		"no numbers":           {`[{"metric":"a","timestamp":7,"value":"x"},{"metric":"a","timestamp":7,"value":"NaN"},{"metric":"a","timestamp":7,"value":true},{"metric":"a","timestamp":7,"value":"Infinity"}]`, strings.TrimSuffix(strings.Repeat("refused #: Unable to parse value to a number\n", 4), "\n")},
		"bad tags":             {`[{"metric":"a","timestamp":7,"value":1,"tags":[1]},{"metric":"a","timestamp":7,"value":1,"tags":{"a":{}}}]`, "refused 1: Tags are not an object of strings\nrefused 2: Tags are not an object of strings"},
		"a tag twice":          {`{"metric":"a","timestamp":7,"value":1,"tags":{"a":"1","a":"2"}}`, `refused 1: dimension "a" twice: invalid dimensions`},
		"good ones beside bad": {`[{"metric":"a","timestamp":1,"value":1},5,{"metric":"b","timestamp":2,"value":2}]`, "{metric=\"a\"} 1000000000 1\n{metric=\"b\"} 2000000000 2\nrefused 2: Not a data point"},
	} {
		t.Run(name, func(t *testing.T) {
			var d opentsdb.Decoder
			if err := d.JSON([]byte(tc.body)); err != nil {
				t.Error(err)
			}
			for i := 1; strings.Contains(tc.want, "#"); i++ {
				tc.want = strings.Replace(tc.want, "#", strconv.Itoa(i), 1)
			}
			if got := strings.ReplaceAll(show(&d), `\n`, "\n"); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
	for _, bad := range []string{"", "x", "5", `"a"`, "{", "[{]", `{"metric":"a"`, `[{"metric":"a"}] x`, "[" + strings.Repeat("[", 100)} {
		var d opentsdb.Decoder
		if err := d.JSON([]byte(bad)); !errors.Is(err, opentsdb.ErrJSON) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestPointIsTold(t *testing.T) {
	var told []string
	d := opentsdb.Decoder{Point: func(raw []byte, s *gather.Series, refused error) {
		told = append(told, fmt.Sprint(string(raw), s != nil && s.Row() == 0, refused))
	}}
	if err := d.JSON([]byte(`[{"metric":"a","timestamp":1,"value":1}, null]`)); err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told[0] != `{"metric":"a","timestamp":1,"value":1}true <nil>` || told[1] != "nullfalse"+opentsdb.ErrNull.Error() {
		t.Errorf("told %q", told)
	}
}

func TestLine(t *testing.T) {
	for _, tc := range []struct {
		line    string
		command opentsdb.Command
		err     string
		want    string
	}{
		{"put sys.cpu.nice 1346846400 18 host=web01 cpu=0", opentsdb.Put, "", `{cpu="0", host="web01", metric="sys.cpu.nice"} 1346846400000000000 18`},
		{"put a 1346846400123 1.5 \r", opentsdb.Put, "", `{metric="a"} 1346846400123000000 1.5`},
		{"put a 1346846400.123 1 x=y", opentsdb.Put, "", `{metric="a", x="y"} 1346846400123000000 1`},
		{"  put\ta  1   2", opentsdb.Put, "", `{metric="a"} 1000000000 2`},
		{"", opentsdb.Put, "", ""},
		{"version", opentsdb.Version, "", ""},
		{"help", opentsdb.Help, "", ""},
		{"exit", opentsdb.Exit, "", ""},
		{"drop everything", opentsdb.Put, "unknown command: drop.  Try `help'.", "refused 1: unknown command: drop.  Try `help'."},
		{"put a 1", opentsdb.Put, "put: illegal argument: not enough arguments (need least 3, got 2)", "refused 1: put: illegal argument: not enough arguments (need least 3, got 2)"},
		{"put a 0 1", opentsdb.Put, "put: illegal argument: invalid timestamp: 0", "refused 1: put: illegal argument: invalid timestamp: 0"},
		{"put a 1 x", opentsdb.Put, "put: invalid value: x", "refused 1: put: invalid value: x"},
		{"put a 1 1 host", opentsdb.Put, "put: illegal argument: invalid tag: host", "refused 1: put: illegal argument: invalid tag: host"},
		{"put a 1 1 h=a h=b", opentsdb.Put, `put: illegal argument: dimension "h" twice: invalid dimensions`, `refused 1: put: illegal argument: dimension "h" twice: invalid dimensions`},
	} {
		var d opentsdb.Decoder
		command, err := d.Line([]byte(tc.line))
		if (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
			t.Errorf("%q: error %v, want %s", tc.line, err, tc.err)
		}
		if got := show(&d); command != tc.command || got != tc.want {
			t.Errorf("%q: command %d,\n%s\nwant %d,\n%s", tc.line, command, got, tc.command, tc.want)
		}
	}
}

func validate(t *testing.T, d *opentsdb.Decoder, size int) {
	t.Helper()
	for _, row := range d.Batch().Rows {
		if err := row.Dimensions.Validate(); err != nil || !row.Samples.Valid() {
			t.Fatalf("%v: %v", row, err)
		}
	}
	if d.Points() > size || d.Points() != d.Batch().Observations() {
		t.Fatalf("%d points of %d bytes, in the batch %d", d.Points(), size, d.Batch().Observations())
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"metric":"cpu","timestamp":1346846400,"value":18,"tags":{"host":"a"}}`, `[{"metric":"a","timestamp":"1.5","value":"1e3"},null]`, `[{"metric":{}}]`, "[",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d opentsdb.Decoder
		if err := d.JSON(body); err != nil && !errors.Is(err, opentsdb.ErrJSON) {
			t.Fatal(err)
		}
		validate(t, &d, len(body))
	})
}

// FuzzRoundTrip writes a point as JSON and as a line, and reads it.
func FuzzRoundTrip(f *testing.F) {
	f.Add("sys.cpu", "host", "web01", 18.5, uint32(1346846400))
	f.Fuzz(func(t *testing.T, metric, tag, value string, v float64, at uint32) {
		var d, line opentsdb.Decoder
		body, err := json.Marshal(map[string]any{"metric": metric, "timestamp": at, "value": v, "tags": map[string]string{tag: value}})
		if err != nil {
			t.Skip(err) // NaN
		}
		if err := d.JSON(body); err != nil {
			t.Fatal(err)
		}
		if n, _ := d.Refused(); n > 0 || strings.ContainsAny(metric+tag+value, " \t\r") || strings.Contains(tag, "=") || value == "" || !utf8.ValidString(metric) || !utf8.ValidString(tag) || !utf8.ValidString(value) {
			return
		}
		if _, err := line.Line([]byte(fmt.Sprintf("put %s %d %v %s=%s", metric, at, v, tag, value))); err != nil || show(&line) != show(&d) {
			t.Fatalf("%v: %s, want %s", err, show(&line), show(&d))
		}
	})
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{"put a 1 2 b=c", "put a 1.5 nan", "exit", "version ", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var d opentsdb.Decoder
		_, err := d.Line(line)
		if n, _ := d.Refused(); (err != nil) != (n == 1) {
			t.Fatalf("%v, %d refused", err, n)
		}
		validate(t, &d, len(line))
	})
}

func BenchmarkJSON(b *testing.B) {
	body := []byte{'['}
	for i := range 1000 {
		body = fmt.Appendf(body, `{"metric":"sys.cpu.nice","timestamp":%d,"value":%d.5,"tags":{"host":"web%d"}},`, 1346846400+i, i, i%100)
	}
	body[len(body)-1] = ']'
	var d opentsdb.Decoder
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d.Reset()
		if err := d.JSON(body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
}
