package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/chronodex/chronodex/internal/vfs"
)

// A fault is what a write that failed has left in the newest file, behind what is durable. Its
// records were refused, and their numbers are given again; so it has to go before the next write.
type fault uint8

const (
	noFault    fault = iota
	faultTail        // some bytes that were never synced
	faultDoubt       // a sync failed: what it should have made durable never is, whatever a later sync says
)

// repair undoes what a write that failed has left. The caller holds writing.
//
// Bytes that were only written are cut off. After a sync that failed the file is not written to any
// more: what had been durable before, and is whole, is written to a new one that takes its name, and
// that says that it was closed; the next record begins another file.
func (l *Log) repair() error {
	if l.fault == noFault {
		return nil
	}
	if l.fault == faultTail && l.offset > 0 {
		if err := l.file.Truncate(l.offset); err == nil {
			l.fault = noFault
			return nil
		}
		l.fault = faultDoubt
	}
	if l.offset == 0 {
		return l.drop()
	}
	name := fileName(l.dir, l.first)
	whole, err := l.durablePart(name)
	if err == nil {
		err = vfs.WriteFile(l.fsys, name, whole)
	}
	if err != nil {
		return fmt.Errorf("undo the write that failed before: %w", err)
	}
	l.letGo()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sizes[len(l.sizes)-1] = int64(len(whole))
	return nil
}

// durablePart returns what of the newest file is durable, and a closing frame.
func (l *Log) durablePart(name string) ([]byte, error) {
	data, err := readAll(l.fsys, name)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) < l.offset {
		return nil, fmt.Errorf("%s: %d bytes of %d: %w", name, len(data), l.offset, ErrCorrupt)
	}
	data = data[:l.offset]
	s, err := newScan(name, data, l.first)
	if err != nil {
		return nil, err
	}
	s.run(func(Record) bool { return true })
	for _, d := range append(s.synced, s.open...) {
		return nil, d
	}
	return appendClosed(data, l.first, l.Synced()+1), nil
}

// drop removes the newest file, of which nothing is needed.
func (l *Log) drop() error {
	err := l.fsys.Remove(fileName(l.dir, l.first))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // an earlier try came so far
	}
	if err == nil {
		l.offset = 0 // so that it is not looked for
		err = l.fsys.SyncDir(l.dir)
	}
	if err != nil {
		return fmt.Errorf("undo the write that failed before: %w", err)
	}
	l.letGo()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files, l.sizes = l.files[:len(l.files)-1], l.sizes[:len(l.sizes)-1]
	return nil
}

// isHeld reports whether somebody wants that no file is removed.
func (l *Log) isHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holds > 0
}

// letGo makes the next record begin a file.
func (l *Log) letGo() {
	_ = l.file.Close() // nothing in it is relied on any more
	l.file, l.fault = nil, noFault
}

// syncClosing makes the closing frame of an earlier process durable: by a sync, or after one that
// failed by writing the file anew.
func (l *Log) syncClosing() error {
	if l.closing == "" {
		return nil
	}
	if !l.unsure {
		f, err := l.fsys.OpenWrite(l.closing)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err == nil {
			l.closing = ""
			return nil
		}
		l.unsure = true
	}
	data, err := readAll(l.fsys, l.closing)
	if err == nil {
		err = vfs.WriteFile(l.fsys, l.closing, data)
	}
	if err == nil {
		l.closing, l.unsure = "", false
	}
	return err
}

// readAll returns the content of a file that may be cut meanwhile, which a map of it would not
// survive.
func readAll(fsys vfs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size, size+frameHeader)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}
