package query

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// A folder answers one stage of aggregates. Each task folds its pieces into states of its own;
// these are merged in the order of the tasks, so that the answer is the same on every machine.
type folder struct {
	run      *run
	stock    *survey
	stage    *aggregate
	funcs    []function
	perCell  int64 // bytes of the empty states of one group in one window
	counting bool  // all functions only count observations
	groups   []group
	groupOf  []int32 // by series
	grid     *grid   // nil: the whole range is one window

	mu    sync.Mutex // guards what follows
	done  []*partial // by task: what waits for those before it
	next  int        // the first task that is not merged
	final *partial   // of the groups that are in several tasks
}

// A function is one of the stage's aggregates.
type function struct {
	spec    analytics.Spec
	agg     analytics.Aggregate
	textual bool // has states of its own for strings
}

// counts reports whether the values do not matter.
func (f *function) counts() bool { return f.spec.Name == "count" }

// exact reports whether the function is right for integers that are rounded.
func (f *function) exact() bool { return f.spec.Name == "count" || f.spec.Name == "nans" }

// A group is a row of the result, or several where there are several outputs.
type group struct {
	dims     chunk.Dimensions
	from, to int32    // windows that it may have observations in
	tasks    int32    // with pieces of it
	acc      *partial // where its states are in the end; nil: nowhere
	slot     int32    // of acc
}

// A partial is states: of some groups, of the windows of each.
type partial struct {
	slots    []slot
	states   []analytics.States       // by function
	texts    []analytics.StringStates // by function; nil where there are no strings
	seen     []bool                   // by state: there were observations that are not strings
	seenText []bool                   // and that are
	reserved int64                    // for empty states
	adopted  bool                     // a group refers to it
	notes    []string
}

// A slot is the states of one group in a partial: n windows from window from on, the first of which
// is state at.
type slot struct {
	group   int32
	from, n int32
	at      int
}

// fold answers the stage for all that there is.
func (r *run) fold(ctx context.Context, stock *survey, stage *aggregate, plan *Plan) (*set, error) {
	f := &folder{run: r, stock: stock, stage: stage, done: make([]*partial, len(stock.tasks))}
	if err := f.prepare(); err != nil {
		return nil, err
	}
	err := r.parallel(ctx, len(stock.tasks), func(w *worker, i int) error {
		p, err := f.work(ctx, w, &stock.tasks[i])
		if err != nil {
			return err
		}
		return f.finish(i, p)
	})
	r.collect(stock, plan)
	if err != nil {
		return nil, err
	}
	rows, err := f.results(ctx)
	if err != nil {
		return nil, err
	}
	out := &set{shape: single, rows: rows}
	if stage.every != nil {
		out.shape = windowed
	}
	return out, nil
}

// prepare binds the functions, groups the series and lays the windows.
func (f *folder) prepare() error {
	for _, c := range f.stage.calls {
		spec, err := analytics.Lookup(c.name)
		if err != nil {
			return err
		}
		agg, err := spec.New(c.args...)
		if err != nil {
			return err
		}
		f.funcs = append(f.funcs, function{spec: spec, agg: agg, textual: spec.Strings && spec.Name != "count"})
		f.perCell += agg.NewStates(1).Bytes()
	}
	f.perCell++ // seen
	f.counting = !slices.ContainsFunc(f.funcs, func(fn function) bool { return !fn.exact() })
	f.group()
	if err := f.lay(); err != nil {
		return err
	}
	return f.allot()
}

// warnUnknown warns of names to group by that no series has: they are all in one group then, which
// is seldom what was meant.
func (f *folder) warnUnknown() {
	series := f.stock.series
	for _, name := range f.stage.by.names {
		has := func(s chunk.Series) bool {
			_, ok := s.Dimensions.Get(name)
			return ok
		}
		if len(series) == 0 || slices.ContainsFunc(series, has) {
			continue
		}
		var known []string
		for _, d := range series[0].Dimensions {
			known = append(known, d.Name)
		}
		hint := ""
		if near := nearest(name, known); near != "" {
			hint = fmt.Sprintf(", did you mean %q?", near)
		}
		f.run.warn.add("no series has the dimension %q to group by%s", name, hint)
	}
}

// group puts the series into groups.
func (f *folder) group() {
	series := f.stock.series
	f.groupOf = make([]int32, len(series))
	if f.stage.by == nil {
		f.groups = make([]group, len(series))
		for i := range series {
			f.groupOf[i] = int32(i)
			f.groups[i] = group{dims: series[i].Dimensions, from: math.MaxInt32}
		}
		return
	}
	f.warnUnknown()
	byKey := make(map[string]int32)
	var key []byte
	for i := range series {
		dims := series[i].Dimensions
		key = appendKey(key[:0], dims, f.stage.by.names)
		g, ok := byKey[string(key)]
		if !ok {
			g = int32(len(f.groups))
			byKey[string(key)] = g
			f.groups = append(f.groups, group{dims: dims.Only(f.stage.by.names...), from: math.MaxInt32})
		}
		f.groupOf[i] = g
	}
}

// appendKey appends bytes to dst that are equal for equal values of the names.
func appendKey(dst []byte, d chunk.Dimensions, names []string) []byte {
	for _, n := range names {
		v, _ := d.Get(n) // no value is empty, so that empty means absent
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		dst = append(dst, v...)
	}
	return dst
}

// lay lays the windows over what there is.
func (f *folder) lay() error {
	e := f.stage.every
	if e == nil {
		return nil
	}
	w, err := f.run.windows(e)
	if err != nil {
		return err
	}
	limit := f.run.budget.limit / 16
	if f.grid, err = newGrid(w, f.stock.spans(), limit); err != nil {
		return err
	}
	return f.run.budget.reserveMany(int64(f.grid.len()), 8)
}

