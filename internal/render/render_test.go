package render_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/query"
)

func dims(t testing.TB, pairs ...string) chunk.Dimensions {
	t.Helper()
	var ps []chunk.Dimension
	for i := 0; i < len(pairs); i += 2 {
		ps = append(ps, chunk.Dimension{Name: pairs[i], Value: pairs[i+1]})
	}
	d, err := chunk.NewDimensions(ps...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start is 2026-03-01 00:00 UTC.
const start = int64(1772323200) * 1e9

// waves makes n series of sines, a minute apart, that share their stamps.
func waves(t testing.TB, n, points int) []query.ResultSeries {
	times := make([]int64, points)
	for i := range times {
		times[i] = start + int64(i)*60e9
	}
	rows := make([]query.ResultSeries, n)
	for k := range rows {
		values := make([]float64, points)
		for i := range values {
			values[i] = math.Round(1000*math.Sin(float64(i)/40+float64(k))) / 10
		}
		rows[k] = query.ResultSeries{
			Dimensions: dims(t, "host", fmt.Sprintf("host-%d", k), "metric", "java.lang:type=Memory/HeapMemoryUsage/used"),
			Samples:    chunk.Samples{Kind: chunk.Float64, Times: times, Floats: values},
		}
	}
	return rows
}

// results are what the golden tests write.
func results(t testing.TB) map[string]*query.Result {
	many := waves(t, 20, 200)
	gap := waves(t, 1, 300)
	for i := 100; i < 150; i++ {
		gap[0].Samples.Floats[i] = math.NaN()
	}
	constant := waves(t, 1, 3)
	constant[0].Samples.Floats = []float64{5, 5, 5}
	var bars []query.ResultSeries
	for i := range 30 {
		bars = append(bars, query.ResultSeries{Dimensions: dims(t, "host", fmt.Sprintf("h%02d", i), "dc", "north"), Single: true, Value: 664333512.25 / float64(i*i+1)})
	}
	var table []query.ResultSeries
	for _, host := range []string{"a", "b"} {
		for k, name := range []string{"min", "mean", "p0.99"} {
			table = append(table, query.ResultSeries{
				Dimensions: dims(t, "host", host, "dc", "north", query.AggregateName, name), Single: true, Value: 100.0 * float64(k+1) / 7,
			})
		}
	}
	at := []int64{start, start + 1, start + 2}
	gaps := waves(t, 1, 2)
	gaps[0].Samples.Floats = []float64{math.NaN(), math.Inf(1)}
	wide, clocks := waves(t, 4, 2), waves(t, 1, 3)
	for i := range wide {
		wide[i].Samples.Times = at[:2]
		wide[i].Samples.Floats[0] = 9007199254740993
	}
	const autumn = int64(1792886400) * 1e9 // 2026-10-25 00:00 UTC
	clocks[0].Samples.Times = []int64{autumn, autumn + 3600e9, autumn + 7200e9}
	return map[string]*query.Result{
		"empty": {},
		"one":   {Series: []query.ResultSeries{{Single: true, Value: 3896974}}, Warnings: []string{"chunk lost\x1b[2J"}},
		"kinds": {Series: []query.ResultSeries{
			{Dimensions: dims(t, "metric", "f"), Samples: chunk.Samples{Kind: chunk.Float64, Times: at, Floats: []float64{math.NaN(), math.Inf(1), math.Copysign(0, -1)}}},
			{Dimensions: dims(t, "metric", "i"), Samples: chunk.Samples{Kind: chunk.Int64, Times: at, Ints: []int64{1 << 53, 1<<53 + 1, math.MinInt64}}},
			{Dimensions: dims(t, "metric", "b"), Samples: chunk.Samples{Kind: chunk.Bool, Times: at, Bools: []bool{true, false, true}}},
			{Dimensions: dims(t, "metric", "s,\"\n\xff"), Samples: chunk.Samples{Kind: chunk.String, Times: at, Strings: []string{"a,b", "\x1b[31m", "é\xff"}}},
			{Dimensions: dims(t, "metric", "text"), Single: true, IsText: true, Text: "x\ty"},
			{Dimensions: dims(t, "metric", "inf"), Single: true, Value: math.Inf(-1)},
		}, Warnings: []string{"a \"warning\""}, Stats: query.Stats{SeriesSelected: 4, Chunks: 4, Duration: time.Millisecond}},
		"two":      {Series: waves(t, 2, 300)},
		"single":   {Series: waves(t, 1, 5)},
		"many":     {Series: many},
		"gap":      {Series: gap},
		"constant": {Series: constant},
		"point":    {Series: waves(t, 1, 1)},
		"bars":     {Series: bars},
		"table":    {Series: table},
		"wide":     {Series: wide},
		"clocks":   {Series: clocks},
		"gaps":     {Series: gaps},
	}
}

func TestGolden(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	all := results(t)
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var o render.Options
			d.MaybeScanArgs(t, "width", &o.Width)
			d.MaybeScanArgs(t, "height", &o.Height)
			d.MaybeScanArgs(t, "rows", &o.MaxRows)
			if d.HasArg("berlin") {
				o.Location = berlin
			}
			if d.HasArg("ms") {
				o.Unit = time.Millisecond
			}
			o.Color = d.HasArg("color")
			r, ok := all[strings.TrimSpace(d.Input)]
			if !ok {
				t.Fatalf("no result %q", d.Input)
			}
			var b bytes.Buffer
			if err := render.Write(&b, d.Cmd, r, o); err != nil {
				return err.Error()
			}
			return strings.ReplaceAll(strings.ReplaceAll(b.String(), "\x1b", "ESC"), "\n\n", "\n.\n")
		})
	})
}

