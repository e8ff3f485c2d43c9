package vfs

import (
	"errors"
	"io"
	"io/fs"
	"slices"
)

// A memFile is an open file of a Mem.
type memFile struct {
	m      *Mem
	name   string
	n      *node
	write  bool // opened for writing
	closed bool // guarded by m.mu
}

// begin is Mem.begin for an operation on an open file.
func (f *memFile) begin(kind string, change bool) error {
	if err := f.m.begin(kind, f.name, change); err != nil {
		return err
	}
	switch {
	case f.closed:
		return &fs.PathError{Op: kind, Path: f.name, Err: fs.ErrClosed}
	case f.n.dir:
		return &fs.PathError{Op: kind, Path: f.name, Err: errors.New("is a folder")}
	case change && !f.write && kind != "sync":
		return &fs.PathError{Op: kind, Path: f.name, Err: fs.ErrPermission}
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	err := f.begin("read", false)
	defer f.m.mu.Unlock()
	switch {
	case err != nil:
		return 0, err
	case off < 0:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	case off >= int64(len(f.n.data)):
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, f.n.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	err := f.begin("write", true)
	defer f.m.mu.Unlock()
	if f.closed || !f.write {
		return 0, err
	}
	if err != nil {
		p = p[:len(p)/2] // a disk that is full takes what fits
	}
	if free := f.m.free(); int64(len(p)) > free {
		p = p[:free]
		err = &fs.PathError{Op: "write", Path: f.name, Err: ErrFull}
	}
	f.n.data = append(f.n.data, p...)
	return len(p), err
}

func (f *memFile) Sync() error {
	err := f.begin("sync", true)
	defer f.m.mu.Unlock()
	if f.closed {
		return err
	}
	f.n.sync(err != nil)
	return err
}

func (f *memFile) Truncate(size int64) error {
	err := f.begin("truncate", true)
	defer f.m.mu.Unlock()
	if err != nil {
		return err
	}
	if size < 0 {
		return &fs.PathError{Op: "truncate", Path: f.name, Err: fs.ErrInvalid}
	}
	f.n.truncate(int(size))
	return nil
}

func (f *memFile) Size() (int64, error) {
	err := f.begin("size", false)
	defer f.m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return int64(len(f.n.data)), nil
}

func (f *memFile) Map() ([]byte, error) {
	err := f.begin("map", false)
	defer f.m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return slices.Clip(f.n.data), nil
}

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	return nil
}

// truncate sets the length of a file.
func (n *node) truncate(size int) {
	switch have := len(n.data); {
	case size > have:
		n.data = append(slices.Clip(n.data), make([]byte, size-have)...)
	case size < have:
		n.data = slices.Clip(n.data[:size]) // so that the next write copies
		if n.cut < 0 || size < n.cut {
			n.cut = size
		}
	}
}

// sync makes the bytes of a file durable or, if failed, doubtful for ever.
func (n *node) sync(failed bool) {
	if failed {
		if from := n.stable(); from < len(n.data) {
			n.doubt = append(n.doubt, [2]int64{int64(from), int64(len(n.data))})
		}
		return
	}
	n.synced, n.cut = slices.Clip(n.data), -1
}

// stable is the length of the part of a file that no crash changes, doubts aside.
func (n *node) stable() int {
	if n.cut >= 0 {
		return min(n.cut, len(n.synced))
	}
	return min(len(n.synced), len(n.data))
}
