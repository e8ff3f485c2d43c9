package promwrite

import (
	"cmp"
	"fmt"
	"slices"

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
	Count int // of that; several exemplars may be one observation
}

const (
	maxReasons = 10      // refusals that are described; the others are counted
	maxText    = 1 << 20 // bytes of a string value, which is what the store takes
	maxRows    = 1 << 16 // rows of which a builder keeps the memory
)

// A Builder gathers what Prometheus knows of series into a batch, in columns, with the memory that it
// has from the last one. The zero value is ready, and empty. It is used by one goroutine at a time.
type Builder struct {
	Now   int64  // stamp of metadata, Unix nanoseconds
	Who   string // sends; what is known of one sender's metadata says nothing of another's
	Known *Known // nil: nothing is known, and all metadata and start times are in the batch

	// Valid from Finish to Reset.
	Batch   chunk.Batch
	Rows    []Row   // what each row of the batch is, in its order
	Refused int     // series, samples, histograms, exemplars that are not in the batch
	Reasons []error // why, of the first of them

	fresh map[uint64]uint64 // what the batch has and Known does not

	times    []int64
	floats   []float64
	ints     []int64
	text     []byte     // of all string values of the batch
	values   []textSpan // where in text they are
	dims     []chunk.Dimension
	examples []example
}

// A textSpan is a string value that is not a string yet.
type textSpan struct {
	row      int
	from, to int
}

// An example is an exemplar as text.
type example struct {
	stamp    int64
	from, to int
}

// Reset empties b and keeps its memory.
func (b *Builder) Reset() {
	clear(b.Batch.Rows)
	b.Batch.Rows, b.Rows = b.Batch.Rows[:0], b.Rows[:0]
	if cap(b.Batch.Rows) > maxRows {
		b.Batch.Rows, b.Rows = nil, nil
	}
	b.Refused, b.Reasons, b.fresh = 0, nil, nil
	b.times, b.floats, b.ints = keep(b.times), keep(b.floats), keep(b.ints)
	b.text, b.values, b.dims = keep(b.text), keep(b.values), nil
}

// keep returns s without elements, unless it has grown out of proportion.
func keep[T any](s []T) []T {
	if cap(s) > 4*maxRows {
		return nil
	}
	return s[:0]
}

// Finish makes the batch whole. It copies the text of all string values, once.
func (b *Builder) Finish() {
	if len(b.values) == 0 {
		return
	}
	all, out := string(b.text), make([]string, len(b.values))
	for i := 0; i < len(b.values); {
		row, first := b.values[i].row, i
		for ; i < len(b.values) && b.values[i].row == row; i++ {
			out[i] = all[b.values[i].from:b.values[i].to]
		}
		b.Batch.Rows[row].Samples.Strings = out[first:i:i]
	}
}

// Stored says that the store has taken the batch, all of it, so that what it says of metadata and
// start times need not be said again.
func (b *Builder) Stored() {
	if b.Known != nil && len(b.fresh) > 0 {
		b.Known.Keep(b.fresh)
	}
}

// Written returns how many of each kind, Samples to Starts, the batch has.
func (b *Builder) Written() (n [whats]int) {
	for _, r := range b.Rows {
		n[r.What] += r.Count
	}
	return n
}

// Refuse counts what is not stored, and says why.
func (b *Builder) Refuse(n int, format string, args ...any) {
	b.Refused += n
	if len(b.Reasons) < maxReasons {
		b.Reasons = append(b.Reasons, fmt.Errorf(format, args...))
	}
}

// AddSample appends a row of one sample. The dimensions of this and other methods are kept.
func (b *Builder) AddSample(dims chunk.Dimensions, t int64, v float64) {
	first, at := len(b.times), len(b.floats)
	b.times, b.floats = append(b.times, t), append(b.floats, v)
	b.addRow(Samples, dims, chunk.Float64, first).Floats = b.floats[at:len(b.floats):len(b.floats)]
}

