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
	"strings"
)

// ErrDamaged is wrapped by every error that means: the files of the index are not what was
// written. The index holds nothing that the segments of the store do not: remove its folder, open
// it again, and add all series.
var ErrDamaged = errors.New("damaged index")

const (
	manifestName    = "MANIFEST"
	manifestVersion = 1
	segmentSuffix   = ".zap"
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
	Segments []manifestSegment `json:"segments"`
}

// manifestSegment is one file of Bleve's, which never changes, and what was deleted from it since.
type manifestSegment struct {
	File      string `json:"file"`
	Bytes     int64  `json:"bytes"`
	CRC32C    uint32 `json:"crc32c"`
	Documents uint32 `json:"documents"`
	First     uint32 `json:"first"`             // ordinal of the first document
	Gaps      bool   `json:"gaps,omitempty"`    // the ordinals do not count up from First: ask the ids
	Deleted   []byte `json:"deleted,omitempty"` // a roaring bitmap of documents
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// write replaces the manifest of dir.
func (m *manifest) write(dir string, durable bool) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	text = append(text, '\n')
	text = fmt.Appendf(text, "%08x\n", crc32.Checksum(text, castagnoli))
	path := filepath.Join(dir, manifestName)
	err = createFile(path+".tmp", durable, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("manifest: %w", err)
	}
	if durable {
		return syncDir(dir)
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
		if files, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix)); len(files) > 0 {
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
	for _, s := range m.Segments {
		if s.File != filepath.Base(s.File) || !strings.HasSuffix(s.File, segmentSuffix) {
			return nil, fmt.Errorf("manifest: file %q: %w", s.File, ErrDamaged)
		}
	}
	return m, nil
}

// verify reads the file of s in dir, and reports whether it is what was written.
func (s *manifestSegment) verify(dir string) error {
	size, sum, err := checksum(filepath.Join(dir, s.File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing: %w: %w", s.File, err, ErrDamaged)
	case err != nil:
		return err
	case size != s.Bytes:
		return fmt.Errorf("%s has %d bytes, not %d: %w", s.File, size, s.Bytes, ErrDamaged)
	case sum != s.CRC32C:
		return fmt.Errorf("%s: checksum %08x, not %08x: %w", s.File, sum, s.CRC32C, ErrDamaged)
	}
	return nil
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
