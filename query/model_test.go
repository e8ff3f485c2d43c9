package query

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// The model answers queries by the definitions, one observation at a time.

type point struct {
	t int64
	v float64
}

type modelRow struct {
	dims   chunk.Dimensions
	points []point
	single bool
}

type model struct {
	series []modelRow // within the span
	span   chunk.Span
	loc    *time.Location
}

func (m *model) query(q *Query) []modelRow {
	var rows []modelRow
	switch s := q.source.(type) {
	case *selection:
		for _, r := range m.series {
			if s.filter.Match(r.dims) && len(r.points) > 0 {
				rows = append(rows, r)
			}
		}
		sortRows(rows)
	case *operation:
		rows = m.operation(s)
	case *Query:
		rows = m.query(s)
	}
	for _, s := range q.stages {
		rows = m.stage(rows, s)
	}
	return rows
}

func sortRows(rows []modelRow) {
	slices.SortStableFunc(rows, func(a, b modelRow) int { return a.dims.Compare(b.dims) })
}

func (m *model) operation(o *operation) []modelRow {
	side := func(s source) ([]modelRow, float64, bool) {
		switch s := s.(type) {
		case number:
			return nil, float64(s), true
		case *operation:
			return m.operation(s), 0, false
		}
		return m.query(s.(*Query)), 0, false
	}
	left, a, isA := side(o.left)
	right, b, isB := side(o.right)
	switch {
	case isA:
		return mapRows(right, func(v float64) float64 { return o.op.Of(a, v) })
	case isB:
		return mapRows(left, func(v float64) float64 { return o.op.Of(v, b) })
	}
	return m.join(o.op, left, right, nil)
}

func mapRows(rows []modelRow, f func(float64) float64) []modelRow {
	var out []modelRow
	for _, r := range rows {
		points := slices.Clone(r.points)
		for i := range points {
			points[i].v = f(points[i].v)
		}
		out = append(out, modelRow{r.dims, points, r.single})
	}
	return out
}

func (m *model) stage(rows []modelRow, s stage) []modelRow {
	switch s := s.(type) {
	case *aggregate:
		return m.aggregate(rows, s)
	case *transform:
		return m.transform(rows, s.call)
	case *arithmetic:
		if s.query != nil {
			return m.join(s.op, rows, m.query(s.query), s.on)
		}
		return mapRows(rows, func(v float64) float64 { return s.op.Of(v, s.number) })
	case *fill:
		return m.fill(rows, s, s.every)
	case *limit:
		return rows[:min(s.n, len(rows))]
	case *order:
		return m.order(rows, s)
	case *ends:
		return keepPoints(rows, func(_ modelRow, i, n int) bool { return s.tail && i >= n-s.n || !s.tail && i < s.n })
	case *where:
		return m.where(rows, s)
	}
	panic("no such stage")
}

// keepPoints keeps the points of series, of n each, for which f holds of the i-th.
func keepPoints(rows []modelRow, f func(r modelRow, i, n int) bool) []modelRow {
	var out []modelRow
	for _, r := range rows {
		row := modelRow{dims: r.dims, single: r.single}
		for i, p := range r.points {
			if f(r, i, len(r.points)) {
				row.points = append(row.points, p)
			}
		}
		if len(row.points) > 0 {
			out = append(out, row)
		}
	}
	return out
}

func (m *model) where(rows []modelRow, s *where) []modelRow {
	if s.query == nil {
		return keepPoints(rows, func(r modelRow, i, _ int) bool {
			v := r.points[i].v
			switch s.compare {
			case less:
				return v < s.number
			case lessOrEqual:
				return v <= s.number
			case greater:
				return v > s.number
			case greaterOrEqual:
				return v >= s.number
			case equal:
				return v == s.number
			}
			return v == v && v != s.number
		})
	}
	others := m.query(s.query)
	return keepPoints(rows, func(r modelRow, i, _ int) bool {
		for _, o := range others {
			if r.dims.Only(s.on...).String() != o.dims.Only(s.on...).String() {
				continue
			}
			for _, p := range o.points {
				if r.single || o.single || p.t == r.points[i].t {
					return true
				}
			}
		}
		return false
	})
}

