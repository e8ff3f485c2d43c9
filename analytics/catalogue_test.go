package analytics_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/analytics"
)

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"mean": "mean", "avg": "mean", "percentile": "p", "gaps": "nans", "scale": "mul",
	} {
		if s, err := analytics.Lookup(name); err != nil || s.Name != want {
			t.Errorf("%s: got %s, %v, want %s", name, s.Name, err, want)
		}
	}
}

func TestLookupNamesTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"maen": `"mean"`, "stdev": `"stddev"`, "Median": `"median"`, "derivate": `"derivative"`, "averge": `"average"`,
	} {
		_, err := analytics.Lookup(name)
		if !errors.Is(err, analytics.ErrUnknown) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a hint at %s", name, err, want)
		}
	}
	if got := analytics.Nearest("y"); got != "" {
		t.Errorf("y is like %q", got)
	}
	if got := analytics.Nearest("xyzzyplugh"); got != "" {
		t.Errorf("nearest to nonsense is %q", got)
	}
}

// TestCatalogueIsComplete holds each entry to what help, documentation and plans need of it.
func TestCatalogueIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range analytics.Catalogue() {
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			if seen[n] {
				t.Errorf("the name %s is given twice", n)
			}
			seen[n] = true
		}
		switch {
		case s.Short == "" || s.Doc == "" || s.Example == "":
			t.Errorf("%s: documentation is missing", s.Name)
		case strings.HasSuffix(s.Short, "."), strings.Contains(s.Short, "\n"):
			t.Errorf("%s: %q is not one line without a full stop", s.Name, s.Short)
		case !strings.Contains(s.Example, s.Name):
			t.Errorf("%s: not in its example %q", s.Name, s.Example)
		case s.Kind == analytics.Aggregating && (!s.Aggregates() || s.Transforms()),
			s.Kind == analytics.Transforming && (!s.Transforms() || s.Aggregates() != s.Windows),
			s.Kind == analytics.Filtering && (s.Aggregates() || s.Transforms()):
			t.Errorf("%s: is not the %v it says it is", s.Name, s.Kind)
		case s.Kind != analytics.Filtering && s.Formula == "":
			t.Errorf("%s: no formula", s.Name)
		}
	}
}

func TestArguments(t *testing.T) {
	for name, tc := range map[string]struct {
		args []float64
		err  string
	}{
		"p":        {nil, "p wants p q [q …]"},
		"quantile": {[]float64{0.5, 1.5}, "q is 1.5, outside of 0 to 1"},
		"mean":     {[]float64{1}, "mean takes 0 arguments, not 1"},
		"integral": {[]float64{2}, "rule is 2, outside of 0 to 1"},
		"limit":    {[]float64{1}, "limit is a filter, not an aggregate"},
		"median":   {nil, ""},
	} {
		s, err := analytics.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.New(tc.args...)
		if tc.err == "" && err == nil {
			continue
		}
		if !errors.Is(err, analytics.ErrArguments) || !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s %v: got %v, want %q", name, tc.args, err, tc.err)
		}
	}
}
