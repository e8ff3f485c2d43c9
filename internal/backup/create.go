package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// sealFrom is the size of a log from which on it is sealed before: a log is copied anew by every
// backup, and segments only once.
const sealFrom = 32 << 20

// Create adds a backup of the store to dir, a folder of backups, which is made where it is missing.
// It holds what was acknowledged before the call, each batch wholly or not at all. When it
// returns nil the backup is durable; after an error, or a crash, there is none, and the next call
// goes on with what was copied. Only contents that no backup in dir has are copied.
func Create(ctx context.Context, set *shard.Set, dir string, o Options) (*Backup, error) {
	b, err := create(ctx, set, dir, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("backup to %s: %w", dir, err)
	}
	return b, nil
}

func create(ctx context.Context, set *shard.Set, dir string, o Options) (*Backup, error) {
	lock, err := prepare(o.FS, dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	all, err := List(dir, o)
	if err != nil && !errors.Is(err, ErrCorrupt) { // a damaged one does not keep others from being made
		return nil, err
	}
	var newest *Backup
	if len(all) > 0 {
		newest = &all[len(all)-1]
	}
	w := &writer{o: o, dir: dir, pace: newPace(o.BytesPerSecond), out: new(Backup)}
	if w.known, err = loadKnown(o.FS, dir, newest); err != nil {
		return nil, err
	}
	if o.Full {
		w.known = known{}
	}
	if set.Stats().LogBytes > sealFrom {
		if err := set.Seal(ctx); err != nil {
			return nil, err
		}
	}
	snap, err := set.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	err = errors.Join(w.write(ctx, snap, newest), snap.Close())
	if err != nil {
		return nil, err
	}
	if o.Keep > 0 {
		_, err = prune(o.FS, dir, o.Keep)
	}
	return w.out, err
}

// prepare makes dir a folder of backups, and locks it.
func prepare(fsys vfs.FS, dir string) (io.Closer, error) {
	if !vfs.Exists(fsys, path.Join(dir, markerName)) {
		names, err := fsys.List(dir)
		if err == nil && slices.ContainsFunc(names, func(n string) bool { return n != lockName && n != filesDir && n != markerName+vfs.TempSuffix }) {
			return nil, fmt.Errorf("%w, and no folder of backups: name a new one", ErrNotEmpty)
		}
		if err := vfs.MkdirAll(fsys, path.Join(dir, filesDir)); err != nil {
			return nil, err
		}
		if err := vfs.WriteFile(fsys, path.Join(dir, markerName), []byte(markerText)); err != nil {
			return nil, err
		}
	}
	if err := marked(fsys, dir); err != nil {
		return nil, err
	}
	return fsys.Lock(path.Join(dir, lockName), false)
}

// A writer makes one backup.
type writer struct {
	o      Options
	dir    string
	pace   *pace
	known  known
	resume vfs.File // nil until something was copied
	out    *Backup
	done   int64
	total  int64
}

func (w *writer) write(ctx context.Context, snap *shard.Snapshot, newest *Backup) error {
	w.total = snap.Bytes()
	defer func() {
		if w.resume != nil {
			w.resume.Close()
		}
	}()
	for i := range snap.Files {
		f, err := w.file(ctx, snap, &snap.Files[i])
		if err != nil {
			return fmt.Errorf("%s: %w", snap.Files[i].Name, err)
		}
		w.out.add(f)
	}
	w.out.Taken = snap.Taken.UTC()
	at := w.out.Taken
	if newest != nil && newest.Name >= at.Format(nameLayout) { // names are in order, whatever clocks do
		at = newest.Taken
		for newest.Name >= at.Format(nameLayout) {
			at = at.Add(1)
		}
	}
	w.out.Name = at.Format(nameLayout)
	if err := w.o.FS.SyncDir(path.Join(w.dir, filesDir)); err != nil {
		return err
	}
	if err := vfs.WriteFile(w.o.FS, path.Join(w.dir, w.out.Name+suffix), w.out.text()); err != nil {
		return err
	}
	if vfs.Exists(w.o.FS, path.Join(w.dir, resumeName)) {
		return w.o.FS.Remove(path.Join(w.dir, resumeName))
	}
	return nil
}

// file sees to it that the folder has the content of f.
func (w *writer) file(ctx context.Context, snap *shard.Snapshot, f *shard.SnapshotFile) (out file, err error) {
	out = file{bytes: f.Bytes, mark: "-", name: f.Name}
	if f.Mark != "" {
		out.mark = f.Mark
		if sum, ok := w.known[out]; ok {
			out.sum = sum
			if size, err := w.o.FS.Size(out.contentPath(w.dir)); err == nil && size == f.Bytes {
				w.step(f.Bytes)
				return out, nil
			}
		}
	}
	r, err := snap.Open(f)
	if err != nil {
		return out, err
	}
	defer r.Close()
	if out.sum, err = w.content(ctx, r, f.Bytes); err != nil {
		return out, err
	}
	return out, w.note(out)
}

func (w *writer) step(n int64) {
	w.done += n
	w.o.Progress(w.done, w.total)
}

// content stores what r holds, and returns its checksum.
func (w *writer) content(ctx context.Context, r io.Reader, bytes int64) (string, error) {
	temp := path.Join(w.dir, filesDir, "incoming"+vfs.TempSuffix)
	f, err := w.o.FS.Create(temp)
	if err != nil {
		return "", err
	}
	h := &hashingWriter{w: f, h: sha256.New()}
	n, err := copyAll(ctx, h, r, w.pace, w.step)
	if err == nil && n != bytes {
		err = fmt.Errorf("%d bytes, not %d: %w", n, bytes, io.ErrUnexpectedEOF)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, w.o.FS.Remove(temp))
	}
	sum := hex.EncodeToString(h.h.Sum(nil))
	place := path.Join(w.dir, filesDir, sum)
	if size, err := w.o.FS.Size(place); err == nil && size == bytes && !w.o.Full {
		return sum, w.o.FS.Remove(temp)
	}
	w.out.Copied += bytes
	return sum, w.o.FS.Rename(temp, place)
}

