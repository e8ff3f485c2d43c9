// Package testseries makes series for tests and benchmarks, the same ones from the same seed, and
// finds the real data sets that some tests read. It is imported by tests and by what measures only,
// and knows nothing of package testing, so that no program gets that.
package testseries

import (
	"os"
	"path/filepath"
)

// A TB is what of testing.TB is needed here.
type TB interface {
	Helper()
	Fatal(args ...any)
	Skipf(format string, args ...any)
}

// Shared returns the path of a folder or file of the shared real data, such as "p4", and skips
// the test where it is absent. The data lies beside the checkout in shared/data, or where the
// variable CHRONODEX_SHARED says.
func Shared(t TB, name string) string {
	t.Helper()
	dir := os.Getenv("CHRONODEX_SHARED")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for root != filepath.Dir(root) {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "data")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("real data %q is not here (set CHRONODEX_SHARED to the folder that holds it)", name)
	}
	return path
}
