package ingest

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
)

// A Source is one text: a file, or a stream.
type Source struct {
	Name string                        // as errors print it
	Size int64                         // bytes as stored; 0 means unknown
	Open func() (io.ReadCloser, error) // called once, by a worker
}

// extensions are those of the files that are read when a folder is walked.
var extensions = []string{".csv", ".tsv", ".lp", ".influx", ".line", ".ndjson", ".jsonl"}

// Sources finds the texts that paths name, in the order of the paths, and within a folder in the
// order of their names. A folder is walked; in it, files count whose names end as those of a
// format do (before .gz and .zst), unless they are hidden. The path - is stdin.
func Sources(paths []string, stdin io.Reader) ([]Source, error) {
	var out []Source
	for _, path := range paths {
		if path == "-" {
			out = append(out, Source{Name: "stdin", Open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }})
			continue
		}
		found := len(out)
		err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if p != path && strings.HasPrefix(e.Name(), ".") {
				if e.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			if p != path && !slices.Contains(extensions, extension(p)) {
				return nil
			}
			info, err := os.Stat(p)
			if err != nil || !info.Mode().IsRegular() && (p != path || info.IsDir()) {
				return err
			}
			out = append(out, Source{Name: p, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(p) }})
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(out) == found {
			return nil, fmt.Errorf("%s: no file in it is named like one of %s", path, strings.Join(extensions, ", "))
		}
	}
	return out, nil
}

// extension returns how a file's name ends, before .gz or .zst, in lower case.
func extension(name string) string {
	name = strings.ToLower(filepath.Base(name))
	return filepath.Ext(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"))
}

// expandSet puts the source's name into the values of set.
func expandSet(set []chunk.Dimension, name string) []chunk.Dimension {
	base := filepath.Base(name)
	base = strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
	base = strings.TrimSuffix(base, filepath.Ext(base))
	r := strings.NewReplacer("{file}", base, "{dir}", filepath.Base(filepath.Dir(name)))
	out := slices.Clone(set)
	for i := range out {
		out[i].Value = r.Replace(out[i].Value)
	}
	return out
}

// An inflater opens compressed text, and keeps its memory from text to text.
type inflater struct {
	head *bufio.Reader
	gzip *gzip.Reader
	zstd *zstd.Decoder
}

// open returns the text in r, decompressed where its first bytes are those of gzip or zstd. It
// is read before the next call.
func (f *inflater) open(r io.Reader) (io.Reader, error) {
	if f.head == nil {
		f.head = bufio.NewReaderSize(r, 64<<10)
	} else {
		f.head.Reset(r)
	}
	magic, err := f.head.Peek(4)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader returns this very value
		return nil, err
	}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		if f.gzip == nil {
			f.gzip = new(gzip.Reader)
		}
		return f.gzip, f.gzip.Reset(f.head)
	case string(magic) == "\x28\xb5\x2f\xfd":
		if f.zstd == nil {
			f.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
			if err != nil {
				return nil, err
			}
		}
		return f.zstd, f.zstd.Reset(f.head)
	}
	return f.head, nil
}
