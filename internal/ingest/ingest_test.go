package ingest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/literal"
)

// read decodes text and prints it: a line a series in order of appearance, then the bad lines.
func read(t testing.TB, name, text string, o ingest.Options) string {
	t.Helper()
	var lines []string
	rows := map[string]int{}
	var bad []string
	o.Skipped = func(e *ingest.LineError) { bad = append(bad, e.Error()) }
	var clock literal.Clock
	sum, err := ingest.Decode(context.Background(), name, strings.NewReader(text), o, func(b *chunk.Batch) error {
		for _, r := range b.Rows {
			if err := r.Dimensions.Validate(); err != nil || !r.Samples.Valid() {
				t.Fatalf("row %v: %v", r, err)
			}
			if r.Samples.Len() == 0 {
				continue
			}
			key := fmt.Sprintf("%v %v", r.Dimensions, r.Samples.Kind)
			i, ok := rows[key]
			if !ok {
				i, rows[key] = len(lines), len(lines)
				lines = append(lines, key+":")
			}
			for k, at := range r.Samples.Times {
				lines[i] += fmt.Sprintf(" %s=%s", clock.Append(nil, at), value(&r.Samples, k))
			}
		}
		return nil
	})
	if err != nil {
		bad = append(bad, "error: "+err.Error())
	}
	if int(sum.Skipped) != len(bad) && err == nil && sum.Skipped < 20 {
		t.Fatalf("%d lines skipped, %q", sum.Skipped, bad)
	}
	return strings.Join(append(lines, bad...), "\n")
}

func value(s *chunk.Samples, i int) string {
	switch s.Kind {
	case chunk.Float64:
		return string(literal.AppendFloat(nil, s.Floats[i]))
	case chunk.Int64:
		return fmt.Sprint(s.Ints[i])
	case chunk.Bool:
		return fmt.Sprint(s.Bools[i])
	}
	return fmt.Sprintf("%q", s.Strings[i])
}

const chronixName = "pre-int_base_jmx-all_pre-int_2015.08.12_19.23.02--java-lang-Used.csv"

