package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// ramp returns n series of rows observations, one a second, that rise by one.
func ramp(n, rows int) []fakeSeries {
	out := make([]fakeSeries, n)
	for i := range out {
		s := &out[i]
		s.Dimensions = chunk.Dimensions{{Name: "host", Value: fmt.Sprintf("h%03d", i)}, {Name: "metric", Value: "m"}}
		s.Kind = chunk.Float64
		c := chunk.Samples{Kind: chunk.Float64}
		for k := range rows {
			c.Times = append(c.Times, int64(k)*1e9)
			c.Floats = append(c.Floats, float64(k+i))
		}
		s.chunks = []fakeChunk{{samples: c}}
	}
	return out
}

func mustParse(t testing.TB, text string) *Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestCancel cancels in the middle of the work: it stops within the chunks at hand.
func TestCancel(t *testing.T) {
	for _, text := range []string{"*", "* | p 0.5", "* | mean every 7s", "* | rate | max by nothing", "* | div (* | max)"} {
		parts := fakeStore(ramp(10, 2000), 2, 10, nil)
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		gone := errors.New("the caller is gone")
		for _, p := range parts {
			p.onRead = func() {
				if p.reads.Load() == 20 {
					cancel(gone)
				}
			}
		}
		_, err := engineOver(parts).Run(ctx, mustParse(t, text), Request{})
		if !errors.Is(err, gone) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", text, err)
		}
		if n := parts[0].reads.Load() + parts[1].reads.Load(); n > 100 {
			t.Errorf("%s: went on for %d chunks", text, n)
		}
	}
}

