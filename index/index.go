package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
)

// ErrClosed is wrapped by the errors of an index that was closed.
var ErrClosed = errors.New("index is closed")

// ErrReadOnly is wrapped by the errors of what would change an index that was opened read-only.
var ErrReadOnly = errors.New("index is read-only")

// Options configure an [Index]. The zero value is usable.
type Options struct {
	// ReadOnly forbids all that writes. Any number of processes may read an index, beside the one
	// that writes; each sees it as it was when it opened it.
	ReadOnly bool
	// Identity returns the dimensions of a series that was added. Where it is not nil, few series
	// that could match a phrase are looked up with it, which is faster than to look at all values.
	// It is called during a search, by any goroutine.
	Identity func(ordinal uint32) (chunk.Dimensions, bool)
	// CacheBytes bounds the memory for what is kept of files, which never change: the results of
	// wildcards, expressions and the like, and the terms of dictionaries. 0 means 64 MiB; negative,
	// none.
	CacheBytes int64
}

// An Index finds the series of one shard. What was added is durable, and found, when Add returns.
// Its methods are safe for concurrent use; searching does not wait for writing.
type Index struct {
	dir     string
	options Options
	temp    bool                    // dir is removed at the end
	results *cache[*roaring.Bitmap] // what many terms of a field match
	terms   *cache[*termList]
	fuzzies fuzzies
	names   int // most distinct names in a file

	write  sync.Mutex // one writer at a time; guards what follows
	next   uint64     // one more than the highest ordinal ever added
	number uint64     // of the last file

	manifest *manifest // that is on disk

	mu      sync.RWMutex
	current *view // nil when closed
	ceiling atomic.Uint64
}

// Open opens the index in the folder dir, which it makes where it is missing, unless read-only. An
// empty dir means a temporary folder, which Close removes, and which is not made durable. An index
// whose files are not what was written is an error that wraps [ErrDamaged], but where the damage is
// in what only Bleve reads, which is mended; a read-only one that is not there, or has never had a
// series, is one that wraps [fs.ErrNotExist]. Opening reads all files once, for their checksums.
//
// An index does not lock its folder: at most one process at a time may open it for writing.
func Open(dir string, options Options) (*Index, error) {
	limit := options.CacheBytes
	if limit == 0 {
		limit = defaultCacheBytes
	}
	ix := &Index{
		dir: dir, options: options, names: maxNames,
		results: newCache[*roaring.Bitmap](limit / 4), terms: newCache[*termList](limit - limit/4),
	}
	if err := ix.open(); err != nil {
		return nil, fmt.Errorf("index %s: %w", dir, err)
	}
	return ix, nil
}

func (ix *Index) open() (err error) {
	defer guard(&err)
	if ix.dir == "" {
		if ix.dir, err = os.MkdirTemp("", "index-"); err != nil {
			return err
		}
		ix.temp = true
	}
	if !ix.options.ReadOnly {
		if err := os.MkdirAll(filepath.Join(ix.dir, storeName), 0o777); err != nil {
			return err
		}
	}
	var m *manifest
	var v *view
	for attempt := 0; ; attempt++ {
		m, err = readManifest(ix.dir)
		if errors.Is(err, fs.ErrNotExist) && !ix.options.ReadOnly {
			ix.create()
			return nil
		}
		if err != nil {
			return err
		}
		if v, err = ix.openManifest(m); err == nil {
			break
		}
		if !ix.options.ReadOnly || attempt >= sameAttempts && !ix.isReplaced(m) {
			return err
		}
	}
	ix.next, ix.number, ix.manifest = m.Next, m.NextFile, m
	ix.ceiling.Store(m.Next)
	ix.current = v
	if !ix.options.ReadOnly {
		ix.removeStrays(v.segments)
	}
	return nil
}

// sameAttempts is how often a reader may fail to open one manifest: a writer may have replaced the
// root beside it, and is about to replace it.
const sameAttempts = 2

