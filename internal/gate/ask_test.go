package gate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/query"
)

// filled returns a site with one series of 10,000 observations.
func filled(t testing.TB, l gate.Limits) *site {
	t.Helper()
	s := newSite(t, l)
	r := row(t, "metric", "cpu")
	r.Samples = chunk.Samples{Kind: chunk.Float64}
	for i := range int64(10_000) {
		r.Samples.Times = append(r.Samples.Times, i*1e9)
		r.Samples.Floats = append(r.Samples.Floats, float64(i%7))
	}
	must(t, s.set.Append(context.Background(), batch(r)))
	return s
}

func TestLimitsOfOneQuery(t *testing.T) {
	for name, tc := range map[string]struct {
		limits gate.Limits
		want   string
	}{
		"observations": {gate.Limits{QueryObservations: 9_999}, "10000 observations, the limit is 9999"},
		"bytes":        {gate.Limits{QueryBytes: 50_000}, "80000 bytes of columns, the limit is 50000"},
		"memory":       {gate.Limits{QueryMemory: 50_000}, "bytes of memory, the limit is 50000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t, tc.limits)
			for _, text := range []string{"metric:cpu", "metric:cpu | median"} {
				if text != "metric:cpu" && name == "memory" {
					continue // it needs less
				}
				_, err := s.Query(context.Background(), parse(t, text), query.Request{})
				if !errors.Is(err, query.ErrLimit) || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("%s: %v", text, err)
				}
			}
			if c := s.Counts(); c.Queries["limit"] == 0 || c.QueryBytes != 0 || c.QueriesRunning != 0 {
				t.Errorf("counts: %+v", c)
			}
			s.SetLimits(gate.Limits{})
			if _, err := s.Query(context.Background(), parse(t, "metric:cpu"), query.Request{}); err != nil {
				t.Errorf("without limits: %v", err)
			}
		})
	}
	t.Run("statistics are no observations", func(t *testing.T) {
		s := filled(t, gate.Limits{QueryObservations: 1})
		must(t, s.set.Seal(context.Background()))
		r, err := s.Query(context.Background(), parse(t, "metric:cpu | count"), query.Request{})
		if err != nil || rows(r) != 10_000 {
			t.Errorf("%v, %v", rows(r), err)
		}
	})
}

func TestMemoryOfAllQueries(t *testing.T) {
	s := filled(t, gate.Limits{QueriesMemory: 10_000})
	if _, err := s.Query(context.Background(), parse(t, "metric:cpu"), query.Request{}); !errors.Is(err, gate.ErrOverload) ||
		!strings.Contains(err.Error(), "limits.queries_memory") {
		t.Error(err)
	}
	if n := s.Counts().QueryBytes; n != 0 {
		t.Errorf("%d bytes stay reserved", n)
	}
}

func TestTimeOfQueries(t *testing.T) {
	s := filled(t, gate.Limits{QueryTime: 1}) // is over before the query begins
	_, err := s.Query(context.Background(), parse(t, "metric:cpu"), query.Request{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "limits.query_time") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.SetLimits(gate.Limits{Queries: 1})
	if _, err = s.Query(ctx, parse(t, "metric:cpu"), query.Request{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	_, end, err := s.Begin(context.Background())
	must(t, err)
	s.SetLimits(gate.Limits{Queries: 1, QueueTime: 1})
	_, err = s.Query(context.Background(), parse(t, "metric:cpu"), query.Request{})
	var o *gate.Overload
	if !errors.As(err, &o) || o.Name != "limits.queries" || o.Limit != 1 || o.After <= 0 {
		t.Error(err)
	}
	end()
	if c := s.Counts(); c.Queries["timeout"] != 1 || c.Queries["gone"] != 1 || c.Queries["limits.queries"] != 1 || c.QueriesRunning != 0 {
		t.Errorf("counts: %+v", c)
	}
}

func TestOneTurnForSeveralQuestions(t *testing.T) {
	s := filled(t, gate.Limits{Queries: 1})
	ctx, end, err := s.Begin(context.Background())
	must(t, err)
	for range 3 {
		if _, err := s.Query(ctx, parse(t, "metric:cpu"), query.Request{}); err != nil {
			t.Error(err)
		}
	}
	if n := s.Counts().QueriesRunning; n != 1 {
		t.Errorf("%d run", n)
	}
	end()
	if n := s.Counts().QueriesRunning; n != 0 {
		t.Errorf("%d run", n)
	}
}

func TestSlowQueriesAreLogged(t *testing.T) {
	s := filled(t, gate.Limits{})
	ctx, end, err := s.Begin(context.Background())
	must(t, err)
	defer end()
	_, err = s.Query(ctx, parse(t, "metric:cpu | mean"), query.Request{})
	must(t, err)
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
	s.ticking = time.Second // the clock is read at the start and at the end
	_, err = s.Query(ctx, parse(t, "metric:cpu | mean"), query.Request{})
	must(t, err)
	for _, want := range []string{"slow query", `"query":"metric:cpu | mean"`, `"span":"[always)"`, `"took":"5s"`, "1 series", "select metric:cpu"} {
		if !strings.Contains(s.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, s.log.String())
		}
	}
	if n := s.Counts().SlowQueries; n != 1 {
		t.Errorf("counted %d", n)
	}
}

func TestResultsAreMemoryUntilTheyAreWritten(t *testing.T) {
	s := filled(t, gate.Limits{QueriesMemory: 400_000})
	ctx, done := s.Keep(context.Background())
	if _, err := s.Query(ctx, parse(t, "metric:cpu"), query.Request{}); err != nil {
		t.Fatal(err)
	}
	if n := s.Counts().QueryBytes; n < 160_000 || n > 170_000 { // 10,000 stamps and values
		t.Errorf("%d bytes are counted", n)
	}
	if _, err := s.Query(context.Background(), parse(t, "metric:cpu"), query.Request{}); err != nil {
		t.Errorf("where there is room: %v", err)
	}
	s.SetLimits(gate.Limits{QueriesMemory: 200_000})
	if _, err := s.Query(context.Background(), parse(t, "metric:cpu"), query.Request{}); !errors.Is(err, gate.ErrOverload) {
		t.Errorf("where there is none: %v", err)
	}
	done()
	done()
	if n := s.Counts().QueryBytes; n != 0 {
		t.Errorf("%d bytes stay counted", n)
	}
}
