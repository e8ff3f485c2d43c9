package shard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

// A Snapshot is the files of a store at one instant. Copied into an empty folder under their names,
// they are a store that holds what was acknowledged before [Set.Snapshot] was called, each batch
// and each deletion wholly or not at all. They stay readable until Close.
type Snapshot struct {
	Taken   time.Time
	Files   []SnapshotFile // the manifest of the store last: without it there is none
	Missing []string       // segments that the store itself lacks, see [Set.Check]
	fsys    vfs.FS
	pins    []pin
}

// A SnapshotFile is a file of a [Snapshot].
type SnapshotFile struct {
	Name  string // slash-separated, from the store's folder
	Bytes int64
	Mark  string // of a segment, what its checksums say; "" where they cannot be read, and of other files
	data  []byte // its content, where that is no file's
	path  string
}

// A pin keeps the files of one shard.
type pin struct {
	shard *Shard
	v     *version
	log   *wal.Held
}

// Snapshot takes a snapshot of the store, which works on meanwhile: writers wait for the others
// that are on their way, and for no copy. The caller closes it, before the store. The index is not
// in it, which is derived.
func (s *Set) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := s.usable(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("snapshot: %w", context.Cause(ctx))
	}
	out := &Snapshot{fsys: s.o.FS}
	s.writing.Lock()
	out.Taken = s.o.Now()
	var manifests []manifest
	for _, sh := range s.shards {
		m, p := sh.pin()
		manifests, out.pins = append(manifests, m), append(out.pins, p)
	}
	s.writing.Unlock()
	for i, p := range out.pins {
		if err := out.add(p, &manifests[i]); err != nil {
			return nil, fmt.Errorf("snapshot: shard %d: %w", i, errors.Join(err, out.Close()))
		}
	}
	out.addManifest("", setManifest{shards: len(s.shards), partition: s.width}.text())
	return out, nil
}

// pin keeps what the shard has now. The manifest is as on disk: the log says what came after it.
func (s *Shard) pin() (manifest, pin) {
	s.editing.Lock()
	defer s.editing.Unlock()
	return s.m, pin{shard: s, v: s.acquire(), log: s.log.Hold()}
}

// add adds the files of a shard.
func (s *Snapshot) add(p pin, m *manifest) error {
	dir := path.Base(p.shard.dir)
	for _, g := range p.v.segments {
		size, err := s.fsys.Size(g.path) // of a damaged one, what there is
		if errors.Is(err, fs.ErrNotExist) {
			s.Missing = append(s.Missing, g.path)
			continue
		}
		if err != nil {
			return err
		}
		f := SnapshotFile{Name: path.Join(dir, segmentName(g.entry.file)), Bytes: size, path: g.path}
		if g.err == nil && size == g.entry.bytes {
			f.Mark = g.reader.Mark()
		}
		s.Files = append(s.Files, f)
	}
	for i, name := range p.log.Names {
		s.Files = append(s.Files, SnapshotFile{Name: path.Join(dir, logDir, path.Base(name)), Bytes: p.log.Bytes[i], path: name})
	}
	losses, err := vfs.ReadFile(s.fsys, path.Join(p.shard.dir, lossName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		s.Files = append(s.Files, SnapshotFile{Name: path.Join(dir, lossName), Bytes: int64(len(losses)), data: losses})
	}
	s.addManifest(dir, m.text())
	return nil
}

func (s *Snapshot) addManifest(dir string, text []byte) {
	text = withChecksum(text)
	for _, name := range []string{manifestCopy, manifestName} {
		s.Files = append(s.Files, SnapshotFile{Name: path.Join(dir, name), Bytes: int64(len(text)), data: text})
	}
}

// Open opens a file of the snapshot for reading its bytes. The caller closes it.
func (s *Snapshot) Open(f *SnapshotFile) (io.ReadCloser, error) {
	if f.data != nil {
		return io.NopCloser(bytes.NewReader(f.data)), nil
	}
	file, err := s.fsys.Open(f.path)
	if err != nil {
		return nil, err
	}
	return &snapshotReader{io.NewSectionReader(file, 0, f.Bytes), file}, nil
}

// A snapshotReader reads the first bytes of a file.
type snapshotReader struct {
	*io.SectionReader
	io.Closer
}

// Bytes is the size of all files.
func (s *Snapshot) Bytes() (n int64) {
	for i := range s.Files {
		n += s.Files[i].Bytes
	}
	return n
}

// Close lets the files go.
func (s *Snapshot) Close() error {
	var errs []error
	for _, p := range s.pins {
		errs = append(errs, p.log.Close())
		p.shard.releaseVersion(p.v)
	}
	s.pins = nil
	return errors.Join(errs...)
}

// IsStoreFile reports whether a store has files of that name, slash-separated from its folder: for
// whoever makes files of names that somebody else tells.
func IsStoreFile(name string) bool {
	dir, base, ok := strings.Cut(name, "/")
	if !ok {
		return name == manifestName || name == manifestCopy
	}
	if n, ok := strings.CutPrefix(dir, "shard-"); !ok || !digits(n, 4) {
		return false
	}
	if file, ok := strings.CutPrefix(base, logDir+"/"); ok {
		n, ok := strings.CutSuffix(file, ".log")
		return ok && digits(n, 20)
	}
	n, ok := strings.CutSuffix(base, ".seg")
	return ok && digits(n, 8) || base == manifestName || base == manifestCopy || base == lossName
}

func digits(s string, least int) bool {
	return len(s) >= least && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}
