package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// OpenStore opens a backup in dir, that which [Find] finds, as a store that can be read only. Nothing
// is copied; series are looked at one by one, since a backup has no index. The caller closes it.
func OpenStore(dir, which string, o Options) (*shard.Set, *Backup, error) {
	o = o.withDefaults()
	b, err := Find(dir, which, o)
	if err != nil {
		return nil, nil, err
	}
	v := &view{fsys: o.FS, names: map[string]string{}}
	for _, f := range b.files {
		v.names[path.Join(viewRoot, f.name)] = f.contentPath(dir)
	}
	set, err := shard.Open(viewRoot, shard.Options{FS: v, ReadOnly: true, IndexDir: path.Join(dir, "no-index")})
	if err != nil {
		return nil, nil, fmt.Errorf("backup %s of %s: %w", b.Name, dir, err)
	}
	return set, b, nil
}

const viewRoot = "backup"

// A view is the files of one backup under the names that they had in the store.
type view struct {
	fsys  vfs.FS
	names map[string]string // of contents, by name
}

var errView = errors.New("a backup does not change")

func (v *view) real(name string) (string, error) {
	if n, ok := v.names[name]; ok {
		return n, nil
	}
	return "", &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Open implements vfs.FS.
func (v *view) Open(name string) (vfs.File, error) {
	n, err := v.real(name)
	if err != nil {
		return nil, err
	}
	return v.fsys.Open(n)
}

// Size implements vfs.FS. A folder has none.
func (v *view) Size(name string) (int64, error) {
	if names, err := v.List(name); err == nil && len(names) > 0 {
		return 0, nil
	}
	n, err := v.real(name)
	if err != nil {
		return 0, err
	}
	return v.fsys.Size(n)
}

// List implements vfs.FS.
func (v *view) List(name string) ([]string, error) {
	var out []string
	for n := range v.names {
		if rest, ok := strings.CutPrefix(n, name+"/"); ok {
			first, _, _ := strings.Cut(rest, "/")
			out = append(out, first)
		}
	}
	if out == nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: fs.ErrNotExist}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// What would change something is refused.

func (v *view) Create(string) (vfs.File, error)      { return nil, errView }
func (v *view) OpenWrite(string) (vfs.File, error)   { return nil, errView }
func (v *view) Rename(string, string) error          { return errView }
func (v *view) Remove(string) error                  { return errView }
func (v *view) RemoveAll(string) error               { return errView }
func (v *view) MkdirAll(string) error                { return errView }
func (v *view) SyncDir(string) error                 { return errView }
func (v *view) Lock(string, bool) (io.Closer, error) { return nil, errView }
func (v *view) Free(name string) (int64, error)      { return 0, errView }