func (m *model) aggregate(rows []modelRow, s *aggregate) []modelRow {
	var groups [][]modelRow
	byKey := map[string]int{}
	for i, r := range rows {
		key, dims := fmt.Sprint(i), r.dims
		if s.by != nil {
			dims = r.dims.Only(s.by.names...)
			key = dims.String()
		}
		k, ok := byKey[key]
		if !ok {
			k = len(groups)
			byKey[key] = k
			groups = append(groups, nil)
		}
		groups[k] = append(groups[k], modelRow{dims, r.points, r.single})
	}
	slices.SortStableFunc(groups, func(a, b []modelRow) int { return a[0].dims.Compare(b[0].dims) })
	outputs := 0
	for _, c := range s.calls {
		outputs += max(len(c.args), 1)
	}
	var out []modelRow
	for _, g := range groups {
		windows := map[int64][]point{}
		before := map[int64]*point{}
		var starts []int64
		for _, r := range g {
			var last *point
			for i, p := range r.points {
				start := int64(0)
				if s.every != nil {
					w := windowsOf(s.every, m.loc)
					start = w.floor(p.t)
				}
				if _, ok := windows[start]; !ok {
					starts = append(starts, start)
					before[start] = last
				}
				windows[start] = append(windows[start], p)
				if p.v == p.v {
					last = &r.points[i]
				}
			}
		}
		slices.Sort(starts)
		for _, c := range s.calls {
			for i := range max(len(c.args), 1) {
				row := modelRow{dims: g[0].dims, single: s.every == nil}
				name := c.name
				var arg float64
				if len(c.args) > 0 {
					arg = c.args[i]
					name += formatNumber(arg)
				}
				if outputs > 1 {
					row.dims = appendAggregate(nil, row.dims, name)
				}
				for _, start := range starts {
					row.points = append(row.points, point{start, define(c.name, arg, windows[start], before[start])})
				}
				out = append(out, row)
			}
		}
	}
	return out
}

func windowsOf(e *every, loc *time.Location) *windows {
	w := &windows{period: e.period, offset: e.offset, loc: loc}
	if e.zone != "" {
		w.loc, _ = time.LoadLocation(e.zone)
	}
	return w
}

// define is what the aggregates mean. Before is the last value of the series before the window.
func define(name string, arg float64, all []point, before *point) float64 {
	var ps []point
	for _, p := range all {
		if p.v == p.v {
			ps = append(ps, p)
		}
	}
	slices.SortStableFunc(ps, func(a, b point) int { // of equal stamps the greater value is later and earlier
		return cmp.Compare(a.t, b.t)
	})
	n := float64(len(ps))
	var vs []float64
	sum := 0.0
	for _, p := range ps {
		vs = append(vs, p.v)
		sum += p.v
	}
	slices.Sort(vs)
	switch name {
	case "count":
		return n
	case "nans":
		return float64(len(all)) - n
	case "distinct":
		return float64(len(slices.Compact(vs)))
	}
	if len(ps) == 0 {
		return math.NaN()
	}
	first, last := ps[0], ps[len(ps)-1]
	for _, p := range ps {
		if p.t == first.t {
			first.v = max(first.v, p.v)
		}
		if p.t == last.t {
			last.v = max(last.v, p.v)
		}
	}
	switch name {
	case "sum":
		return sum
	case "mean":
		return sum / n
	case "min":
		return vs[0]
	case "max":
		return vs[len(vs)-1]
	case "range":
		return vs[len(vs)-1] - vs[0]
	case "first":
		return first.v
	case "last":
		return last.v
	case "diff":
		return math.Abs(last.v - first.v)
	case "sdiff":
		return last.v - first.v
	case "stddev":
		m2 := 0.0
		for _, v := range vs {
			m2 += (v - sum/n) * (v - sum/n)
		}
		if n < 2 {
			return math.NaN()
		}
		return math.Sqrt(m2 / (n - 1))
	case "median":
		return typeSeven(vs, 0.5)
	case "p":
		return typeSeven(vs, arg)
	}
	// Of one series: from the last value before the window, step by step.
	if before != nil {
		ps = append([]point{*before}, ps...)
	}
	if len(ps) < 2 {
		return math.NaN()
	}
	var grown, area float64
	for i := 1; i < len(ps); i++ {
		a, b := ps[i-1], ps[i]
		area += (a.v + b.v) / 2 * float64(b.t-a.t) / 1e9
		if grown += b.v - a.v; b.v < a.v {
			grown += a.v
		}
	}
	seconds := float64(ps[len(ps)-1].t-ps[0].t) / 1e9
	change := ps[len(ps)-1].v - ps[0].v
	switch name {
	case "increase":
		return grown
	case "rate":
		return grown / seconds
	case "delta":
		return change
	case "derivative":
		return change / seconds
	case "integral":
		return area
	}
	panic(name)
}

