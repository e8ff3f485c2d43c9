package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum"
	zap "github.com/blevesearch/zapx/v16"
)

// A file is one segment of Bleve's: an immutable file with the dictionaries and postings of some
// documents, numbered from 0. It is shared by all views that hold it.
type file struct {
	number   uint64 // unique in the index, for the cache
	dir      string
	entry    manifestSegment // without what was deleted
	ordinals []uint32        // of the documents, rising, where they do not count up from entry.First
	fields   []string        // names of dimensions, sorted

	refs    atomic.Int32
	garbage atomic.Bool // to be removed when nobody holds it
}

// newFile returns the file of entry, which the caller holds. Ordinals may be nil, and are then
// loaded when they are needed.
func newFile(dir string, entry manifestSegment, ordinals []uint32) *file {
	entry.Deleted = nil
	f := &file{number: entry.number(), dir: dir, entry: entry}
	if entry.Gaps {
		f.ordinals = ordinals
	}
	f.refs.Store(1)
	return f
}

// load reads what all views share of the file, where it is not there yet. Nobody else has the file
// then.
func (f *file) load(z *zap.Segment) error {
	if f.fields == nil {
		fields := []string{}
		for _, name := range z.Fields() {
			if name, ok := strings.CutPrefix(name, valuePrefix); ok {
				fields = append(fields, name)
			}
		}
		slices.Sort(fields)
		f.fields = fields
	}
	if f.entry.Gaps && f.ordinals == nil {
		return f.loadOrdinals(z)
	}
	return nil
}

// loadOrdinals reads the ordinals from the ids.
func (f *file) loadOrdinals(z *zap.Segment) error {
	ordinals := make([]uint32, f.entry.Documents)
	for i := range ordinals {
		id, err := z.DocID(uint64(i))
		if err != nil || len(id) != 4 {
			return fmt.Errorf("%s: id of document %d: %w", f.entry.File, i, ErrDamaged)
		}
		ordinals[i] = binary.BigEndian.Uint32(id)
		if i > 0 && ordinals[i-1] >= ordinals[i] {
			return fmt.Errorf("%s: id of document %d does not rise: %w", f.entry.File, i, ErrDamaged)
		}
	}
	f.ordinals = ordinals
	return nil
}

// release gives up one reference.
func (f *file) release() {
	if f.refs.Add(-1) > 0 {
		return
	}
	if f.garbage.Load() {
		_ = os.Remove(storePath(f.dir, f.entry.File)) // what is left is removed by the next Open
	}
}

// toOrdinals returns the ordinals of docs, in a bitmap of its own.
func (f *file) toOrdinals(docs *roaring.Bitmap) *roaring.Bitmap {
	if f.ordinals == nil {
		return roaring.AddOffset64(docs, int64(f.entry.First))
	}
	out := roaring.New()
	list := make([]uint32, 0, docs.GetCardinality())
	for it := docs.Iterator(); it.HasNext(); {
		list = append(list, f.ordinals[it.Next()])
	}
	out.AddMany(list)
	return out
}

// toDocs returns the documents of the ordinals, in a bitmap of its own.
func (f *file) toDocs(ordinals *roaring.Bitmap) *roaring.Bitmap {
	n := f.entry.Documents
	if f.ordinals == nil {
		docs := roaring.AddOffset64(ordinals, -int64(f.entry.First))
		docs.RemoveRange(uint64(n), 1<<32)
		return docs
	}
	var list []uint32
	for doc, ordinal := range f.ordinals {
		if ordinals.Contains(ordinal) {
			list = append(list, uint32(doc))
		}
	}
	docs := roaring.New()
	docs.AddMany(list)
	return docs
}

// A segment is a file and what was deleted from it: what a view has of it.
type segment struct {
	*file
	*mapped                 // nil before the view is made
	deleted *roaring.Bitmap // documents; nil for none; never modified
}

// A mapped is a file as Bleve mapped it into memory for one view.
type mapped struct {
	zap  *zap.Segment
	data []byte

	mu    sync.Mutex
	dicts map[string]*vellum.FST // of the fields that were used
}

func newMapped(z *zap.Segment) *mapped {
	return &mapped{zap: z, data: z.Data(), dicts: map[string]*vellum.FST{}}
}

// dict returns the dictionary of a field of Bleve's, or nil where no document has it.
func (s segment) dict(field string) (*vellum.FST, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.dicts[field]; ok {
		return d, nil
	}
	if name, ok := strings.CutPrefix(field, valuePrefix); ok {
		if _, ok := slices.BinarySearch(s.fields, name); !ok {
			return nil, nil
		}
	}
	at, err := s.zap.DictAddr(field)
	if err != nil {
		return nil, nil //nolint:nilerr // the one error is that there is no such field
	}
	size, n := binary.Uvarint(s.data[at:])
	if n <= 0 || size > uint64(len(s.data))-at-uint64(n) {
		return nil, fmt.Errorf("%s: dictionary of %q: %w", s.entry.File, field, ErrDamaged)
	}
	d, err := vellum.Load(s.data[at+uint64(n):][:size])
	if err != nil {
		return nil, fmt.Errorf("%s: dictionary of %q: %w: %w", s.entry.File, field, err, ErrDamaged)
	}
	s.dicts[field] = d
	return d, nil
}

// live returns how many documents are not deleted.
func (s segment) live() int {
	n := int(s.entry.Documents)
	if s.deleted != nil {
		n -= int(s.deleted.GetCardinality())
	}
	return n
}

// all returns the documents that are not deleted, in a bitmap of its own.
func (s segment) all() *roaring.Bitmap {
	docs := roaring.New()
	docs.AddRange(0, uint64(s.entry.Documents))
	if s.deleted != nil {
		docs.AndNot(s.deleted)
	}
	return docs
}

// A view is the state of the index at one time, opened by Bleve. It never changes.
type view struct {
	segments []segment
	bleve    *opened // nil before the first series
	refs     atomic.Int32
}

func (v *view) release() {
	if v.refs.Add(-1) == 0 {
		if v.bleve != nil {
			v.bleve.close()
		}
		for _, s := range v.segments {
			s.file.release()
		}
	}
}

// guard turns a panic of Bleve's, which it has on bytes that it did not expect, into an error. To
// be deferred.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("panic: %v: %w", r, ErrDamaged)
	}
}

// often reports the end of ctx, looking only every 1024th time.
type often struct {
	ctx context.Context
	n   int
}

func (o *often) err() error {
	if o.n++; o.n&1023 != 0 {
		return nil
	}
	return o.ctx.Err()
}
