package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chronodex/chronodex/internal/vfs"
)

// TestConformance runs every law of vfs.FS on every implementation.
func TestConformance(t *testing.T) {
	systems := map[string]func(t *testing.T) (vfs.FS, string){
		"os":  func(t *testing.T) (vfs.FS, string) { return vfs.OS{}, t.TempDir() },
		"mem": func(t *testing.T) (vfs.FS, string) { return vfs.NewMem(), "/" },
	}
	laws := map[string]func(*testing.T, vfs.FS, string){
		"write appends, read reads":       writeAppends,
		"truncate cuts and writes follow": truncateCuts,
		"maps keep what they showed":      mapsKeep,
		"names come and go":               namesComeAndGo,
		"missing names are ErrNotExist":   missingNames,
		"closed files are ErrClosed":      closedFiles,
		"read-only files take no writes":  readOnlyFiles,
		"removed files stay readable":     removedFiles,
		"locks exclude":                   locksExclude,
		"whole files":                     wholeFiles,
		"many readers":                    manyReaders,
	}
	for system, open := range systems {
		for law, check := range laws {
			t.Run(system+"/"+law, func(t *testing.T) {
				fsys, root := open(t)
				check(t, fsys, root)
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, fsys vfs.FS, name, content string) vfs.File {
	t.Helper()
	f, err := fsys.Create(name)
	must(t, err)
	n, err := f.Write([]byte(content))
	must(t, err)
	if n != len(content) {
		t.Fatalf("wrote %d of %d bytes", n, len(content))
	}
	return f
}

func want(t *testing.T, fsys vfs.FS, name, content string) {
	t.Helper()
	if got, err := vfs.ReadFile(fsys, name); err != nil || string(got) != content {
		t.Fatalf("%s is %q, %v; want %q", name, got, err, content)
	}
}

func writeAppends(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "f")
	f := create(t, fsys, name, "hello ")
	must(t, f.Sync())
	_, err := f.Write([]byte("world"))
	must(t, err)
	b := make([]byte, 5)
	if n, err := f.ReadAt(b, 6); n != 5 || err != nil && err != io.EOF || string(b) != "world" {
		t.Fatalf("read %d, %v: %q", n, err, b)
	}
	if n, err := f.ReadAt(b, 8); n != 3 || err != io.EOF {
		t.Fatalf("read past the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(b, 99); n != 0 || err != io.EOF {
		t.Fatalf("read behind the end: %d, %v", n, err)
	}
	must(t, f.Close())
	f, err = fsys.OpenWrite(name)
	must(t, err)
	_, err = f.Write([]byte("!"))
	must(t, err)
	must(t, f.Close())
	want(t, fsys, name, "hello world!")
	must(t, create(t, fsys, name, "new").Close())
	want(t, fsys, name, "new")
}

func truncateCuts(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "f")
	f := create(t, fsys, name, "0123456789")
	must(t, f.Truncate(4))
	_, err := f.Write([]byte("x"))
	must(t, err)
	want(t, fsys, name, "0123x")
	must(t, f.Truncate(6))
	if size, err := f.Size(); size != 6 || err != nil {
		t.Fatalf("size %d, %v", size, err)
	}
	must(t, f.Close())
	want(t, fsys, name, "0123x\x00")
}

func mapsKeep(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "f")
	f := create(t, fsys, name, "")
	if b, err := f.Map(); len(b) != 0 || err != nil {
		t.Fatalf("map of nothing: %q, %v", b, err)
	}
	var maps [][]byte
	content := strings.Repeat("0123456789abcdef", 1000)
	for i := range 3 {
		_, err := f.Write([]byte(content))
		must(t, err)
		b, err := f.Map()
		must(t, err)
		if len(b) != (i+1)*len(content) {
			t.Fatalf("map %d has %d bytes", i, len(b))
		}
		maps = append(maps, b)
	}
	for i, b := range maps {
		if string(b) != strings.Repeat(content, i+1) {
			t.Errorf("map %d changed", i)
		}
	}
	must(t, f.Close())
}

func namesComeAndGo(t *testing.T, fsys vfs.FS, root string) {
	dir := filepath.Join(root, "a", "b")
	must(t, vfs.MkdirAll(fsys, dir))
	must(t, fsys.MkdirAll(dir))
	for _, name := range []string{"z", "x", "y"} {
		must(t, create(t, fsys, filepath.Join(dir, name), name).Close())
	}
	must(t, fsys.Rename(filepath.Join(dir, "z"), filepath.Join(dir, "x")))
	must(t, fsys.SyncDir(dir))
	want(t, fsys, filepath.Join(dir, "x"), "z")
	list := func(dir string, want ...string) {
		t.Helper()
		if got, err := fsys.List(dir); err != nil || !slices.Equal(got, want) {
			t.Fatalf("list: %v, %v; want %v", got, err, want)
		}
	}
	list(dir, "x", "y")
	if size, err := fsys.Size(filepath.Join(dir, "y")); size != 1 || err != nil {
		t.Fatalf("size %d, %v", size, err)
	}
	if err := fsys.Remove(dir); err == nil {
		t.Fatal("removed a folder that is not empty")
	}
	must(t, fsys.Remove(filepath.Join(dir, "y")))
	list(dir, "x")
	must(t, fsys.RemoveAll(filepath.Join(root, "a")))
	list(root)
	must(t, fsys.RemoveAll(filepath.Join(root, "a", "b", "c")))
}

func missingNames(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "none")
	_, err1 := fsys.Open(name)
	_, err2 := fsys.OpenWrite(name)
	_, err3 := fsys.Size(name)
	_, err4 := fsys.List(name)
	_, err5 := fsys.Create(filepath.Join(name, "f"))
	errs := []error{
		err1, err2, err3, err4, err5,
		fsys.Rename(name, name+"2"), fsys.Remove(name), fsys.SyncDir(name),
	}
	for i, err := range errs {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func closedFiles(t *testing.T, fsys vfs.FS, root string) {
	f := create(t, fsys, filepath.Join(root, "f"), "content")
	must(t, f.Close())
	_, err1 := f.Write([]byte("x"))
	_, err2 := f.ReadAt(make([]byte, 1), 0)
	_, err3 := f.Size()
	_, err4 := f.Map()
	for i, err := range []error{err1, err2, err3, err4, f.Sync(), f.Truncate(0), f.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func readOnlyFiles(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "f")
	must(t, create(t, fsys, name, "content").Close())
	f, err := fsys.Open(name)
	must(t, err)
	if _, err := f.Write([]byte("x")); err == nil {
		t.Error("written")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("truncated")
	}
	must(t, f.Close())
	want(t, fsys, name, "content")
}

func removedFiles(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "f")
	f := create(t, fsys, name, "content")
	must(t, fsys.Remove(name))
	b, err := f.Map()
	must(t, err)
	if string(b) != "content" {
		t.Fatalf("map is %q", b)
	}
	must(t, create(t, fsys, name, "other").Close())
	if string(b) != "content" {
		t.Fatalf("map became %q", b)
	}
	must(t, f.Close())
}

func locksExclude(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "LOCK")
	for _, tc := range []struct{ first, second, ok bool }{
		{first: false, second: false, ok: false},
		{first: false, second: true, ok: false},
		{first: true, second: false, ok: false},
		{first: true, second: true, ok: true},
	} {
		first, err := fsys.Lock(name, tc.first)
		must(t, err)
		second, err := fsys.Lock(name, tc.second)
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, vfs.ErrLocked) {
			t.Errorf("lock shared=%v, then shared=%v: %v", tc.first, tc.second, err)
		}
		if err != nil && !tc.first && !strings.Contains(err.Error(), "held by this process") {
			t.Errorf("error does not name the holder: %v", err)
		}
		if second != nil {
			must(t, second.Close())
		}
		must(t, first.Close())
	}
	last, err := fsys.Lock(name, false)
	must(t, err)
	must(t, last.Close())
}

func wholeFiles(t *testing.T, fsys vfs.FS, root string) {
	name := filepath.Join(root, "f")
	for _, content := range []string{"one", "", "three"} {
		must(t, vfs.WriteFile(fsys, name, []byte(content)))
		want(t, fsys, name, content)
	}
	if names, err := fsys.List(root); err != nil || !slices.Equal(names, []string{"f"}) {
		t.Errorf("left behind: %v, %v", names, err)
	}
	if !vfs.Exists(fsys, name) || vfs.Exists(fsys, name+"2") {
		t.Error("exists")
	}
}

func manyReaders(t *testing.T, fsys vfs.FS, root string) {
	content := bytes.Repeat([]byte("0123456789"), 500)
	f := create(t, fsys, filepath.Join(root, "f"), string(content))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			b := make([]byte, 100)
			for k := range 40 {
				off := 100 * ((i + k) % 40)
				if n, err := f.ReadAt(b, int64(off)); n != 100 || err != nil || !bytes.Equal(b, content[off:off+100]) {
					t.Errorf("read at %d: %d, %v", off, n, err)
				}
			}
		})
	}
	for range 100 {
		_, err := f.Write([]byte("more"))
		must(t, err)
	}
	wg.Wait()
	must(t, f.Close())
}
