package query

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/chunk"
)

// ErrMatch is wrapped by the error that several series of both sides of an operation belong together.
var ErrMatch = errors.New("both sides have several series that match each other")

// arithmetic makes the stage s of in.
func (r *run) arithmetic(ctx context.Context, in *set, s *arithmetic, plan *Plan) (*set, error) {
	if s.query == nil {
		return r.scalar(ctx, in, s.op, s.number, false)
	}
	right, err := r.query(ctx, s.query, plan.input(1))
	if err != nil {
		return nil, err
	}
	return r.join(ctx, s.op, in, right, s.on)
}

// operation answers an expression.
func (r *run) operation(ctx context.Context, o *operation, plan *Plan) (*set, error) {
	left, a, err := r.operand(ctx, o.left, plan.input(0))
	if err != nil {
		return nil, err
	}
	right, b, err := r.operand(ctx, o.right, plan.input(1))
	if err != nil {
		return nil, err
	}
	var out *set
	switch {
	case left == nil:
		out, err = r.scalar(ctx, right, o.op, a, true)
	case right == nil:
		out, err = r.scalar(ctx, left, o.op, b, false)
	default:
		out, err = r.join(ctx, o.op, left, right, nil)
	}
	if err == nil {
		plan.rows(out)
	}
	return out, err
}

// operand answers one side of an operation: a set, or where that is nil a number.
func (r *run) operand(ctx context.Context, s source, plan *Plan) (*set, float64, error) {
	switch s := s.(type) {
	case number:
		return nil, float64(s), nil
	case *operation:
		if k, ok := constant(s); ok {
			return nil, k, nil
		}
		out, err := r.operation(ctx, s, plan)
		return out, 0, err
	case *Query:
		out, err := r.query(ctx, s, plan)
		return out, 0, err
	}
	return nil, 0, fmt.Errorf("operand of type %T", s)
}

// constant returns the value of arithmetic between numbers only.
func constant(s source) (float64, bool) {
	switch s := s.(type) {
	case number:
		return float64(s), true
	case *operation:
		a, ok1 := constant(s.left)
		b, ok2 := constant(s.right)
		return s.op.Of(a, b), ok1 && ok2
	}
	return 0, false
}

// scalar returns in op k, or where swapped k op in.
func (r *run) scalar(ctx context.Context, in *set, op analytics.Operator, k float64, swapped bool) (*set, error) {
	rows, err := r.numeric(in, op.String())
	if err != nil {
		return nil, err
	}
	err = r.parallel(ctx, len(rows), func(_ *worker, i int) error {
		row := &rows[i]
		values := row.Samples.Floats
		switch {
		case row.Single && swapped:
			row.Value = op.Of(k, row.Value)
		case row.Single:
			row.Value = op.Of(row.Value, k)
		case swapped:
			for i, v := range values {
				values[i] = op.Of(k, v)
			}
		default:
			row.Samples.Floats = op.Scalar(values[:0], values, k)
		}
		return nil
	})
	return &set{shape: in.shape, rows: rows}, err
}

// join returns the rows of left op right: those whose dimensions match, at stamps that both have.
func (r *run) join(ctx context.Context, op analytics.Operator, left, right *set, on []string) (*set, error) {
	a, err := r.numeric(left, op.String())
	if err != nil {
		return nil, err
	}
	b, err := r.numeric(right, op.String())
	if err != nil {
		return nil, err
	}
	pairs, err := r.match(a, b, on)
	if err != nil {
		return nil, fmt.Errorf("%s of two queries: %w", operatorName(op), err)
	}
	out := &set{shape: combine(left.shape, right.shape), rows: make([]ResultSeries, len(pairs))}
	err = r.parallel(ctx, len(pairs), func(_ *worker, i int) error {
		p := pairs[i]
		row, err := r.combine(op, &a[p.left], &b[p.right])
		row.Dimensions = p.dims
		out.rows[i] = row
		return err
	})
	if err != nil {
		return nil, err
	}
	out.rows = nonEmpty(out.rows)
	slices.SortStableFunc(out.rows, func(a, b ResultSeries) int { return a.Dimensions.Compare(b.Dimensions) })
	return out, nil
}

// combine returns a op b. A single value goes with every observation of the other.
func (r *run) combine(op analytics.Operator, a, b *ResultSeries) (ResultSeries, error) {
	if a.Single && b.Single {
		return ResultSeries{Single: true, Value: op.Of(a.Value, b.Value)}, nil
	}
	if err := r.budget.reserve(8 * int64(max(a.Samples.Len(), b.Samples.Len()))); err != nil {
		return ResultSeries{}, err
	}
	out := chunk.Samples{Kind: chunk.Float64}
	switch {
	case b.Single:
		out.Times = a.Samples.Times
		out.Floats = op.Scalar(make([]float64, 0, len(out.Times)), a.Samples.Floats, b.Value)
	case a.Single:
		out.Times = b.Samples.Times
		out.Floats = make([]float64, 0, len(out.Times))
		for _, v := range b.Samples.Floats {
			out.Floats = append(out.Floats, op.Of(a.Value, v))
		}
	default:
		p := analytics.AppendJoin(analytics.Points{}, op,
			analytics.Points{Times: a.Samples.Times, Values: a.Samples.Floats},
			analytics.Points{Times: b.Samples.Times, Values: b.Samples.Floats}, analytics.Equal, 0)
		out.Times, out.Floats = p.Times, p.Values
		if slices.Equal(p.Times, a.Samples.Times) {
			out.Times = a.Samples.Times // shared
		}
	}
	return ResultSeries{Samples: out}, nil
}

