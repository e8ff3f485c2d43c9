package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// OS is the file system of the operating system. The zero value is ready.
type OS struct{}

var _ FS = OS{}

// Create implements [FS].
func (OS) Create(name string) (File, error) {
	return openOS(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC|os.O_APPEND)
}

// Open implements [FS].
func (OS) Open(name string) (File, error) { return openOS(name, os.O_RDONLY) }

// OpenWrite implements [FS].
func (OS) OpenWrite(name string) (File, error) { return openOS(name, os.O_RDWR|os.O_APPEND) }

func openOS(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return &osFile{f: f}, nil
}

// Rename implements [FS].
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements [FS].
func (OS) Remove(name string) error { return os.Remove(name) }

// RemoveAll implements [FS].
func (OS) RemoveAll(name string) error { return os.RemoveAll(name) }

// MkdirAll implements [FS].
func (OS) MkdirAll(name string) error { return os.MkdirAll(name, 0o755) }

// List implements [FS].
func (OS) List(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, errors.Join(err, f.Close())
}

// Size implements [FS].
func (OS) Size(name string) (int64, error) {
	info, err := os.Stat(name)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Free implements [FS].
func (OS) Free(name string) (int64, error) { return freeOf(name) }

// SyncDir implements [FS].
func (OS) SyncDir(name string) error { return syncDir(name) }

// Lock implements [FS]. The file is made where it is missing, and stays when the lock is let go.
// While the lock is exclusive the file holds the process id of its holder, which the error of
// another Lock names. A process that dies lets its locks go.
func (OS) Lock(name string, shared bool) (io.Closer, error) {
	f, err := openLock(name, shared)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f, shared); err != nil {
		if errors.Is(err, ErrLocked) {
			err = holder(f, err)
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", name, err), f.Close())
	}
	if shared {
		return f, nil
	}
	// The id is a courtesy to whoever finds the lock taken: without it the lock holds all the same.
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return &osLock{f}, nil
}

// openLock opens a lock file, for reading only where that suffices, so that a store on a read-only
// disk can be locked for reading.
func openLock(name string, shared bool) (*os.File, error) {
	if shared {
		f, err := os.Open(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
}

// holder adds to err who holds the lock of f, where the file says so and that process lives.
func holder(f *os.File, err error) error {
	var buf [20]byte
	n, _ := f.ReadAt(buf[:], 0)
	pid, bad := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if bad != nil || !alive(pid) {
		return err
	}
	if pid == os.Getpid() {
		return fmt.Errorf("held by this process (%d) already: %w", pid, err)
	}
	return fmt.Errorf("held by process %d: %w", pid, err)
}

// An osLock is an exclusive lock.
type osLock struct{ f *os.File }

func (l *osLock) Close() error {
	_ = l.f.Truncate(0)
	return l.f.Close()
}

// An osFile is an open file of the operating system.
type osFile struct {
	f    *os.File
	mu   sync.Mutex
	maps [][]byte // what Map returned, the last one last
}

func (f *osFile) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }
func (f *osFile) Write(p []byte) (int, error)             { return f.f.Write(p) }
func (f *osFile) Sync() error                             { return f.f.Sync() }
func (f *osFile) Truncate(size int64) error               { return f.f.Truncate(size) }

func (f *osFile) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *osFile) Map() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	size, err := f.Size()
	if err != nil || size == 0 {
		return nil, err
	}
	if n := len(f.maps); n > 0 && int64(len(f.maps[n-1])) == size {
		return f.maps[n-1], nil
	}
	if size != int64(int(size)) {
		return nil, fmt.Errorf("map %s: %d bytes do not fit in memory", f.f.Name(), size)
	}
	b, err := mapFile(f.f, int(size))
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.f.Name(), err)
	}
	f.maps = append(f.maps, b)
	return b, nil
}

func (f *osFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, b := range f.maps {
		errs = append(errs, unmapFile(b))
	}
	f.maps = nil
	return errors.Join(append(errs, f.f.Close())...)
}
