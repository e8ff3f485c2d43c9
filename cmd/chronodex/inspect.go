package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

// inspectCmd prints the bytes of a file.
type inspectCmd struct {
	File    string `arg:"" type:"existingfile" help:"A segment, a file of a log, or a manifest."`
	Verbose bool   `short:"v" help:"Every column, chunk and series."`
}

// Help is printed behind the flags.
func (*inspectCmd) Help() string {
	return `Prints the parts of a file with offsets and lengths, in the words of docs/format.md and docs/format-log.md.

Examples:

    chronodex inspect chronodex-data/shard-0000/MANIFEST
    chronodex inspect chronodex-data/shard-0000/log/*.log
    chronodex inspect chronodex-data/shard-0000/*.seg
    chronodex inspect --verbose chronodex-data/shard-0000/*.seg | less`
}

// Run is called by kong.
func (c *inspectCmd) Run(_ context.Context, s *session) error {
	path, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	head := make([]byte, 512)
	n, _ := file.Read(head)
	if err := file.Close(); err != nil {
		return err
	}
	head = head[:n]
	name := filepath.Base(path)
	switch {
	case isText(head) && (bytes.HasPrefix(head, []byte("chronodex")) || name == "MANIFEST"):
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "manifest of %d bytes\n%s", len(text), text)
		return err
	case wal.IsLog(head):
		return wal.Inspect(s.out, vfs.OS{}, path, c.Verbose)
	case bytes.HasPrefix(head, []byte("CHRONODX")), strings.HasSuffix(name, ".seg"):
		return segment.Inspect(s.out, vfs.OS{}, path, c.Verbose)
	case strings.HasSuffix(name, ".zap"):
		return fmt.Errorf("%s: a segment of the index, in Bleve's own format; inspect the MANIFEST beside it", c.File)
	}
	return fmt.Errorf("%s: not a segment, a file of a log, or a manifest", c.File)
}

// isText reports whether b holds nothing but printable characters and line breaks.
func isText(b []byte) bool {
	for _, c := range b {
		if c != '\n' && (c < ' ' || c > '~') {
			return false
		}
	}
	return true
}
