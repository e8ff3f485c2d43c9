package vfs

import (
	"errors"
	"fmt"
	"path/filepath"
)

// TempSuffix ends the names of files that are being written. Whoever opens a folder may remove
// what bears it.
const TempSuffix = ".tmp"

// ErrUnsure is wrapped by an error of [WriteFile] that came so late that the file may have its new
// content, now or after a crash; without it, it has the old one.
var ErrUnsure = errors.New("the file may have been replaced")

// ReadFile returns the content of a file, in memory of its own.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); int64(n) < size {
		return nil, fmt.Errorf("read %s: %d of %d bytes: %w", name, n, size, err)
	}
	return b, nil
}

// WriteFile makes data the content of a file, durably and atomically: whatever happens, the file
// has its old content or the new one. It writes beside the file, under its name and [TempSuffix].
func WriteFile(fsys FS, name string, data []byte) error {
	temp := name + TempSuffix
	f, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), fsys.Remove(temp))
	}
	if err := fsys.Rename(temp, name); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w: %w", name, err, ErrUnsure), fsys.Remove(temp))
	}
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		return fmt.Errorf("write %s: sync folder: %w: %w", name, err, ErrUnsure)
	}
	return nil
}

// MkdirAll makes a folder and those above it, durably: every folder that got a new entry is synced.
func MkdirAll(fsys FS, name string) error {
	var parents []string
	for dir := filepath.Clean(name); ; dir = filepath.Dir(dir) {
		if _, err := fsys.List(dir); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		parents = append(parents, parent)
		if parent == dir {
			break
		}
	}
	if err := fsys.MkdirAll(name); err != nil {
		return err
	}
	for _, p := range parents {
		if err := fsys.SyncDir(p); err != nil {
			return fmt.Errorf("make folder %s: sync %s: %w", name, p, err)
		}
	}
	return nil
}

// Exists reports whether there is a file or folder of that name.
func Exists(fsys FS, name string) bool {
	_, err := fsys.Size(name)
	return err == nil
}
