package wal

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/chronodex/chronodex/internal/vfs"
)

// ErrFailed is wrapped by the errors of records that could not be written, as on a full disk. The
// log takes the next ones when it has undone what the failed write has left, which it tries before
// every write.
var ErrFailed = errors.New("log failed")

// ErrClosed is wrapped by the errors of a log that was closed.
var ErrClosed = errors.New("log is closed")

// Options configure a [Log]. The zero value is usable.
type Options struct {
	FileBytes int64  // a file longer than this is followed by a new one; 0 means 64 MiB
	After     uint64 // records up to this number are not needed any more, and not replayed
}

// A Log takes records. Its methods are safe for concurrent use.
type Log struct {
	fsys      vfs.FS
	dir       string
	fileBytes int64

	// writing is held by whoever writes: it guards what follows, down to mu.
	writing chan struct{}
	file    vfs.File // the newest file; nil before its first record
	first   uint64   // number of its first record
	offset  int64    // how much of it is durable
	fault   fault    // what the last write has left behind that
	spare   []byte   // memory for the batch after the next
	closing string   // file whose closing frame may not be durable yet
	unsure  bool     // a sync of closing failed

	mu     sync.Mutex
	files  []logFile // all files, oldest first
	sizes  []int64   // their lengths
	queued *batch    // what the next write takes
	next   uint64    // number of the next record
	synced uint64    // number of the last durable record
	holds  int       // who wants that no file is removed
	held   []string  // files to remove when nobody does any more
	err    error     // the log is closed
}

// A batch is records on their way into one write.
type batch struct {
	frames []byte
	first  uint64
	done   chan struct{} // closed after the sync
	err    error         // set before that
}

// A Ticket is the promise that a record which was enqueued will be written.
type Ticket struct {
	Seq   uint64 // number of the record
	log   *Log
	batch *batch
}

// Append writes a record and returns its number when it is durable. It waits for nobody but the
// disk: all writers that wait are served by one sync. After an error the record may be in the log
// or not, and its number goes to another one.
func (l *Log) Append(ctx context.Context, record []byte) (uint64, error) {
	t, err := l.Enqueue(record)
	if err != nil {
		return 0, err
	}
	return t.Seq, t.Wait(ctx)
}

// Enqueue gives a record its number, and its place behind all that were enqueued before. It copies
// the record and does not wait: the record is durable when [Ticket.Wait] has returned nil. A
// caller that applies records to its memory under the lock under which it enqueues them will
// replay them in the same order. Records that became durable have numbers without gaps.
func (l *Log) Enqueue(record []byte) (Ticket, error) {
	if len(record) > MaxRecord {
		return Ticket{}, fmt.Errorf("log %s: record of %d bytes, at most %d", l.dir, len(record), MaxRecord)
	}
	body := crc32.Checksum(record, castagnoli)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return Ticket{}, l.err
	}
	b, seq := l.queued, l.next
	if len(b.frames) > maxQueued {
		return Ticket{}, fmt.Errorf("log %s: %d bytes are waiting for the disk already", l.dir, len(b.frames))
	}
	if len(b.frames) == 0 {
		b.first = seq
	}
	b.frames = appendFrame(b.frames, kindRecord, seq, record, body)
	l.next++
	return Ticket{Seq: seq, log: l, batch: b}, nil
}

// Wait returns when the record is durable, or cannot be made so. After an error it may be in the
// log until the next write or not; if it is that of ctx, a later write still takes it.
func (t Ticket) Wait(ctx context.Context) error {
	select {
	case <-t.batch.done:
	case t.log.writing <- struct{}{}:
		t.log.flush(t.batch)
		<-t.log.writing
	case <-ctx.Done():
		return fmt.Errorf("log %s: record %d: %w", t.log.dir, t.Seq, context.Cause(ctx))
	}
	return t.batch.err
}

// flush writes the queued records, unless batch, which the caller waits for, was written already.
// The caller holds writing.
func (l *Log) flush(b *batch) {
	l.mu.Lock()
	if b != l.queued {
		l.mu.Unlock()
		return
	}
	l.queued = newBatch(l.spare)
	err, last := l.err, l.next-1
	l.mu.Unlock()
	if err == nil {
		err = l.write(b)
	}
	l.mu.Lock()
	if err != nil {
		l.refuse(b, err)
	} else {
		l.synced = last
		l.sizes[len(l.sizes)-1] = l.offset
	}
	l.mu.Unlock()
	if l.spare = b.frames; cap(l.spare) > maxSpare {
		l.spare = nil
	}
	close(b.done)
}

// refuse fails the records of a batch, and those that were enqueued behind them: the next ones get
// their numbers. The caller holds mu.
func (l *Log) refuse(b *batch, err error) {
	b.err = fmt.Errorf("log %s: %w: %w", l.dir, ErrFailed, err)
	if q := l.queued; len(q.frames) > 0 {
		q.err = b.err
		close(q.done)
		l.queued = newBatch(nil)
	}
	l.next = b.first
}