func typeSeven(vs []float64, q float64) float64 {
	h := float64(len(vs)-1) * q
	k := int(h)
	if k+1 >= len(vs) {
		return vs[len(vs)-1]
	}
	return vs[k] + (h-float64(k))*(vs[k+1]-vs[k])
}

func (m *model) transform(rows []modelRow, c call) []modelRow {
	var out []modelRow
	for _, r := range rows {
		row := modelRow{dims: r.dims, single: r.single}
		var prev *point
		for i, p := range r.points {
			if c.name == "abs" {
				row.points = append(row.points, point{p.t, math.Abs(p.v)})
				continue
			}
			if p.v != p.v {
				continue
			}
			if prev != nil {
				change := p.v - prev.v
				if c.name == "rate" && change < 0 {
					change = p.v
				}
				row.points = append(row.points, point{p.t, change / (float64(p.t-prev.t) / 1e9)})
			}
			prev = &r.points[i]
		}
		if len(row.points) > 0 {
			out = append(out, row)
		}
	}
	return out
}

func (m *model) fill(rows []modelRow, s *fill, e *every) []modelRow {
	if s.none || len(rows) == 0 {
		return rows
	}
	w := windowsOf(e, m.loc)
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for _, r := range rows {
		lo, hi = min(lo, r.points[0].t), max(hi, r.points[len(r.points)-1].t)
	}
	if m.span.Start != math.MinInt64 {
		lo = min(lo, m.span.Start)
	}
	if m.span.End != math.MaxInt64 {
		hi = max(hi, m.span.End-1)
	}
	var out []modelRow
	for _, r := range rows {
		has := map[int64]float64{}
		var known []point
		for _, p := range r.points {
			if p.v == p.v {
				has[p.t] = p.v
				known = append(known, p)
			}
		}
		row := modelRow{dims: r.dims}
		for t := w.floor(lo); t <= hi; t = w.next(t) {
			v, ok := has[t]
			i := 0 // known points before t
			for i < len(known) && known[i].t < t {
				i++
			}
			switch {
			case ok:
			case s.how == analytics.FillValue:
				v = s.value
			case i == 0, s.how == analytics.FillLinear && i == len(known):
				continue
			case s.how == analytics.FillPrevious:
				v = known[i-1].v
			default:
				a, b := known[i-1], known[i]
				v = a.v + (b.v-a.v)*float64(t-a.t)/float64(b.t-a.t)
			}
			row.points = append(row.points, point{t, v})
		}
		if len(row.points) > 0 {
			out = append(out, row)
		}
	}
	return out
}

func (m *model) order(rows []modelRow, s *order) []modelRow {
	if s.n == 0 {
		return nil
	}
	key := func(r modelRow) float64 {
		c := call{name: "mean"}
		if s.by != nil {
			c = *s.by
		}
		var arg float64
		if len(c.args) > 0 {
			arg = c.args[0]
		}
		return define(c.name, arg, r.points, nil)
	}
	out := slices.Clone(rows)
	slices.SortStableFunc(out, func(a, b modelRow) int {
		x, y := key(a), key(b)
		switch {
		case x != x && y != y:
			return 0
		case x != x:
			return 1
		case y != y:
			return -1
		case s.falling:
			x, y = y, x
		}
		return cmp.Compare(x, y)
	})
	if s.n > 0 {
		out = out[:min(s.n, len(out))]
	}
	return out
}

// join follows match for what is one to one or one to many on given dimensions.
func (m *model) join(op analytics.Operator, a, b []modelRow, on []string) []modelRow {
	var out []modelRow
	key := func(r modelRow) string { return r.dims.Only(on...).String() }
	if on == nil {
		on = []string{"host", "process"} // what the test's queries match on
	}
	counts := map[string]int{}
	for _, y := range b {
		counts[key(y)]++
	}
	for _, x := range a {
		for _, y := range b {
			if key(x) != key(y) {
				continue
			}
			row := modelRow{dims: chunk.Dimensions{}, single: x.single && y.single}
			for _, d := range x.dims {
				if v, ok := y.dims.Get(d.Name); ok && v == d.Value {
					row.dims = append(row.dims, d)
				}
			}
			for _, p := range x.points {
				for _, q := range y.points {
					switch {
					case x.single:
						row.points = append(row.points, point{q.t, op.Of(p.v, q.v)})
					case y.single, p.t == q.t:
						row.points = append(row.points, point{p.t, op.Of(p.v, q.v)})
					}
				}
			}
			if len(row.points) > 0 {
				out = append(out, row)
			}
		}
	}
	sortRows(out)
	return out
}