func TestFormats(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	for name, tc := range map[string]struct {
		file, text string
		o          ingest.Options
		want       string
	}{
		"chronix": {
			file: "data/" + chronixName,
			text: "Date;java.lang:type=Memory/used\n12.08.2015 17:25:40.964;664,333,512\n12.08.2015 17:25:42.106;-1,234.5\r\n13.08.2015 00:00:00.000;7",
			want: `{group="jmx-all", host="pre-int", metric="java.lang:type=Memory/used", process="base"} float64: 2015-08-12T17:25:40.964Z=664333512 2015-08-12T17:25:42.106Z=-1234.5 2015-08-13T00:00:00Z=7`,
		},
		"chronix columns, gaps and NaN": {
			file: chronixName,
			text: "Date;a;b\n12.08.2015 17:25:40.964;1;2\n12.08.2015 17:25:41.964;;NaN\n",
			want: `{group="jmx-all", host="pre-int", metric="a", process="base"} float64: 2015-08-12T17:25:40.964Z=1
{group="jmx-all", host="pre-int", metric="b", process="base"} float64: 2015-08-12T17:25:40.964Z=2 2015-08-12T17:25:41.964Z=NaN`,
		},
		"chronix bad lines": {
			file: chronixName,
			text: "Date;a\n12.08.2015 17:25:40.964;1,5\n31.02.2015 17:25:40.964;1\n12.08.2015 17:25:60.964;1\nx\n12.08.2015 17:25:40.964;1;2\n\n12.08.2015 17:25:40.964;1.2.3\n12.08.2015 17:25:41.000;1,000,00\n",
			want: chronixName + `:2: "1,5" is not a number: malformed input
` + chronixName + `:3: "31.02.2015 17:25:40.964" is not a date such as 12.08.2015 17:25:40.964: malformed input
` + chronixName + `:4: "12.08.2015 17:25:60.964" is not a date such as 12.08.2015 17:25:40.964: malformed input
` + chronixName + `:5: no ; after the date: malformed input
` + chronixName + `:6: 2 values, the header has 1: malformed input
` + chronixName + `:8: "1.2.3" is not a number: malformed input
` + chronixName + `:9: "1,000,00" is not a number: malformed input`,
		},
		"chronix strict stops": {
			file: chronixName,
			o:    ingest.Options{Strict: true},
			text: "Date;a\n12.08.2015 17:25:40.000;1\n12.08.2015 17:25:40.964;x\n12.08.2015 17:25:41.000;1\n",
			want: `{group="jmx-all", host="pre-int", metric="a", process="base"} float64: 2015-08-12T17:25:40Z=1
` + chronixName + `:3: "x" is not a number: malformed input
error: ` + chronixName + `:3: "x" is not a number: malformed input`,
		},
		"chronix header": {
			file: chronixName, o: ingest.Options{Format: "chronix"},
			text: "Time;a\n",
			want: "error: " + chronixName + ":1: the first line is not Date;<metric>: malformed input",
		},
		"csv guessed": {
			file: "a.csv",
			text: "timestamp,host,cpu,mem\n2015-08-12 17:25:40,a,1.5,2\n2015-08-12 17:25:41,b,,3\n",
			want: `{host="a", metric="cpu"} float64: 2015-08-12T17:25:40Z=1.5
{host="a", metric="mem"} float64: 2015-08-12T17:25:40Z=2
{host="b", metric="mem"} float64: 2015-08-12T17:25:41Z=3`,
		},
		"csv by options": {
			file: "dir/a.csv",
			o: ingest.Options{
				Set: []chunk.Dimension{{Name: "file", Value: "{dir}/{file}"}, {Name: "host", Value: "default"}},
				CSV: ingest.CSVOptions{
					Time: "2", Values: []string{"3"}, Dimensions: []string{"1"}, Layout: "02.01.2006 15:04",
					Location: berlin, Comma: ';', NoHeader: true, Kind: chunk.Int64,
				},
			},
			text: "x;12.08.2015 17:25;9007199254740993;ignored\n",
			want: `{1="x", file="dir/a", host="default", metric="3"} int64: 2015-08-12T15:25:00Z=9007199254740993`,
		},
		"csv quotes": {
			file: "a.csv",
			text: "\xef\xbb\xbftime;\"na\"\"me\";value\r\n1439400341389;\"a;\nb\";1\r\n1439400341390;\"\";2\n1439400341391;\"x\"y;2\n1439400341392;c;3\n\n1439400341392;c\n",
			want: `{metric="value", na"me="a;\nb"} float64: 2015-08-12T17:25:41.389Z=1
{metric="value"} float64: 2015-08-12T17:25:41.39Z=2
{metric="value", na"me="c"} float64: 2015-08-12T17:25:41.392Z=3
a.csv:5: text follows a closing quote: malformed input
a.csv:8: 2 fields, the header has 3: malformed input`,
		},
		"csv unix seconds": {
			file: "a.csv",
			text: "ts,metric,value\n1439400341.389,cpu,1\n1439400342,cpu,2\n1439400342.1234567891,cpu,2\nx,cpu,1\n1439400343,cpu,zz\n",
			want: `{metric="cpu"} float64: 2015-08-12T17:25:41.389Z=1 2015-08-12T17:25:42Z=2
a.csv:4: "1439400342.1234567891" is not a time: malformed input
a.csv:5: "x" is not a time: malformed input
a.csv:6: column "value": "zz" is not a value of kind float64: malformed input`,
		},
		"csv of ours": {
			file: "a.csv",
			text: "time,kind,value,metric,time\n-1,int64,-5,m,t\n1,string,,m,\n2,bool,true,m,\n3,float64,NaN(0x7ff8000000000000),m,\n4,float64,,m,\n5,complex,1,m,\n",
			want: `{metric="m", time="t"} int64: 1969-12-31T23:59:59.999999999Z=-5
{metric="m"} string: 1970-01-01T00:00:00.000000001Z=""
{metric="m"} bool: 1970-01-01T00:00:00.000000002Z=true
{metric="m"} float64: 1970-01-01T00:00:00.000000003Z=NaN(0x7ff8000000000000)
a.csv:6: no value of kind float64: malformed input
a.csv:7: "complex" is not a kind of value: malformed input`,
		},
		"csv with gaps in the first record": {
			file: "a.csv",
			text: "time,host,cpu,mem\n2026-01-01,a\n2026-01-02,a,,10\n2026-01-03,a,3,n/a\n2026-01-04,b,4,12\n2026-01-05,7,,13\n",
			want: `{host="a", metric="mem"} float64: 2026-01-02T00:00:00Z=10
{host="a", metric="cpu"} float64: 2026-01-03T00:00:00Z=3
{host="b", metric="cpu"} float64: 2026-01-04T00:00:00Z=4
{host="b", metric="mem"} float64: 2026-01-04T00:00:00Z=12
{host="7", metric="mem"} float64: 2026-01-05T00:00:00Z=13
a.csv:2: 2 fields, the header has 4: malformed input
a.csv:4: column "mem": "n/a" is not a value of kind float64: malformed input`,
		},
		"csv with a column that is empty at first": {
			file: "a.csv",
			text: "time,v,w\n" + strings.Repeat("2026-01-01,1,\n", 2000) + "2026-01-02,,5\n",
			want: `{metric="v"} float64:` + strings.Repeat(" 2026-01-01T00:00:00Z=1", 2000) + `
{metric="w"} float64: 2026-01-02T00:00:00Z=5`,
		},
		"csv with a column twice": {
			file: "a.csv",
			text: "time,v,v\n2026-01-01,1,2\n",
			want: `error: a.csv:2: two columns of values are named "v": malformed input`,
		},
		"csv without times": {
			file: "a.csv",
			text: "host,load\na,1\nb,2\n",
			want: `error: a.csv:2: no column with times among ["host" "load"]: none is called time, timestamp, date, datetime or ts, and the first has none: malformed input`,
		},
		"csv with a header only": {file: "a.csv", text: "host,load\n", want: ""},
		"csv without values": {
			file: "README.csv",
			text: "time,a\nx,y\n",
			want: `error: README.csv:2: no column with values among ["time" "a"]: malformed input`,
		},
		"influx": {
			file: "x.lp",
			text: "# a comment\ncpu,host=a,core=0 user=1.5,idle=98i,up=t,state=\"a \\\"b\\\" \\\\ c\nd\",n=7u 1439400341389000000\n\nmem\\ ory,ho\\ st=a\\,b\\=c\\d free=1e3 2\n",
			want: `{core="0", field="user", host="a", measurement="cpu", metric="cpu_user"} float64: 2015-08-12T17:25:41.389Z=1.5
{core="0", field="idle", host="a", measurement="cpu", metric="cpu_idle"} int64: 2015-08-12T17:25:41.389Z=98
{core="0", field="up", host="a", measurement="cpu", metric="cpu_up"} bool: 2015-08-12T17:25:41.389Z=true
{core="0", field="state", host="a", measurement="cpu", metric="cpu_state"} string: 2015-08-12T17:25:41.389Z="a \"b\" \\ c\nd"
{core="0", field="n", host="a", measurement="cpu", metric="cpu_n"} int64: 2015-08-12T17:25:41.389Z=7
{field="free", ho st="a,b=c\\d", measurement="mem ory", metric="mem ory_free"} float64: 1970-01-01T00:00:00.000000002Z=1000`,
		},
		"influx precision and now": {
			file: "-",
			o:    ingest.Options{Precision: time.Second, Now: 5e9},
			text: "m v=1 2\nm v=2\n",
			want: `{field="v", measurement="m", metric="m_v"} float64: 1970-01-01T00:00:02Z=1 1970-01-01T00:00:05Z=2`,
		},
		"influx bad lines": {
			file: "x.lp",
			text: "m\nm v=1\nm v= 1\nm v=1x 1\nm v=1,w=z 1\nm,t v=1 1\nm,t= v=1 1\nm v=18446744073709551615u 1\nm v=-1u 1\nm v=\"x 1\nm v=NaN 1\nm v=1 1.5\n",
			want: `x.lp:1: no field such as key=1: malformed input
x.lp:2: no time: malformed input
x.lp:3: "" is not the value of a field: malformed input
x.lp:4: "1x" is not a number: malformed input
x.lp:5: "z" is not a number: malformed input
x.lp:6: "t" is not a tag such as host=a: malformed input
x.lp:7: "t=" is not a tag such as host=a: malformed input
x.lp:8: "18446744073709551615u" is not the value of a field: malformed input
x.lp:9: "-1u" is not the value of a field: malformed input
x.lp:10: a string is not closed: malformed input
x.lp:11: "NaN" is not a number: malformed input
x.lp:12: "1.5" is not a time: malformed input`,
		},
		"influx of ours": {
			file: "x",
			text: "#chronodex export\n%,a%0Ab=%5C value=NaN 1\n\\CPU\\ni,h=100% value=2i 2\n",
			want: `{a
b="\\"} float64: 1970-01-01T00:00:00.000000001Z=NaN
{h="100%", metric="\\CPU\\ni"} int64: 1970-01-01T00:00:00.000000002Z=2`,
		},
		"ndjson": {
			file: "x.ndjson",
			text: `{"dimensions":{"host":"a","metric":"cpu"},"time":"2015-08-12T17:25:41.389Z","value":1.5}
{"values":[1,"NaN",null,"-Inf"],"times":[1,2,3,4],"dimensions":{"metric":"m"}, "other":[{"a":[1]}]}
{"dimensions":{"metric":"m"},"kind":"int64","times":[1,2],"values":["9223372036854775807",-1]}
{"dimensions":{"metric":"m"},"times":[ ],"values":[]}
{"dimensions":{"metric":"s"},"time":1,"value":"a\u00e9\n"}
{"dimensions":{"metric":"s"},"time":1,"value":true}
{"end":{"warnings":["an answer of the server ends so"],"stats":{}}}
`,
			want: `{host="a", metric="cpu"} float64: 2015-08-12T17:25:41.389Z=1.5
{metric="m"} float64: 1970-01-01T00:00:00.000000001Z=1 1970-01-01T00:00:00.000000002Z=NaN 1970-01-01T00:00:00.000000004Z=-Inf
{metric="m"} int64: 1970-01-01T00:00:00.000000001Z=9223372036854775807 1970-01-01T00:00:00.000000002Z=-1
{metric="s"} string: 1970-01-01T00:00:00.000000001Z="aé\n"
{metric="s"} bool: 1970-01-01T00:00:00.000000001Z=true`,
		},
		"ndjson bad lines": {
			file: "x.ndjson",
			text: "{\n{}\n{\"dimensions\":{\"a\":1},\"time\":1,\"value\":1}\n{\"dimensions\":{},\"times\":[1],\"values\":[]}\n{\"dimensions\":{},\"time\":1,\"value\":[1]} x\n{\"dimensions\":{},\"time\":\"x\",\"value\":1}\n{\"dimensions\":{},\"times\":[1,2],\"values\":[1,true]}\n[]\n{\"dimensions\":{},\"times\":[[1]],\"values\":[1]}\n",
			want: `x.ndjson:1: "" is not the name of a member: malformed input
x.ndjson:2: no dimensions: malformed input
x.ndjson:3: dimension "a": "1" is not a string: malformed input
x.ndjson:4: 1 times and 0 values: malformed input
x.ndjson:5: "x" follows the object: malformed input
x.ndjson:6: "x" is not a time: malformed input
x.ndjson:7: "true" is not a value of kind float64: malformed input
x.ndjson:8: "[]" is not a JSON object: malformed input
x.ndjson:9: "[1]" is not a time or value: malformed input`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, tc.file, tc.text, tc.o); got != tc.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tc.want)
			}
		})
	}
}