// isReplaced reports whether a writer has replaced m, and then perhaps removed files of it.
func (ix *Index) isReplaced(m *manifest) bool {
	now, err := readManifest(ix.dir)
	return err != nil || now.Root != m.Root || now.NextFile != m.NextFile
}

// create begins an index of nothing, for which there are no files yet.
func (ix *Index) create() {
	ix.removeStrays(nil)
	ix.manifest, ix.current = &manifest{}, &view{}
	ix.current.refs.Store(1)
}

// openManifest verifies the files of m and opens them, by Bleve. What stands for the segments is
// written anew where it is not what it was: by a reader, elsewhere.
func (ix *Index) openManifest(m *manifest) (*view, error) {
	segments := make([]segment, len(m.Segments))
	for i, entry := range m.Segments {
		if err := entry.verify(ix.dir); err != nil {
			return nil, err
		}
		s := segment{file: newFile(ix.dir, entry, nil)}
		defer s.file.release() // the view holds them
		if len(entry.Deleted) > 0 {
			s.deleted = roaring.New()
			if err := s.deleted.UnmarshalBinary(entry.Deleted); err != nil {
				return nil, fmt.Errorf("manifest: deleted of %s: %w: %w", entry.File, err, ErrDamaged)
			}
		}
		segments[i] = s
	}
	if err := m.verifyRoot(ix.dir); errors.Is(err, ErrDamaged) {
		if ix.options.ReadOnly {
			return openBeside(ix.dir, m, segments)
		}
		if err := ix.mend(m); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return openView(ix.dir, segments)
}

// mend writes the root and the meta file of m anew, as after a crash that left those of a state
// that did not come to be.
func (ix *Index) mend(m *manifest) error {
	if err := ix.writeMeta(); err != nil {
		return err
	}
	if err := ix.prepare(m); err != nil {
		return err
	}
	if err := settle(storePath(ix.dir, rootName), !ix.temp); err != nil {
		return err
	}
	return settle(filepath.Join(ix.dir, manifestName), !ix.temp)
}

// writeMeta writes the meta file, which is the same for all.
func (ix *Index) writeMeta() error {
	if err := removeAny(filepath.Join(ix.dir, metaRival)); err != nil {
		return err
	}
	path := filepath.Join(ix.dir, metaName)
	if err := writeMeta(path+temporary, !ix.temp); err != nil {
		return err
	}
	return os.Rename(path+temporary, path) // durable with the manifest
}

// prepare writes, to temporary files, the root of the segments of m, and then m, with what the root
// has.
func (ix *Index) prepare(m *manifest) error {
	if err := writeRoot(storePath(ix.dir, rootName+temporary), m.Segments, !ix.temp); err != nil {
		return err
	}
	var err error
	if m.Meta, err = measure(ix.dir, metaName); err != nil {
		return err
	}
	if m.Root, err = measure(ix.dir, rootName+temporary); err != nil {
		return err
	}
	m.Root.File = rootName
	return m.write(ix.dir, !ix.temp)
}

// removeStrays removes files that the manifest does not name: left by a crash.
func (ix *Index) removeStrays(segments []segment) {
	for _, dir := range []string{ix.dir, filepath.Join(ix.dir, storeName)} {
		names, _ := os.ReadDir(dir)
		for _, n := range names {
			named := slices.ContainsFunc(segments, func(s segment) bool { return s.entry.File == n.Name() })
			if !named && (strings.HasSuffix(n.Name(), segmentSuffix) || strings.HasSuffix(n.Name(), temporary)) {
				_ = os.Remove(filepath.Join(dir, n.Name()))
			}
		}
	}
}

// Close ends the index; searches that run end well.
func (ix *Index) Close() error {
	ix.write.Lock()
	defer ix.write.Unlock()
	ix.mu.Lock()
	v := ix.current
	ix.current = nil
	ix.mu.Unlock()
	if v == nil {
		return fmt.Errorf("index %s: %w", ix.dir, ErrClosed)
	}
	v.release()
	if ix.temp {
		return os.RemoveAll(ix.dir)
	}
	return nil
}

// acquire returns the view of now, which the caller releases.
func (ix *Index) acquire() (*view, error) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if ix.current == nil {
		return nil, fmt.Errorf("index %s: %w", ix.dir, ErrClosed)
	}
	ix.current.refs.Add(1)
	return ix.current, nil
}

