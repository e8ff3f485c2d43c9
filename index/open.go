package index

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	api "github.com/blevesearch/bleve_index_api"
	zap "github.com/blevesearch/zapx/v16"
	berrors "go.etcd.io/bbolt/errors"
)

// An opened is an index as Bleve opened it: read-only, as it was then.
type opened struct {
	index    bleve.Index
	reader   api.IndexReader
	segments []*scorch.SegmentSnapshot
	temp     string // a folder to remove in the end, or empty
}

// lockTimeout is how long to wait for another program that writes the index through Bleve. What is
// here never does, so that there is nothing to wait for among its own processes.
const lockTimeout = "1s"

// openBleve opens the index in dir, whose files were verified. Panics of Bleve's become errors.
func openBleve(dir string) (o *opened, err error) {
	defer guard(&err)
	ix, err := bleve.OpenUsing(dir, map[string]any{"read_only": true, "bolt_timeout": lockTimeout})
	if err != nil {
		var path *fs.PathError
		if errors.Is(err, berrors.ErrTimeout) || errors.As(err, &path) && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("bleve: %w", err)
		}
		return nil, fmt.Errorf("bleve: %w: %w", err, ErrDamaged)
	}
	o = &opened{index: ix}
	advanced, err := ix.Advanced()
	if err == nil {
		o.reader, err = advanced.Reader()
	}
	snapshot, ok := o.reader.(*scorch.IndexSnapshot)
	if err == nil && !ok {
		err = fmt.Errorf("a reader of %T", o.reader)
	}
	if err != nil {
		o.close()
		return nil, fmt.Errorf("bleve: %w: %w", err, ErrDamaged)
	}
	o.segments = snapshot.Segments()
	return o, nil
}

func (o *opened) close() {
	if o.reader != nil {
		_ = o.reader.Close()
	}
	_ = o.index.Close() // it was opened to read: nothing can be lost
	if o.temp != "" {
		_ = os.RemoveAll(o.temp)
	}
}

// view returns the view of segments that o has opened, and that must be the very ones of o. On
// error, o stays open; else the view closes it, and holds the files.
func (o *opened) view(segments []segment) (v *view, err error) {
	defer guard(&err)
	if len(o.segments) != len(segments) {
		return nil, fmt.Errorf("bleve: %d segments, not %d: %w", len(o.segments), len(segments), ErrDamaged)
	}
	v = &view{bleve: o}
	for i, s := range segments {
		theirs := o.segments[i]
		z, ok := theirs.Segment().(*zap.Segment)
		if !ok {
			return nil, fmt.Errorf("%s: a segment of %T: %w", s.entry.File, theirs.Segment(), ErrDamaged)
		}
		if name := filepath.Base(z.Path()); name != s.entry.File || z.Count() != uint64(s.entry.Documents) {
			return nil, fmt.Errorf("%s: bleve has %s of %d documents, not %d: %w",
				s.entry.File, name, z.Count(), s.entry.Documents, ErrDamaged)
		}
		if !same(theirs.Deleted(), s.deleted) {
			return nil, fmt.Errorf("%s: bleve has other documents deleted: %w", s.entry.File, ErrDamaged)
		}
		s.mapped = newMapped(z)
		if err := s.load(z); err != nil {
			return nil, err
		}
		v.segments = append(v.segments, s)
	}
	v.refs.Store(1)
	for _, s := range v.segments {
		s.refs.Add(1)
	}
	return v, nil
}

// same reports whether two sets are equal; nil is an empty one.
func same(a, b *roaring.Bitmap) bool {
	if a == nil || b == nil {
		return (a == nil || a.IsEmpty()) && (b == nil || b.IsEmpty())
	}
	return a.Equals(b)
}

// openView opens the segments, which are those of the index in dir.
func openView(dir string, segments []segment) (*view, error) {
	o, err := openBleve(dir)
	if err != nil {
		return nil, err
	}
	v, err := o.view(segments)
	if err != nil {
		o.close()
	}
	return v, err
}

// openBeside opens the segments of the index in dir without its root and its meta file, which are
// not what they should be, and which only a writer may mend: with others in a temporary folder.
func openBeside(dir string, m *manifest, segments []segment) (v *view, err error) {
	temp, err := os.MkdirTemp("", "index-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(temp)
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	err = errors.Join(
		os.Mkdir(filepath.Join(temp, storeName), 0o777),
		writeMeta(filepath.Join(temp, metaName), false),
		writeRoot(storePath(temp, rootName), m.Segments, false),
	)
	for _, s := range m.Segments {
		if err == nil {
			err = os.Symlink(storePath(dir, s.File), storePath(temp, s.File))
		}
	}
	if err != nil {
		return nil, err
	}
	if v, err = openView(temp, segments); err == nil {
		v.bleve.temp = temp
	}
	return v, err
}
