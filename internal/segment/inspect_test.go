package segment_test

import (
	"os"
	"testing"

	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/vfs"
)

func TestInspectP4(t *testing.T) {
	fs := vfs.NewMem()
	write(t, fs, "p4", p4Sources(t), codec.Dense)
	if err := segment.Inspect(os.Stdout, fs, "p4", os.Getenv("VERBOSE") != ""); err != nil {
		t.Fatal(err)
	}
}