// A pair is two rows that belong together, and what their result is called.
type pair struct {
	left, right int
	dims        chunk.Dimensions
}

// match finds the rows that belong together: those with equal values of the dimensions on, or where
// that is nil, of the dimensions that occur on both sides. One row may match several of the other
// side, all in one direction; what matches nothing is named in a warning.
func (r *run) match(a, b []ResultSeries, on []string) ([]pair, error) {
	if on == nil {
		on = common(a, b)
	}
	byKey := make(map[string][]int)
	var key []byte
	for i := range b {
		key = appendKey(key[:0], b[i].Dimensions, on)
		byKey[string(key)] = append(byKey[string(key)], i)
	}
	var pairs []pair
	leftOf := make(map[string]int) // the first row of the left side with a key
	used := make([]bool, len(b))
	var alone []chunk.Dimensions
	manyLeft, manyRight := -1, -1 // a row of the left side that is one of many; or that matches many
	for i := range a {
		key = appendKey(key[:0], a[i].Dimensions, on)
		partners := byKey[string(key)]
		if len(partners) == 0 {
			alone = append(alone, a[i].Dimensions)
			continue
		}
		if _, ok := leftOf[string(key)]; ok {
			manyLeft = i
		}
		leftOf[string(key)] = i
		if len(partners) > 1 {
			manyRight = i
		}
		for _, k := range partners {
			used[k] = true
			pairs = append(pairs, pair{left: i, right: k})
		}
	}
	if manyLeft >= 0 && manyRight >= 0 {
		return nil, fmt.Errorf("%w by %s, such as %v: aggregate one side before, or name the dimensions with \"on\"",
			ErrMatch, describe(on), a[manyRight].Dimensions.Only(on...))
	}
	r.warnAlone("left", alone, on)
	alone = nil
	for k := range b {
		if !used[k] {
			alone = append(alone, b[k].Dimensions)
		}
	}
	r.warnAlone("right", alone, on)
	for i := range pairs {
		p := &pairs[i]
		x, y := a[p.left].Dimensions, b[p.right].Dimensions
		switch {
		case manyLeft >= 0:
			p.dims = x
		case manyRight >= 0:
			p.dims = y
		default:
			p.dims = intersect(x, y)
		}
	}
	if (manyLeft >= 0 || manyRight >= 0) && !slices.Contains(on, chunk.MetricName) {
		dropMetric(pairs)
	}
	return pairs, nil
}

// dropMetric takes the metric's name from the dimensions of pairs, where they differ without it.
func dropMetric(pairs []pair) {
	seen := make(map[string]bool)
	out := make([]chunk.Dimensions, len(pairs))
	for i, p := range pairs {
		out[i] = slices.DeleteFunc(slices.Clone(p.dims), func(d chunk.Dimension) bool { return d.Name == chunk.MetricName })
		key := string(out[i].Append(nil))
		if seen[key] {
			return
		}
		seen[key] = true
	}
	for i := range pairs {
		pairs[i].dims = out[i]
	}
}

// common returns the names that occur on both sides; that of the metric only where the sides have a
// metric in common, since to set one metric against another is what operations are for.
func common(a, b []ResultSeries) []string {
	values := func(rows []ResultSeries) (names map[string]bool, metrics map[string]bool) {
		names, metrics = make(map[string]bool), make(map[string]bool)
		for i := range rows {
			for _, d := range rows[i].Dimensions {
				names[d.Name] = true
				if d.Name == chunk.MetricName {
					metrics[d.Value] = true
				}
			}
		}
		return names, metrics
	}
	left, leftMetrics := values(a)
	right, rightMetrics := values(b)
	out := []string{}
	for n := range left {
		if right[n] && (n != chunk.MetricName || overlap(leftMetrics, rightMetrics)) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func overlap(a, b map[string]bool) bool {
	for v := range a {
		if b[v] {
			return true
		}
	}
	return false
}

// intersect returns the dimensions that a and b both have, with equal values.
func intersect(a, b chunk.Dimensions) chunk.Dimensions {
	out := chunk.Dimensions{}
	for _, d := range a {
		if v, ok := b.Get(d.Name); ok && v == d.Value {
			out = append(out, d)
		}
	}
	return out
}

// warnAlone warns of the series of a side that match nothing.
func (r *run) warnAlone(side string, alone []chunk.Dimensions, on []string) {
	if len(alone) == 0 {
		return
	}
	r.warn.add("%d series of the %s side match none of the other by %s, such as %v", len(alone), side, describe(on), alone[0])
}

// describe names the dimensions that are matched on.
func describe(on []string) string {
	if len(on) == 0 {
		return "no dimension"
	}
	var p printer
	p.names(on)
	return p.String()[1:]
}
