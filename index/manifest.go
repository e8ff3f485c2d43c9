package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrDamaged is wrapped by every error that means: the files of the index are not what was
// written. The index holds nothing that the segments of the store do not: remove its folder, open
// it again, and add all series.
var ErrDamaged = errors.New("damaged index")

const (
	manifestName    = "MANIFEST"
	manifestVersion = 2
	temporary       = ".tmp" // ends the names of files that are to replace others
)

// manifest is the list of files that the index is. It is replaced as a whole; what it does not
// name is not there.
//
// The file is one line of JSON, and a line with the CRC-32C of the first, in eight hexadecimal
// digits.
type manifest struct {
	Version  int               `json:"version"`
	Next     uint64            `json:"next"` // one more than the highest ordinal ever added
	NextFile uint64            `json:"next_file"`
	Meta     manifestFile      `json:"meta"` // index_meta.json
	Root     manifestFile      `json:"root"` // store/root.bolt, which is made of Segments alone
	Segments []manifestSegment `json:"segments"`
}

// manifestFile is a file: its name, in the folder store but for index_meta.json, and what it has.
type manifestFile struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	CRC32C uint32 `json:"crc32c"`
}

// manifestSegment is one segment of Bleve's, whose file never changes, and what was deleted from it
// since. Later ones have higher numbers.
type manifestSegment struct {
	manifestFile
	Documents uint32 `json:"documents"`
	First     uint32 `json:"first"`             // ordinal of the first document
	Gaps      bool   `json:"gaps,omitempty"`    // the ordinals do not count up from First: ask the ids
	Deleted   []byte `json:"deleted,omitempty"` // a roaring bitmap of documents
}

// segmentName is how scorch names the file of a segment.
func segmentName(number uint64) string { return fmt.Sprintf("%012x%s", number, segmentSuffix) }

// number is the number of the segment, 0 for a name that segmentName never gave.
func (s *manifestSegment) number() uint64 {
	n, err := strconv.ParseUint(strings.TrimSuffix(s.File, segmentSuffix), 16, 64)
	if err != nil || segmentName(n) != s.File {
		return 0
	}
	return n
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// write writes the manifest to a temporary file, which is to be renamed.
func (m *manifest) write(dir string, durable bool) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	text = append(text, '\n')
	text = fmt.Appendf(text, "%08x\n", crc32.Checksum(text, castagnoli))
	err = createFile(filepath.Join(dir, manifestName+temporary), durable, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	return nil
}

// settle gives a file its name in place of the temporary one.
func settle(path string, durable bool) error {
	if err := os.Rename(path+temporary, path); err != nil {
		return err
	}
	if durable {
		return syncDir(filepath.Dir(path))
	}
	return nil
}

// createFile makes a file of what write writes; where that fails, there is none.
func createFile(path string, durable bool, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err = write(f); err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readManifest reads the manifest of dir. Where there is none, and no file of an index either, the
// error wraps [fs.ErrNotExist].
func readManifest(dir string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if files, _ := filepath.Glob(storePath(dir, "*"+segmentSuffix)); len(files) > 0 {
			return nil, fmt.Errorf("no manifest beside %d files: %w", len(files), ErrDamaged)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	line := bytes.IndexByte(text, '\n') + 1
	if string(text[line:]) != fmt.Sprintf("%08x\n", crc32.Checksum(text[:line], castagnoli)) {
		return nil, fmt.Errorf("manifest: checksum: %w", ErrDamaged)
	}
	m := &manifest{}
	if err := json.Unmarshal(text[:line], m); err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", err, ErrDamaged)
	}
	if m.Version != manifestVersion {
		return nil, fmt.Errorf("manifest: version %d, not %d: %w", m.Version, manifestVersion, ErrDamaged)
	}
	if m.Meta.File != metaName || m.Root.File != rootName {
		return nil, fmt.Errorf("manifest: files %q, %q: %w", m.Meta.File, m.Root.File, ErrDamaged)
	}
	last := uint64(0)
	for _, s := range m.Segments {
		if s.number() <= last {
			return nil, fmt.Errorf("manifest: file %q: %w", s.File, ErrDamaged)
		}
		last = s.number()
	}
	return m, nil
}

// path is where the file is in an index.
func (f *manifestFile) path(dir string) string {
	if f.File == metaName {
		return filepath.Join(dir, metaName)
	}
	return storePath(dir, f.File)
}

// measure returns the entry of the file.
func measure(dir, name string) (f manifestFile, err error) {
	f.File = name
	f.Bytes, f.CRC32C, err = checksum(f.path(dir))
	return f, err
}

// verify reads the file in dir, and reports whether it is what was written.
func (f *manifestFile) verify(dir string) error {
	is, err := measure(dir, f.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing: %w: %w", f.File, err, ErrDamaged)
	case err != nil:
		return err
	case is.Bytes != f.Bytes:
		return fmt.Errorf("%s has %d bytes, not %d: %w", f.File, is.Bytes, f.Bytes, ErrDamaged)
	case is.CRC32C != f.CRC32C:
		return fmt.Errorf("%s: checksum %08x, not %08x: %w", f.File, is.CRC32C, f.CRC32C, ErrDamaged)
	}
	return nil
}

// verifyRoot is verify for what stands for the segments: the root and the meta file.
func (m *manifest) verifyRoot(dir string) error {
	if _, none := os.Stat(filepath.Join(dir, metaRival)); none == nil {
		return fmt.Errorf("%s: not of this index: %w", metaRival, ErrDamaged)
	}
	return errors.Join(m.Meta.verify(dir), m.Root.verify(dir))
}

// checksum returns the length and the CRC-32C of a file.
func checksum(path string) (int64, uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	size, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{f}, make([]byte, 256<<10))
	return size, h.Sum32(), err
}