// randomSeries returns series of two metrics of some hosts; some share their stamps.
func randomSeries(rng *rand.Rand) []fakeSeries {
	var out []fakeSeries
	for _, host := range []string{"a", "b", "c"} {
		shared := randomTimes(rng)
		for _, metric := range []string{"m", "n"} {
			for _, process := range []string{"x", "y"} {
				if rng.IntN(4) == 0 {
					continue
				}
				s := fakeSeries{chunks: make([]fakeChunk, 1)}
				s.Dimensions = chunk.Dimensions{{Name: "host", Value: host}, {Name: "metric", Value: metric}, {Name: "process", Value: process}}
				s.Kind = chunk.Kind(1 + rng.IntN(3))
				times := shared
				if rng.IntN(3) == 0 {
					times = randomTimes(rng)
				}
				c := &s.chunks[0].samples
				c.Kind = s.Kind
				level := rng.NormFloat64() * 100
				constant := rng.IntN(4) == 0
				for _, t := range times {
					c.Times = append(c.Times, t)
					v := math.Round(rng.NormFloat64() * 10)
					if constant {
						v = 3
					}
					switch s.Kind {
					case chunk.Int64:
						c.Ints = append(c.Ints, int64(v))
					case chunk.Bool:
						c.Bools = append(c.Bools, v > 0)
					default:
						if rng.IntN(10) == 0 && !constant {
							v = math.NaN()
						}
						c.Floats = append(c.Floats, v+level)
					}
				}
				out = append(out, s)
			}
		}
	}
	return out
}

func randomTimes(rng *rand.Rand) []int64 {
	var out []int64
	t := rng.Int64N(200) - 50
	for range 1 + rng.IntN(60) {
		out = append(out, t*1e9)
		t += 1 + rng.Int64N(10)
		if rng.IntN(20) == 0 {
			t += rng.Int64N(100000)
		}
	}
	return out
}

// randomQuery returns the text of a query.
func randomQuery(rng *rand.Rand) string {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	every := func() string {
		return " every " + pick("7s", "10s", "1m", "1h", "1d", "3h", "1w", "1d offset=6h", "1m offset=13s", "1d tz=\"America/New_York\"", "1s")
	}
	anyAgg := func() string {
		return pick("count", "sum", "mean", "min", "max", "range", "first", "last", "diff", "sdiff", "stddev", "median", "p 0.9", "p 0.1 0.77", "distinct", "nans")
	}
	perSeries := func() string { return pick("increase", "delta", "integral") }
	text := pick("*", "metric:m", "host:a", "metric:n -host:b", "host:(a OR c)")
	stages := 1 + rng.IntN(3)
	shape := columns
	for range stages {
		switch k := rng.IntN(10); {
		case k < 4:
			asked := []string{anyAgg()}
			for rng.IntN(3) == 0 {
				if a := anyAgg(); !slices.Contains(asked, a) {
					asked = append(asked, a)
				}
			}
			text += " | " + strings.Join(asked, ", ")
			text += pick("", "", " by host", " by metric, process", " by nothing", " by nosuch")
			next := single
			if shape != single && rng.IntN(2) == 0 {
				text += every()
				next = windowed
			}
			shape = next
		case k < 6 && shape != single:
			if rng.IntN(2) == 0 {
				text += " | " + pick("rate", "derivative", perSeries()) + every()
				shape = windowed
			} else if rng.IntN(2) == 0 {
				text += " | " + perSeries()
				shape = single
			} else {
				text += " | " + pick("rate", "derivative")
			}
		case k == 6:
			text += " | " + pick("abs", "add 1.5", "mul -2", "div 4", "sub 100")
		case k == 7 && shape == windowed && !strings.Contains(text, "1s"):
			text += " | fill " + pick("0", "none", "previous", "linear", "-1.5")
		case k == 9 && shape != single && rng.IntN(2) == 0:
			text += " | " + pick("head 1", "tail 1", "head 7", "tail 7", "tail 100", "tail 0")
		case k == 9:
			text += " | where " + pick("> 0.123", "<= 0.123", "< -3", ">= 3", "== 3", "!= 3", "(metric:m) on host", "(metric:n | where > 3.1) on host, process", "(host:a | max) on process")
		case k == 8:
			text += " | " + pick("limit 2", "top 3", "bottom 2 by max", "sort desc", "sort by count", "top 2 by p 0.5", "limit 100")
		}
	}
	if rng.IntN(6) == 0 {
		stage := pick(" | mean by host, process", " | mean by host, process every 1m", " | rate every 1h | max by host, process every 1h")
		text = "(metric:m" + stage + ") " + pick("+", "-", "*", "/") + " (metric:n" + stage + ")" + pick("", " | abs", " | max")
		if rng.IntN(2) == 0 {
			text = pick("2 * ", "1 - ") + "(" + text + ")"
		}
	}
	return text
}