// TestMemoryLimit gives each query too little memory, and expects an error that says so. It never
// takes more than the limit by the chunks at hand.
func TestMemoryLimit(t *testing.T) {
	parts := fakeStore(ramp(50, 2000), 2, 100, nil)
	e := engineOver(parts)
	e.Options.MemoryLimit = 400 << 10
	for _, text := range []string{
		"*", "* | rate", "* | p 0.9", "* | mean every 1s", "* | mean every 1ns", "* | sum every 1m | fill 0 | div (* | median)",
		"* | mean every 1s | fill linear", "* | distinct",
	} {
		_, err := e.Run(context.Background(), mustParse(t, text), Request{})
		var limit *LimitError
		if !errors.As(err, &limit) || !errors.Is(err, ErrLimit) || limit.Limit <= 0 || limit.Need <= limit.Limit || limit.Cure == "" {
			t.Errorf("%s: error %v", text, err)
		}
	}
	for _, text := range []string{"* | max", "* | mean by nothing every 1m", "* | limit 1 | rate"} {
		out, err := e.Run(context.Background(), mustParse(t, text), Request{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if out.Stats.PeakBytes > e.Options.MemoryLimit || out.Stats.PeakBytes == 0 {
			t.Errorf("%s: peak of %d bytes", text, out.Stats.PeakBytes)
		}
	}
}

// TestCorruptChunkIsNamed damages one chunk: it is skipped, counted and named, all else is answered.
func TestCorruptChunkIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"* | median":                 `{host="h000", metric="m"} 7`, // 0…4 are lost
		"* | mean every 3s":          `{host="h000", metric="m"}: 3=5 6=7 9=9`,
		"*":                          `{host="h000", metric="m"}: 5=5 6=6 7=7 8=8 9=9`,
		"* | derivative | count":     `{host="h000", metric="m"} 4`,
		"* | max":                    `{host="h000", metric="m"} 9`, // statistics suffice
		"* | div (* | max) | median": `{host="h000", metric="m"} 0.7777777777777778`,
	} {
		parts := fakeStore(ramp(2, 10), 2, 5, nil)
		parts[0].broken = func(p fakePiece) error {
			if p.chunk == &p.series.chunks[0] {
				return fmt.Errorf("segment 7: %w", chunk.ErrCorrupt)
			}
			return nil
		}
		out, err := engineOver(parts).Run(context.Background(), mustParse(t, text), Request{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := printResult(out, Request{}, false)
		if !strings.HasPrefix(got, want+"\n") || len(out.Series) != 2 {
			t.Errorf("%s:\n%swant %s", text, got, want)
		}
		if text == "* | max" {
			continue
		}
		if len(out.Warnings) != 1 || !strings.Contains(out.Warnings[0], "segment 7") || !strings.Contains(out.Warnings[0], "h000") || out.Stats.ChunksCorrupt != 1 {
			t.Errorf("%s: %d damaged, warnings %q", text, out.Stats.ChunksCorrupt, out.Warnings)
		}
	}
}

// TestErrorsOfParts passes on what a part reports, and closes what was opened.
func TestErrorsOfParts(t *testing.T) {
	broken := errors.New("disk on fire")
	parts := fakeStore(ramp(4, 10), 2, 5, nil)
	parts[1].broken = func(fakePiece) error { return broken }
	for _, text := range []string{"*", "* | median", "* | rate"} {
		if _, err := engineOver(parts).Run(context.Background(), mustParse(t, text), Request{}); !errors.Is(err, broken) {
			t.Errorf("%s: error %v", text, err)
		}
	}
	e := engineOver(parts)
	e.Parts = append(e.Parts, failing{broken})
	if _, err := e.Run(context.Background(), mustParse(t, "*"), Request{}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// failing is a part that cannot select.
type failing struct{ err error }

func (f failing) Select(context.Context, index.Filter, chunk.Span) (chunk.Selection, error) {
	return nil, f.err
}

// TestNoParts answers nothing about nothing.
func TestNoParts(t *testing.T) {
	for _, text := range []string{"*", "* | mean", "* | mean every 1m | fill 0", "(* | mean) / (* | mean)", "* | top 3"} {
		out, err := new(Engine).Run(context.Background(), mustParse(t, text), Request{})
		if err != nil || len(out.Series) != 0 {
			t.Errorf("%s: %v, %v", text, out, err)
		}
	}
}

// What follows is the original's wrong answers, and ours.

// TestConcurrentQueriesDoNotDisturbEachOther: the original's requests shared the parser's state,
// overwrote each other's results and lost series at random.
func TestConcurrentQueriesDoNotDisturbEachOther(t *testing.T) {
	e := engineOver(fakeStore(ramp(40, 300), 3, 7, nil))
	texts := []string{"* | p 0.9", "* | mean every 10s", "* | sum by nothing every 1m", "* | rate", "* | count, max, median", "* | div (* | max)", "*"}
	want := make([]*Result, len(texts))
	for i, text := range texts {
		var err error
		if want[i], err = e.Run(context.Background(), mustParse(t, text), Request{}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i := range 4 * len(texts) {
		wg.Go(func() {
			i %= len(texts)
			q, err := Parse(texts[i])
			if err != nil {
				t.Error(err)
				return
			}
			got, err := e.Run(context.Background(), q, Request{})
			if err != nil || !sameBits(got.Series, want[i].Series) {
				t.Errorf("%s: answered otherwise, %v", texts[i], err)
			}
		})
	}
	wg.Wait()
}

// TestNoSeriesIsLostInOneRequest: of 498 series in one request, the original answered for 11.
func TestNoSeriesIsLostInOneRequest(t *testing.T) {
	e := engineOver(fakeStore(ramp(498, 20), 4, 6, nil))
	for _, text := range []string{"* | max", "* | median", "* | last every 1h", "* | rate", "*"} {
		out, err := e.Run(context.Background(), mustParse(t, text), Request{})
		if err != nil || len(out.Series) != 498 {
			t.Errorf("%s: %d series, %v", text, len(out.Series), err)
		}
	}
}

func seriesOf(host string, at []int64, values []float64) fakeSeries {
	var s fakeSeries
	s.Dimensions = chunk.Dimensions{{Name: "host", Value: host}, {Name: "metric", Value: "m"}}
	s.Kind = chunk.Float64
	s.chunks = []fakeChunk{{samples: chunk.Samples{Kind: chunk.Float64, Times: at, Floats: values}}}
	return s
}

func answer(t *testing.T, list []fakeSeries, text string, span chunk.Span) string {
	t.Helper()
	out, err := engineOver(fakeStore(list, 1, 3, nil)).Run(context.Background(), mustParse(t, text), Request{Span: span})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return printResult(out, Request{}, false)
}

// TestChunksWithEqualStartsAreAllKept: chunks that began at one stamp replaced each other when the
// original joined them.
func TestChunksWithEqualStartsAreAllKept(t *testing.T) {
	list := []fakeSeries{
		seriesOf("a", []int64{1000e9, 2000e9, 3000e9}, []float64{1, 2, 3}),
		seriesOf("b", []int64{1000e9, 2500e9, 3000e9}, []float64{100, 200, 300}),
	}
	if got, want := answer(t, list, "* | count, sum by nothing", chunk.Span{}), "{aggregate=\"count\"} 6\n{aggregate=\"sum\"} 606\n"; got != want {
		t.Errorf("got %swant %s", got, want)
	}
	want := "{host=\"a\", metric=\"m\"}: 1000=1 2000=2 3000=3\n{host=\"b\", metric=\"m\"}: 1000=100 2500=200 3000=300\n"
	if got := answer(t, list, "*", chunk.Span{}); got != want {
		t.Errorf("got %swant %s", got, want)
	}
}

// TestRangeInAGapOfAChunk: a range between the observations of a chunk failed the request.
func TestRangeInAGapOfAChunk(t *testing.T) {
	list := []fakeSeries{
		seriesOf("a", []int64{1000e9, 2000e9, 900000e9, 901000e9}, []float64{1, 2, 3, 4}),
		seriesOf("b", []int64{150000e9}, []float64{5}),
	}
	gap := chunk.Span{Start: 100000e9, End: 200000e9}
	for text, want := range map[string]string{
		"*": "{host=\"b\", metric=\"m\"}: 150000=5\n", "* | count": "{host=\"b\", metric=\"m\"} 1\n",
		"* | mean every 1d": "{host=\"b\", metric=\"m\"}: 86400=5\n", "host:a": "", "host:a | rate | max": "", "host:a | p 0.5": "",
	} {
		if got := answer(t, list, text, gap); got != want {
			t.Errorf("%s: got %swant %s", text, got, want)
		}
	}
}

// TestRangeEndsAreExact: chunks that began at the end of a range, or one before, were left out.
func TestRangeEndsAreExact(t *testing.T) {
	list := []fakeSeries{seriesOf("a", []int64{10, 20, 30, 40, 50, 60}, []float64{1, 2, 3, 4, 5, 6})}
	for span, want := range map[chunk.Span]string{
		{Start: 10, End: 61}: "21", {Start: 10, End: 60}: "15", {Start: 11, End: 60}: "14", {Start: 10, End: 41}: "10", {Start: 10, End: 40}: "6",
		{Start: 39, End: 41}: "4",
	} {
		if got := answer(t, list, "* | sum", span); got != "{host=\"a\", metric=\"m\"} "+want+"\n" {
			t.Errorf("%v: got %s, want %s", span, got, want)
		}
	}
}

// TestDerivativeAndIntegralKnowTime: a ramp of one a second had a derivative of 0.5 with stamps in
// the future, and the integral did not look at stamps at all.
func TestDerivativeAndIntegralKnowTime(t *testing.T) {
	list := []fakeSeries{seriesOf("a", []int64{0, 1e9, 2e9, 3e9}, []float64{0, 1, 2, 3})}
	head := `{host="a", metric="m"}`
	for text, want := range map[string]string{
		"* | derivative":                ": 1=1 2=1 3=1",
		"* | mul 0 | add 2 | integral":  " 6",
		"* | integral":                  " 4.5",
		"* | derivative every 2s":       ": 0=1 2=1",
		"* | top 10":                    ": 0=0 1=1 2=2 3=3",
		"* | integral every 2s":         ": 0=0.5 2=4",
		"* | integral every 2s | sum":   " 4.5",
		"* | mul 0 | sub 3 | integral":  " -9",
		"* | derivative | integral":     " 2",
		"* | rate every 1h | sub 1":     ": 0=0",
		"* | delta every 2s | sum":      " 3",
		"* | increase every 2s":         ": 0=1 2=2",
		"* | derivative | count, last ": "",
	} {
		got := strings.TrimSuffix(strings.TrimPrefix(answer(t, list, text, chunk.Span{}), head), "\n")
		if want != "" && got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	quarter := []fakeSeries{seriesOf("a", []int64{0, 250e6, 500e6}, []float64{0, 1, 2})}
	if got := answer(t, quarter, "* | derivative", chunk.Span{}); got != head+": 0.25=4 0.5=4\n" {
		t.Errorf("four times a second: %s", got)
	}
	// The same where stamps are ten times as far apart.
	slow := []fakeSeries{seriesOf("a", []int64{0, 10e9, 20e9, 30e9}, []float64{2, 2, 2, 2})}
	if got := answer(t, slow, "* | integral", chunk.Span{}); got != head+" 60\n" {
		t.Errorf("constant 2 over 30 s: %s", got)
	}
}

// TestNaNIsAGap: NaN in JSON killed the request, and NaN at the start of a series stuck to its minimum.
func TestNaNIsAGap(t *testing.T) {
	list := []fakeSeries{seriesOf("a", []int64{0, 1e9, 2e9, 3e9}, []float64{math.NaN(), 3, math.NaN(), 1})}
	want := `{aggregate="count", host="a", metric="m"} 2
{aggregate="nans", host="a", metric="m"} 2
{aggregate="min", host="a", metric="m"} 1
{aggregate="max", host="a", metric="m"} 3
{aggregate="median", host="a", metric="m"} 2
`
	if got := answer(t, list, "* | count, nans, min, max, median", chunk.Span{}); got != want {
		t.Errorf("got %s", got)
	}
}

// TestNegativeStamps: stamps before 1970 were taken for marks of "none", and came back wrong.
func TestNegativeStamps(t *testing.T) {
	list := []fakeSeries{seriesOf("a", []int64{-5e9, -1e9, 3e9, 8e9}, []float64{1, 2, 3, 4})}
	head := `{host="a", metric="m"}`
	for text, want := range map[string]string{
		"*": ": -5=1 -1=2 3=3 8=4", "* | sum every 5s": ": -5=3 0=3 5=4", "* | derivative": ": -1=0.25 3=0.25 8=0.2",
	} {
		if got := answer(t, list, text, chunk.Span{}); got != head+want+"\n" {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

// TestExtremeStamps: the first and the last stamp that there is are like any others.
func TestExtremeStamps(t *testing.T) {
	list := []fakeSeries{seriesOf("a", []int64{math.MinInt64, 0, math.MaxInt64}, []float64{1, 2, 3})}
	for text, want := range map[string]int{"*": 3, "* | sum every 1y": 3, "* | sum every 36500d": 3, "* | sum every 1h": 3, "* | rate": 2} {
		out, err := engineOver(fakeStore(list, 1, 1, nil)).Run(context.Background(), mustParse(t, text), Request{})
		if err != nil || len(out.Series) != 1 || out.Series[0].Samples.Len() != want {
			t.Errorf("%s: %v, %v", text, out, err)
		}
	}
}

func TestRoundedIntegersAreNamed(t *testing.T) {
	s := seriesOf("a", []int64{0, 1}, nil)
	s.Kind = chunk.Int64
	s.chunks[0].samples = chunk.Samples{Kind: chunk.Int64, Times: []int64{0, 1}, Ints: []int64{1<<53 + 1, 7}}
	for text, warnings := range map[string]int{"*": 0, "* | count": 0, "* | sum": 1, "* | median, sum": 1, "* | abs": 1, "* | max every 1ns": 1} {
		out, err := engineOver(fakeStore([]fakeSeries{s}, 1, 3, nil)).Run(context.Background(), mustParse(t, text), Request{})
		if err != nil || len(out.Warnings) != warnings {
			t.Errorf("%s: %q, %v", text, out.Warnings, err)
		}
	}
	raw := answer(t, []fakeSeries{s}, "*", chunk.Span{})
	if !strings.Contains(raw, "9007199254740993") {
		t.Errorf("raw: %s", raw)
	}
}

// TestLimitReadsNoMoreThanItTakes reads few of many series, more where the first turn out to be empty.
func TestLimitReadsNoMoreThanItTakes(t *testing.T) {
	parts := fakeStore(ramp(100, 10), 2, 5, nil)
	out, err := engineOver(parts).Run(context.Background(), mustParse(t, "* | limit 3"), Request{})
	if err != nil || len(out.Series) != 3 || out.Stats.ChunksDecoded != 6 {
		t.Errorf("%d series, %v, %v", len(out.Series), &out.Stats, err)
	}
	for _, p := range parts {
		p.broken = func(p fakePiece) error {
			if v, _ := p.series.Dimensions.Get("host"); v < "h030" {
				return chunk.ErrCorrupt
			}
			return nil
		}
	}
	out, err = engineOver(parts).Run(context.Background(), mustParse(t, "* | limit 3"), Request{})
	if err != nil || len(out.Series) != 3 {
		t.Fatalf("%d series, %v", len(out.Series), err)
	}
	if v, _ := out.Series[0].Dimensions.Get("host"); v != "h030" || out.Stats.ChunksDecoded > 200 {
		t.Errorf("first is %s, %v", v, &out.Stats)
	}
}
