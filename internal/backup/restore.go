package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// restoringName is a file in a folder that is being restored into: what is in it is nobody's yet,
// and the next restore begins anew.
const restoringName = "RESTORING"

// Restore makes a store, in a folder that is new or empty, of a backup in dir: that which [Find]
// finds. All contents are verified before anything is written, and what was written is read again
// and verified before the store has its manifest, with which it begins to be. What a cut restore has
// left in the folder is removed first.
func Restore(ctx context.Context, dir, which, into string, o Options) (*Backup, error) {
	o = o.withDefaults()
	b, err := Find(dir, which, o)
	if err == nil {
		err = restore(ctx, b, dir, into, o)
	}
	if err != nil {
		return nil, fmt.Errorf("restore %s into %s: %w", dir, into, err)
	}
	return b, nil
}

func restore(ctx context.Context, b *Backup, dir, into string, o Options) error {
	lock, err := o.FS.Lock(path.Join(dir, lockName), true)
	if errors.Is(err, vfs.ErrLocked) {
		return err
	}
	if err == nil { // else the folder can only be read, so nobody removes anything
		defer lock.Close()
	}
	t := &target{o: o, into: into, pace: newPace(o.BytesPerSecond), made: map[string]bool{}, total: 3 * b.Bytes}
	if _, err := t.free(); err != nil {
		return err
	}
	for _, f := range b.files {
		if err := t.verify(ctx, f, f.contentPath(dir)); err != nil {
			return err
		}
	}
	if err := t.take(); err != nil {
		return err
	}
	for _, f := range b.files {
		if err := t.copy(ctx, f, f.contentPath(dir)); err != nil {
			return err
		}
	}
	for _, f := range b.files {
		if err := t.verify(ctx, f, t.place(f)); err != nil {
			return err
		}
	}
	return t.finish(b)
}

// A target is a folder that is being restored into.
type target struct {
	o           Options
	into        string
	pace        *pace
	made        map[string]bool // folders
	done, total int64
}

// free fails where the folder has files of somebody else. It returns what a cut restore has left.
func (t *target) free() ([]string, error) {
	names, err := t.o.FS.List(t.into)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(names) > 0 && !slices.Contains(names, restoringName) || slices.ContainsFunc(names, shard.IsStoreFile) {
		return nil, fmt.Errorf("%w: restore into a new one", ErrNotEmpty)
	}
	return names, nil
}

// take marks the folder as one that is being restored into, and empties it.
func (t *target) take() error {
	names, err := t.free()
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != restoringName {
			if err := t.o.FS.RemoveAll(path.Join(t.into, name)); err != nil {
				return err
			}
		}
	}
	if err := vfs.MkdirAll(t.o.FS, t.into); err != nil {
		return err
	}
	return vfs.WriteFile(t.o.FS, path.Join(t.into, restoringName), nil)
}

func (t *target) step(n int64) {
	t.done += n
	t.o.Progress(t.done, max(t.done, t.total))
}

// pendingSuffix ends the name of a manifest of the store while its files are not verified yet.
const pendingSuffix = ".restored"

// place is where a file is written: the manifest of the store gets its name at the end.
func (t *target) place(f file) string {
	if path.Dir(f.name) == "." {
		return path.Join(t.into, f.name+pendingSuffix)
	}
	return path.Join(t.into, f.name)
}

// verify reads a file and compares it with what it should be.
func (t *target) verify(ctx context.Context, f file, place string) error {
	return verify(ctx, t.o.FS, f, place, t.pace, t.step)
}

func verify(ctx context.Context, fsys vfs.FS, f file, place string, p *pace, step func(int64)) error {
	in, err := fsys.Open(place)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %w", err, ErrCorrupt)
		}
		return fmt.Errorf("%s: %w", f.name, err)
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := copyAll(ctx, h, io.NewSectionReader(in, 0, size), p, step); err != nil {
		return fmt.Errorf("%s: %s: %w", f.name, place, err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != f.sum || size != f.bytes {
		return fmt.Errorf("%s: %s has %d bytes with the SHA-256 %s, not %d with %s: %w",
			f.name, place, size, sum, f.bytes, f.sum, ErrCorrupt)
	}
	return nil
}

// copy writes one file.
func (t *target) copy(ctx context.Context, f file, from string) error {
	in, err := t.o.FS.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	return t.write(ctx, f, io.NewSectionReader(in, 0, f.bytes))
}

// write makes the file of f of what r holds.
func (t *target) write(ctx context.Context, f file, r io.Reader) error {
	place := t.place(f)
	if d := path.Dir(place); !t.made[d] {
		if err := vfs.MkdirAll(t.o.FS, d); err != nil {
			return err
		}
		t.made[d] = true
	}
	out, err := t.o.FS.Create(place)
	if err != nil {
		return err
	}
	_, err = copyAll(ctx, out, r, t.pace, t.step)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

// finish makes what was restored durable, and then a store.
func (t *target) finish(b *Backup) error {
	for d := range t.made {
		if err := t.o.FS.SyncDir(d); err != nil {
			return err
		}
	}
	for _, f := range b.files {
		if path.Dir(f.name) != "." {
			continue
		}
		if err := t.o.FS.Rename(t.place(f), path.Join(t.into, f.name)); err != nil {
			return err
		}
		if err := t.o.FS.SyncDir(t.into); err != nil {
			return err
		}
	}
	if err := t.o.FS.Remove(path.Join(t.into, restoringName)); err != nil {
		return err
	}
	return t.o.FS.SyncDir(t.into)
}

// A Finding is a backup that cannot be restored wholly.
type Finding struct {
	Backup string // its name
	File   string // of the store
	Reason error
}

// String says all of it on one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %v", f.Backup, f.Reason) }

// Verify reads every content of every backup in dir once, and reports what is not as it was
// written. An error means that not all could be looked at.
func Verify(ctx context.Context, dir string, o Options, report func(Finding)) error {
	o = o.withDefaults()
	all, err := List(dir, o)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			return fmt.Errorf("verify %s: %w", dir, err)
		}
		report(Finding{Backup: dir, Reason: err})
	}
	type content struct {
		sum   string
		bytes int64
	}
	total, done := int64(0), int64(0)
	verdicts := map[content]error{}
	for _, b := range all {
		for _, f := range b.files {
			if _, ok := verdicts[content{f.sum, f.bytes}]; !ok {
				verdicts[content{f.sum, f.bytes}] = errNotYet
				total += f.bytes
			}
		}
	}
	p := newPace(o.BytesPerSecond)
	for _, b := range slices.Backward(all) {
		for _, f := range b.files {
			key := content{f.sum, f.bytes}
			if verdicts[key] == errNotYet { //nolint:errorlint // this very value
				verdicts[key] = verify(ctx, o.FS, f, f.contentPath(dir), p, func(n int64) {
					done += n
					o.Progress(done, total)
				})
				if ctx.Err() != nil {
					return fmt.Errorf("verify %s: %w", dir, context.Cause(ctx))
				}
			}
			if err := verdicts[key]; err != nil {
				report(Finding{Backup: b.Name, File: f.name, Reason: err})
			}
		}
	}
	return nil
}

var errNotYet = errors.New("not looked at yet")
