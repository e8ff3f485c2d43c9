package query

import (
	"context"
	"math"
	"slices"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// ends is the stage head or tail: it keeps the first or the last n observations of each series.
type ends struct {
	n    int
	tail bool
}

// where is the stage that keeps observations: those whose value compares so with a number, or those
// at whose stamp the series that it matches has one, too.
type where struct {
	compare comparison
	number  float64
	query   *Query   // nil: compare with number
	on      []string // dimensions to match on; nil: the common ones
}

// A comparison is one of the six.
type comparison uint8

const (
	less comparison = iota
	lessOrEqual
	greater
	greaterOrEqual
	equal
	unequal
)

// signs are the comparisons as text; of two that begin alike the longer one comes first.
var signs = []struct {
	text string
	is   comparison
}{{"<=", lessOrEqual}, {"<", less}, {">=", greaterOrEqual}, {">", greater}, {"==", equal}, {"!=", unequal}}

// String returns the sign.
func (c comparison) String() string {
	for _, s := range signs {
		if s.is == c {
			return s.text
		}
	}
	return "?"
}

// holds reports whether v compares so with k. No comparison holds for a gap.
func (c comparison) holds(v, k float64) bool {
	switch c {
	case less:
		return v < k
	case lessOrEqual:
		return v <= k
	case greater:
		return v > k
	case greaterOrEqual:
		return v >= k
	case equal:
		return v == k
	case unequal:
		return v < k || v > k
	}
	return false
}

// possible reports whether it can hold for some value of a chunk with statistics s.
func (c comparison) possible(s *chunk.Stats, k float64) bool {
	if s.Values() == 0 {
		return false
	}
	switch c {
	case less, lessOrEqual:
		return c.holds(s.Min, k)
	case greater, greaterOrEqual:
		return c.holds(s.Max, k)
	case equal:
		return s.Min <= k && k <= s.Max
	case unequal:
		return !(s.Min == k && s.Max == k)
	}
	return true
}

// A narrowing is what need not be read of a selection.
type narrowing struct {
	keep  int                                           // series, the first by dimensions; negative: all
	prune func(list []piece, of []chunk.Series) []piece // drops pieces of one part, which are by series and then time; may be nil
	edge  *ends                                         // of the pieces only one end is wanted; may be nil
}

// everything narrows nothing.
var everything = narrowing{keep: -1}

// pruned returns list without the pieces that s need not read. The pieces are of one part, by
// series and then time.
func (s *where) pruned(list []piece, kinds []chunk.Series) []piece {
	if s.query != nil {
		return list
	}
	return slices.DeleteFunc(list, func(p piece) bool {
		kind := kinds[p.series].Kind
		return p.Exact && (kind == chunk.Float64 || kind == chunk.Int64) && !s.compare.possible(&p.Stats, s.number)
	})
}

// pruned returns list without the pieces that s need not read: it counts what surely is in a piece,
// from the end that is kept. The pieces are of one part, by series and then time.
func (s *ends) pruned(list []piece, of []chunk.Series) []piece {
	out := list[:0]
	for from := 0; from < len(list); {
		to := endOfSeries(list, from)
		series := list[from:to]
		have, low, high := int64(0), 0, len(series)
		if s.tail {
			for low = len(series); low > 0 && have < int64(s.n); low-- {
				have += surely(&series[low-1])
			}
		} else {
			for high = 0; high < len(series) && have < int64(s.n); high++ {
				have += surely(&series[high])
			}
		}
		for i := range series[low:high] {
			p := series[low+i]
			if _, ok := s.one(&p, of[p.series].Kind); ok {
				p.Rows = 1
			}
			out = append(out, p)
		}
		from = to
	}
	return out
}

// one returns the one observation that is wanted of a piece, where statistics tell it exactly.
func (s *ends) one(p *piece, kind chunk.Kind) (chunk.Samples, bool) {
	if s == nil || s.n != 1 || !p.Exact || p.Stats.NaNs > 0 || p.Stats.Count == 0 {
		return chunk.Samples{}, false
	}
	t, v := p.Stats.FirstTime, p.Stats.First
	if s.tail {
		t, v = p.Stats.LastTime, p.Stats.Last
	}
	out := chunk.Samples{Kind: kind, Times: []int64{t}}
	switch kind {
	case chunk.Float64:
		out.Floats = []float64{v}
	case chunk.Int64:
		out.Ints = []int64{int64(v)}
		return out, math.Abs(v) < 1<<53 // beyond, statistics are rounded
	case chunk.Bool:
		out.Bools = []bool{v != 0}
	case chunk.String:
		return out, false
	}
	return out, true
}

// surely returns how many observations are in p at least.
func surely(p *piece) int64 {
	if p.Exact {
		return p.Stats.Count
	}
	return 0
}

// keep answers head and tail.
func (s *ends) keep(in *set) *set {
	out := &set{shape: in.shape, rows: slices.Clone(in.rows)}
	for i := range out.rows {
		row := &out.rows[i]
		if n := row.Samples.Len(); !row.Single && n > s.n {
			if s.tail {
				row.Samples = row.Samples.Slice(n-s.n, n)
			} else {
				row.Samples = row.Samples.Slice(0, s.n)
			}
		}
	}
	out.rows = nonEmpty(out.rows)
	return out
}

// where answers the stage s of in.
func (r *run) where(ctx context.Context, in *set, s *where, plan *Plan) (*set, error) {
	if s.query != nil {
		return r.whereAlso(ctx, in, s, plan)
	}
	out := &set{shape: in.shape}
	for _, row := range in.rows {
		if row.IsText || row.Samples.Kind == chunk.String && !row.Single {
			r.warn.add("%v holds strings: left out of where", row.Dimensions)
			continue
		}
		if !row.Single || s.compare.holds(row.Value, s.number) {
			out.rows = append(out.rows, row)
		}
	}
	err := r.parallel(ctx, len(out.rows), func(w *worker, i int) error {
		if row := &out.rows[i]; !row.Single {
			values := row.Samples.Floats
			if row.Samples.Kind != chunk.Float64 {
				values, _ = floatsOf(w.floats[:0], &row.Samples)
				w.floats = values
			}
			w.places = w.places[:0]
			for k, v := range values {
				if s.compare.holds(v, s.number) {
					w.places = append(w.places, int32(k))
				}
			}
			return r.pick(row, w.places)
		}
		return nil
	})
	out.rows = nonEmpty(out.rows)
	return out, err
}

// whereAlso keeps the observations of in at the stamps of the rows of a query that match them.
func (r *run) whereAlso(ctx context.Context, in *set, s *where, plan *Plan) (*set, error) {
	right, err := r.query(ctx, s.query, plan.input(1))
	if err != nil {
		return nil, err
	}
	on := s.on
	if on == nil {
		on = common(in.rows, right.rows)
	}
	byKey := make(map[string][]int)
	var key []byte
	for i := range right.rows {
		key = appendKey(key[:0], right.rows[i].Dimensions, on)
		byKey[string(key)] = append(byKey[string(key)], i)
	}
	partners := make([][]int, 0, len(in.rows))
	out := &set{shape: in.shape}
	for _, row := range in.rows {
		key = appendKey(key[:0], row.Dimensions, on)
		if found := byKey[string(key)]; len(found) > 0 {
			out.rows, partners = append(out.rows, row), append(partners, found)
		}
	}
	err = r.parallel(ctx, len(out.rows), func(w *worker, i int) error {
		row := &out.rows[i]
		if row.Single {
			return nil
		}
		w.places = w.places[:0]
		for _, k := range partners[i] {
			if right.rows[k].Single {
				return nil // it goes with every stamp
			}
			w.places = appendCommon(w.places, row.Samples.Times, right.rows[k].Samples.Times)
		}
		if len(partners[i]) > 1 {
			slices.Sort(w.places)
			w.places = slices.Compact(w.places)
		}
		return r.pick(row, w.places)
	})
	out.rows = nonEmpty(out.rows)
	return out, err
}

// appendCommon appends the places in a of the stamps that b has, too; both are sorted.
func appendCommon(dst []int32, a, b []int64) []int32 {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			dst = append(dst, int32(i))
			i, j = i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return dst
}

// pick keeps of row the observations at places, in new columns.
func (r *run) pick(row *ResultSeries, places []int32) error {
	s := &row.Samples
	if len(places) == s.Len() {
		return nil
	}
	if err := r.budget.reserveMany(int64(len(places)), 24); err != nil {
		return err
	}
	row.Samples = chunk.Samples{
		Kind: s.Kind, Times: chosen(s.Times, places), Floats: chosen(s.Floats, places),
		Ints: chosen(s.Ints, places), Bools: chosen(s.Bools, places), Strings: chosen(s.Strings, places),
	}
	return nil
}

// chosen returns the members of all at places; of a column that is not there none.
func chosen[T any](all []T, places []int32) []T {
	if all == nil {
		return nil
	}
	out := make([]T, len(places))
	for i, k := range places {
		out[i] = all[k]
	}
	return out
}

// lastWindows answers an aggregate of windows of which only the last n of each group are kept, by
// s, from the end of what there is: a part that has as many windows of every group as are kept is
// enough. It returns nil where that is not to be had, and the whole span must be read.
func (r *run) lastWindows(ctx context.Context, from *selection, stage *aggregate, s *ends, plan *Plan) (*set, error) {
	if stage.every == nil || !s.tail || !freeOfOrder(stage) {
		return nil, nil
	}
	w, err := r.windows(stage.every)
	if err != nil {
		return nil, err
	}
	all, groups, err := r.extent(ctx, from, stage.by)
	if err != nil || all.Empty() {
		return nil, err
	}
	whole, before := r.span, r.stats.SeriesSelected
	defer func() { r.span = whole }()
	start := lastStamp(all)
	for want := max(s.n, 1); ; want *= 16 {
		for range want {
			if start = w.floor(start); start <= all.Start || start == math.MinInt64 {
				r.stats.SeriesSelected = before
				return nil, nil
			}
			start--
		}
		r.stats.SeriesSelected = before
		r.span = chunk.Span{Start: start + 1, End: whole.End}
		stock, err := r.open(ctx, from, everything)
		if err != nil {
			return nil, err
		}
		plan.stage(2).selected(stock)
		out, err := r.fold(ctx, stock, stage, plan.stage(1))
		stock.close() // nothing was written: what closing could say does not matter here
		if err != nil {
			return nil, err
		}
		enough := len(out.rows) >= groups*len(stage.calls)
		for i := range out.rows {
			enough = enough && out.rows[i].Samples.Len() >= s.n
		}
		if enough {
			plan.rows(out)
			return out, nil
		}
	}
}

// freeOfOrder reports whether no function of the stage looks beyond the window.
func freeOfOrder(stage *aggregate) bool {
	for i := range stage.calls {
		if spec, err := analytics.Lookup(stage.calls[i].name); err != nil || spec.PerSeries {
			return false
		}
	}
	return true
}

// extent returns the span of all pieces of what s selects, and into how many groups it falls at
// least.
func (r *run) extent(ctx context.Context, s *selection, by *grouping) (chunk.Span, int, error) {
	stock, err := r.open(ctx, s, everything)
	if err != nil {
		return chunk.Span{}, 0, err
	}
	defer stock.close() // nothing was written: what closing could say does not matter here
	all := chunk.Span{}
	groups := make(map[string]bool)
	last := int32(-1)
	var key []byte
	for t := range stock.tasks {
		for i := range stock.tasks[t].pieces {
			p := &stock.tasks[t].pieces[i]
			all = all.Union(p.Span)
			if p.series == last {
				continue
			}
			last = p.series
			d := stock.series[p.series].Dimensions
			if by != nil {
				key = appendKey(key[:0], d, by.names)
			} else {
				key = d.Append(key[:0])
			}
			groups[string(key)] = true
		}
	}
	return all, len(groups), nil
}
