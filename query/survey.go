package query

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// A survey is what there is to read: the series of all parts, their pieces in the order in which
// they are best read, and the tasks into which these are cut. It is made from directories alone.
type survey struct {
	parts  []chunk.Selection
	from   []int // by part, and one more: its first series
	series []chunk.Series
	tasks  []task
	pieces int

	dropped bool // there are series that were not surveyed
	stable  bool // parts are in memory: columns stay as they are
	edge    *ends
}

// A task is work for one goroutine: consecutive pieces of one part.
type task struct {
	part   int
	pieces []piece
}

// A piece is a chunk.Piece of a series.
type piece struct {
	chunk.Piece
	series int32 // of the survey
}

// sizeOf returns the bytes of one T, without what it points to.
func sizeOf[T any]() int64 { return int64(reflect.TypeFor[T]().Size()) }

// Tasks are cut by what there is, never by how many cores there are, so that sums are added up in
// one order on every machine.
const (
	taskRows    = 512 << 10
	taskPieces  = 1024
	shortSeries = 64 << 10 // rows; where series have fewer on average, they are not cut
)

// surveyAhead is for how many pieces room is made at once, where there are as many series.
const surveyAhead = 1 << 20

// takeStock surveys all parts, in parallel, narrowed by n.
func (r *run) takeStock(ctx context.Context, parts []chunk.Selection, n narrowing) (*survey, error) {
	s := &survey{parts: parts, from: make([]int, len(parts)+1)}
	for i, p := range parts {
		s.from[i+1] = s.from[i] + p.Len()
	}
	if err := r.budget.reserveMany(int64(s.from[len(parts)]), sizeOf[chunk.Series]()); err != nil {
		return nil, err
	}
	s.series = make([]chunk.Series, s.from[len(parts)])
	lists := make([][]piece, len(parts))
	err := r.parallel(ctx, len(parts), func(_ *worker, i int) (err error) {
		lists[i], err = r.surveyPart(ctx, s, i)
		return err
	})
	if err != nil {
		return nil, err
	}
	if n.keep >= 0 {
		s.keepFirst(lists, n.keep)
	}
	for i, list := range lists {
		if n.prune != nil {
			list = n.prune(list, s.series)
		}
		s.pieces += len(list)
		s.cut(i, list)
	}
	return s, nil
}

// surveyPart returns the pieces of part i, by series and then time.
func (r *run) surveyPart(ctx context.Context, s *survey, i int) ([]piece, error) {
	var list []piece
	var buf []chunk.Piece
	pairs := int64(0) // of dimensions, not counted yet
	for k := range s.parts[i].Len() {
		if k%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			if err := r.budget.reserveMany(pairs, sizeOf[chunk.Dimension]()); err != nil {
				return nil, err
			}
			pairs = 0
		}
		at := s.from[i] + k
		s.series[at] = s.parts[i].Series(k)
		pairs += int64(len(s.series[at].Dimensions))
		buf = s.parts[i].AppendPieces(buf[:0], k)
		if n := len(list) + len(buf); n > cap(list) {
			grown := max(2*cap(list), n, 64, min(s.parts[i].Len()-k+len(list), surveyAhead))
			if err := r.budget.reserve(int64(grown-cap(list)) * sizeOf[piece]()); err != nil {
				return nil, err
			}
			list = append(make([]piece, 0, grown), list...)
		}
		for _, p := range buf {
			list = append(list, piece{Piece: p, series: int32(at)})
		}
	}
	return list, r.budget.reserveMany(pairs, sizeOf[chunk.Dimension]())
}

// keepFirst drops the pieces of all but the first series by dimensions that have any, and notes
// whether it dropped some.
func (s *survey) keepFirst(lists [][]piece, keep int) {
	has := make([]bool, len(s.series))
	for _, list := range lists {
		for i := range list {
			has[list[i].series] = true
		}
	}
	kept := make([]bool, len(s.series))
	for _, i := range s.byDimensions() {
		switch {
		case has[i] && keep > 0:
			kept[i] = true
			keep--
		case has[i]:
			s.dropped = true
		}
	}
	for i := range lists {
		lists[i] = slices.DeleteFunc(lists[i], func(p piece) bool { return !kept[p.series] })
	}
}

// byDimensions returns the numbers of the series, ordered by dimensions, kind, and number.
func (s *survey) byDimensions() []int32 {
	order := make([]int32, len(s.series))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		x, y := &s.series[a], &s.series[b]
		if c := x.Dimensions.Compare(y.Dimensions); c != 0 {
			return c
		}
		if c := int(x.Kind) - int(y.Kind); c != 0 {
			return c
		}
		return int(a - b)
	})
	return order
}

