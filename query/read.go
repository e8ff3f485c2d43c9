package query

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/chronodex/chronodex/chunk"
)

// A reader reads whole series into columns. Series with the same stamps share a column of them.
type reader struct {
	run    *run
	stock  *survey
	place  [][]place // by task, by piece
	series []target
}

// A place is where the observations of a piece are.
type place struct {
	offset int     // first row, of the series
	rows   int     // there are
	times  []int64 // their stamps, which pieces may share; nil where there are none
	id     int     // of times
}

// A target is the columns of one series.
type target struct {
	once    sync.Once
	rows    int // room
	pieces  []*place
	samples chunk.Samples
}

// read reads all that there is.
func (r *run) read(ctx context.Context, stock *survey, plan *Plan) (*set, error) {
	rd := &reader{run: r, stock: stock}
	if err := rd.lay(); err != nil {
		return nil, err
	}
	notes := make([][]string, len(stock.tasks))
	err := r.parallel(ctx, len(stock.tasks), func(w *worker, i int) (err error) {
		notes[i], err = rd.work(ctx, w, i)
		return err
	})
	r.collect(stock, plan)
	if err != nil {
		return nil, err
	}
	for _, list := range notes {
		for _, n := range list {
			r.warn.add("%s", n)
		}
	}
	if err := rd.joinTimes(ctx); err != nil {
		return nil, err
	}
	out := &set{shape: columns}
	for _, i := range stock.byDimensions() {
		if s := &rd.series[i].samples; s.Len() > 0 {
			out.rows = append(out.rows, ResultSeries{Dimensions: stock.series[i].Dimensions, Samples: *s})
		}
	}
	return out, nil
}

// lay gives each piece its rows.
func (rd *reader) lay() error {
	rd.series = make([]target, len(rd.stock.series))
	rd.place = make([][]place, len(rd.stock.tasks))
	bytes, known := int64(0), int64(0)
	for t := range rd.stock.tasks {
		pieces := rd.stock.tasks[t].pieces
		rd.place[t] = make([]place, len(pieces))
		for i := range pieces {
			p := &pieces[i]
			s := &rd.series[p.series]
			rd.place[t][i].offset = s.rows
			s.rows += p.Rows
			if p.Exact || p.Whole {
				known += int64(p.Rows)
			}
			s.pieces = append(s.pieces, &rd.place[t][i])
			size := int64(8)
			switch rd.stock.series[p.series].Kind {
			case chunk.Bool:
				size = 1
			case chunk.String:
				size = 16
			case chunk.Float64, chunk.Int64:
			}
			bytes += int64(p.Rows) * size
		}
	}
	if err := rd.run.quota.expect(known); err != nil && !rd.stock.stable {
		return err
	}
	return rd.run.budget.reserve(bytes)
}

// work reads the pieces of task i.
func (rd *reader) work(ctx context.Context, w *worker, i int) (notes []string, err error) {
	t := &rd.stock.tasks[i]
	stats := &w.stats[t.part]
	f := &feed{folder: &folder{run: rd.run, stock: rd.stock}, part: t.part, stats: stats, out: &partial{}}
	start := rd.run.now()
	defer func() { stats.Duration += rd.run.now().Sub(start) }()
	var last place
	var key shared // of last, where stamps are known by their slice
	for k := range t.pieces {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		p := &t.pieces[k]
		stats.Chunks++
		if s, ok := rd.stock.edge.one(p, rd.stock.series[p.series].Kind); ok {
			stats.ChunksFromStats++
			rd.place[i][k].rows, rd.place[i][k].times, rd.place[i][k].id = 1, s.Times, i<<32|k
			if err := rd.store(p, &rd.place[i][k], &s); err != nil {
				return nil, err
			}
			continue
		}
		s, err := rd.stock.parts[t.part].Read(ctx, p.Piece, w.buffer(t.part))
		if err != nil {
			if err := f.failed(p, err); err != nil {
				return nil, err
			}
			continue
		}
		if err := rd.run.took(rd.stock, stats, p, &s); err != nil {
			return nil, err
		}
		if s.Len() == 0 {
			continue
		}
		now := shared{first: &s.Times[0], n: s.Len(), group: p.Group}
		if same := now == key && p.Exact; !same && (last.times == nil || !slices.Equal(last.times, s.Times)) {
			if err := rd.run.budget.reserve(8 * int64(s.Len())); err != nil {
				return nil, err
			}
			stats.BytesDecoded += 8 * int64(s.Len())
			if err := rd.run.quota.take(0, 8*int64(s.Len())); err != nil && !rd.stock.stable {
				return nil, err
			}
			last = place{times: slices.Clone(s.Times), id: i<<32 | k}
		}
		if key = now; !p.Exact {
			key = shared{}
		}
		at := &rd.place[i][k]
		at.rows, at.times, at.id = s.Len(), last.times, last.id
		if err := rd.store(p, at, &s); err != nil {
			return nil, err
		}
	}
	return f.out.notes, nil
}

