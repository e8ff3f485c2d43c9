package wal

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/internal/vfs"
)

// IsLog reports whether a file that begins with head is one of a log.
func IsLog(head []byte) bool { return bytes.HasPrefix(head, []byte(fileMagic[:7])) }

// Inspect prints the frames of a file of a log in the words of this package's comment, each with
// its offset, and what is damaged. If verbose it prints every frame, else the first and the last
// ones of many.
func Inspect(w io.Writer, fsys vfs.FS, name string, verbose bool) error {
	data, err := vfs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	first, bad := parseFileHeader(data)
	if bad != nil {
		first, _ = strconv.ParseUint(strings.TrimSuffix(filepath.Base(name), fileSuffix), 10, 64)
	}
	s, err := newScan(name, data, first)
	if err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("%8d  header, version %d, first record %d", 0, fileMagic[7], first)}
	if bad != nil {
		lines[0] = fmt.Sprintf("%8d  %v", 0, bad)
	}
	records, bytes := 0, 0
	s.run(func(r Record) bool {
		f, _ := parseFrame(data, s.first, int(r.Offset))
		records, bytes = records+1, bytes+len(r.Data)
		lines = append(lines, fmt.Sprintf("%8d  record %d, %d bytes, %d bytes into its write, crc %08x", r.Offset, r.Seq, f.length, f.back, f.body))
		return true
	})
	if s.closed {
		lines = append(lines, fmt.Sprintf("%8d  closed, next record %d", len(data)-frameHeader, s.next))
	}
	const many = 20
	if n := len(lines); !verbose && n > 2*many {
		lines[many] = fmt.Sprintf("%8s  %d frames more", "", n-2*many)
		lines = append(lines[:many+1], lines[n-many:]...)
	}
	for _, d := range append(s.synced, s.open...) {
		lines = append(lines, d.Error())
	}
	_, err = fmt.Fprintf(w, "log of %d bytes: %d records of %d bytes\n%s\n", len(data), records, bytes, strings.Join(lines, "\n"))
	return err
}
