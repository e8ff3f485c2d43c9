package ingest

import (
	"bytes"
	"path"
	"strings"
)

// Guess tells the format of a source by its name and the head of its text.
func Guess(name string, head []byte) string {
	head = bytes.TrimPrefix(head, []byte(bom))
	if bytes.HasPrefix(head, []byte(exportMark)) {
		return Influx
	}
	line := firstRecord(head)
	if _, ok := chronixDimensions(path.Base(name)); ok && bytes.HasPrefix(line, []byte("Date;")) {
		return Chronix
	}
	switch extension(name) {
	case ".csv", ".tsv":
		return CSV
	case ".lp", ".influx", ".line":
		return Influx
	case ".ndjson", ".jsonl", ".json":
		return NDJSON
	}
	switch {
	case bytes.HasPrefix(line, []byte("{")):
		return NDJSON
	case bytes.HasPrefix(line, []byte("Date;")) && bytes.IndexByte(line, ',') < 0:
		return Chronix
	case looksInflux(line):
		return Influx
	}
	return CSV
}

// firstRecord returns the first line of text that is neither blank nor a comment.
func firstRecord(text []byte) []byte {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return line
		}
	}
	return nil
}

// looksInflux reports whether a line has a measurement, a field, and perhaps an integer stamp.
func looksInflux(line []byte) bool {
	parts := strings.Fields(string(line))
	return len(parts) >= 2 && strings.Contains(parts[1], "=") && !strings.ContainsAny(parts[0], `;"`)
}
