package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/chronodex/chronodex/chunk"
)

// TestWindows prints the windows of a range: "windows every=1d tz=Europe/Berlin from=… to=…".
func TestWindows(t *testing.T) {
	datadriven.RunTest(t, "testdata/windows", func(t *testing.T, d *datadriven.TestData) string {
		arg := func(name string) (v string) {
			d.MaybeScanArgs(t, name, &v)
			return v
		}
		loc, err := time.LoadLocation(arg("tz"))
		if err != nil {
			t.Skip("no time zones here:", err)
		}
		p, err := parsePeriod(arg("every"))
		if err != nil {
			t.Fatal(err)
		}
		w := windows{period: p, loc: loc}
		if o := arg("offset"); o != "" {
			v, err := ParseDuration(o)
			if err != nil {
				t.Fatal(err)
			}
			w.offset = int64(v)
		}
		from, err := ParseTime(arg("from"), time.Time{}, loc)
		if err != nil {
			t.Fatal(err)
		}
		to, err := ParseTime(arg("to"), time.Time{}, loc)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for s := w.floor(from); s < to; s = w.next(s) {
			fmt.Fprintf(&b, "%s %v\n", time.Unix(0, s).In(loc).Format("Mon 2006-01-02 15:04:05 -0700"), time.Duration(w.next(s)-s))
		}
		return b.String()
	})
}

// TestWindowsTile checks the law of windows: each stamp is in exactly the one that floor and next say.
func TestWindowsTile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	zones := []*time.Location{time.UTC, time.FixedZone("odd", 5*3600+30*60)}
	for _, name := range []string{"Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"} {
		if loc, err := time.LoadLocation(name); err == nil {
			zones = append(zones, loc)
		}
	}
	periods := []string{"1ns", "7s", "1m", "15m", "1h", "6h", "7h", "36h", "1d", "3d", "1w", "2w", "1mo", "5mo", "1y", "10y"}
	for range 20000 {
		p, err := parsePeriod(periods[rng.IntN(len(periods))])
		if err != nil {
			t.Fatal(err)
		}
		w := windows{period: p, loc: zones[rng.IntN(len(zones))]}
		if rng.IntN(2) == 0 {
			w.offset = rng.Int64N(int64(48 * time.Hour))
		}
		at := rng.Int64N(int64(60*365*24*time.Hour)) - int64(10*365*24*time.Hour)
		if rng.IntN(20) == 0 {
			at = []int64{math.MinInt64, math.MaxInt64, math.MinInt64 + 5, math.MaxInt64 - 5, 0, -1}[rng.IntN(6)]
		}
		start, end := w.floor(at), w.next(at)
		if start > at || end <= at && end != math.MaxInt64 {
			t.Fatalf("%v offset %d in %v: %d is in [%d, %d)", p, w.offset, w.loc, at, start, end)
		}
		last := lastStamp(chunk.Span{Start: start, End: end})
		if w.next(start) != end || w.floor(start) != start || w.floor(last) != start || end != math.MaxInt64 && w.floor(end) != end {
			t.Fatalf("%v offset %d in %v: window [%d, %d) of %d: floor(start) %d, next(start) %d, floor(end) %d, floor(last) %d",
				p, w.offset, w.loc, start, end, at, w.floor(start), w.next(start), w.floor(end), w.floor(last))
		}
	}
}

func TestGridHoldsAllStamps(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		w := windows{period: period{n: 1 + rng.Int64N(1000)}, loc: time.UTC}
		if rng.IntN(2) == 0 {
			w.offset = rng.Int64N(5000)
		}
		var spans []chunk.Span
		for range 1 + rng.IntN(20) {
			start := rng.Int64N(1 << (10 + rng.IntN(40)))
			spans = append(spans, chunk.Span{Start: start, End: start + 1 + rng.Int64N(3000)})
		}
		g, err := newGrid(w, slices.Clone(spans), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spans {
			for _, at := range []int64{s.Start, (s.Start + s.End) / 2, s.End - 1} {
				k := g.find(at)
				if g.edges[k] != w.floor(at) || g.edges[k+1] != w.next(at) || g.gap(k) {
					t.Fatalf("every %d: %d is in window %d [%d, %d), gap %v; want [%d, %d)", w.period.n, at, k, g.edges[k], g.edges[k+1], g.gap(k), w.floor(at), w.next(at))
				}
			}
		}
		if !slices.IsSorted(g.edges) {
			t.Fatal("edges fall")
		}
	}
}

func TestGridIsBounded(t *testing.T) {
	_, err := newGrid(windows{period: period{n: 1}, loc: time.UTC}, []chunk.Span{{Start: 0, End: 1 << 60}}, 1<<20)
	if err == nil {
		t.Fatal("made a grid of 2⁶⁰ windows")
	}
	g, err := newGrid(windows{period: period{n: 1}, loc: time.UTC}, []chunk.Span{{Start: 0, End: 10}, {Start: 1 << 60, End: 1<<60 + 10}}, 1<<20)
	if err != nil || g.len() != 21 {
		t.Fatalf("%d windows, %v", g.len(), err)
	}
}