// Next is one more than the highest ordinal that was ever added, 0 where none was: all that was
// added before, and not removed, is in the index.
func (ix *Index) Next() uint64 { return ix.ceiling.Load() }

// Count is the number of series in the index.
func (ix *Index) Count() int {
	v, err := ix.acquire()
	if err != nil {
		return 0
	}
	defer v.release()
	n := 0
	for _, s := range v.segments {
		n += s.live()
	}
	return n
}

// Ordinals returns those of all series in the index.
func (ix *Index) Ordinals() (*roaring.Bitmap, error) { return ix.Search(context.Background(), All()) }

// Verify reads all files again, and reports what is not as it was written with an error that wraps
// [ErrDamaged].
func (ix *Index) Verify(ctx context.Context) error {
	v, err := ix.acquire()
	if err != nil {
		return err
	}
	defer v.release()
	var found []error
	if err := ix.verifyState(v); err != nil {
		found = append(found, err)
	}
	for _, s := range v.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.entry.verify(ix.dir); err != nil {
			if _, gone := os.Stat(storePath(ix.dir, s.entry.File)); ix.options.ReadOnly && gone != nil {
				continue // a writer has replaced it
			}
			found = append(found, err)
		}
	}
	if err := errors.Join(found...); err != nil {
		return fmt.Errorf("index %s: %w", ix.dir, err)
	}
	return nil
}

// verifyState reports whether the manifest on disk is whole, and whether the root and the meta file
// are its own. A writer replaces the root before the manifest, whose successor lies ready then.
func (ix *Index) verifyState(v *view) error {
	m, err := readManifest(ix.dir)
	if errors.Is(err, fs.ErrNotExist) && (ix.options.ReadOnly || v.bleve == nil) {
		return nil // a writer makes all anew, or nothing was ever written
	}
	if err != nil {
		return err
	}
	err = m.verifyRoot(ix.dir)
	if !errors.Is(err, ErrDamaged) {
		return err
	}
	if _, none := os.Stat(filepath.Join(ix.dir, manifestName+temporary)); none == nil {
		return nil
	}
	if ix.isReplaced(m) {
		return nil
	}
	return err
}

// begin locks the index for a change, and returns the view to change. The caller unlocks
// ix.write where there is no error, and need not release the view.
func (ix *Index) begin() (*view, error) {
	if ix.options.ReadOnly {
		return nil, fmt.Errorf("index %s: %w", ix.dir, ErrReadOnly)
	}
	ix.write.Lock()
	if ix.current == nil {
		ix.write.Unlock()
		return nil, fmt.Errorf("index %s: %w", ix.dir, ErrClosed)
	}
	return ix.current, nil
}

// Add adds series. A few thousand at a time are fast and small; one at a time is slow. A series
// whose ordinal is there already is left as it is. When Add returns without an error, the series
// are durable and found.
func (ix *Index) Add(docs []Doc) (err error) {
	v, err := ix.begin()
	if err != nil {
		return err
	}
	defer ix.write.Unlock()
	defer ix.where(&err)
	defer guard(&err)
	docs = missing(v, sortDocs(docs))
	if len(docs) == 0 {
		return nil
	}
	if n := countNames(docs); n > ix.names {
		return fmt.Errorf("a batch: %w", errTooManyNames)
	}
	name := ix.newName()
	ordinals := make([]uint32, len(docs))
	for i, d := range docs {
		ordinals[i] = d.Ordinal
	}
	if err := pack(context.Background(), storePath(ix.dir, name), ordinals, newBatch(docs), !ix.temp); err != nil {
		return err
	}
	f, err := ix.adopt(name, ordinals)
	if err != nil {
		return err
	}
	next := max(ix.next, uint64(docs[len(docs)-1].Ordinal)+1)
	if err := ix.install(append(slices.Clone(v.segments), segment{file: f}), next); err != nil {
		return err
	}
	return ix.mergeSome(context.Background())
}

