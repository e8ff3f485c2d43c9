package otlp

import (
	"math"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// Stored says that the store has taken all that the last request became, so that what it said of
// metadata and start times need not be said again.
func (d *Decoder) Stored() {
	if d.Known != nil {
		d.Known.Keep(d.fresh)
	}
	d.fresh = nil
}

// isNew reports whether neither the store nor this request has the value under key yet, and notes that
// it has it now.
func (d *Decoder) isNew(key, value uint64) bool {
	if d.Known == nil {
		return true
	}
	had, ok := d.fresh[key]
	if !ok {
		had, ok = d.Known.Has(key)
	}
	if ok && had == value {
		return false
	}
	if d.fresh == nil {
		d.fresh = make(map[uint64]uint64)
	}
	d.fresh[key] = value
	return true
}

// key returns the key under which something of a metric is known.
func (d *Decoder) key(parts ...string) uint64 {
	if d.Known == nil {
		return 0
	}
	return d.Known.Key(append(parts, d.Who)...)
}

// A described is a metric, as far as its metadata goes.
type described interface {
	GetName() string
	GetDescription() string
	GetUnit() string
}

// startKey returns the key under which the start time of a series is known.
func (d *Decoder) startKey(first chunk.Dimensions) uint64 {
	if d.Known == nil {
		return 0
	}
	return d.key(promwrite.StartOf) ^ first.Hash()
}

// describe appends the metadata of a metric, where it is new. A description that the store would not
// take is left out: it is no reason to refuse a point.
func (d *Decoder) describe(m described, kind string) {
	about := promwrite.Metadata{Type: kind, Help: m.GetDescription(), Unit: m.GetUnit()}
	if len(about.Help) > maxText || len(about.Unit) > maxText || m.GetName() == "" {
		return
	}
	if !d.isNew(d.key(promwrite.MetadataOf, m.GetName(), kind, about.Help, about.Unit), 0) {
		return
	}
	dims, err := chunk.NewDimensions(chunk.Dimension{Name: promwrite.MetadataOf, Value: m.GetName()})
	if err != nil {
		return
	}
	d.text = promwrite.AppendMetadata(d.text[:0], about)
	// Different metadata of one metric, of two sources, must not share a stamp.
	s := d.row(d.Now+int64(len(d.batch.Rows)), dims, -1)
	s.Kind, s.Strings = chunk.String, one(&d.texts, string(d.text))
}

// maxText is how long a description may be: its JSON then fits into a string of the store.
const maxText = 64 << 10

// start appends the start time of a point, whose first row has the dimensions, where it is new.
func (d *Decoder) start(t int64, start uint64, first chunk.Dimensions) error {
	if !d.now.starts || start == 0 || start > math.MaxInt64 {
		return nil
	}
	if !d.isNew(d.startKey(first), start) {
		return nil
	}
	return d.int(t, int64(start), chunk.Dimension{Name: promwrite.StartOf, Value: d.now.metric})
}