// write makes a batch durable. The caller holds writing.
func (l *Log) write(b *batch) error {
	if err := l.repair(); err != nil {
		return err
	}
	if l.file != nil && l.offset >= l.fileBytes {
		_ = l.file.Close() // all of it is durable
		l.file = nil
	}
	fresh, bytes := l.file == nil, b.frames
	if fresh {
		if err := l.create(b.first); err != nil {
			return err
		}
		head := appendFileHeader(make([]byte, 0, fileHeader+len(b.frames)), l.first)
		placeFrames(b.frames, l.first, fileHeader)
		bytes = append(head, b.frames...)
	} else {
		placeFrames(b.frames, l.first, l.offset)
	}
	if _, err := l.file.Write(bytes); err != nil {
		l.fault = faultTail
		return fmt.Errorf("write %s: %w", fileName(l.dir, l.first), err)
	}
	if err := l.file.Sync(); err != nil {
		l.fault = faultDoubt
		return fmt.Errorf("sync %s: %w", fileName(l.dir, l.first), err)
	}
	if fresh {
		if err := l.fsys.SyncDir(l.dir); err != nil {
			l.fault = faultDoubt
			return fmt.Errorf("sync folder %s: %w", l.dir, err)
		}
	}
	l.offset += int64(len(bytes))
	return nil
}

// create begins a file whose first record is first. That tells a reader that all earlier files
// are durable, so what an earlier process wrote when it closed the log is synced before.
func (l *Log) create(first uint64) error {
	if err := l.syncClosing(); err != nil {
		return err
	}
	name := fileName(l.dir, first)
	f, err := l.fsys.Create(name)
	if err != nil {
		return err
	}
	l.file, l.first, l.offset = f, first, 0
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files, l.sizes = append(l.files, logFile{name, first}), append(l.sizes, 0)
	return nil
}

// Synced returns the number of the last durable record.
func (l *Log) Synced() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.synced
}

// Size returns the length of all files, in bytes.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := int64(0)
	for _, size := range l.sizes {
		n += size
	}
	return n
}

// Release says that the records up to a number are not needed any more, and removes the files that
// hold no others. The caller has made durable, before, that it will open the log with After no
// less than that number.
func (l *Log) Release(upTo uint64) error {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	if l.fault != noFault && l.synced <= upTo && l.offset > 0 && !l.isHeld() {
		if err := l.drop(); err != nil { // no record of it is needed, so it may go as it is
			return fmt.Errorf("release log up to record %d: %w", upTo, err)
		}
	}
	var gone []logFile
	l.mu.Lock()
	for len(l.files) > 0 && l.lastOf(0) <= upTo && (len(l.files) > 1 || l.fault == noFault) {
		if len(l.files) == 1 && l.file != nil {
			_ = l.file.Close() // about to be removed; the next record begins a new file
			l.file = nil
		}
		if l.files[0].name == l.closing {
			l.closing = ""
		}
		gone, l.files, l.sizes = append(gone, l.files[0]), l.files[1:], l.sizes[1:]
	}
	var names []string
	for _, f := range gone {
		names = append(names, f.name)
	}
	if l.holds > 0 {
		l.held, names = append(l.held, names...), nil
	}
	l.mu.Unlock()
	if err := l.remove(names); err != nil {
		return fmt.Errorf("release log up to record %d: %w", upTo, err)
	}
	return nil
}

func (l *Log) remove(names []string) error {
	if len(names) == 0 {
		return nil
	}
	for _, name := range names {
		if err := l.fsys.Remove(name); err != nil {
			return err
		}
	}
	return l.fsys.SyncDir(l.dir)
}

// lastOf returns the number of the last durable record in a file. The caller holds mu.
func (l *Log) lastOf(i int) uint64 {
	if i+1 < len(l.files) {
		return l.files[i+1].first - 1
	}
	return l.synced
}

// Close writes what is queued and the mark that the log was closed, and lets the file go. A log
// whose last write failed is closed, too, and says so where it cannot undo that.
func (l *Log) Close() error {
	l.writing <- struct{}{}
	defer func() { <-l.writing }()
	l.mu.Lock()
	b, err := l.queued, l.err
	l.mu.Unlock()
	if errors.Is(err, ErrClosed) {
		return err
	}
	if len(b.frames) > 0 {
		l.flush(b)
		err = b.err
	}
	l.mu.Lock()
	next := l.next
	l.err = fmt.Errorf("log %s: %w", l.dir, ErrClosed)
	l.mu.Unlock()
	if err == nil {
		err = l.repair()
	}
	if l.file == nil {
		return err
	}
	if err == nil {
		end := appendFrame(nil, kindClosed, next, nil, 0)
		placeFrames(end, l.first, l.offset)
		_, err = l.file.Write(end) // not synced: without it the log is as good, and mended on opening
	}
	err = errors.Join(err, l.file.Close())
	l.file = nil
	return err
}
