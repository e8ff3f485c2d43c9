package backup

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

const format = "chronodex backup 1"

// text is the backup as it is stored.
func (b *Backup) text() []byte {
	out := fmt.Appendf(nil, "%s\ntaken %s\n", format, b.Taken.UTC().Format(time.RFC3339Nano))
	for i := range b.files {
		out = b.files[i].append(out)
	}
	return fmt.Appendf(out, "sha256 %x\n", sha256.Sum256(out))
}

// append appends the line of a file.
func (f *file) append(dst []byte) []byte {
	return fmt.Appendf(dst, "file %s %d %s %s\n", f.sum, f.bytes, f.mark, f.name)
}

// parse reads what text made. Each name in it is one that a store has, and is there once.
func parse(text []byte) (*Backup, error) {
	at := bytes.LastIndex(text, []byte("sha256 "))
	if at < 0 {
		return nil, fmt.Errorf("no checksum at its end: %w", ErrCorrupt)
	}
	if want := fmt.Sprintf("sha256 %x\n", sha256.Sum256(text[:at])); want != string(text[at:]) {
		return nil, fmt.Errorf("checksum: %w", ErrCorrupt)
	}
	lines := strings.Split(strings.TrimSuffix(string(text[:at]), "\n"), "\n")
	if lines[0] != format || len(lines) < 2 {
		return nil, fmt.Errorf("format %.40q, want %q: %w", lines[0], format, ErrCorrupt)
	}
	b := new(Backup)
	var err error
	taken, ok := strings.CutPrefix(lines[1], "taken ")
	if b.Taken, err = time.Parse(time.RFC3339Nano, taken); err != nil || !ok {
		return nil, fmt.Errorf("%.80q: %w", lines[1], ErrCorrupt)
	}
	seen := map[string]bool{}
	for _, line := range lines[2:] {
		f, err := parseFile(line)
		if err != nil {
			return nil, err
		}
		if seen[f.name] {
			return nil, fmt.Errorf("%s is there twice: %w", f.name, ErrCorrupt)
		}
		seen[f.name] = true
		b.add(f)
	}
	return b, nil
}

func (b *Backup) add(f file) {
	b.files = append(b.files, f)
	b.Files++
	b.Bytes += f.bytes
}

func parseFile(line string) (f file, err error) {
	words := strings.Split(line, " ")
	if len(words) != 5 || words[0] != "file" {
		return f, fmt.Errorf("%.80q: %w", line, ErrCorrupt)
	}
	f = file{sum: words[1], mark: words[3], name: words[4]}
	f.bytes, err = strconv.ParseInt(words[2], 10, 64)
	if err != nil || f.bytes < 0 || !isSum(f.sum) || f.mark != "-" && !isSum(f.mark) || !shard.IsStoreFile(f.name) {
		return f, fmt.Errorf("%.200q: %w", line, ErrCorrupt)
	}
	return f, nil
}

// isSum reports whether text is a SHA-256 as we write it.
func isSum(text string) bool {
	return len(text) == 2*sha256.Size && strings.Trim(text, "0123456789abcdef") == ""
}

// load reads the backup of a name.
func load(fsys vfs.FS, dir, name string) (*Backup, error) {
	place := path.Join(dir, name+suffix)
	text, err := vfs.ReadFile(fsys, place)
	if err != nil {
		return nil, err
	}
	b, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	b.Name = name
	return b, nil
}

// contentPath is where the content of f lies.
func (f *file) contentPath(dir string) string { return path.Join(dir, filesDir, f.sum) }

// known finds contents that a folder has by what they are known by.
type known map[file]string // sum by file without one

func (k known) add(f file) {
	sum := f.sum
	if f.sum = ""; f.mark != "-" {
		k[f] = sum
	}
}

// loadKnown returns what the newest backup and a cut one have. What cannot be read is not known.
func loadKnown(fsys vfs.FS, dir string, newest *Backup) (known, error) {
	k := known{}
	if newest != nil {
		for _, f := range newest.files {
			k.add(f)
		}
	}
	text, err := vfs.ReadFile(fsys, path.Join(dir, resumeName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if f, err := parseFile(strings.TrimSuffix(line, "\n")); err == nil && strings.HasSuffix(line, "\n") {
			k.add(f)
		}
	}
	return k, nil
}