// addRow appends a row, whose stamps are the ones from first on.
func (b *Builder) addRow(what int, dims chunk.Dimensions, kind chunk.Kind, first int) *chunk.Samples {
	times := b.times[first:len(b.times):len(b.times)]
	b.Rows = append(b.Rows, Row{what, len(times)})
	b.Batch.Rows = append(b.Batch.Rows, chunk.BatchRow{Dimensions: dims, Samples: chunk.Samples{Kind: kind, Times: times}})
	return &b.Batch.Rows[len(b.Batch.Rows)-1].Samples
}

// addText makes the text from on a value of the row that will be added with this number, unless it is
// too long.
func (b *Builder) addText(row, from int, t int64) {
	if n := len(b.text) - from; n > maxText {
		b.text = b.text[:from]
		b.Refuse(1, "a value of %d bytes, at most %d", n, maxText)
		return
	}
	b.values = append(b.values, textSpan{row, from, len(b.text)})
	b.times = append(b.times, t)
}

// AddHistogram appends a row of one native histogram, unless that is not valid.
func (b *Builder) AddHistogram(dims chunk.Dimensions, t int64, h Histogram) {
	first := len(b.times)
	b.histogram(dims, t, h)
	if len(b.times) > first {
		b.addRow(Histograms, dims, chunk.String, first)
	}
}

// histogram appends a value for the row that will be added.
func (b *Builder) histogram(dims chunk.Dimensions, t int64, h Histogram) {
	if err := validate(h); err != nil {
		b.Refuse(1, "histogram of %v: %w", dims, err)
		return
	}
	from := len(b.text)
	b.text = AppendHistogram(b.text, h)
	b.addText(len(b.Batch.Rows), from, t)
}

func validate(h Histogram) error {
	if h.Float != nil {
		return h.Float.Validate()
	}
	return h.Int.Validate()
}

// AddExemplar gathers an exemplar of the series whose exemplars [Builder.FlushExemplars] adds. Its
// labels are sorted in place, and not kept.
func (b *Builder) AddExemplar(dims chunk.Dimensions, t int64, e Exemplar) {
	sortPairs(e.Labels)
	if err := checkExemplar(e.Labels); err != nil {
		b.Refuse(1, "exemplar of %v: %w", dims, err)
		return
	}
	from := len(b.text)
	b.text = appendExemplar(b.text, e)
	b.examples = append(b.examples, example{t, from, len(b.text)})
}

// checkExemplar reports what is wrong with the labels of an exemplar, which are sorted.
func checkExemplar(labels []chunk.Dimension) error {
	for i, p := range labels {
		if p.Name == "" {
			return fmt.Errorf("a label without a name, of value %q", p.Value)
		}
		if i > 0 && p.Name == labels[i-1].Name {
			return fmt.Errorf("label %q twice", p.Name)
		}
	}
	return nil
}

// FlushExemplars appends a row with the exemplars that were gathered: a value for all of one stamp.
func (b *Builder) FlushExemplars(dims chunk.Dimensions) {
	if len(b.examples) == 0 {
		return
	}
	es := b.examples
	b.examples = b.examples[:0]
	dims, err := b.standIn(dims, ExemplarOf)
	if err != nil { // a label called exemplar_of
		b.Refuse(len(es), "exemplars of %v: %w", dims, err)
		return
	}
	slices.SortStableFunc(es, func(x, y example) int { return cmp.Compare(x.stamp, y.stamp) })
	first, stored := len(b.times), 0
	for i := 0; i < len(es); {
		from, k, t := len(b.text), i, es[i].stamp
		b.text = append(b.text, '[')
		for ; i < len(es) && es[i].stamp == t; i++ {
			if i > k {
				b.text = append(b.text, ',')
			}
			b.text = append(b.text, b.text[es[i].from:es[i].to]...)
		}
		b.text = append(b.text, ']')
		before := len(b.times)
		b.addText(len(b.Batch.Rows), from, t)
		if len(b.times) > before {
			stored += i - k
		}
	}
	if len(b.times) > first {
		b.addRow(Exemplars, dims, chunk.String, first)
		b.Rows[len(b.Rows)-1].Count = stored
	}
}

