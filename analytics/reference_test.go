package analytics_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/analytics"
)

var rewrite = flag.Bool("rewrite", false, "write the function reference into the documentation")

// TestReference holds the documentation to the catalogue. The reference stands in docs/query.md,
// or, until that has a place for it, in docs/functions.md.
func TestReference(t *testing.T) {
	path := "../docs/query.md"
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), analytics.ReferenceBegin) {
		path = "../docs/functions.md"
		if text, err = os.ReadFile(path); err != nil && !*rewrite {
			t.Fatal(err)
		}
		if len(text) == 0 {
			text = []byte("# The functions of queries\n\n" + analytics.ReferenceBegin + "\n" + analytics.ReferenceEnd + "\n")
		}
	}
	before, rest, ok1 := strings.Cut(string(text), analytics.ReferenceBegin)
	_, after, ok2 := strings.Cut(rest, analytics.ReferenceEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the lines %q and %q", path, analytics.ReferenceBegin, analytics.ReferenceEnd)
	}
	want := before + analytics.ReferenceBegin + "\n" + analytics.Reference() + "\n" + analytics.ReferenceEnd + after
	switch {
	case want == string(text):
	case *rewrite:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the catalogue says: run go generate ./analytics and read the diff", path)
	}
}