func (ix *Index) where(err *error) {
	if *err != nil {
		*err = fmt.Errorf("index %s: %w", ix.dir, *err)
	}
}

// missing returns the docs that are not in v. Docs are sorted, and reused.
func missing(v *view, docs []Doc) []Doc {
	for _, s := range v.segments {
		if len(docs) == 0 || docs[0].Ordinal > s.ordinal(s.entry.Documents-1) {
			continue
		}
		lo, hi := s.entry.First, uint64(s.entry.First)+uint64(s.entry.Documents)
		var have *roaring.Bitmap
		if s.ordinals != nil {
			have = s.toOrdinals(s.all())
		}
		docs = slices.DeleteFunc(docs, func(d Doc) bool {
			if have != nil {
				return have.Contains(d.Ordinal)
			}
			return d.Ordinal >= lo && uint64(d.Ordinal) < hi && (s.deleted == nil || !s.deleted.Contains(d.Ordinal-lo))
		})
	}
	return docs
}

func (ix *Index) newName() string {
	ix.number++
	return segmentName(ix.number)
}

// adopt returns the new file of the documents with the ordinals, which it keeps.
func (ix *Index) adopt(name string, ordinals []uint32) (*file, error) {
	n := len(ordinals)
	entry := manifestSegment{Documents: uint32(n), First: ordinals[0], Gaps: int(ordinals[n-1]-ordinals[0]) != n-1}
	var err error
	if entry.manifestFile, err = measure(ix.dir, name); err != nil {
		return nil, err
	}
	return newFile(ix.dir, entry, ordinals), nil
}

// install makes segments the state of the index, on disk and then for searches. New files in it
// bring a reference, which goes to the view; files that are no longer in it are removed.
func (ix *Index) install(segments []segment, next uint64) error {
	old := ix.current
	isIn := func(v *view, f *file) bool {
		return slices.ContainsFunc(v.segments, func(s segment) bool { return s.file == f })
	}
	v, err := ix.replace(segments, next)
	for _, s := range segments {
		if !isIn(old, s.file) {
			s.garbage.Store(err != nil)
			s.file.release()
		}
	}
	if err != nil {
		return err
	}
	ix.next = next
	ix.ceiling.Store(next)
	ix.mu.Lock()
	ix.current = v
	ix.mu.Unlock()
	for _, s := range old.segments {
		s.garbage.Store(!isIn(v, s.file))
	}
	old.release()
	return nil
}

// replace makes segments what the index has on disk, and opens them. There are five steps, between
// which the index is whole: both files are written; the root gets its name, and Bleve sees the new
// state; it opens that; the manifest gets its name, and with it the new state is the one that
// counts. Where the last two fail, the root becomes again what it was.
func (ix *Index) replace(segments []segment, next uint64) (*view, error) {
	m := &manifest{Version: manifestVersion, Next: next, NextFile: ix.number}
	for _, s := range segments {
		entry := s.entry
		if s.deleted != nil {
			var err error
			if entry.Deleted, err = s.deleted.ToBytes(); err != nil {
				return nil, err
			}
		}
		m.Segments = append(m.Segments, entry)
	}
	first := ix.manifest.Version == 0
	if first {
		if err := ix.writeMeta(); err != nil {
			return nil, err
		}
	}
	if err := ix.prepare(m); err != nil {
		return nil, err
	}
	if err := settle(storePath(ix.dir, rootName), !ix.temp); err != nil {
		return nil, err
	}
	v, err := openView(ix.dir, segments)
	if err == nil {
		if err = settle(filepath.Join(ix.dir, manifestName), !ix.temp); err == nil {
			ix.manifest = m
			return v, nil
		}
		v.release()
	}
	if first {
		return nil, errors.Join(err, removeAny(storePath(ix.dir, rootName)), removeAny(filepath.Join(ix.dir, manifestName)))
	}
	return nil, errors.Join(err, ix.mend(ix.manifest))
}

