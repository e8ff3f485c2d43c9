package query

import (
	"context"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// resultBatch is how many groups one call makes the rows of.
const resultBatch = 64

// results makes the rows, in order.
func (f *folder) results(ctx context.Context) ([]ResultSeries, error) {
	var names []string // of all outputs
	for i := range f.funcs {
		names = append(names, f.funcs[i].agg.Outputs()...)
	}
	order := f.order()
	batches := make([][]ResultSeries, (len(order)+resultBatch-1)/resultBatch)
	err := f.run.parallel(ctx, len(batches), func(_ *worker, i int) error {
		m := &rowMaker{folder: f, names: names}
		batch := order[i*resultBatch : min((i+1)*resultBatch, len(order))]
		m.rows = make([]ResultSeries, 0, len(batch)*len(names))
		for _, g := range batch {
			if err := m.group(&f.groups[g]); err != nil {
				return err
			}
		}
		batches[i] = m.rows
		return nil
	})
	return slices.Concat(batches...), err
}

// A rowMaker makes rows of some groups.
type rowMaker struct {
	*folder
	names []string
	rows  []ResultSeries
	times []int64          // of the row before, to be shared
	room  chunk.Dimensions // for those of the next rows
	buf   []float64
}

// group makes the rows of g: none where there were no observations.
func (m *rowMaker) group(g *group) error {
	if g.acc == nil {
		return nil
	}
	s := g.acc.slots[g.slot]
	seen := g.acc.seen[s.at : s.at+int(s.n)]
	var seenText []bool
	if g.acc.texts != nil {
		seenText = g.acc.seenText[s.at : s.at+int(s.n)]
	}
	output := 0
	for k := range m.funcs {
		n := len(m.funcs[k].agg.Outputs())
		names := m.names[output : output+n]
		output += n
		is := seen
		if m.funcs[k].counts() && seenText != nil {
			is = slices.Clone(seen)
			for i, t := range seenText {
				is[i] = is[i] || t
			}
		}
		if slices.Contains(is, true) {
			if err := m.numbers(g, k, names, s, is); err != nil {
				return err
			}
		}
		if seenText != nil && g.acc.texts[k] != nil && slices.Contains(seenText, true) {
			if err := m.strings(g, k, names[0], s, seenText); err != nil {
				return err
			}
		}
	}
	return nil
}

// dimensions returns those of a row of g.
func (m *rowMaker) dimensions(g *group, name string) chunk.Dimensions {
	if len(m.names) == 1 {
		return g.dims
	}
	if n := len(g.dims) + 1; cap(m.room)-len(m.room) < n {
		m.room = make(chunk.Dimensions, 0, n*max(len(m.names), 64))
	}
	at := len(m.room)
	m.room = appendAggregate(m.room, g.dims, name)
	return m.room[at:len(m.room):len(m.room)]
}

// appendAggregate appends d with the dimension that names an output. Where d has it, from a stage
// before, both are named: mean|max.
func appendAggregate(dst, d chunk.Dimensions, name string) chunk.Dimensions {
	i, found := slices.BinarySearchFunc(d, AggregateName, func(p chunk.Dimension, n string) int {
		return strings.Compare(p.Name, n)
	})
	dst = append(dst, d[:i]...)
	if found {
		name = d[i].Value + "|" + name
		i++
	}
	dst = append(dst, chunk.Dimension{Name: AggregateName, Value: name})
	return append(dst, d[min(i, len(d)):]...)
}

// numbers makes the rows of function k, one for each of its outputs.
func (m *rowMaker) numbers(g *group, k int, names []string, s slot, seen []bool) error {
	states := g.acc.states[k]
	if l, ok := states.(analytics.Linker); ok && m.grid != nil {
		l.Link(s.at, s.at+int(s.n))
	}
	if m.grid == nil {
		m.buf = states.Result(m.buf[:0], s.at)
		for i, name := range names {
			m.rows = append(m.rows, ResultSeries{Dimensions: m.dimensions(g, name), Single: true, Value: m.buf[i]})
		}
		return nil
	}
	times, err := m.stamps(s, seen)
	if err != nil {
		return err
	}
	if err := m.run.budget.reserve(8 * int64(len(times)*len(names))); err != nil {
		return err
	}
	columns := make([][]float64, len(names))
	for i := range columns {
		columns[i] = make([]float64, 0, len(times))
	}
	for w, is := range seen {
		if !is {
			continue
		}
		m.buf = states.Result(m.buf[:0], s.at+w)
		for i := range columns {
			columns[i] = append(columns[i], m.buf[i])
		}
	}
	for i, name := range names {
		m.rows = append(m.rows, ResultSeries{
			Dimensions: m.dimensions(g, name),
			Samples:    chunk.Samples{Kind: chunk.Float64, Times: times, Floats: columns[i]},
		})
	}
	return nil
}

// stamps returns the starts of the windows with observations: the slice of the row before, where
// they are the same.
func (m *rowMaker) stamps(s slot, seen []bool) ([]int64, error) {
	n, same := 0, true
	for w, is := range seen {
		if !is {
			continue
		}
		same = same && n < len(m.times) && m.times[n] == m.grid.edges[int(s.from)+w]
		n++
	}
	if same && n == len(m.times) {
		return m.times, nil
	}
	if err := m.run.budget.reserve(8 * int64(n)); err != nil {
		return nil, err
	}
	m.times = make([]int64, 0, n)
	for w, is := range seen {
		if is {
			m.times = append(m.times, m.grid.edges[int(s.from)+w])
		}
	}
	return m.times, nil
}

// strings makes the row of function k over strings.
func (m *rowMaker) strings(g *group, k int, name string, s slot, seen []bool) error {
	states, dims := g.acc.texts[k], m.dimensions(g, name)
	if m.grid == nil {
		t := states.Result(s.at)
		m.rows = append(m.rows, ResultSeries{Dimensions: dims, Single: true, Value: t.Number, Text: t.Text, IsText: t.IsText})
		return nil
	}
	times, err := m.stamps(s, seen)
	if err != nil {
		return err
	}
	out := chunk.Samples{Kind: chunk.Float64, Times: times}
	for w, is := range seen {
		if !is {
			continue
		}
		if t := states.Result(s.at + w); t.IsText {
			out.Kind = chunk.String
			out.Strings = append(out.Strings, t.Text)
		} else {
			out.Floats = append(out.Floats, t.Number)
		}
	}
	m.rows = append(m.rows, ResultSeries{Dimensions: dims, Samples: out})
	return m.run.budget.reserve(columnBytes(&out))
}
