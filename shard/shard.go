package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

// A Shard is one part of a store: see the package comment. Its methods are safe for concurrent
// use.
//
// Locks, in the order in which they may be held together: sealing, compacting, gate, editing,
// turnMu, mu, and those of table and heads, which are leaves.
type Shard struct {
	set    *Set
	number int
	dir    string
	o      *Options
	logger *slog.Logger
	table  *table
	log    *wal.Log // nil if read-only

	sealing    sync.Mutex   // held while the head is written to segments
	compacting sync.Mutex   // held while segments are merged
	gate       sync.RWMutex // read: a batch is between its encoding and the head; write: the head changes

	turnMu  sync.Mutex // orders what goes into the head
	turn    *sync.Cond
	applied uint64 // the last record of the log that is in the head, or has been

	editing sync.Mutex // held while the manifest is replaced
	m       manifest   // as it is on disk; guarded by editing
	orphans []string   // segments that may be in a manifest that could not be written wholly; guarded by editing

	mu      sync.Mutex
	cur     *version // guarded by mu
	sealErr error    // why the last sealing failed; guarded by mu

	index shardIndex

	busy     atomic.Bool   // the head is being sealed
	sealNow  chan struct{} // asks the worker to seal
	workNow  chan struct{} // asks the worker to look for something to compact
	torn     error         // the end of the log, where a crash cut it; found on opening
	damageMu sync.Mutex
	damage   []error // found on opening, beside what segments say themselves
}

const logDir = "log"

func openShard(s *Set, number int) (*Shard, error) {
	sh := &Shard{
		set: s, number: number, dir: s.shardDir(number), o: &s.o, table: newTable(),
		logger:  s.o.Logger.With("shard", number),
		sealNow: make(chan struct{}, 1), workNow: make(chan struct{}, 1),
	}
	sh.turn = sync.NewCond(&sh.turnMu)
	open := sh.open
	if s.o.ReadOnly {
		open = sh.openBeside
	}
	err := open()
	if err == nil {
		err = sh.index.open(sh)
	}
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", number, errors.Join(err, sh.close()))
	}
	return sh, nil
}

// open opens for writing: the manifest, the segments that it names, and the log after them.
func (s *Shard) open() error {
	if err := s.load(); err != nil {
		return err
	}
	if err := s.sweep(); err != nil {
		return err
	}
	if err := s.noteLosses(); err != nil {
		return err
	}
	var keep, err error
	found := func(loss error) {
		if s.logDamage(loss) {
			keep = errors.Join(keep, s.keepLoss(loss))
		}
	}
	told, done := s.tellReplay()
	defer done()
	s.log, err = wal.Open(s.o.FS, path.Join(s.dir, logDir), wal.Options{After: s.m.floor},
		func(r wal.Record) error {
			told(len(r.Data))
			if err := s.replay(r.Seq, r.Data); err != nil {
				found(err)
			}
			return keep // before the log is mended
		},
		func(d *wal.Damage) { found(d) })
	if err = errors.Join(err, keep); err != nil {
		return err
	}
	s.applied = max(s.m.floor, s.log.Synced())
	if err := s.checkSynced(); err != nil {
		found(err)
	}
	if keep != nil {
		return keep
	}
	_, bytes := s.cur.active.size()
	s.set.headBytes.Add(bytes)
	return nil
}

// tellReplay returns what tells how much of the log was read: told after each record, done at the
// end.
func (s *Shard) tellReplay() (told func(bytes int), done func()) {
	if s.o.Replayed == nil {
		return func(int) {}, func() {}
	}
	left := s.logBytes()
	set := s.set
	set.replayTotal.Add(left)
	told = func(bytes int) {
		n := min(int64(bytes), left)
		left -= n
		s.o.Replayed(set.replayed.Add(n), set.replayTotal.Load())
	}
	return told, func() { told(int(left)) } // heads of records, and what is read without being replayed
}