// Remove removes series; those that are not there are no error. It is durable when it returns.
func (ix *Index) Remove(ordinals *roaring.Bitmap) (err error) {
	v, err := ix.begin()
	if err != nil {
		return err
	}
	defer ix.write.Unlock()
	defer ix.where(&err)
	changed := false
	var segments []segment
	for _, s := range v.segments {
		docs := s.toDocs(ordinals)
		if s.deleted != nil {
			docs.AndNot(s.deleted)
		}
		if !docs.IsEmpty() {
			changed = true
			if s.deleted != nil {
				docs.Or(s.deleted)
			}
			docs.RunOptimize()
			s.deleted = docs
		}
		if s.live() > 0 {
			segments = append(segments, s)
		}
	}
	if !changed {
		return nil
	}
	return ix.install(segments, ix.next)
}

// Compact makes one file of all, without what was removed. It takes a while; series can be found
// meanwhile, and are added and removed after it.
func (ix *Index) Compact(ctx context.Context) (err error) {
	v, err := ix.begin()
	if err != nil {
		return err
	}
	defer ix.write.Unlock()
	defer ix.where(&err)
	loose := func(s segment) bool { return s.deleted != nil }
	if len(v.segments) < 2 && !slices.ContainsFunc(v.segments, loose) {
		return nil
	}
	return unlessTooMany(ix.merge(ctx, 0))
}

// mergeFan is how many segments of one tier are merged into one of the next.
const mergeFan = 8

// mergeSome merges the last segments while there are mergeFan of about one size.
func (ix *Index) mergeSome(ctx context.Context) error {
	for t := 0; ; t++ {
		segments := ix.current.segments
		from, top := len(segments), 0
		for from > 0 && tier(segments[from-1]) <= t {
			from--
		}
		for _, s := range segments {
			top = max(top, tier(s))
		}
		if len(segments)-from >= mergeFan {
			if err := ix.merge(ctx, from); err != nil {
				return unlessTooMany(err)
			}
			t = -1
		} else if t >= top {
			return nil
		}
	}
}

// tier is 0 for up to 1024 documents, and one more for each eightfold.
func tier(s segment) int {
	t := 0
	for n := s.live() / 1024; n > 0; n /= mergeFan {
		t++
	}
	return t
}

// errTooManyNames says that files stay apart, since there would be too many names in one.
var errTooManyNames = errors.New("too many distinct dimensions")

// canMerge reports whether one file may have all names of segments.
func (ix *Index) canMerge(segments []segment) bool {
	names := map[string]struct{}{}
	for _, s := range segments {
		for _, name := range s.fields {
			names[name] = struct{}{}
		}
	}
	return len(names) <= ix.names
}

// unlessTooMany returns err, but nil where it is errTooManyNames.
func unlessTooMany(err error) error {
	if errors.Is(err, errTooManyNames) {
		return nil
	}
	return err
}

// merge makes one segment of those from the given one on.
func (ix *Index) merge(ctx context.Context, from int) error {
	old := ix.current.segments
	if !ix.canMerge(old[from:]) {
		return errTooManyNames
	}
	m, ordinals := newMerger(old[from:])
	if len(ordinals) == 0 {
		return ix.install(slices.Clone(old[:from]), ix.next)
	}
	name := ix.newName()
	if err := pack(ctx, storePath(ix.dir, name), ordinals, m, !ix.temp); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	f, err := ix.adopt(name, ordinals)
	if err != nil {
		return err
	}
	return ix.install(append(slices.Clone(old[:from]), segment{file: f}), ix.next)
}