// Law: what is written as JSON is valid, and holds the same numbers.
func TestJSONIsValid(t *testing.T) {
	for name, r := range results(t) {
		var b bytes.Buffer
		if err := render.Write(&b, render.JSON, r, render.Options{Unit: 1}); err != nil {
			t.Fatal(err)
		}
		var got struct {
			Result []struct {
				Dimensions map[string]string
				Times      []int64
				Values     []any
				Value      any
			}
			Warnings []string
			Stats    map[string]int64
		}
		if err := json.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b.Bytes())
		}
		if len(got.Result) != len(r.Series) || len(got.Stats) != 10 || len(got.Warnings) != len(r.Warnings) {
			t.Fatalf("%s: got %+v", name, got)
		}
		for i, s := range r.Series {
			if len(got.Result[i].Times) != s.Samples.Len() || len(got.Result[i].Values) != s.Samples.Len() {
				t.Fatalf("%s: row %d: got %+v", name, i, got.Result[i])
			}
			for k, v := range s.Samples.Floats {
				if f, ok := got.Result[i].Values[k].(float64); got.Result[i].Times[k] != s.Samples.Times[k] || ok && f != v || !ok && v-v == 0 {
					t.Fatalf("%s: row %d: value %d: got %v, want %v", name, i, k, got.Result[i].Values[k], v)
				}
			}
		}
	}
}

// A line may never be wider than the terminal, nor hold what a terminal obeys.
func TestTablesFit(t *testing.T) {
	for name, r := range results(t) {
		for _, format := range []string{render.Table, render.Plot} {
			for _, width := range []int{40, 80, 200} {
				var b bytes.Buffer
				if err := render.Write(&b, format, r, render.Options{Width: width}); err != nil {
					t.Fatal(err)
				}
				for line := range strings.SplitSeq(b.String(), "\n") {
					if n := len([]rune(line)); n > width+10 || strings.ContainsAny(line, "\x1b\t") || !utf8.ValidString(line) {
						t.Errorf("%s as %s, %d wide: %d columns: %q", name, format, width, n, line)
					}
				}
			}
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shared := range []bool{true, false} {
		rows := waves(b, 20, 10_000)
		for i := range rows {
			for k := range rows[i].Samples.Floats {
				rows[i].Samples.Floats[k] = float64(rng.IntN(1_000_000)) / 100
			}
			if !shared {
				rows[i].Samples.Times = append([]int64(nil), rows[i].Samples.Times...)
			}
		}
		b.Run(fmt.Sprintf("shared stamps %v", shared), func(b *testing.B) {
			var n int64
			for b.Loop() {
				if err := render.Write(io.Discard, render.JSON, &query.Result{Series: rows}, render.Options{}); err != nil {
					b.Fatal(err)
				}
				n += 200_000
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "M-obs/s")
		})
	}
}
