// Package vfs is the file system as the store sees it: few operations, each of which can fail, be
// lost or be garbled in a test. It knows nothing of what is in the files.
//
// Start at [FS]. [OS] is the real one; [Mem] is one for tests, which knows what was synced, shows
// with [Mem.Crash] what a power failure may leave, and fails on demand. One conformance suite
// holds both to the same words.
package vfs

import (
	"errors"
	"io"
)

// ErrFull is wrapped by the error of a [Mem] that has no room. See [IsFull].
var ErrFull = errors.New("no space left on device")

// IsFull reports whether err says that the disk is full, or as much of it as the process may have.
func IsFull(err error) bool { return errors.Is(err, ErrFull) || isFull(err) }

// ErrLocked is wrapped by an error of Lock: somebody else has the lock.
var ErrLocked = errors.New("locked by another process")

// An FS is a file system. Names are slash-separated paths as package os takes them. Its methods
// are safe for concurrent use. Errors work with errors.Is and the sentinels of io/fs.
type FS interface {
	// Create makes a file for reading and writing, or empties the one that is there.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// OpenWrite opens an existing file for reading and for writing at its end.
	OpenWrite(name string) (File, error)
	// Rename moves a file, over the one that is there.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// RemoveAll removes a folder and all below it; it is no error if there is none.
	RemoveAll(name string) error
	// MkdirAll makes a folder and those above it.
	MkdirAll(name string) error
	// List returns the names, sorted, of what is in a folder.
	List(name string) ([]string, error)
	// Size returns the length of a file in bytes.
	Size(name string) (int64, error)
	// Free returns how many bytes more the disk of a folder takes. It fails with an error that wraps
	// errors.ErrUnsupported where that is not known.
	Free(name string) (int64, error)
	// SyncDir makes what was created, renamed and removed in a folder durable.
	SyncDir(name string) error
	// Lock takes the lock that the named file stands for, shared or exclusive, without waiting. It
	// fails with an error that wraps ErrLocked where another process, or another Lock of this one,
	// has it.
	Lock(name string, shared bool) (io.Closer, error)
}

// A File is an open file. Write appends at its end. It is safe for concurrent reading.
type File interface {
	io.ReaderAt
	io.Writer
	io.Closer
	// Sync makes what was written durable.
	Sync() error
	// Truncate cuts the file to size bytes; the next Write goes there.
	Truncate(size int64) error
	// Size returns the length in bytes.
	Size() (int64, error)
	// Map returns the whole content of the file as it is now, for reading only, until Close.
	Map() ([]byte, error)
}
