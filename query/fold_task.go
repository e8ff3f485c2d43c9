package query

import (
	"context"
	"fmt"
	"math"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// A feed folds the pieces of one task into a partial.
type feed struct {
	*folder
	ctx    context.Context
	w      *worker
	part   int
	stats  *Stats
	out    *partial
	need   []bool // by function: statistics did not suffice for the piece at hand
	last   shared
	number chunk.Stats // of a piece of which nothing but its count is known
	noted  map[note]bool
}

// shared is the stamps for which w.bounds were computed.
type shared struct {
	first    *int64
	n        int
	group    uint64
	from, to int32
}

// A note is a warning about a series.
type note struct {
	series int32
	what   string
}

// work folds the pieces of task t.
func (f *folder) work(ctx context.Context, w *worker, t *task) (*partial, error) {
	out, err := f.newPartial(f.slots(w, t))
	if err != nil {
		return nil, err
	}
	d := &feed{folder: f, ctx: ctx, w: w, part: t.part, stats: &w.stats[t.part], out: out, need: make([]bool, len(f.funcs))}
	d.grow(t)
	start := f.run.now()
	for i := range t.pieces {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		p := &t.pieces[i]
		if err := d.piece(p, &out.slots[w.places[f.groupOf[p.series]]]); err != nil {
			return nil, err
		}
	}
	d.stats.Duration += f.run.now().Sub(start)
	texts := out.textBytes()
	grown := out.bytes() + int64(len(out.seen)) - out.reserved + texts
	if out.texts != nil {
		grown -= texts // the empty ones were counted when they were made
	}
	return out, f.run.budget.reserve(grown)
}

// grow makes room for the values of t in the states that keep them, where there are no windows.
func (d *feed) grow(t *task) {
	if d.grid != nil {
		return
	}
	for _, states := range d.out.states {
		g, ok := states.(analytics.Grower)
		if !ok {
			continue
		}
		rows := make([]int, len(d.out.slots))
		for i := range t.pieces {
			p := &t.pieces[i]
			constant := p.Exact && p.Stats.Min == p.Stats.Max
			if d.stock.series[p.series].Kind != chunk.String && !constant {
				rows[d.w.places[d.groupOf[p.series]]] += p.Rows
			}
		}
		for i, n := range rows {
			g.Grow(d.out.slots[i].at, n)
		}
	}
}

// slots returns a slot for each group of t, with the windows that it has there, and notes in
// w.places which one it is.
func (f *folder) slots(w *worker, t *task) []slot {
	if len(w.places) < len(f.groups) {
		w.places = make([]int32, len(f.groups))
	}
	var out []slot
	for i := range t.pieces {
		g := f.groupOf[t.pieces[i].series]
		from, to := f.windowsOf(&t.pieces[i])
		k := w.places[g]
		if int(k) >= len(out) || out[k].group != g {
			k = int32(len(out))
			w.places[g] = k
			out = append(out, slot{group: g, from: from, n: to - from + 1})
			continue
		}
		s := &out[k]
		first := min(s.from, from)
		s.n = max(s.from+s.n, to+1) - first
		s.from = first
	}
	return out
}

// piece folds p into s: its statistics where they suffice, else its observations.
func (d *feed) piece(p *piece, s *slot) error {
	d.stats.Chunks++
	from, to := d.windowsOf(p)
	at := s.at + int(from-s.from)
	kind := d.stock.series[p.series].Kind
	if kind == chunk.String {
		if !d.wantsStrings(p) {
			return nil
		}
		if err := d.needTexts(d.out); err != nil {
			return err
		}
	}
	if p.Whole && from == to && d.counting && kind != chunk.String {
		d.count(p, at)
		return nil
	}
	if p.Exact && from == to && d.fromStats(p, at, kind) {
		d.stats.ChunksFromStats++
		return nil
	}
	samples, err := d.stock.parts[d.part].Read(d.ctx, p.Piece, d.w.buffer(d.part))
	if err != nil {
		return d.failed(p, err)
	}
	if err := d.run.took(d.stock, d.stats, p, &samples); err != nil {
		return err
	}
	if samples.Len() == 0 {
		return nil
	}
	d.bounds(p, from, to, samples.Times)
	if kind == chunk.String {
		d.addStrings(at, &samples)
		return nil
	}
	values, exact := floatsOf(d.w.floats[:0], &samples)
	if samples.Kind != chunk.Float64 {
		d.w.floats = values
	}
	if !exact {
		d.rounded(p)
	}
	for k, need := range d.need {
		if !need {
			continue
		}
		switch {
		case from == to:
			d.out.states[k].Add(at, samples.Times, values)
		case isConstant(p):
			addConstant(d.out.states[k], at, d.w.bounds, samples.Times, values)
		default:
			d.out.states[k].AddRuns(at, d.w.bounds, samples.Times, values)
		}
	}
	mark(d.out.seen, at, d.w.bounds)
	return nil
}

// count folds a piece of which only the number of its observations is asked.
func (d *feed) count(p *piece, at int) {
	d.number.Count = int64(p.Rows)
	for _, states := range d.out.states {
		states.AddStats(at, &d.number)
	}
	d.out.seen[at] = true
	d.stats.ChunksFromStats++
}

// isConstant reports whether all observations of p are known to be one finite value. Half of the
// series of machines stand still at any time.
func isConstant(p *piece) bool {
	s := &p.Stats
	return p.Exact && s.NaNs == 0 && s.Min == s.Max && !math.IsInf(s.Min*float64(s.Count), 0)
}

// addConstant is AddRuns for values that are all equal: the statistics of each window are known
// without looking at them.
func addConstant(states analytics.States, at int, bounds []int32, times []int64, values []float64) {
	var s chunk.Stats // one, since it moves to the heap
	for k := range len(bounds) - 1 {
		from, to := bounds[k], bounds[k+1]
		if from == to {
			continue
		}
		s = chunk.Stats{
			Count: int64(to - from), FirstTime: times[from], LastTime: times[to-1],
			First: values[from], Last: values[to-1], Min: values[from], Max: values[from],
			Sum: values[from] * float64(to-from),
		}
		if !states.AddStats(at+k, &s) {
			states.Add(at+k, times[from:to], values[from:to])
		}
	}
}

// took counts what was read for p. Its error is a [*LimitError].
func (r *run) took(stock *survey, s *Stats, p *piece, samples *chunk.Samples) error {
	s.ChunksDecoded++
	if !p.Exact {
		s.ChunksCut++
	}
	n, bytes := int64(samples.Len()), columnBytes(samples)
	s.Observations += n
	s.BytesDecoded += bytes
	if stock.stable {
		return nil // what a stage made was counted when it was read
	}
	return r.quota.take(n, bytes)
}

// columnBytes is the size of the value column.
func columnBytes(s *chunk.Samples) int64 {
	n := int64(len(s.Floats)+len(s.Ints))*8 + int64(len(s.Bools)) + int64(len(s.Strings))*sizeOf[string]()
	for _, v := range s.Strings {
		n += int64(len(v))
	}
	return n
}

// failed says what an error of reading means.
func (d *feed) failed(p *piece, err error) error {
	series := d.stock.series[p.series]
	if !isCorrupt(err) {
		return fmt.Errorf("part %d: series %v: %w", d.part, series.Dimensions, err)
	}
	d.stats.ChunksCorrupt++
	d.out.notes = append(d.out.notes, fmt.Sprintf("skipped damaged observations of %v in %v: %v", series.Dimensions, p.Span, err))
	return nil
}

// fromStats folds the statistics of p into state at, for the functions for which they suffice;
// d.need is which they do not suffice for. It reports whether there is none.
func (d *feed) fromStats(p *piece, at int, kind chunk.Kind) bool {
	all := true
	for k := range d.funcs {
		fn := &d.funcs[k]
		switch {
		case kind != chunk.String:
			d.need[k] = !d.out.states[k].AddStats(at, &p.Stats)
		case fn.counts():
			d.need[k] = !d.out.states[k].AddStats(at, &chunk.Stats{Count: p.Stats.Count})
		case fn.textual:
			d.need[k] = !d.out.texts[k].AddStats(at, &p.Stats)
		default:
			d.need[k] = false
		}
		all = all && !d.need[k]
	}
	if p.Stats.Count == 0 {
		return all
	}
	if kind == chunk.String {
		d.out.seenText[at] = true
		return all
	}
	d.out.seen[at] = true
	if roundedStats(kind, &p.Stats) {
		d.rounded(p)
	}
	return all
}

// bounds makes w.bounds: the rows of times at which the windows [from, to] begin, and the last ends.
// Pieces of a group with the same stamps use what was computed for the first. It marks all functions
// as needed where statistics were not asked.
func (d *feed) bounds(p *piece, from, to int32, times []int64) {
	if !p.Exact || from != to {
		for k := range d.need {
			d.need[k] = true
		}
	}
	if from == to {
		d.w.bounds = append(d.w.bounds[:0], 0, int32(len(times)))
		d.last = shared{}
		return
	}
	// That a slice is the same says that its stamps are, only within a block that does not change.
	key := shared{first: &times[0], n: len(times), group: p.Group, from: from, to: to}
	if key == d.last {
		return
	}
	d.last = shared{}
	if p.Exact || d.stock.stable {
		d.last = key
	}
	d.stats.BytesDecoded += 8 * int64(len(times))
	edges := d.grid.edges[from : to+2]
	d.w.bounds = analytics.AppendBounds(d.w.bounds[:0], times, edges)
	if edges[len(edges)-1] == chunk.Always.End {
		d.w.bounds[len(edges)-1] = int32(len(times))
	}
}

// mark notes which windows have observations.
func mark(seen []bool, at int, bounds []int32) {
	for k := range len(bounds) - 1 {
		if bounds[k+1] > bounds[k] {
			seen[at+k] = true
		}
	}
}

// addStrings folds observations of strings into the states from at on.
func (d *feed) addStrings(at int, s *chunk.Samples) {
	bounds := d.w.bounds
	for k := range d.funcs {
		switch {
		case !d.need[k]:
		case d.funcs[k].counts():
			for i := range len(bounds) - 1 {
				d.out.states[k].AddStats(at+i, &chunk.Stats{Count: int64(bounds[i+1] - bounds[i])})
			}
		case d.funcs[k].textual:
			d.out.texts[k].AddRuns(at, bounds, s.Times, s.Strings)
		}
	}
	mark(d.out.seenText, at, bounds)
}

// wantsStrings notes the functions that leave out the strings of p, and reports whether any does not.
func (d *feed) wantsStrings(p *piece) bool {
	any := false
	for k := range d.funcs {
		if d.funcs[k].spec.Strings {
			any = true
			continue
		}
		name := d.funcs[k].spec.Name
		d.note(p.series, name, "%v holds strings: left out of %s", d.stock.series[p.series].Dimensions, name)
	}
	return any
}

// rounded notes that integers of p's series were rounded.
func (d *feed) rounded(p *piece) {
	for k := range d.funcs {
		if !d.funcs[k].exact() {
			d.note(p.series, "", "%v holds integers beyond 2^53: %s used them rounded to float64",
				d.stock.series[p.series].Dimensions, d.funcs[k].spec.Name)
			return
		}
	}
}

// note adds a warning, once for each series.
func (d *feed) note(series int32, what, format string, args ...any) {
	n := note{series, what}
	if d.noted[n] {
		return
	}
	if d.noted == nil {
		d.noted = make(map[note]bool)
	}
	d.noted[n] = true
	d.out.notes = append(d.out.notes, fmt.Sprintf(format, args...))
}
