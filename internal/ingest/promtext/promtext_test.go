package promtext

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/prometheus/prompb/io/prometheus/client"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// rows prints a batch, a line a row.
func rows(t testing.TB, d *Decoder) (out []string) {
	t.Helper()
	if len(d.Rows) != len(d.Batch.Rows) {
		t.Fatalf("%d rows, %d described", len(d.Batch.Rows), len(d.Rows))
	}
	for i, r := range d.Batch.Rows {
		if err := r.Dimensions.Validate(); err != nil || !r.Samples.Valid() || r.Samples.Len() == 0 {
			t.Fatalf("row %d: %v, %v", i, err, r)
		}
		line := r.Dimensions.String()
		for k, at := range r.Samples.Times {
			switch r.Samples.Kind {
			case chunk.Float64:
				line += fmt.Sprintf(" %d=%v", at, r.Samples.Floats[k])
			case chunk.Int64:
				line += fmt.Sprintf(" %d=%d", at, r.Samples.Ints[k])
			default:
				s := r.Samples.Strings[k]
				if h, err := promwrite.ParseHistogram(s); err == nil {
					s = fmt.Sprintf("%v from %d", h.Int, h.Start)
				}
				line += fmt.Sprintf(" %d=%s", at, s)
			}
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func TestDecode(t *testing.T) {
	for name, tc := range map[string]struct {
		media, text string
		set         []chunk.Dimension
		want        []string
		refused     []string
	}{
		"nothing": {Text, "", nil, nil, nil},
		"samples": {
			Text, "# a comment\nup 1\n\nhttp_requests_total{code=\"200\",path=\"/a\\\"b\\n\"} 1027 1395066363000\nx NaN\ny -Inf\n", nil,
			[]string{
				`{code="200", metric="http_requests_total", path="/a\"b\n"} 1395066363000000000=1027`,
				`{metric="up"} 7=1`, `{metric="x"} 7=NaN`, `{metric="y"} 7=-Inf`,
			},
			nil,
		},
		"no newline at the end": {Text, "up 1", nil, []string{`{metric="up"} 7=1`}, nil},
		"names of UTF-8":        {Text, `{"my.metric","a label"="x",metric="m"} 2`, nil, []string{`{a label="x", metric="my.metric", metric_="m"} 7=2`}, nil},
		"types and help": {
			Text, "# HELP a Help\\nof a.\n# TYPE a counter\na 1\n# TYPE b untyped\nb 2\n# HELP b Help of b.\n", nil,
			[]string{
				`{metadata_of="a"} 101={"type":"counter","help":"Help\nof a."}`, `{metadata_of="b"} 103={"help":"Help of b."}`,
				`{metric="a"} 7=1`, `{metric="b"} 7=2`,
			},
			nil,
		},
		"buckets as floats": {
			Text, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n", nil,
			[]string{`{le="+Inf", metric="h_bucket"} 7=2`, `{le="1.0", metric="h_bucket"} 7=1`, `{metadata_of="h"} 102={"type":"histogram"}`},
			nil,
		},
		"set in place of what it says": {
			Text, "up{job=\"a\",x=\"1\"} 1\n",
			[]chunk.Dimension{{Name: "job", Value: "b"}, {Name: "site", Value: "s"}, {Name: "x", Value: ""}},
			[]string{`{job="b", metric="up", site="s"} 7=1`},
			nil,
		},
		"bad lines among good": {
			Text, "a 1\nb{ 2\nc 3\n# TYPE d nonsense\nd{x=\"y\"} 4\ne one\nf{a=\"1\",a=\"2\"} 5\ng 6 99999999999999999\n", nil,
			[]string{`{metric="a"} 7=1`, `{metric="c"} 7=3`, `{metric="d", x="y"} 7=4`},
			[]string{"line 2:", "line 4: invalid metric type", "line 6:", `line 7: series {__name__="f", a="1", a="2"}: label "a" twice`, "line 8: sample of g at 99999999999999999 ms"},
		},
		"buckets as floats beside a bad line": {
			Text, "!\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n", nil,
			[]string{`{le="1.0", metric="h_bucket"} 7=1`, `{metadata_of="h"} 101={"type":"histogram"}`},
			[]string{"line 1:"},
		},
		"OpenMetrics": {
			OpenMetrics, "# TYPE foo_s counter\n# UNIT foo_s s\n# HELP foo_s What.\nfoo_s_total{a=\"b\"} 17.0 1520879607.789 # {trace_id=\"KOO5\"} 0.67 1520879607.5\n" +
				"foo_s_created{a=\"b\"} 1520872607.123\n# TYPE bar_total gauge\nbar_total 1 # {} 2\n# EOF\n", nil,
			[]string{
				`{a="b", exemplar_of="foo_s_total"} 1520879607500000000=[{"labels":{"trace_id":"KOO5"},"value":"0.67"}]`,
				`{a="b", metric="foo_s_total"} 1520879607789000000=17`,
				`{a="b", start_of="foo_s_total"} 1520879607789000000=1520872607123000000`,
				`{exemplar_of="bar_total"} 7=[{"labels":{},"value":"2"}]`,
				`{metadata_of="bar_total"} 106={"type":"gauge"}`,
				`{metadata_of="foo_s"} 103={"type":"counter","help":"What.","unit":"s"}`,
				`{metric="bar_total"} 7=1`,
			},
			nil,
		},
		"OpenMetrics without its end": {
			OpenMetrics, "a 1\n", nil, []string{`{metric="a"} 7=1`}, []string{"does not end with # EOF"},
		},
		"OpenMetrics behind its end": {
			OpenMetrics, "a 1\n# EOF\nb 2\nc 3\n", nil, []string{`{metric="a"} 7=1`}, []string{"line 3: it and what follows is behind # EOF"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decoder{Stamp: 7, Set: tc.set, Builder: promwrite.Builder{Now: 100}}
			if err := d.Decode([]byte(tc.text), tc.media+"; version=1"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, rows(t, &d)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d.Refused != len(tc.refused) || len(d.Reasons) != len(tc.refused) {
				t.Fatalf("refused %d: %v", d.Refused, d.Reasons)
			}
			for i, want := range tc.refused {
				if !strings.Contains(d.Reasons[i].Error(), want) {
					t.Errorf("refused %v, want %s", d.Reasons[i], want)
				}
			}
		})
	}
}

func TestDecodeStarts(t *testing.T) {
	d := Decoder{Stamp: 7}
	text := "# TYPE foo counter\nfoo_total 17.0\nfoo_created 1520872607.123\n# EOF\n"
	if err := d.Decode([]byte(text), OpenMetrics); err != nil || d.Refused != 0 {
		t.Fatal(err, d.Reasons)
	}
	want := []string{`{metadata_of="foo"} 2={"type":"counter"}`, `{metric="foo_total"} 7=17`, `{start_of="foo_total"} 7=1520872607123000000`}
	if diff := cmp.Diff(want, rows(t, &d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeStrict(t *testing.T) {
	d := Decoder{Strict: true}
	for _, text := range []string{"a 1\nb{ 2\n", "a{x=\"1\",x=\"2\"} 1\n"} {
		if err := d.Decode([]byte(text), Text); !errors.Is(err, ErrFormat) || len(d.Batch.Rows) != 0 {
			t.Errorf("%q: %v, %d rows", text, err, len(d.Batch.Rows))
		}
	}
	for _, media := range []string{"text/html", "a/b/c", "application/json"} {
		if err := d.Decode(nil, media); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", media, err)
		}
	}
}

// exposed is a native histogram in the protobuf exposition.
func exposed(t testing.TB) []byte {
	t.Helper()
	family := &dto.MetricFamily{Name: "h", Help: "What.", Type: dto.MetricType_HISTOGRAM, Metric: []dto.Metric{{
		Label: []dto.LabelPair{{Name: "a", Value: "b"}},
		Histogram: &dto.Histogram{
			SampleCount: 4, SampleSum: 2.5, Schema: 3, ZeroThreshold: 1e-128, ZeroCount: 1,
			PositiveSpan: []dto.BucketSpan{{Offset: 0, Length: 2}}, PositiveDelta: []int64{1, 1},
		},
	}}}
	b, err := family.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...)
}

func TestDecodeProtobuf(t *testing.T) {
	d := Decoder{Stamp: 7, Builder: promwrite.Builder{Now: 100}}
	if err := d.Decode(exposed(t), Protobuf+"; proto=io.prometheus.client.MetricFamily; encoding=delimited"); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{a="b", metric="h"} 7={count:4, sum:2.5, [-1e-128,1e-128]:1, (0.9170040432046711,1]:1, (1,1.0905077326652577]:2} from 0`,
		`{metadata_of="h"} 101={"type":"histogram","help":"What."}`,
	}
	if diff := cmp.Diff(want, rows(t, &d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := d.Decode([]byte("\xff\xff"), Protobuf); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
	}
}

// FuzzDecode: hostile text makes valid rows or none, and text that is good as a whole says the same
// read line by line.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("# HELP a b\n# TYPE a counter\na{x=\"y\"} 1 2\nb{ 2\nc 3\n"), uint8(0))
	f.Add([]byte("# TYPE foo counter\nfoo_total 17.0 1 # {t=\"K\"} 0.67 1\nfoo_created 1.5\n# EOF\n"), uint8(1))
	f.Add(exposed(f), uint8(2))
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		media := []string{Text, OpenMetrics, Protobuf}[which%3]
		d := Decoder{Stamp: 7, Builder: promwrite.Builder{Now: 100}}
		if err := d.Decode(text, media); err != nil {
			if !errors.Is(err, ErrFormat) || len(d.Batch.Rows) > 0 {
				t.Fatalf("%v with %d rows", err, len(d.Batch.Rows))
			}
			return
		}
		whole := rows(t, &d)
		if media != Text || d.Refused > 0 {
			return
		}
		d.Reset()
		if err := d.lines(text, media); err != nil || d.Refused > 0 {
			return // a value with a newline in it
		}
		d.Finish()
		if diff := cmp.Diff(whole, rows(t, &d)); diff != "" {
			t.Fatalf("(-whole +by lines):\n%s", diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "container_network_receive_bytes_total{container=\"c%d\",interface=\"eth0\",namespace=\"team-%d\",pod=\"p-%d\"} %d.5\n", i%7, i%20, i, i)
	}
	data, d := []byte(text.String()), Decoder{Stamp: 7}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(data, Text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(2000*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}
