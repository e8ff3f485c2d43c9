package wal

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/internal/vfs"
)

// Open opens the log in dir for writing, makes the folder if there is none, and gives replay the
// records after o.After, oldest first, each valid during the call. It is the caller's to see that
// only one Log has the folder. What cannot be read is given to damaged, if that is not nil, and is
// no error. What a crash has cut is mended on disk. An error of replay ends Open.
func Open(fsys vfs.FS, dir string, o Options, replay func(Record) error, damaged func(*Damage)) (*Log, error) {
	l := &Log{
		fsys: fsys, dir: dir, fileBytes: o.FileBytes, writing: make(chan struct{}, 1),
		queued: newBatch(nil), next: o.After + 1,
	}
	if l.fileBytes <= 0 {
		l.fileBytes = 64 << 20
	}
	if err := vfs.MkdirAll(fsys, dir); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	for rec, err := range Replay(fsys, dir, o.After) {
		var d *Damage
		switch {
		case errors.As(err, &d):
			if damaged != nil {
				damaged(d)
			}
		case err != nil:
			return nil, fmt.Errorf("open log %s: %w", dir, err)
		case replay != nil:
			if err := replay(rec); err != nil {
				return nil, fmt.Errorf("%s: record %d: %w", rec.File, rec.Seq, err)
			}
		}
	}
	if err := l.mend(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", dir, err)
	}
	l.synced = l.next - 1
	if err := l.Release(o.After); err != nil {
		return nil, err
	}
	return l, nil
}

func newBatch(memory []byte) *batch {
	return &batch{frames: memory[:0], done: make(chan struct{})}
}

// mend finds the files and the number of the next record, removes what was half written beside the
// log, and writes the end of the last file anew where the log was not closed.
func (l *Log) mend() error {
	names, err := l.fsys.List(l.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, fileSuffix+vfs.TempSuffix) {
			if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil {
				return err
			}
		}
	}
	files, err := list(l.fsys, l.dir)
	if err != nil {
		return err
	}
	for i, f := range files {
		l.next = max(l.next, f.first)
		size, err := l.fsys.Size(f.name)
		if err == nil && i == len(files)-1 {
			size, err = l.mendFile(f)
		}
		if err != nil {
			return err
		}
		if size > 0 {
			l.files, l.sizes = append(l.files, f), append(l.sizes, size)
		}
	}
	return nil
}

// mendFile mends the last file, and returns its length; 0 means that it is no more.
func (l *Log) mendFile(lf logFile) (int64, error) {
	f, err := l.fsys.Open(lf.name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	data, err := f.Map()
	if err != nil {
		return 0, err
	}
	s, err := newScan(lf.name, data, lf.first)
	if err != nil {
		return 0, err
	}
	kept, from, next := []byte(nil), 0, s.first
	s.run(func(r Record) bool {
		next = r.Seq + 1
		if s.write > from { // a later write
			kept, from = kept[:0], s.write
		}
		kept = appendFrame(kept, kindRecord, r.Seq, r.Data, crc32.Checksum(r.Data, castagnoli))
		return true
	})
	if s.write > from { // nothing of the last write is whole
		kept = nil
	}
	for _, d := range s.synced {
		next = max(next, d.Last+1)
	}
	if s.closed && len(s.open) == 0 {
		l.next, l.closing = max(l.next, s.next), lf.name
		return int64(len(data)), nil
	}
	l.next = max(l.next, next)
	if s.write == 0 && len(kept) == 0 && len(s.synced) == 0 {
		if err := l.fsys.Remove(lf.name); err != nil {
			return 0, err
		}
		return 0, l.fsys.SyncDir(l.dir)
	}
	whole := append([]byte(nil), data[:s.write]...)
	if s.write == 0 {
		whole = appendFileHeader(nil, s.first)
	}
	placeFrames(kept, s.first, int64(len(whole)))
	whole = append(whole, kept...)
	whole = appendClosed(whole, s.first, next)
	return int64(len(whole)), vfs.WriteFile(l.fsys, lf.name, whole)
}

// appendClosed appends the closing frame to a whole file.
func appendClosed(file []byte, first, next uint64) []byte {
	end := appendFrame(nil, kindClosed, next, nil, 0)
	placeFrames(end, first, int64(len(file)))
	return append(file, end...)
}

// Check reads all files again and gives report what cannot be read. The log may be written to
// meanwhile.
func (l *Log) Check(ctx context.Context, report func(*Damage)) error {
	l.mu.Lock()
	files, sizes := slices.Clone(l.files), slices.Clone(l.sizes)
	nexts := make([]uint64, len(files))
	for i := range files {
		nexts[i] = l.lastOf(i) + 1
	}
	l.mu.Unlock()
	for i, lf := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.checkFile(lf, sizes[i], nexts[i], report); err != nil {
			return fmt.Errorf("check log %s: %w", l.dir, err)
		}
	}
	return nil
}

// checkFile checks the first size bytes of a file, all of them durable. The record after its last
// one was next.
func (l *Log) checkFile(lf logFile, size int64, next uint64, report func(*Damage)) error {
	f, err := l.fsys.Open(lf.name)
	if err != nil {
		if !vfs.Exists(l.fsys, lf.name) {
			return nil // released meanwhile
		}
		return err
	}
	defer f.Close()
	data, err := f.Map()
	if err != nil {
		return err
	}
	if int64(len(data)) < size {
		report(&Damage{File: lf.name, Offset: int64(len(data)), Bytes: size - int64(len(data)), Reason: "file is cut"})
		size = int64(len(data))
	}
	if size == 0 {
		return nil
	}
	s, err := newScan(lf.name, data[:size], lf.first)
	if err != nil {
		return err
	}
	s.run(func(Record) bool { return true })
	s.followed(next)
	for _, d := range s.synced {
		report(d)
	}
	return nil
}
