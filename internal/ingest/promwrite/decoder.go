package promwrite

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/chronodex/chronodex/chunk"
)

// What the rows of a batch are.
const (
	Samples = iota
	Histograms
	Exemplars
	MetadataRow
	Starts

	whats = iota
)

// A Row says what one row of a batch is.
type Row struct {
	What  int // Samples to Starts
	Count int // observations
}

const (
	maxReasons = 10       // refusals that are described; the others are counted
	maxText    = 1 << 20  // bytes of a string value, which is what the store takes
	maxWords   = 1 << 16  // strings that a decoder keeps from message to message
	maxLetters = 16 << 20 // and their bytes
	slots      = 1 << 14  // series that it keeps
	maxRows    = 1 << 16  // rows of which it keeps the memory
	maxMs      = math.MaxInt64 / 1000000
	maxThings  = 1 << 20 // series, distinct strings, histograms and exemplars of one message
)

// A Decoder turns messages into batches, one after another, with the memory it has. It keeps the
// strings and series that come again. The zero value is ready. It is used by one goroutine at a time.
type Decoder struct {
	Now   int64  // stamp of metadata, Unix nanoseconds
	Who   string // sends; what is known of one sender's metadata says nothing of another's
	Known *Known // nil: nothing is known, and all metadata and start times are in the batch

	// Of the last message, until the next one.
	Batch   chunk.Batch
	Rows    []Row   // what each row of the batch is, in its order
	Refused int     // series, samples, histograms, exemplars that are not in the batch
	Reasons []error // why, of the first of them

	fresh  map[uint64]uint64 // what the batch has and Known does not
	others int               // histograms and exemplars in the message

	times   []int64
	floats  []float64
	ints    []int64
	text    []byte     // of all string values of the batch
	values  []textSpan // where in text they are
	strings []string

	words   map[string]uint32
	list    []string // words by their number
	valid   []bool   // whether a word is UTF-8
	letters int
	seeds   [3]maphash.Seed
	slots   []slot
	pairs   []chunk.Dimension // scratch
	dims    []chunk.Dimension // memory for new series

	one     series // being decoded
	hist    histogramScratch
	symbols []uint32 // words of a 2.0 message
	refs    []uint64
	key     []byte
}

// A slot keeps a series under the hash of how messages write it. Nobody outside can know the seeds,
// so equal hashes mean equal series.
type slot struct {
	a, b uint64
	dims chunk.Dimensions
}

// A textSpan is a string value that is not a string yet.
type textSpan struct {
	row      int
	from, to int
}

// reset forgets the last message.
func (d *Decoder) reset() {
	if d.words == nil || len(d.list) > maxWords || d.letters > maxLetters {
		d.words, d.list, d.valid, d.letters = make(map[string]uint32), nil, nil, 0
		d.seeds = [3]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()}
		d.slots = make([]slot, slots)
	}
	clear(d.Batch.Rows)
	d.Batch.Rows, d.Rows = d.Batch.Rows[:0], d.Rows[:0]
	if cap(d.Batch.Rows) > maxRows {
		d.Batch.Rows, d.Rows = nil, nil
	}
	d.Refused, d.Reasons = 0, nil
	d.fresh, d.others = nil, 0
	d.times, d.floats, d.ints = keep(d.times), keep(d.floats), keep(d.ints)
	d.text, d.values, d.dims, d.strings = keep(d.text), keep(d.values), nil, nil
}

// keep returns s without elements, unless it has grown out of proportion.
func keep[T any](s []T) []T {
	if cap(s) > 4*maxRows {
		return nil
	}
	return s[:0]
}

// Stored says that the store has taken the batch, all of it, so that what it says of metadata and
// start times need not be said again.
func (d *Decoder) Stored() {
	if d.Known != nil && len(d.fresh) > 0 {
		d.Known.Keep(d.fresh)
	}
}

// Written returns how many observations of each kind, Samples to Starts, the batch has.
func (d *Decoder) Written() (n [whats]int) {
	for _, r := range d.Rows {
		n[r.What] += r.Count
	}
	return n
}

// refuse counts what is not stored, and says why.
func (d *Decoder) refuse(n int, format string, args ...any) {
	d.Refused += n
	if len(d.Reasons) < maxReasons {
		d.Reasons = append(d.Reasons, fmt.Errorf(format, args...))
	}
}

// finish makes strings of the text, all of them parts of one.
func (d *Decoder) finish() {
	if len(d.values) == 0 {
		return
	}
	all := string(d.text)
	d.strings = make([]string, len(d.values))
	for i := 0; i < len(d.values); {
		row, first := d.values[i].row, i
		for ; i < len(d.values) && d.values[i].row == row; i++ {
			d.strings[i] = all[d.values[i].from:d.values[i].to]
		}
		d.Batch.Rows[row].Samples.Strings = d.strings[first:i:i]
	}
}