// note has the next backup know of a content, should this one be cut.
func (w *writer) note(f file) (err error) {
	if f.mark == "-" {
		return nil
	}
	if w.resume == nil {
		name := path.Join(w.dir, resumeName)
		if w.resume, err = w.o.FS.OpenWrite(name); err != nil {
			w.resume, err = w.o.FS.Create(name)
		}
		if err != nil {
			return err
		}
	}
	if err := w.o.FS.SyncDir(path.Join(w.dir, filesDir)); err != nil { // the content comes first
		return err
	}
	_, err = w.resume.Write(f.append(nil))
	return errors.Join(err, w.resume.Sync())
}

// A hashingWriter hashes what it writes.
type hashingWriter struct {
	w io.Writer
	h hash.Hash
}

func (h *hashingWriter) Write(b []byte) (int, error) {
	h.h.Write(b)
	return h.w.Write(b)
}

// Prune removes all backups of dir but the newest keep, at least one, and the contents that no
// other one has. It returns how many bytes it has freed.
func Prune(dir string, keep int, o Options) (int64, error) {
	o = o.withDefaults()
	if err := marked(o.FS, dir); err != nil {
		return 0, err
	}
	lock, err := o.FS.Lock(path.Join(dir, lockName), false)
	if err != nil {
		return 0, fmt.Errorf("prune %s: %w", dir, err)
	}
	defer lock.Close()
	return prune(o.FS, dir, max(keep, 1))
}

// prune removes backups before the contents that they name. The caller holds the lock. With a
// damaged backup, whose contents are not known, it removes nothing.
func prune(fsys vfs.FS, dir string, keep int) (int64, error) {
	all, err := List(dir, Options{FS: fsys})
	if err != nil {
		return 0, fmt.Errorf("nothing was pruned: %w", err)
	}
	for _, b := range all[:max(0, len(all)-keep)] {
		if err := fsys.Remove(path.Join(dir, b.Name+suffix)); err != nil {
			return 0, err
		}
	}
	if err := fsys.SyncDir(dir); err != nil {
		return 0, err
	}
	used := map[string]bool{}
	for _, b := range all[max(0, len(all)-keep):] {
		for _, f := range b.files {
			used[f.sum] = true
		}
	}
	if text, err := vfs.ReadFile(fsys, path.Join(dir, resumeName)); err == nil && len(text) > 0 {
		return 0, nil // a cut backup has contents here, that are nobody's yet
	}
	names, err := fsys.List(path.Join(dir, filesDir))
	freed := int64(0)
	for _, name := range names {
		if used[name] {
			continue
		}
		place := path.Join(dir, filesDir, name)
		size, _ := fsys.Size(place)
		if err := fsys.Remove(place); err != nil {
			return freed, err
		}
		freed += size
	}
	return freed, err
}
