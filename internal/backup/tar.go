package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/chronodex/chronodex/shard"
)

// manifestEntry is the last entry of a stream: the backup, with the checksums of all before it.
const manifestEntry = "BACKUP"

// maxManifest bounds the manifest of a stream.
const maxManifest = 256 << 20

// WriteTar writes a backup of the store as a tar stream, of what was acknowledged before the call.
// The last entry holds the checksums, so that a stream that was cut is no backup.
func WriteTar(ctx context.Context, set *shard.Set, w io.Writer, o Options) (*Backup, error) {
	o = o.withDefaults()
	if set.Stats().LogBytes > sealFrom {
		if err := set.Seal(ctx); err != nil {
			return nil, fmt.Errorf("backup: %w", err)
		}
	}
	snap, err := set.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	b, err := writeTar(ctx, snap, w, o)
	if err = errors.Join(err, snap.Close()); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return b, nil
}

func writeTar(ctx context.Context, snap *shard.Snapshot, w io.Writer, o Options) (*Backup, error) {
	out := tar.NewWriter(w)
	b := &Backup{Taken: snap.Taken.UTC()}
	p, done, total := newPace(o.BytesPerSecond), int64(0), snap.Bytes()
	header := func(name string, bytes int64) error {
		return out.WriteHeader(&tar.Header{Name: name, Size: bytes, Mode: 0o644, ModTime: b.Taken, Format: tar.FormatPAX})
	}
	for i := range snap.Files {
		f := &snap.Files[i]
		if err := header(f.Name, f.Bytes); err != nil {
			return nil, err
		}
		r, err := snap.Open(f)
		if err != nil {
			return nil, err
		}
		h := &hashingWriter{w: out, h: sha256.New()}
		_, err = copyAll(ctx, h, r, p, func(n int64) {
			done += n
			o.Progress(done, total)
		})
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		b.add(file{sum: hex.EncodeToString(h.h.Sum(nil)), bytes: f.Bytes, mark: "-", name: f.Name})
	}
	text := b.text()
	if err := header(manifestEntry, int64(len(text))); err != nil {
		return nil, err
	}
	if _, err := out.Write(text); err != nil {
		return nil, err
	}
	return b, out.Close()
}

// RestoreTar makes a store, in a folder that is new or empty, of the stream that [WriteTar] wrote.
// The store has its manifest, with which it begins to be, only when the stream was read to its end
// and every file on disk has the checksum that is told there.
func RestoreTar(ctx context.Context, r io.Reader, into string, o Options) (*Backup, error) {
	b, err := restoreTar(ctx, r, into, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("restore into %s: %w", into, err)
	}
	return b, nil
}

func restoreTar(ctx context.Context, r io.Reader, into string, o Options) (*Backup, error) {
	t := &target{o: o, into: into, pace: newPace(o.BytesPerSecond), made: map[string]bool{}}
	if err := t.take(); err != nil {
		return nil, err
	}
	b, err := t.extract(ctx, tar.NewReader(r))
	if err != nil {
		return nil, err
	}
	for _, f := range b.files {
		if err := t.verify(ctx, f, t.place(f)); err != nil {
			return nil, err
		}
	}
	return b, t.finish(b)
}

// extract writes the files of a stream, up to its manifest, which must name just them.
func (t *target) extract(ctx context.Context, in *tar.Reader) (*Backup, error) {
	got := map[string]bool{}
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the stream has no end: %w", ErrCorrupt)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, ErrCorrupt)
		}
		if h.Name == manifestEntry {
			return readManifest(in, h.Size, got)
		}
		if h.Typeflag != tar.TypeReg || !shard.IsStoreFile(h.Name) || got[h.Name] {
			return nil, fmt.Errorf("entry %.80q is no file of a store, or there twice: %w", h.Name, ErrCorrupt)
		}
		got[h.Name] = true
		if err := t.write(ctx, file{name: h.Name, bytes: h.Size}, in); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("the stream is cut: %w: %w", err, ErrCorrupt)
			}
			return nil, err
		}
	}
}

// CheckTar reads a stream to its end, and verifies every checksum in it.
func CheckTar(r io.Reader) (*Backup, error) {
	in, got, sums := tar.NewReader(r), map[string]bool{}, map[string]string{}
	for {
		h, err := in.Next()
		if err != nil {
			return nil, fmt.Errorf("the stream has no end: %w: %w", err, ErrCorrupt)
		}
		if h.Name == manifestEntry {
			b, err := readManifest(in, h.Size, got)
			if err != nil {
				return nil, err
			}
			for _, f := range b.files {
				if sums[f.name] != f.sum {
					return nil, fmt.Errorf("%s: SHA-256 %s, not %s: %w", f.name, sums[f.name], f.sum, ErrCorrupt)
				}
			}
			_, err = io.Copy(io.Discard, r) // what fills the last block
			return b, err
		}
		if h.Typeflag != tar.TypeReg || !shard.IsStoreFile(h.Name) || got[h.Name] {
			return nil, fmt.Errorf("entry %.80q is no file of a store, or there twice: %w", h.Name, ErrCorrupt)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, in); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", h.Name, err, ErrCorrupt)
		}
		got[h.Name], sums[h.Name] = true, hex.EncodeToString(sum.Sum(nil))
	}
}

func readManifest(in io.Reader, bytes int64, got map[string]bool) (*Backup, error) {
	if bytes > maxManifest {
		return nil, fmt.Errorf("manifest of %d bytes: %w", bytes, ErrCorrupt)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w: %w", err, ErrCorrupt)
	}
	b, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	for _, f := range b.files {
		if !got[f.name] {
			return nil, fmt.Errorf("%s is missing: %w", f.name, ErrCorrupt)
		}
	}
	if len(b.files) != len(got) {
		return nil, fmt.Errorf("%d files, not %d: %w", len(got), len(b.files), ErrCorrupt)
	}
	for _, name := range []string{"MANIFEST", "MANIFEST.copy"} {
		if !got[name] {
			return nil, fmt.Errorf("the store's %s is missing: %w", name, ErrCorrupt)
		}
	}
	return b, nil
}