// addRow appends a row, whose stamps are the ones from first on.
func (d *Decoder) addRow(what int, dims chunk.Dimensions, kind chunk.Kind, first int) *chunk.Samples {
	times := d.times[first:len(d.times):len(d.times)]
	d.Rows = append(d.Rows, Row{what, len(times)})
	d.Batch.Rows = append(d.Batch.Rows, chunk.BatchRow{Dimensions: dims, Samples: chunk.Samples{Kind: kind, Times: times}})
	return &d.Batch.Rows[len(d.Batch.Rows)-1].Samples
}

// word returns the number of a string.
func (d *Decoder) word(b []byte) uint32 {
	if n, ok := d.words[string(b)]; ok {
		return n
	}
	w, n := string(b), uint32(len(d.list))
	d.words[w] = n
	d.list = append(d.list, w)
	d.valid = append(d.valid, utf8.ValidString(w))
	d.letters += len(w)
	return n
}

// find returns the slot of what key writes, and whether it holds that; if not, the caller fills it.
func (d *Decoder) find(key []byte, seed int) (*slot, bool) {
	a, b := maphash.Bytes(d.seeds[0], key), maphash.Bytes(d.seeds[seed], key)
	s := &d.slots[a%slots]
	if s.a == a && s.b == b && s.dims != nil {
		return s, true
	}
	if t := &d.slots[a%slots^1]; t.a == a && t.b == b && t.dims != nil {
		return t, true
	} else if t.dims == nil {
		s = t
	}
	s.a, s.b, s.dims = a, b, nil
	return s, false
}

// dimensions returns the dimensions of the labels in d.pairs, names and values as they came, which it
// changes. An error says what is wrong with the labels.
func (d *Decoder) dimensions() (chunk.Dimensions, error) {
	if err := checkLabels(d.pairs); err != nil {
		return nil, fmt.Errorf("series %v: %w", chunk.Dimensions(d.pairs), err)
	}
	kept := d.pairs[:0]
	for _, p := range d.pairs {
		if p.Value != "" { // which is the same as no label
			kept = append(kept, chunk.Dimension{Name: DimensionName(p.Name), Value: p.Value})
		}
	}
	sortPairs(kept)
	dims, err := d.canonical(kept)
	if err != nil {
		return nil, fmt.Errorf("series %.1000v: %w", chunk.Dimensions(kept).String(), err)
	}
	return dims, nil
}

// checkLabels reports what no series may be called in Prometheus.
func checkLabels(pairs []chunk.Dimension) error {
	named := false
	for _, p := range pairs {
		if p.Name == "" {
			return fmt.Errorf("a label without a name, of value %q", p.Value)
		}
		named = named || p.Name == NameLabel && p.Value != ""
	}
	if !named {
		return fmt.Errorf("no metric name: label %s is missing or empty", NameLabel)
	}
	return nil
}

// canonical returns sorted pairs as dimensions that may be kept.
func (d *Decoder) canonical(pairs []chunk.Dimension) (chunk.Dimensions, error) {
	for i := 1; i < len(pairs); i++ {
		if pairs[i].Name == pairs[i-1].Name {
			return nil, fmt.Errorf("label %q twice", LabelName(pairs[i].Name))
		}
	}
	if err := chunk.Dimensions(pairs).Validate(); err != nil {
		return nil, err
	}
	n := len(pairs)
	if cap(d.dims)-len(d.dims) < n {
		d.dims = make([]chunk.Dimension, 0, max(n, min(4096, 2*cap(d.dims))))
	}
	at := len(d.dims)
	d.dims = append(d.dims, pairs...)
	return d.dims[at : at+n : at+n], nil
}

// standIn returns the dimensions with another name for metric.
func (d *Decoder) standIn(dims chunk.Dimensions, name string) (chunk.Dimensions, error) {
	pairs := slices.Clone(dims)
	for i := range pairs {
		if pairs[i].Name == chunk.MetricName {
			pairs[i].Name = name
		}
	}
	sortPairs(pairs)
	return d.canonical(pairs)
}

// tooMuch returns an error where a message has more of something than is good for us.
func tooMuch(n int, what string) error {
	if n <= maxThings {
		return nil
	}
	return fmt.Errorf("more than %d %s in one message; send smaller ones: %w", maxThings, what, ErrMessage)
}

// stamp returns milliseconds as a stamp, and whether the store can hold it.
func stamp(ms int64) (int64, bool) {
	return ms * 1e6, ms <= maxMs && ms >= -maxMs
}
