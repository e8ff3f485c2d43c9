package shard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/vfs"
)

// A Set is a folder of shards, opened and locked as one. Its methods are safe for concurrent use.
type Set struct {
	dir    string
	o      Options
	width  int64 // of a partition, nanoseconds
	lock   io.Closer
	shards []*Shard

	rules atomic.Pointer[rules] // of retention

	replayed, replayTotal atomic.Int64 // bytes of logs, while they are read

	headBytes atomic.Int64 // memory of all heads, those being sealed among them
	roomMu    sync.Mutex
	room      chan struct{} // closed, and made anew, when a head was sealed

	writing sync.RWMutex // read: a batch or a deletion goes to several shards; write: none does

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	closed atomic.Bool
}

// The set's files beside the shards' folders.
const lockName = "LOCK"

// Open opens the store in dir, or makes one. One process can have it open for writing: another one
// gets an error that wraps [ErrLocked]. With ReadOnly, it is opened beside a writer: what that has
// acknowledged by now is seen, and what it writes later is not.
//
// What is damaged does not keep the rest from being opened: it is logged, found by [Set.Check],
// and told by the warnings of a [Selection] that it touches.
func Open(dir string, o Options) (*Set, error) {
	s := &Set{dir: dir, o: o.withDefaults(), room: make(chan struct{})}
	s.rules.Store(newRules(o.Policies, o.Retention))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, errors.Join(err, s.release()))
	}
	for _, sh := range s.shards {
		sh.start()
	}
	return s, nil
}

func (s *Set) open() error {
	if !s.o.ReadOnly {
		if err := vfs.MkdirAll(s.o.FS, s.dir); err != nil { // durably: what is in it must not go with it
			return err
		}
		var err error
		if s.lock, err = s.o.FS.Lock(path.Join(s.dir, lockName), false); err != nil {
			return err
		}
	}
	m, err := s.manifest()
	if err != nil {
		return err
	}
	s.width = m.partition
	s.shards = make([]*Shard, m.shards)
	var g errgroup.Group
	for i := range s.shards {
		g.Go(func() (err error) {
			s.shards[i], err = openShard(s, i)
			return err
		})
	}
	return g.Wait()
}

// manifest reads what was fixed at creation, or creates.
func (s *Set) manifest() (setManifest, error) {
	lines, stale, damage, err := readManifest(s.o.FS, s.dir)
	missing := errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrManifest)
	switch {
	case missing && s.o.ReadOnly:
		return setManifest{}, ErrNoStore
	case missing:
		return s.create()
	case err != nil:
		return setManifest{}, err
	}
	m, err := parseSetManifest(lines)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path.Join(s.dir, manifestName), err)
	}
	if damage != nil {
		s.o.Logger.Warn("one copy of the manifest is damaged", "store", s.dir, "err", damage)
	}
	if stale && !s.o.ReadOnly {
		return m, writeManifest(s.o.FS, s.dir, m.text())
	}
	if s.o.ReadOnly {
		return m, nil
	}
	return m, mendManifestCopy(s.o.FS, s.dir, m.text())
}

// create makes the shards' folders and manifests, and last the set's own, with which the store
// begins to be.
func (s *Set) create() (setManifest, error) {
	m := setManifest{shards: s.o.Shards, partition: int64(s.o.Partition)}
	for i := range m.shards {
		dir := s.shardDir(i)
		if err := s.o.FS.MkdirAll(dir); err != nil {
			return m, err
		}
		if err := writeManifest(s.o.FS, dir, (&manifest{generation: 1}).text()); err != nil {
			return m, err
		}
	}
	if err := s.o.FS.SyncDir(s.dir); err != nil {
		return m, err
	}
	return m, writeManifest(s.o.FS, s.dir, m.text())
}

func (s *Set) shardDir(i int) string { return path.Join(s.dir, fmt.Sprintf("shard-%04d", i)) }

// Close waits for what is being written, and lets go of all files. What is not sealed stays in
// the log, and is read from there at the next Open. Selections are to be closed before.
func (s *Set) Close() error {
	if s.closed.Swap(true) {
		return ErrClosed
	}
	s.cancel()
	s.work.Wait()
	if err := s.release(); err != nil {
		return fmt.Errorf("close store %s: %w", s.dir, err)
	}
	return nil
}

func (s *Set) release() error {
	s.cancel()
	var errs []error
	for _, sh := range s.shards {
		if sh != nil {
			errs = append(errs, sh.close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Parts returns the shards. Each series is in one of them.
func (s *Set) Parts() []*Shard { return s.shards }

// usable says why nothing can be written, or nil.
func (s *Set) usable() error {
	if s.closed.Load() {
		return ErrClosed
	}
	if s.o.ReadOnly {
		return ErrReadOnly
	}
	return nil
}

// each runs f for all shards in parallel, and returns the joined errors.
func (s *Set) each(f func(*Shard) error) error {
	errs := make([]error, len(s.shards))
	var wg sync.WaitGroup
	for i, sh := range s.shards {
		wg.Go(func() { errs[i] = f(sh) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// KnownSeries counts the series that the store keeps in memory, among them those whose observations
// were deleted since it was opened. It costs next to nothing.
func (s *Set) KnownSeries() int64 {
	n := int64(0)
	for _, sh := range s.shards {
		n += sh.table.len()
	}
	return n
}

// Free returns how many bytes the disk of the store has left for it. The error wraps
// errors.ErrUnsupported where the operating system does not say.
func (s *Set) Free() (int64, error) {
	n, err := s.o.FS.Free(s.dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	return n, nil
}

// Stats are figures of a whole store.
type Stats struct {
	Shards       int
	Series       int64 // known; those whose observations were all deleted may be among them
	Segments     int
	SegmentBytes int64
	HeadRows     int64 // observations not yet sealed
	HeadBytes    int64 // memory that they take, roughly
	LogBytes     int64
	Deletions    int        // that compaction has still to apply
	Span         chunk.Span // holds all observations
}

// Stats returns the figures as of now.
func (s *Set) Stats() Stats {
	st := Stats{Shards: len(s.shards)}
	for _, sh := range s.shards {
		v := sh.acquire()
		for _, g := range v.segments {
			st.Segments++
			st.SegmentBytes += g.entry.bytes
			st.Span = st.Span.Union(g.span)
		}
		for _, h := range v.heads() {
			rows, bytes := h.size()
			st.HeadRows += rows
			st.HeadBytes += bytes
			st.Span = st.Span.Union(h.extent())
		}
		st.Deletions += len(v.deletions)
		st.Series += int64(v.present().GetCardinality())
		sh.releaseVersion(v)
		st.LogBytes += sh.logBytes()
	}
	return st
}

// logBytes is the size of the log. Whoever only reads has none open, and looks at the files.
func (s *Shard) logBytes() int64 {
	if s.log != nil {
		return s.log.Size()
	}
	dir, total := path.Join(s.dir, logDir), int64(0)
	names, err := s.o.FS.List(dir)
	if err != nil {
		return 0
	}
	for _, name := range names {
		if n, err := s.o.FS.Size(path.Join(dir, name)); err == nil { // else the writer removed it
			total += n
		}
	}
	return total
}
