package receive

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCounters(t *testing.T) {
	r := New(Options{})
	if got := r.Counters(); len(got) != 0 {
		t.Fatalf("a new receiver has counted %v", got)
	}
	r.count("opentsdb", 3, 1)
	r.count("graphite", 2, 0)
	r.count("opentsdb", 1, 1)
	want := []ProtocolCount{{Protocol: "graphite", Stored: 2}, {Protocol: "opentsdb", Stored: 4, Refused: 2}}
	if got := r.Counters(); !slices.Equal(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// A sender that is wrong all the time fills the counter, not the log.
func TestRefusalsAreLoggedOnceInAWhile(t *testing.T) {
	var log strings.Builder
	now := time.Unix(1e9, 0)
	r := New(Options{Now: func() time.Time { return now }, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 1000 {
		r.refuse("graphite", "10.0.0.1", 1, errors.New("no value"))
		now = now.Add(time.Millisecond)
	}
	now = now.Add(quiet)
	r.refuse("graphite", "10.0.0.1", 1, errors.New("no time"))
	if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "refused=1000 reason=\"no time\"") {
		t.Errorf("logged %d lines:\n%s", got, log.String())
	}
	if got := r.Counters()[0].Refused; got != 1001 {
		t.Errorf("counted %d refusals, want 1001", got)
	}
}