// openBeside opens for reading, while another process may be writing: what was read counts if the
// manifest is still the same afterwards, since nothing that it needs is removed before it is
// replaced. A file of the log may go a moment later, when the manifest does not need it any more.
func (s *Shard) openBeside() error {
	const tries = 20
	var err error
	for try := range tries {
		if err = s.load(); err == nil {
			err = s.replayBeside()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		again, _, _, err2 := loadManifest(s.o.FS, s.dir)
		if err2 != nil {
			return err2
		}
		if again.generation == s.m.generation && (err == nil || try == tries-1) {
			if lost := s.checkSynced(); lost != nil {
				s.logDamage(lost)
			}
			return errors.Join(err, s.noteLosses())
		}
		s.releaseVersion(s.cur)
		s.cur, s.table, s.damage = nil, newTable(), nil
	}
	return fmt.Errorf("the store changes faster than it can be opened: %w", errors.Join(ErrLocked, err))
}

func (s *Shard) replayBeside() error {
	dir := path.Join(s.dir, logDir)
	if !vfs.Exists(s.o.FS, dir) {
		return nil // not even opened for writing yet
	}
	for r, err := range wal.Replay(s.o.FS, dir, s.m.floor) {
		var d *wal.Damage
		switch {
		case errors.As(err, &d):
			s.logDamage(d)
		case err != nil:
			return err
		default:
			if err := s.replay(r.Seq, r.Data); err != nil {
				s.logDamage(err)
			}
			s.applied = r.Seq
		}
	}
	s.applied = max(s.applied, s.m.floor)
	return nil
}

// load reads the manifest and opens the segments.
func (s *Shard) load() error {
	m, stale, damage, err := loadManifest(s.o.FS, s.dir)
	if err != nil {
		return err
	}
	if damage != nil {
		s.logger.Warn("one copy of the manifest is damaged", "err", damage)
	}
	if stale && !s.o.ReadOnly {
		if err := writeManifest(s.o.FS, s.dir, m.text()); err != nil {
			return err
		}
	}
	if damage == nil && !s.o.ReadOnly {
		if err := mendManifestCopy(s.o.FS, s.dir, m.text()); err != nil {
			return err
		}
	}
	s.m = *m
	s.table.reserve(m.next)
	v := &version{deletions: m.deletions, active: newHead()}
	for _, e := range m.segments {
		g := s.openSegment(e)
		if g.err != nil {
			if !errors.Is(g.err, chunk.ErrCorrupt) && !errors.Is(g.err, fs.ErrNotExist) {
				err = errors.Join(err, g.err)
			}
			s.logger.Error("segment is damaged", "file", g.path, "err", g.err)
		}
		v.segments = append(v.segments, g)
	}
	s.mu.Lock()
	s.install(v)
	s.mu.Unlock()
	return err
}

// sweep removes files that a crash has left: those that the manifest does not name.
func (s *Shard) sweep() error {
	names, err := s.o.FS.List(s.dir)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, e := range s.m.segments {
		known[segmentName(e.file)] = true
	}
	for _, name := range names {
		if strings.HasSuffix(name, vfs.TempSuffix) || strings.HasSuffix(name, ".seg") && !known[name] {
			if err := s.o.FS.Remove(path.Join(s.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// replay applies a record of the log on opening. A record that its log holds to be whole and we
// cannot read is damage, and must not keep the others from being read.
func (s *Shard) replay(seq uint64, record []byte) error {
	if err := s.apply(seq, record); err != nil {
		return fmt.Errorf("log of %s: record %d: %w", s.dir, seq, err)
	}
	return nil
}

func (s *Shard) apply(seq uint64, record []byte) error {
	if len(record) == 0 {
		return fmt.Errorf("empty: %w", errRecord)
	}
	switch record[0] {
	case recRows, recPacked:
		return s.applyRows(record)
	case recDeletion:
		span, series, err := parseDeletion(record)
		if err != nil {
			return err
		}
		s.cur.active.erase(series, span)
		if n := len(s.cur.deletions); n == 0 || s.cur.deletions[n-1].seq < seq {
			s.cur.deletions = append(s.cur.deletions, deletion{seq, span, series})
		}
		return nil
	}
	return fmt.Errorf("kind %d: %w", record[0], errRecord)
}

func (s *Shard) applyRows(record []byte) error {
	data, err := unpackRows(record)
	if err != nil {
		return err
	}
	d := rowDecoder{rest: data}
	for {
		row, ok, err := d.next()
		if err != nil || !ok {
			return err
		}
		if row.identity != nil {
			series := chunk.Series{Dimensions: row.identity, Kind: row.samples.Kind}
			if err := s.table.put(row.ordinal, series); err != nil {
				return err
			}
		}
		if k := s.table.kind(row.ordinal); k != row.samples.Kind {
			return fmt.Errorf("series %d of kind %v has values of kind %v: %w", row.ordinal, k, row.samples.Kind, errRecord)
		}
		s.cur.active.append([]headRow{{row.ordinal, &row.samples}})
	}
}

// logDamage takes note of a damaged log, and reports that it is one. A torn end is what every crash
// leaves, and no damage.
func (s *Shard) logDamage(err error) bool {
	if errors.Is(err, wal.ErrTorn) {
		s.logger.Info("end of the log was cut by a crash", "err", err)
		s.torn = err
		return false
	}
	s.noteDamage(err)
	s.logger.Error("log is damaged", "err", err)
	return true
}

func (s *Shard) noteDamage(err error) {
	s.damageMu.Lock()
	defer s.damageMu.Unlock()
	s.damage = append(s.damage, err)
}

// damages returns what was found damaged on opening, beside segments.
func (s *Shard) damages() []error {
	s.damageMu.Lock()
	defer s.damageMu.Unlock()
	return slices.Clone(s.damage)
}

// checkSynced finds that the log ends before a record that is known to have been synced.
func (s *Shard) checkSynced() error {
	if s.applied >= s.m.synced {
		return nil
	}
	return fmt.Errorf("log of %s: records %d to %d are lost: %w",
		s.dir, s.applied+1, s.m.synced, wal.ErrCorrupt)
}

// activeHead returns the head that takes new batches.
func (s *Shard) activeHead() *head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cur.active
}

func (s *Shard) sealError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sealErr
}

// edit replaces the manifest and the version by what f makes of them, in this order. f gets copies.
// After an error the version is as it was, and the manifest may be the old or the new one: what
// either names must stay.
func (s *Shard) edit(f func(m *manifest, v *version)) error {
	s.editing.Lock()
	defer s.editing.Unlock()
	s.turnMu.Lock()
	synced := s.applied
	s.turnMu.Unlock()
	old := s.acquire()
	defer s.releaseVersion(old)
	m, v := s.m, old.clone()
	f(&m, v)
	v.sort()
	v.deletions = pending(v.deletions, v)
	m.generation++
	m.next = s.table.nextOrdinal()
	m.synced = max(m.synced, synced)
	m.deletions = v.deletions
	m.segments = nil
	for _, g := range v.segments {
		m.segments = append(m.segments, g.entry)
	}
	if err := writeManifest(s.o.FS, s.dir, m.text()); err != nil {
		s.m.generation = m.generation // it may be on disk
		return err
	}
	s.m = m
	s.sweepOrphans()
	s.mu.Lock()
	last := s.install(s.rebase(old, v))
	s.mu.Unlock()
	s.releaseVersion(last)
	return nil
}

// rebase gives v what a deletion or a new head has changed since it was made of base. Segments
// change only while editing is held.
func (s *Shard) rebase(base, v *version) *version {
	for _, d := range s.cur.deletions {
		if n := len(base.deletions); n == 0 || d.seq > base.deletions[n-1].seq {
			v.deletions = append(v.deletions, d)
		}
	}
	v.active = s.cur.active
	if base.sealing == nil {
		v.sealing, v.sealSeq = s.cur.sealing, s.cur.sealSeq
	}
	return v
}

// floor is the last record of the log that segments hold.
func (s *Shard) floor() uint64 {
	s.editing.Lock()
	defer s.editing.Unlock()
	return s.m.floor
}

// nextFile returns the number of a new segment file, which no file ever had.
func (s *Shard) nextFile() uint64 {
	s.editing.Lock()
	defer s.editing.Unlock()
	s.m.file++
	return s.m.file
}

// start begins the background work.
func (s *Shard) start() {
	if s.o.ReadOnly {
		return
	}
	s.set.work.Go(func() { s.sealLoop(s.set.ctx) })
	s.set.work.Go(func() { s.compactLoop(s.set.ctx) })
}

// close lets go of the log, the index and the segments.
func (s *Shard) close() error {
	s.gate.Lock() // no batch is on its way
	defer s.gate.Unlock()
	var errs []error
	if s.log != nil {
		errs = append(errs, s.noteSynced(), s.log.Close())
	}
	errs = append(errs, s.index.close())
	s.mu.Lock()
	v := s.cur
	s.mu.Unlock()
	if v != nil {
		s.releaseVersion(v)
	}
	return errors.Join(errs...)
}

// noteSynced has the manifest know how far the log goes, so that a damaged end of it is not taken
// for what a crash has cut.
func (s *Shard) noteSynced() error {
	if s.applied <= s.m.synced {
		return nil
	}
	return s.edit(func(*manifest, *version) {})
}

// present returns the series that have observations, or might have.
func (s *Shard) present() *roaring.Bitmap {
	v := s.acquire()
	defer s.releaseVersion(v)
	return v.present()
}

// done reports whether ctx has ended.
func done(ctx context.Context) bool { return ctx.Err() != nil }