// TestRandomQueries asks random queries of random data in random pieces, and compares the answers
// with the definitions; and those of one worker with those of many, bit for bit.
func TestRandomQueries(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 300
	}
	for seed := range uint64(n) {
		rng := rand.New(rand.NewPCG(seed, 7))
		list := randomSeries(rng)
		text := randomQuery(rng)
		q, err := Parse(text)
		if err != nil {
			t.Fatalf("seed %d: %q: %v", seed, text, err)
		}
		req := Request{Span: chunk.Always, Location: time.UTC}
		if rng.IntN(2) == 0 {
			req.Span.Start = rng.Int64N(400e9) - 60e9
		}
		if rng.IntN(2) == 0 {
			req.Span.End = max(req.Span.Start, -60e9) + rng.Int64N(1000e9)
		}
		if rng.IntN(2) == 0 {
			req.Location, _ = time.LoadLocation("Europe/Berlin")
		}
		m := &model{span: req.Span, loc: req.Location}
		for _, s := range list {
			c := s.chunks[0].samples.Clip(req.Span)
			values, _ := floatsOf(nil, &c)
			row := modelRow{dims: s.Dimensions}
			for i, at := range c.Times {
				row.points = append(row.points, point{at, values[i]})
			}
			m.series = append(m.series, row)
		}
		parts := fakeStore(list, 1+rng.IntN(4), 1+rng.IntN(20), rng)
		e := engineOver(parts)
		got, err := e.Run(context.Background(), q, req)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, q, err)
		}
		if err := sameRows(got.Series, m.query(q)); err != nil {
			t.Fatalf("seed %d: %s in %v: %v\ngot:\n%s", seed, q, req.Span, err, printResult(got, req, false))
		}
		e.Options.Workers = 1
		again, err := e.Run(context.Background(), q, req)
		if err != nil || !sameBits(got.Series, again.Series) {
			t.Fatalf("seed %d: %s: one worker answers otherwise: %v\n%s\n%s", seed, q, err, printResult(got, req, false), printResult(again, req, false))
		}
	}
}

// sameBits reports whether a and b are the same, NaN being equal to itself.
func sameBits(a, b []ResultSeries) bool {
	return reflect.DeepEqual(bitsOf(a), bitsOf(b))
}

func bitsOf(rows []ResultSeries) []any {
	var out []any
	for _, r := range rows {
		out = append(out, r.Dimensions, r.Samples.Times, math.Float64bits(r.Value), r.Samples.Ints, r.Samples.Bools)
		for _, v := range r.Samples.Floats {
			out = append(out, math.Float64bits(v))
		}
	}
	return out
}

func sameRows(got []ResultSeries, want []modelRow) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d rows, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if !g.Dimensions.Equal(w.dims) || g.Single != w.single {
			return fmt.Errorf("row %d is %v (single: %v), want %v (%v)", i, g.Dimensions, g.Single, w.dims, w.single)
		}
		if g.Single {
			if !near(g.Value, w.points[0].v) {
				return fmt.Errorf("%v is %v, want %v", w.dims, g.Value, w.points[0].v)
			}
			continue
		}
		values, _ := floatsOf(nil, &g.Samples)
		if len(values) != len(w.points) {
			return fmt.Errorf("%v has %d points, want %d", w.dims, len(values), len(w.points))
		}
		for k, p := range w.points {
			if g.Samples.Times[k] != p.t || !near(values[k], p.v) {
				return fmt.Errorf("%v: point %d is %d=%v, want %d=%v", w.dims, k, g.Samples.Times[k], values[k], p.t, p.v)
			}
		}
	}
	return nil
}

func near(a, b float64) bool {
	if a == b || a != a && b != b {
		return true
	}
	return math.Abs(a-b) <= 1e-9*(1+max(math.Abs(a), math.Abs(b)))
}
