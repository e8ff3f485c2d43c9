package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/wal"
)

// A Finding is one place of a store that is not as it was written.
type Finding struct {
	File   string // with its folder
	Offset int64  // where it begins; -1 where that is not known
	Reason string
	Lost   string // what cannot be read because of it; "" for nothing
	Repair string // what repairs it
}

// String says all of it on one line.
func (f Finding) String() string {
	s := f.File
	if f.Offset >= 0 {
		s = fmt.Sprintf("%s: offset %d", s, f.Offset)
	}
	s += ": " + f.Reason
	if f.Lost != "" {
		s += "; lost: " + f.Lost
	}
	if f.Repair != "" {
		s += "; repair: " + f.Repair
	}
	return s
}

// What repairs what.
const (
	repairManifest = "opening the store for writing writes it anew from its copy"
	repairIndex    = "reindex, or opening the store for writing"
	repairBackup   = "none but a backup of the file; the rest of the store stays readable"
)

// Check reads all files of the store again and reports what is not as it was written, one finding
// at a time, in no order. The store may be used meanwhile. An error means that not all could be
// checked.
func (s *Set) Check(ctx context.Context, report func(Finding)) error {
	if s.closed.Load() {
		return fmt.Errorf("check: %w", ErrClosed)
	}
	var mu sync.Mutex
	locked := func(f Finding) {
		mu.Lock()
		defer mu.Unlock()
		report(f)
	}
	err := s.checkManifests(s.dir, locked)
	err = errors.Join(err, s.each(func(sh *Shard) error { return sh.check(ctx, locked) }))
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// checkManifests checks both copies of a folder's manifest.
func (s *Set) checkManifests(dir string, report func(Finding)) error {
	for _, name := range []string{manifestName, manifestCopy} {
		_, err := readManifestFile(s.o.FS, path.Join(dir, name))
		switch {
		case errors.Is(err, ErrManifest) || errors.Is(err, fs.ErrNotExist):
			report(Finding{File: path.Join(dir, name), Offset: -1, Reason: err.Error(), Repair: repairManifest})
		case err != nil:
			return err
		}
	}
	return nil
}

func (s *Shard) check(ctx context.Context, report func(Finding)) error {
	s.editing.Lock() // the manifest stays as it is meanwhile
	err := s.set.checkManifests(s.dir, report)
	s.editing.Unlock()
	for _, d := range s.damages() {
		report(s.damageFinding(d))
	}
	if d := (*wal.Damage)(nil); s.o.ReadOnly && errors.As(s.torn, &d) {
		f := logFinding(d)
		f.Lost, f.Repair = "nothing that was acknowledged, if a crash cut it", "opening the store for writing"
		report(f)
	}
	if s.log != nil {
		err = errors.Join(err, s.log.Check(ctx, func(d *wal.Damage) { report(logFinding(d)) }))
	}
	v := s.acquire()
	defer s.releaseVersion(v)
	for _, g := range v.segments {
		err = errors.Join(err, s.checkSegment(ctx, g, report))
	}
	return errors.Join(err, s.checkIndex(ctx, report))
}

// damageFinding is what was found on opening.
func (s *Shard) damageFinding(err error) Finding {
	var d *wal.Damage
	if errors.As(err, &d) {
		return logFinding(d)
	}
	f := Finding{File: s.dir, Offset: -1, Reason: err.Error()}
	var l *lossError
	switch {
	case errors.As(err, &l):
		f.File, f.Reason, f.Lost, f.Repair = l.file, l.text, "what these records held", repairLoss
	case errors.Is(err, wal.ErrCorrupt), errors.Is(err, errRecord):
		f.Lost, f.Repair = "what these records held", repairBackup
	default:
		f.Repair = repairIndex
	}
	return f
}

func logFinding(d *wal.Damage) Finding {
	f := Finding{File: d.File, Offset: d.Offset, Reason: d.Reason, Repair: repairBackup}
	switch {
	case d.First == 0:
	case d.First == d.Last:
		f.Lost = fmt.Sprintf("record %d", d.First)
	default:
		f.Lost = fmt.Sprintf("records %d to %d", d.First, d.Last)
	}
	return f
}

func (s *Shard) checkSegment(ctx context.Context, g *segmentFile, report func(Finding)) error {
	if g.reader == nil {
		report(Finding{
			File: g.path, Offset: -1, Reason: g.err.Error(), Repair: repairBackup,
			Lost: fmt.Sprintf("all observations in %v of this segment", g.span),
		})
		return nil
	}
	if size, err := s.o.FS.Size(g.path); err != nil || size != g.entry.bytes {
		report(Finding{
			File: g.path, Offset: -1, Repair: repairBackup,
			Reason: fmt.Sprintf("%d bytes, the manifest says %d (%v)", size, g.entry.bytes, err),
		})
	}
	found := false
	err := g.reader.Check(ctx, func(err error) {
		found = true
		report(segmentFinding(g, err))
	})
	if g.err != nil && !found {
		report(segmentFinding(g, g.err))
	}
	return err
}

// segmentFinding says what is known of an error of a segment's reader.
func segmentFinding(g *segmentFile, err error) Finding {
	f := Finding{File: g.path, Offset: -1, Reason: err.Error(), Lost: "what the reason names", Repair: repairBackup}
	if d := (*segment.Damage)(nil); errors.As(err, &d) {
		f.Offset = d.Offset
		f.Lost = fmt.Sprintf("what this %s holds of %v", d.Part, g.span)
	}
	return f
}

// checkIndex verifies the index's files, and that it has the series of the segments and no others.
func (s *Shard) checkIndex(ctx context.Context, report func(Finding)) error {
	x := &s.index
	x.change.Lock()
	defer x.change.Unlock()
	if x.ix == nil {
		return nil // none, or found damaged on opening
	}
	var files []error
	if err := x.ix.Verify(ctx); err != nil {
		if done(ctx) {
			return context.Cause(ctx)
		}
		files = append(files, err)
	}
	have, err := x.ix.Ordinals()
	switch {
	case err != nil:
		files = append(files, err)
	case !s.o.ReadOnly && !have.Equals(x.have):
		files = append(files, fmt.Errorf("%d series, not %d", have.GetCardinality(), x.have.GetCardinality()))
	}
	for _, err := range files {
		report(Finding{File: x.dir, Offset: -1, Reason: err.Error(), Repair: repairIndex})
	}
	return nil
}