// AddStarts appends a row with the start times of samples, where they are not known yet: times are
// the stamps of the samples, and starts their start times, both Unix nanoseconds; 0 says nothing.
func (b *Builder) AddStarts(dims chunk.Dimensions, times, starts []int64) {
	key := uint64(0)
	before, known := uint64(0), false
	if b.Known != nil {
		key = b.Known.Key(b.Who, StartOf) ^ dims.Hash()
		if before, known = b.fresh[key]; !known {
			before, known = b.Known.Has(key)
		}
	}
	first, at := len(b.times), len(b.ints)
	for i, t := range starts {
		if t == 0 || known && uint64(t) == before {
			continue
		}
		b.times, b.ints = append(b.times, times[i]), append(b.ints, t)
		before, known = uint64(t), true
	}
	if len(b.times) == first {
		return
	}
	dims, err := b.standIn(dims, StartOf)
	if err != nil { // a label called start_of
		b.times, b.ints = b.times[:first], b.ints[:at]
		b.Refuse(1, "start timestamps of %v: %w; its samples are stored", dims, err)
		return
	}
	b.addRow(Starts, dims, chunk.Int64, first).Ints = b.ints[at:len(b.ints):len(b.ints)]
	b.learn(key, before)
}

// learn notes what Known does not know yet.
func (b *Builder) learn(key, value uint64) {
	if b.Known == nil {
		return
	}
	if b.fresh == nil {
		b.fresh = make(map[uint64]uint64)
	}
	b.fresh[key] = value
}

// AddMetadata appends a row with the metadata of a metric, where it is not known yet.
func (b *Builder) AddMetadata(metric string, m Metadata) {
	if b.Known != nil {
		key := b.Known.Key(b.Who, MetadataOf, metric, m.Type, m.Help, m.Unit)
		if _, known := b.fresh[key]; known {
			return
		}
		if _, known := b.Known.Has(key); known {
			return
		}
		b.learn(key, 0)
	}
	dims, err := b.Canonical([]chunk.Dimension{{Name: MetadataOf, Value: metric}})
	if err != nil {
		b.Refuse(1, "metadata of %q: %w", metric, err)
		return
	}
	first, from := len(b.times), len(b.text)
	b.text = AppendMetadata(b.text, m)
	// Different metadata of one metric, from two jobs, must not share a stamp.
	b.addText(len(b.Batch.Rows), from, b.Now+int64(len(b.Batch.Rows)))
	if len(b.times) > first {
		b.addRow(MetadataRow, dims, chunk.String, first)
	}
}

// Canonical returns pairs, which are sorted by name, as dimensions that may be kept. An error says
// what is wrong with them.
func (b *Builder) Canonical(pairs []chunk.Dimension) (chunk.Dimensions, error) {
	for i := 1; i < len(pairs); i++ {
		if pairs[i].Name == pairs[i-1].Name {
			return nil, fmt.Errorf("label %q twice", LabelName(pairs[i].Name))
		}
	}
	if err := chunk.Dimensions(pairs).Validate(); err != nil {
		return nil, err
	}
	n := len(pairs)
	if cap(b.dims)-len(b.dims) < n {
		b.dims = make([]chunk.Dimension, 0, max(n, min(4096, 2*cap(b.dims))))
	}
	at := len(b.dims)
	b.dims = append(b.dims, pairs...)
	return b.dims[at : at+n : at+n], nil
}

// standIn returns the dimensions with another name for metric; on error, the ones given.
func (b *Builder) standIn(dims chunk.Dimensions, name string) (chunk.Dimensions, error) {
	pairs := slices.Clone(dims)
	for i := range pairs {
		if pairs[i].Name == chunk.MetricName {
			pairs[i].Name = name
		}
	}
	sortPairs(pairs)
	out, err := b.Canonical(pairs)
	if err != nil {
		return dims, err
	}
	return out, nil
}

// Sorted is [Builder.Canonical] of pairs in any order, which it sorts in place.
func (b *Builder) Sorted(pairs []chunk.Dimension) (chunk.Dimensions, error) {
	sortPairs(pairs)
	return b.Canonical(pairs)
}