func TestGuess(t *testing.T) {
	for _, tc := range []struct{ name, head, want string }{
		{chronixName + ".gz", "Date;a\n", ingest.Chronix},
		{"a.csv", "Date;a\n", ingest.CSV},
		{"a.csv.gz", "cpu v=1 1", ingest.CSV},
		{"a.lp.zst", "", ingest.Influx},
		{"a.jsonl", "", ingest.NDJSON},
		{"stdin", "\n{\"dimensions\"", ingest.NDJSON},
		{"stdin", "# comment\ncpu,host=a v=1 1\n", ingest.Influx},
		{"stdin", "time,value\n", ingest.CSV},
		{"a.csv", "#chronodex export\n", ingest.Influx},
		{"stdin", "Date;java.lang:x\n", ingest.Chronix},
	} {
		if got := ingest.Guess(tc.name, []byte(tc.head)); got != tc.want {
			t.Errorf("%s %q: got %s, want %s", tc.name, tc.head, got, tc.want)
		}
	}
}

func hostile() *chunk.Batch {
	dims := func(pairs ...string) chunk.Dimensions {
		var ps []chunk.Dimension
		for i := 0; i < len(pairs); i += 2 {
			ps = append(ps, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
		}
		d, err := chunk.NewDimensions(ps...)
		if err != nil {
			panic(err)
		}
		return d
	}
	times := []int64{math.MinInt64, -1, 0, 1439400341389000001, math.MaxInt64}
	return &chunk.Batch{Rows: []chunk.BatchRow{
		{Dimensions: dims("metric", `\CPU\ni`, "host", "a"), Samples: chunk.Samples{Kind: chunk.Float64, Times: times, Floats: []float64{
			math.NaN(), math.Float64frombits(0x7ff0000000000001), math.Copysign(0, -1), math.Inf(1), math.SmallestNonzeroFloat64,
		}}},
		{Dimensions: dims("metric", `\CPU\ni`, "host", "a"), Samples: chunk.Samples{Kind: chunk.Int64, Times: times, Ints: []int64{
			math.MinInt64, math.MaxInt64, 1<<53 + 1, -1, 0,
		}}},
		{Dimensions: dims("time", "1", "kind", "2", "value", "3", "measurement", "4", "field", "5"), Samples: chunk.Samples{
			Kind: chunk.Bool, Times: times[:2], Bools: []bool{true, false},
		}},
		{Dimensions: dims("metric", "%", "a,b= c\\", "\r\n\t\"x\\,\\=\\ #\\", "\xff\xfe", "\xef\xbb\xbf\x00é%41%4", "#", "\\n"), Samples: chunk.Samples{
			Kind: chunk.String, Times: times, Strings: []string{"", "a,b\n\"c\"\r\n", "\\", "\xff\x00\xed\xa0\x80", "NaN"},
		}},
		{Dimensions: dims("metric", "#chronodex"), Samples: chunk.Samples{Kind: chunk.String, Times: times[:1], Strings: []string{"+Inf"}}},
		{Samples: chunk.Samples{Kind: chunk.Float64, Times: times[:1], Floats: []float64{math.Inf(-1)}}},
	}}
}

// export writes a batch in a format.
func export(t testing.TB, format string, b *chunk.Batch) string {
	t.Helper()
	var all []chunk.Series
	for _, r := range b.Rows {
		all = append(all, chunk.Series{Dimensions: r.Dimensions, Kind: r.Samples.Kind})
	}
	var out bytes.Buffer
	w, err := ingest.NewWriter(format, &out, ingest.Names(all))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range b.Rows {
		if err := w.Write(all[i], r.Samples); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// flat prints a batch so that equal text means equal bits.
func flat(b *chunk.Batch) string {
	var lines []string
	for _, r := range b.Rows {
		for i, at := range r.Samples.Times {
			bits := uint64(0)
			if r.Samples.Kind == chunk.Float64 {
				bits = math.Float64bits(r.Samples.Floats[i])
			}
			lines = append(lines, fmt.Sprintf("%q %v %d %x %s", r.Dimensions.String(), r.Samples.Kind, at, bits, value(&r.Samples, i)))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func gather(t testing.TB, name, text string, o ingest.Options) *chunk.Batch {
	t.Helper()
	o.Strict = true
	all := new(chunk.Batch)
	_, err := ingest.Decode(context.Background(), name, strings.NewReader(text), o, func(b *chunk.Batch) error {
		for _, r := range b.Rows {
			var s chunk.Samples
			s.Append(r.Samples)
			all.Rows = append(all.Rows, chunk.BatchRow{Dimensions: r.Dimensions, Samples: s})
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return all
}

func TestExportComesBack(t *testing.T) {
	for _, format := range []string{ingest.CSV, ingest.Influx, ingest.NDJSON} {
		text := export(t, format, hostile())
		if got, want := flat(gather(t, "x", text, ingest.Options{Format: format})), flat(hostile()); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s\ntext\n%s", format, got, want, text)
		}
	}
}

func FuzzExportComesBack(f *testing.F) {
	f.Add("metric", "a\xffb", "value \"x\"", uint64(0x7ff8000000000000), int64(-1))
	f.Add("#", "\\", "\r\n", uint64(1), int64(math.MinInt64))
	f.Add("\t\t\t,", "a", "0", uint64(1), int64(0)) // more tabs than commas in the header
	f.Fuzz(func(t *testing.T, name, val, text string, bits uint64, at int64) {
		d, err := chunk.NewDimensions(chunk.Dimension{Name: name, Value: val}, chunk.Dimension{Name: "x" + name, Value: text})
		if err != nil {
			t.Skip()
		}
		b := &chunk.Batch{Rows: []chunk.BatchRow{
			{Dimensions: d, Samples: chunk.Samples{Kind: chunk.Float64, Times: []int64{at}, Floats: []float64{math.Float64frombits(bits)}}},
			{Dimensions: d, Samples: chunk.Samples{Kind: chunk.String, Times: []int64{at, at}, Strings: []string{text, val}}},
		}}
		for _, format := range []string{ingest.CSV, ingest.Influx, ingest.NDJSON} {
			out := export(t, format, b)
			if got, want := flat(gather(t, "x", out, ingest.Options{Format: format})), flat(b); got != want {
				t.Fatalf("%s: got\n%s\nwant\n%s\ntext\n%s", format, got, want, out)
			}
		}
	})
}

// fuzzDecode checks that no text makes a decoder fail but by an error, or give invalid rows.
func fuzzDecode(f *testing.F, format, name string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	for _, s := range []string{"", "\n", "\"", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o := ingest.Options{Format: format, MaxBytes: 1 << 20}
		n := 0
		for _, b := range text {
			n += int(b)
		}
		if len(text) > 0 && n%4 == 0 {
			text = bytes.Repeat(text, min(200, 1+300_000/len(text))) // over the end of a block
		}
		_, _ = ingest.Decode(context.Background(), name, bytes.NewReader(text), o, func(b *chunk.Batch) error {
			for _, r := range b.Rows {
				if err := r.Dimensions.Validate(); err != nil || !r.Samples.Valid() {
					t.Fatalf("row %v: %v", r, err)
				}
			}
			return nil
		})
	})
}

func FuzzChronix(f *testing.F) {
	fuzzDecode(f, ingest.Chronix, chronixName, "Date;a\n12.08.2015 17:25:40.964;664,333,512\n12.08.2015 17:25:42.106;1.5\n")
}

func FuzzCSV(f *testing.F) {
	fuzzDecode(f, ingest.CSV, "a.csv", "time,host,v\n2015-08-12 17:25:40,\"a\"\"\n\",1.5\n", "time,kind,value,a\n1,string,x,y\n")
}

func FuzzInflux(f *testing.F) {
	fuzzDecode(f, ingest.Influx, "a.lp", "cpu,host=a user=1.5,s=\"a\nb\",i=1i,t=t 1\n", "#chronodex\n%,a=b value=NaN 1\n")
}

func FuzzNDJSON(f *testing.F) {
	fuzzDecode(f, ingest.NDJSON, "a.ndjson", `{"dimensions":{"a":"b"},"kind":"float64","times":[1,"2015-08-12"],"values":["NaN",2]}`)
}

// files writes texts into a folder and returns its path.
func files(t testing.TB, texts map[string]string) string {
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data := []byte(text)
		switch filepath.Ext(name) {
		case ".gz":
			var buf bytes.Buffer
			w := gzip.NewWriter(&buf)
			_, _ = w.Write(data)
			_ = w.Close()
			data = buf.Bytes()
		case ".zst":
			w, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			data = w.EncodeAll(data, nil)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Law: whatever the workers and the batches, observations come in the order of files and lines.
func TestRunOrder(t *testing.T) {
	texts := map[string]string{".hidden.csv": "x", "README.md": "x"}
	var want strings.Builder
	for i := range 40 {
		var b strings.Builder
		for k := range 1 + 997*i%5000 {
			fmt.Fprintf(&b, "m v=%d %d\n", i*10000+k, k)
			fmt.Fprintf(&want, "%d ", i*10000+k)
		}
		texts[fmt.Sprintf("sub/%02d.lp%s", i, []string{"", ".gz", ".zst"}[i%3])] = b.String()
	}
	sources, err := ingest.Sources([]string{files(t, texts)}, nil)
	if err != nil || len(sources) != 40 {
		t.Fatal(len(sources), err)
	}
	for _, o := range []ingest.Options{{Workers: 1}, {Workers: 4, BatchSize: 100}, {Workers: 7, BatchSize: 5000}} {
		var got strings.Builder
		last := ingest.Progress{}
		o.Progress = func(p ingest.Progress) { last = p }
		sum, err := ingest.Run(context.Background(), sources, o, func(_ context.Context, b *chunk.Batch) error {
			for _, r := range b.Rows {
				for _, v := range r.Samples.Floats {
					fmt.Fprintf(&got, "%v ", int(v))
				}
			}
			return nil
		})
		if err != nil || sum.Files != 40 || got.String() != want.String() {
			t.Fatalf("%+v: %+v, %v; same: %v", o, sum, err, got.String() == want.String())
		}
		if last.Observations != sum.Observations || last.Bytes != last.TotalBytes {
			t.Errorf("last progress %+v, summary %+v", last, sum)
		}
	}
}

func TestRunStops(t *testing.T) {
	texts := map[string]string{}
	for i := range 20 {
		texts[fmt.Sprintf("%02d.lp", i)] = strings.Repeat("m v=1 1\n", 100)
	}
	texts["10.lp"] = "m v=1 1\nbad\n"
	sources, err := ingest.Sources([]string{files(t, texts)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := ingest.Run(context.Background(), sources, ingest.Options{Strict: true}, func(context.Context, *chunk.Batch) error { return nil })
	if le := (*ingest.LineError)(nil); !errors.As(err, &le) || le.Line != 2 || sum.Observations != 1001 {
		t.Errorf("got %+v, %v", sum, err)
	}
	boom := errors.New("boom")
	sum, err = ingest.Run(context.Background(), sources, ingest.Options{BatchSize: 1}, func(context.Context, *chunk.Batch) error { return boom })
	if !errors.Is(err, boom) || sum.Observations != 0 {
		t.Errorf("got %+v, %v", sum, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err = ingest.Run(ctx, sources, ingest.Options{BatchSize: 1}, func(context.Context, *chunk.Batch) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 200 { // whatever has begun when the context ends
		ctx, cancel := context.WithCancel(context.Background())
		go cancel()
		_, err = ingest.Run(ctx, sources, ingest.Options{BatchSize: 1, Workers: 3}, func(context.Context, *chunk.Batch) error { return ctx.Err() })
		if err != nil && !errors.Is(err, context.Canceled) {
			if le := (*ingest.LineError)(nil); !errors.As(err, &le) {
				t.Fatal(err)
			}
		}
	}
	if _, err := ingest.Sources([]string{"/does/not/exist"}, nil); err == nil {
		t.Error("no error for a missing path")
	}
}

// A source that cannot be read to its end does not keep the others from being read.
func TestRunGoesOn(t *testing.T) {
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, "m v=%d.5 %d\n", i*i, i)
	}
	dir := files(t, map[string]string{
		"a.csv":   "time,host\n2026-01-01,x\n",
		"b.lp.gz": text.String(),
		"c.lp":    "m v=1 1\n",
	})
	sources, err := ingest.Sources([]string{dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sources[1].Name, sources[1].Size/2); err != nil {
		t.Fatal(err)
	}
	var told []string
	kept := 0
	sum, err := ingest.Run(context.Background(), sources, ingest.Options{Skipped: func(e *ingest.LineError) { told = append(told, e.Error()) }},
		func(_ context.Context, b *chunk.Batch) error {
			for _, r := range b.Rows {
				kept += r.Samples.Len()
			}
			return nil
		})
	if err != nil || sum.Files != 1 || sum.Failed != 2 || len(told) != 2 {
		t.Errorf("got %+v, %v, told %q", sum, err, told)
	}
	if kept < 5000 || int64(kept) != sum.Observations {
		t.Errorf("kept %d observations of the half that is there, and one more; the summary says %d", kept, sum.Observations)
	}
	if _, err := ingest.Run(context.Background(), sources[1:2], ingest.Options{}, func(context.Context, *chunk.Batch) error { return nil }); err == nil {
		t.Error("no error for the only source")
	}
}

func TestLimits(t *testing.T) {
	_, err := ingest.Decode(context.Background(), "x.lp", strings.NewReader(strings.Repeat("m v=1 1\n", 1000)),
		ingest.Options{MaxBytes: 100}, func(*chunk.Batch) error { return nil })
	if err == nil {
		t.Error("the limit of a source is not held")
	}
	long := "m v=1 1\nm v=" + strings.Repeat("1", 65<<20) + " 1\nm v=2 2\n"
	got := read(t, "x.lp", long, ingest.Options{})
	if !strings.HasPrefix(got, `{field="v", measurement="m", metric="m_v"} float64: 1970-01-01T00:00:00.000000001Z=1 1970-01-01T00:00:00.000000002Z=2`) {
		t.Errorf("got %.300s", got)
	}
}

// What a collector remembers of series is bounded: a series that was forgotten and comes again is the
// same one.
func TestForgottenSeries(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB of text")
	}
	const series = 1100
	long := strings.Repeat("x", 61_000)
	for _, format := range []string{ingest.CSV, ingest.Influx} {
		r, w := io.Pipe()
		go func() {
			out := bufio.NewWriter(w)
			if format == ingest.CSV {
				fmt.Fprintln(out, "time,host,cpu,mem")
			}
			for i := range 3 * series / 2 {
				if host := i % series; format == ingest.CSV {
					fmt.Fprintf(out, "%d,%s%d,%d,%d\n", i+1, long, host, host, -host)
				} else {
					fmt.Fprintf(out, "m,host=%s%d cpu=%d,mem=%d %d\n", long, host, host, -host, i+1)
				}
			}
			w.CloseWithError(out.Flush())
		}()
		n := 0
		o := ingest.Options{Format: format, Strict: true, BatchSize: 100, Precision: 1}
		_, err := ingest.Decode(context.Background(), "x", r, o, func(b *chunk.Batch) error {
			for _, row := range b.Rows {
				host, _ := row.Dimensions.Get("host")
				metric, _ := row.Dimensions.Get("metric")
				want, err := strconv.Atoi(strings.TrimPrefix(host, long))
				if strings.HasSuffix(metric, "mem") {
					want = -want
				}
				for _, v := range row.Samples.Floats {
					if n++; err != nil || v != float64(want) {
						t.Fatalf("%s: %s of host %d is %v", format, metric, want, v)
					}
				}
			}
			return nil
		})
		if err != nil || n != 2*(3*series/2) {
			t.Errorf("%s: %d observations, %v", format, n, err)
		}
	}
}

// TestWriterHoldsLittle: text goes on when there is enough of it, though no series has many
// observations.
func TestWriterHoldsLittle(t *testing.T) {
	for _, format := range []string{ingest.CSV, ingest.Influx, ingest.NDJSON} {
		var out countingWriter
		w, err := ingest.NewWriter(format, &out, []string{"n"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10_000 {
			s := chunk.Series{Kind: chunk.Bool, Dimensions: chunk.Dimensions{{Name: "n", Value: strconv.Itoa(i)}}}
			if err := w.Write(s, chunk.Samples{Kind: chunk.Bool, Times: []int64{1}, Bools: []bool{true}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.most > 128<<10 {
			t.Errorf("%s: %d bytes at once", format, out.most)
		}
	}
}

// A countingWriter notes the largest write.
type countingWriter struct{ most int }

func (c *countingWriter) Write(p []byte) (int, error) {
	c.most = max(c.most, len(p))
	return len(p), nil
}