// byGroup reorders pieces so that those of a group follow each other, groups in order of their
// first piece. Where that would turn around the pieces of a series, the order stays as it is.
func byGroup(list []piece) []piece {
	place := make(map[uint64]int32)
	sorted := true
	last := int32(0)
	groups := make([]int32, len(list))
	for i := range list {
		g, ok := place[list[i].Group]
		if !ok {
			g = int32(len(place))
			place[list[i].Group] = g
		}
		if i > 0 && list[i].series == list[i-1].series && g < last {
			return list
		}
		sorted = sorted && g >= last
		last, groups[i] = g, g
	}
	if sorted {
		return list
	}
	starts := make([]int32, len(place)+1)
	for _, g := range groups {
		starts[g+1]++
	}
	for g := 1; g < len(starts); g++ {
		starts[g] += starts[g-1]
	}
	out := make([]piece, len(list))
	for i, g := range groups {
		out[starts[g]] = list[i]
		starts[g]++
	}
	return out
}

// cut appends the tasks of part i. Of short series, a task has all pieces, so that nothing is to be
// merged; long ones are cut, with the others of their groups.
func (s *survey) cut(i int, list []piece) {
	rows, series := 0, 0
	for k := range list {
		rows += list[k].Rows
		if k == 0 || list[k].series != list[k-1].series {
			series++
		}
	}
	if rows > series*shortSeries {
		s.cutGroups(i, byGroup(list))
		return
	}
	list = byFirstGroup(list)
	from, rows := 0, 0
	for k := range list {
		if k > from && list[k].series != list[k-1].series && (rows >= taskRows || k-from >= taskPieces) {
			s.tasks = append(s.tasks, task{part: i, pieces: byGroup(list[from:k])})
			from, rows = k, 0
		}
		rows += list[k].Rows
	}
	if from < len(list) {
		s.tasks = append(s.tasks, task{part: i, pieces: byGroup(list[from:])})
	}
}

// byFirstGroup reorders the series of pieces so that those whose first pieces are of one group
// follow each other.
func byFirstGroup(list []piece) []piece {
	place, series, sorted := firstGroups(list)
	if sorted {
		return list
	}
	runs := make([][]piece, 0, series)
	keys := make([]int, 0, series)
	for from := 0; from < len(list); {
		to := endOfSeries(list, from)
		runs, keys = append(runs, list[from:to]), append(keys, place[list[from].Group])
		from = to
	}
	order := make([]int, len(runs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return keys[a] - keys[b] })
	out := make([]piece, 0, len(list))
	for _, i := range order {
		out = append(out, runs[i]...)
	}
	return out
}

// firstGroups numbers the groups of the first pieces of series, and reports how many series there
// are and whether those of one group follow each other.
func firstGroups(list []piece) (place map[uint64]int, series int, sorted bool) {
	place, sorted = make(map[uint64]int), true
	last := uint64(0)
	for from := 0; from < len(list); series++ {
		g := list[from].Group
		if from == 0 || g != last {
			if k, ok := place[g]; !ok {
				place[g] = len(place)
			} else if k < len(place)-1 {
				sorted = false
			}
			last = g
		}
		from = endOfSeries(list, from)
	}
	return place, series, sorted
}

// endOfSeries returns where the pieces of the series of list[from] end.
func endOfSeries(list []piece, from int) int {
	to := from + 1
	for to < len(list) && list[to].series == list[from].series {
		to++
	}
	return to
}

// cutGroups appends tasks of pieces in order. Pieces of a group stay together up to twice as much.
func (s *survey) cutGroups(i int, list []piece) {
	from, rows := 0, 0
	for k := range list {
		n := k - from
		full := rows >= taskRows/2 || n >= taskPieces
		if full && (list[k].Group != list[k-1].Group || rows >= taskRows || n >= 2*taskPieces) {
			s.tasks = append(s.tasks, task{part: i, pieces: list[from:k]})
			from, rows = k, 0
		}
		rows += list[k].Rows
	}
	if from < len(list) {
		s.tasks = append(s.tasks, task{part: i, pieces: list[from:]})
	}
}

// spans returns the spans of all pieces.
func (s *survey) spans() []chunk.Span {
	out := make([]chunk.Span, 0, s.pieces)
	for _, t := range s.tasks {
		for i := range t.pieces {
			out = append(out, t.pieces[i].Span)
		}
	}
	return out
}

// close releases the selections.
func (s *survey) close() error {
	var first error
	for i, p := range s.parts {
		if p == nil {
			continue
		}
		if err := p.Close(); err != nil && first == nil {
			first = fmt.Errorf("part %d: %w", i, err)
		}
	}
	return first
}
