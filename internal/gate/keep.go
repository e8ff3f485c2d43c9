package gate

import (
	"context"
	"sync/atomic"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/query"
)

// A keeper counts the results that are still in use.
type keeper struct {
	gate  *Gate
	bytes atomic.Int64
}

type keeperKey struct{}

// Keep returns a context whose queries have their results counted as memory of queries, until the
// caller calls done: when they were written to whoever asked, who may be slow to read them. The
// query itself is then over, and its turn is somebody else's.
func (g *Gate) Keep(ctx context.Context) (_ context.Context, done func()) {
	k := &keeper{gate: g}
	return context.WithValue(ctx, keeperKey{}, k), func() { g.memory.give(k.bytes.Swap(0)) }
}

// keep counts a result, if there is one and somebody says when it is done with.
func (g *Gate) keep(ctx context.Context, out *query.Result) {
	k, ok := ctx.Value(keeperKey{}).(*keeper)
	if !ok || k.gate != g || out == nil {
		return
	}
	n := bytesOf(out)
	g.memory.used.Add(n) // it was reserved until now: whoever comes next may be refused
	k.bytes.Add(n)
}

// What rows of a result and their dimensions take, beside their columns, roughly.
const (
	resultRowBytes = 200
	dimensionBytes = 32
)

// bytesOf returns the memory that a result takes, roughly. Rows may share a column of stamps.
func bytesOf(out *query.Result) int64 {
	n, seen := int64(0), map[*int64]bool{}
	for i := range out.Series {
		s := &out.Series[i].Samples
		n += resultRowBytes + int64(len(out.Series[i].Dimensions))*dimensionBytes
		n += 8*int64(len(s.Floats)+len(s.Ints)) + int64(len(s.Bools)) + 16*int64(len(s.Strings))
		if s.Kind == chunk.String {
			for _, v := range s.Strings {
				n += int64(len(v))
			}
		}
		if len(s.Times) > 0 && !seen[&s.Times[0]] {
			seen[&s.Times[0]] = true
			n += 8 * int64(len(s.Times))
		}
	}
	return n
}