// store copies the values of s, the observations of p, to where they belong.
func (rd *reader) store(p *piece, at *place, s *chunk.Samples) error {
	to := &rd.series[p.series]
	if len(to.pieces) == 1 {
		to.samples = cloneColumn(s)
	} else {
		to.once.Do(func() { to.samples = makeColumn(s.Kind, to.rows) })
		c := &to.samples
		switch s.Kind {
		case chunk.Float64:
			copy(c.Floats[at.offset:], s.Floats)
		case chunk.Int64:
			copy(c.Ints[at.offset:], s.Ints)
		case chunk.Bool:
			copy(c.Bools[at.offset:], s.Bools)
		case chunk.String:
			copy(c.Strings[at.offset:], s.Strings)
		}
	}
	n := int64(0)
	for _, v := range s.Strings {
		n += int64(len(v))
	}
	return rd.run.budget.reserve(n)
}

// cloneColumn returns the values of s, without stamps.
func cloneColumn(s *chunk.Samples) chunk.Samples {
	out := chunk.Samples{Kind: s.Kind}
	switch s.Kind {
	case chunk.Float64:
		out.Floats = slices.Clone(s.Floats)
	case chunk.Int64:
		out.Ints = slices.Clone(s.Ints)
	case chunk.Bool:
		out.Bools = slices.Clone(s.Bools)
	case chunk.String:
		out.Strings = slices.Clone(s.Strings)
	}
	return out
}

// makeColumn returns n values of a kind, without stamps.
func makeColumn(kind chunk.Kind, n int) chunk.Samples {
	s := chunk.Samples{Kind: kind}
	switch kind {
	case chunk.Float64:
		s.Floats = make([]float64, n)
	case chunk.Int64:
		s.Ints = make([]int64, n)
	case chunk.Bool:
		s.Bools = make([]bool, n)
	case chunk.String:
		s.Strings = make([]string, n)
	}
	return s
}

// joinTimes gives each series its stamps, and closes the holes where pieces had fewer rows than
// was thought. Series whose pieces share their stamps share the column that is joined of them.
func (rd *reader) joinTimes(ctx context.Context) error {
	joined := make(map[string][]int32) // the series that share a column
	var order []string
	var key []byte
	for i := range rd.series {
		s := &rd.series[i]
		s.closeHoles()
		switch len(s.pieces) {
		case 0:
			continue
		case 1:
			s.samples.Times = s.pieces[0].times
			continue
		}
		key = key[:0]
		for _, p := range s.pieces {
			key = binary.AppendUvarint(binary.AppendUvarint(key, uint64(p.id)), uint64(len(p.times)))
		}
		if _, ok := joined[string(key)]; !ok {
			order = append(order, string(key))
		}
		joined[string(key)] = append(joined[string(key)], int32(i))
	}
	return rd.run.parallel(ctx, len(order), func(_ *worker, i int) error {
		share := joined[order[i]]
		first := &rd.series[share[0]]
		n := 0
		for _, p := range first.pieces {
			n += len(p.times)
		}
		if err := rd.run.budget.reserve(8 * int64(n)); err != nil {
			return err
		}
		times := make([]int64, 0, n)
		for _, p := range first.pieces {
			times = append(times, p.times...)
		}
		for _, k := range share {
			rd.series[k].samples.Times = times
		}
		return nil
	})
}

// closeHoles moves the values of pieces with fewer rows than there was room for together, and cuts
// the column to what there is.
func (t *target) closeHoles() {
	n := 0
	for _, p := range t.pieces {
		if p.rows > 0 && p.offset > n {
			c := &t.samples
			switch c.Kind {
			case chunk.Float64:
				copy(c.Floats[n:], c.Floats[p.offset:p.offset+p.rows])
			case chunk.Int64:
				copy(c.Ints[n:], c.Ints[p.offset:p.offset+p.rows])
			case chunk.Bool:
				copy(c.Bools[n:], c.Bools[p.offset:p.offset+p.rows])
			case chunk.String:
				copy(c.Strings[n:], c.Strings[p.offset:p.offset+p.rows])
			}
		}
		n += p.rows
	}
	if len(t.pieces) > 1 {
		t.samples = cutColumn(t.samples, n)
	}
}

// cutColumn returns the first n values.
func cutColumn(s chunk.Samples, n int) chunk.Samples {
	out := chunk.Samples{Kind: s.Kind}
	switch s.Kind {
	case chunk.Float64:
		out.Floats = s.Floats[:n]
	case chunk.Int64:
		out.Ints = s.Ints[:n]
	case chunk.Bool:
		out.Bools = s.Bools[:n]
	case chunk.String:
		out.Strings = s.Strings[:n]
	}
	return out
}