// windows returns the windows of e, in its zone or that of the request.
func (r *run) windows(e *every) (windows, error) {
	w := windows{period: e.period, offset: e.offset, loc: r.loc}
	if e.zone != "" {
		loc, err := loadZone(e.zone)
		if err != nil {
			return w, fmt.Errorf("every: %w", err)
		}
		w.loc = loc
	}
	return w, nil
}

// windowsOf returns the first window that p may have observations in, and the last.
func (f *folder) windowsOf(p *piece) (from, to int32) {
	if f.grid == nil {
		return 0, 0
	}
	return int32(f.grid.find(p.Span.Start)), int32(f.grid.find(lastStamp(p.Span)))
}

// allot counts the windows and tasks of each group, and makes states for those in several tasks.
func (f *folder) allot() error {
	lastTask := make([]int32, len(f.groups))
	for t := range f.stock.tasks {
		pieces := f.stock.tasks[t].pieces
		for i := range pieces {
			k := f.groupOf[pieces[i].series]
			g := &f.groups[k]
			from, to := f.windowsOf(&pieces[i])
			g.from, g.to = min(g.from, from), max(g.to, to+1)
			if lastTask[k] != int32(t)+1 {
				lastTask[k] = int32(t) + 1
				g.tasks++
			}
		}
	}
	var slots []slot
	for i := range f.groups {
		if g := &f.groups[i]; g.tasks > 1 {
			g.slot = int32(len(slots))
			slots = append(slots, slot{group: int32(i), from: g.from, n: g.to - g.from})
		}
	}
	var err error
	f.final, err = f.newPartial(slots)
	for i := range f.groups {
		if g := &f.groups[i]; g.tasks > 1 {
			g.acc = f.final
		}
	}
	return err
}

// newPartial returns empty states for slots, whose places it sets.
func (f *folder) newPartial(slots []slot) (*partial, error) {
	n := 0
	for i := range slots {
		slots[i].at = n
		n += int(slots[i].n)
	}
	p := &partial{slots: slots}
	if err := f.run.budget.reserveMany(int64(n), f.perCell); err != nil {
		return p, err
	}
	p.reserved = int64(n) * f.perCell
	p.seen = make([]bool, n)
	for i := range f.funcs {
		p.states = append(p.states, f.funcs[i].agg.NewStates(n))
	}
	return p, nil
}

// needTexts makes the states for strings.
func (f *folder) needTexts(p *partial) error {
	if p.texts != nil {
		return nil
	}
	n := len(p.seen)
	p.texts = make([]analytics.StringStates, len(f.funcs))
	for i := range f.funcs {
		if !f.funcs[i].textual {
			continue
		}
		s, err := f.funcs[i].spec.NewStringStates(n)
		if err != nil {
			return err
		}
		p.texts[i] = s
	}
	p.seenText = make([]bool, n)
	return f.run.budget.reserve(p.textBytes() + int64(n))
}

func (p *partial) textBytes() (n int64) {
	for _, s := range p.texts {
		if s != nil {
			n += s.Bytes()
		}
	}
	return n
}

func (p *partial) bytes() (n int64) {
	for _, s := range p.states {
		n += s.Bytes()
	}
	return n
}

// finish merges what can be merged, now that task i is done.
func (f *folder) finish(i int, p *partial) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[i] = p
	for ; f.next < len(f.done) && f.done[f.next] != nil; f.next++ {
		p := f.done[f.next]
		f.done[f.next] = nil
		if err := f.merge(p); err != nil {
			return err
		}
		for _, note := range p.notes {
			f.run.warn.add("%s", note)
		}
		if !p.adopted { // what its values took is now in the final states
			if err := f.run.budget.reserve(-p.reserved); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge folds p into the final states, or leaves states of groups that are nowhere else in it.
func (f *folder) merge(p *partial) error {
	if p.texts != nil && len(f.final.slots) > 0 {
		if err := f.needTexts(f.final); err != nil {
			return err
		}
	}
	for i, s := range p.slots {
		g := &f.groups[s.group]
		if g.tasks == 1 {
			g.acc, g.slot, p.adopted = p, int32(i), true
			continue
		}
		to := &f.final.slots[g.slot]
		base := to.at + int(s.from-to.from)
		for k := range int(s.n) {
			if p.seen[s.at+k] {
				f.final.seen[base+k] = true
				for c, states := range f.final.states {
					states.Merge(base+k, p.states[c], s.at+k)
				}
			}
			if p.texts == nil || !p.seenText[s.at+k] {
				continue
			}
			f.final.seenText[base+k] = true
			for c, states := range f.final.texts {
				if states != nil {
					states.Merge(base+k, p.texts[c], s.at+k)
				} else if f.funcs[c].counts() && !p.seen[s.at+k] {
					f.final.states[c].Merge(base+k, p.states[c], s.at+k)
				}
			}
		}
	}
	return nil
}

// isCorrupt reports whether err says that something is damaged, which is skipped.
func isCorrupt(err error) bool { return errors.Is(err, chunk.ErrCorrupt) }

// order returns the groups in the order of the result.
func (f *folder) order() []int32 {
	if f.stage.by == nil {
		return f.stock.byDimensions()
	}
	out := make([]int32, len(f.groups))
	for i := range out {
		out[i] = int32(i)
	}
	slices.SortFunc(out, func(a, b int32) int { return f.groups[a].dims.Compare(f.groups[b].dims) })
	return out
}
