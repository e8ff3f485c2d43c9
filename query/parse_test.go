package query

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/chronodex/chronodex/index"
)

// same compares trees; a filter is what it prints.
var same = cmp.Options{
	cmp.AllowUnexported(Query{}, selection{}, operation{}, aggregate{}, transform{}, arithmetic{}, fill{}, limit{},
		order{}, call{}, grouping{}, every{}, period{}),
	cmp.Comparer(func(a, b index.Filter) bool { return a.String() == b.String() }),
}

func TestParse(t *testing.T) {
	datadriven.RunTest(t, "testdata/parse", func(t *testing.T, d *datadriven.TestData) string {
		q, err := Parse(d.Input)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) {
				t.Fatalf("error is a %T", err)
			}
			return e.Error() + "\n" + e.Caret()
		}
		again, err := Parse(q.String())
		if err != nil {
			return fmt.Sprintf("%s\nprints text that does not parse: %v", q, err)
		}
		if diff := cmp.Diff(q, again, same); diff != "" {
			t.Fatalf("%s: parsed again is another tree:\n%s", q, diff)
		}
		return q.String()
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"*", "metric:cpu | mean by host every 1m", "(a | mean) / (b OR c | p 0.5 0.99) * 2 | abs",
		"2 * ((a | mean) - (b | mean)) | top 3 by max", "a | div (b | rate) on host, \"x y\" | sort by p 0.9 desc",
		"a | mean every 1d offset=6h tz=\"Europe/Berlin\" | fill linear | limit 3", "x | integral step by",
		"((((((((", "(a | mean", "/[/ | fill 1e300", "a | mean, max by nothing every 3mo|fill none",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(text) {
				t.Fatalf("%q: error %v", text, err)
			}
			if c := e.Caret(); !strings.HasSuffix(c, "^\n") {
				t.Fatalf("%q: caret %q", text, c)
			}
			return
		}
		again, err := Parse(q.String())
		if err != nil {
			t.Fatalf("%q prints %q: %v", text, q, err)
		}
		if diff := cmp.Diff(q, again, same); diff != "" {
			t.Fatalf("%q prints %q, which is another tree:\n%s", text, q, diff)
		}
	})
}

func TestParseIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"long":        strings.Repeat("a ", maxText),
		"deep":        strings.Repeat("(", 1000) + "a | mean" + strings.Repeat(")", 1000),
		"open":        strings.Repeat("(", maxText),
		"stages":      "a" + strings.Repeat("|abs", 10000),
		"calls":       "a|mean" + strings.Repeat(",mean", 10000),
		"operators":   "(a|abs)" + strings.Repeat("+1", 10000),
		"deep stages": strings.Repeat("a|add(", 1000),
		"arguments":   "a|p" + strings.Repeat(" 0.5", 10000),
		"names":       "a|mean by a" + strings.Repeat(",b", 10000),
	} {
		t.Run(name, func(t *testing.T) {
			if q, err := Parse(text); err == nil {
				t.Errorf("%d bytes were understood as %.100s", len(text), q)
			}
		})
	}
}
