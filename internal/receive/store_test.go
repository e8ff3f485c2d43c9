package receive

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/shard"
)

// newStore returns an empty store that lives as long as the test, and a receiver before it.
func newStore(t testing.TB, o Options) (*Receiver, *shard.Set) {
	t.Helper()
	set, err := shard.Open(t.TempDir(), shard.Options{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	if o.Gate == nil {
		o.Gate = gate.New(set, gate.Options{})
	}
	return New(o), set
}

// stored prints all that is in a store, a line a series, sorted: its dimensions, its kind, and
// time=value for each observation.
func stored(t testing.TB, set *shard.Set) []string {
	t.Helper()
	all := index.All()
	var lines []string
	for _, part := range set.Parts() {
		sel, err := part.Select(context.Background(), all, chunk.Always)
		if err != nil {
			t.Fatal(err)
		}
		var buf chunk.Buffer
		for i := range sel.Len() {
			s := sel.Series(i)
			line := fmt.Sprintf("%v %v", s.Dimensions, s.Kind)
			for _, p := range sel.AppendPieces(nil, i) {
				x, err := sel.Read(context.Background(), p, &buf)
				if err != nil {
					t.Fatal(err)
				}
				for k, at := range x.Times {
					switch x.Kind {
					case chunk.Float64:
						line += fmt.Sprintf(" %d=%v", at, x.Floats[k])
					case chunk.Int64:
						line += fmt.Sprintf(" %d=%v", at, x.Ints[k])
					case chunk.Bool:
						line += fmt.Sprintf(" %d=%v", at, x.Bools[k])
					case chunk.String:
						line += fmt.Sprintf(" %d=%q", at, x.Strings[k])
					}
				}
			}
			lines = append(lines, line)
		}
		if err := sel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(lines)
	return lines
}

// send calls the endpoint of a receiver that serves the path.
func send(t testing.TB, r *Receiver, req *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(strings.TrimSpace(route.Method+" "+route.Pattern), route.Handler)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, req)
	return w
}
