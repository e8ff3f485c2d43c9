package query

import (
	"context"
	"math"
	"slices"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// numeric returns the rows of in with their values as float64s, which are the caller's to change.
// Rows of strings are left out, with a warning that names the stage.
func (r *run) numeric(in *set, stage string) ([]ResultSeries, error) {
	out := in.rows[:0:0]
	for _, row := range in.rows {
		if row.IsText || row.Samples.Kind == chunk.String && !row.Single {
			r.warn.add("%v holds strings: left out of %s", row.Dimensions, stage)
			continue
		}
		if !row.Single && row.Samples.Kind != chunk.Float64 {
			if err := r.budget.reserve(8 * int64(row.Samples.Len())); err != nil {
				return nil, err
			}
			values, exact := floatsOf(make([]float64, 0, row.Samples.Len()), &row.Samples)
			if !exact {
				r.warn.add("%v holds integers beyond 2^53: %s used them rounded to float64", row.Dimensions, stage)
			}
			row.Samples = chunk.Samples{Kind: chunk.Float64, Times: row.Samples.Times, Floats: values}
		}
		out = append(out, row)
	}
	return out, nil
}

// transform makes a series of each series.
func (r *run) transform(ctx context.Context, in *set, s *transform) (*set, error) {
	spec, err := analytics.Lookup(s.call.name)
	if err != nil {
		return nil, err
	}
	rows, err := r.numeric(in, spec.Name)
	if err != nil {
		return nil, err
	}
	err = r.parallel(ctx, len(rows), func(w *worker, i int) error {
		row := &rows[i]
		t, err := spec.NewTransform(s.call.args...)
		if err != nil {
			return err
		}
		if row.Single {
			row.Value = t.Apply(analytics.Points{}, analytics.Points{Times: zero[:], Values: []float64{row.Value}}).Values[0]
			return nil
		}
		return r.apply(w, t, row)
	})
	return &set{shape: in.shape, rows: nonEmpty(rows)}, err
}

// apply transforms one row, in place but for its stamps: these stay the column that was, or a part
// of it, where they are equal to that, since rows share it.
func (r *run) apply(w *worker, t analytics.Transform, row *ResultSeries) error {
	src := analytics.Points{Times: row.Samples.Times, Values: row.Samples.Floats}
	out := t.Apply(analytics.Points{Times: w.times[:0], Values: src.Values[:0]}, src)
	w.times = out.Times
	times := row.Samples.Times
	n := len(out.Times)
	if n <= len(times) {
		times = times[len(times)-n:]
	}
	if !slices.Equal(times, out.Times) {
		if err := r.budget.reserve(8 * int64(n)); err != nil {
			return err
		}
		times = slices.Clone(out.Times)
	}
	row.Samples = chunk.Samples{Kind: chunk.Float64, Times: times, Floats: out.Values}
	return nil
}

// nonEmpty drops the rows without observations.
func nonEmpty(rows []ResultSeries) []ResultSeries {
	return slices.DeleteFunc(rows, func(s ResultSeries) bool { return !s.Single && s.Samples.Len() == 0 })
}

// fill puts values where windows have none. Missing are the windows of the span that was asked for
// where it has a start and an end, else from the first window of the whole set to its last; and so
// are values that are NaN.
func (r *run) fill(in *set, s *fill) (*set, error) {
	if s.none || len(in.rows) == 0 {
		return in, nil
	}
	rows, err := r.numeric(in, "fill")
	if err != nil || len(rows) == 0 {
		return &set{shape: in.shape}, err
	}
	span := chunk.Span{Start: math.MaxInt64, End: math.MinInt64}
	for i := range rows {
		times := rows[i].Samples.Times
		span = chunk.Span{Start: min(span.Start, times[0]), End: max(span.End, times[len(times)-1])}
	}
	span = chunk.SpanOf(span.Start, span.End)
	if !r.span.Empty() && r.span.Start != math.MinInt64 {
		span.Start = min(span.Start, r.span.Start)
	}
	if !r.span.Empty() && r.span.End != math.MaxInt64 {
		span.End = max(span.End, r.span.End)
	}
	w, err := r.windows(s.every)
	if err != nil {
		return nil, err
	}
	g, err := newWholeGrid(w, span, r.budget.limit/16)
	if err != nil {
		return nil, err
	}
	grid := g.edges[:g.len()]
	if err := r.budget.reserveMany(int64(len(grid)), 8*int64(len(rows)+1)); err != nil {
		return nil, err
	}
	for i := range rows {
		p := analytics.AppendGrid(analytics.Points{}, grid, analytics.Points{Times: rows[i].Samples.Times, Values: rows[i].Samples.Floats})
		s.how.Fill(p.Times, p.Values, s.value)
		rows[i].Samples = dropGaps(grid, p.Values)
	}
	return &set{shape: in.shape, rows: nonEmpty(rows)}, nil
}

// dropGaps returns the values that are no gaps with their stamps, which are times where all are.
func dropGaps(times []int64, values []float64) chunk.Samples {
	out := chunk.Samples{Kind: chunk.Float64, Times: times, Floats: values}
	if !slices.ContainsFunc(values, math.IsNaN) {
		return out
	}
	out.Times, out.Floats = nil, values[:0]
	for i, v := range values {
		if v == v {
			out.Times, out.Floats = append(out.Times, times[i]), append(out.Floats, v)
		}
	}
	return out
}

// order orders the rows, and keeps some of them.
func (r *run) order(ctx context.Context, in *set, s *order) (*set, error) {
	if s.n == 0 || len(in.rows) == 0 {
		return &set{shape: in.shape}, nil
	}
	keys, err := r.keys(ctx, in, s)
	if err != nil {
		return nil, err
	}
	out := &set{shape: in.shape}
	for _, i := range analytics.Rank(keys, s.falling, s.n) {
		out.rows = append(out.rows, in.rows[i])
	}
	return out, nil
}

// keys returns the number that each row is ordered by: its single value, or an aggregate.
func (r *run) keys(ctx context.Context, in *set, s *order) ([]float64, error) {
	name := call{name: "mean"}
	if s.by != nil {
		name = *s.by
	}
	spec, err := analytics.Lookup(name.name)
	if err != nil {
		return nil, err
	}
	agg, err := spec.New(name.args...)
	if err != nil {
		return nil, err
	}
	keys := make([]float64, len(in.rows))
	m := &memory{rows: in.rows}
	err = r.parallel(ctx, len(keys), func(w *worker, i int) error {
		row := &in.rows[i]
		if row.Single && s.by == nil && !row.IsText {
			keys[i] = row.Value
			return nil
		}
		samples := m.samples(i)
		if samples.Kind == chunk.String {
			if keys[i] = math.NaN(); spec.Name == "count" {
				keys[i] = float64(samples.Len())
			}
			return nil
		}
		states := agg.NewStates(1)
		values, _ := floatsOf(w.floats[:0], &samples)
		if samples.Kind != chunk.Float64 {
			w.floats = values
		}
		states.Add(0, samples.Times, values)
		keys[i] = states.Result(nil, 0)[0]
		return nil
	})
	return keys, err
}
