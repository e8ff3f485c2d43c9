package promwrite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// A series is what a message says of one series, while it is decoded. Samples are already in the
// columns of the decoder.
type series struct {
	dims   chunk.Dimensions
	err    error // what is wrong with its labels
	first  int   // of its samples' stamps
	floats int
	starts []int64 // of samples, milliseconds, in the order of the samples; empty: nobody said

	histograms [][]byte
	exemplars  [][]byte
	examples   []example // scratch

	kind       uint64 // metadata
	help, unit uint32 // symbols
	described  bool
}

// An example is an exemplar as text.
type example struct {
	stamp    int64
	from, to int
}

func (d *Decoder) begin() *series {
	s := &d.one
	*s = series{
		first: len(d.times), floats: len(d.floats),
		starts: s.starts[:0], histograms: s.histograms[:0], exemplars: s.exemplars[:0], examples: s.examples[:0],
	}
	return s
}

// sample reads the message Sample, of either version.
func (d *Decoder) sample(m []byte, s *series, v2 bool) error {
	var value uint64
	var ms, start int64
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch {
		case f.num == 1:
			value, err = f.val, f.is(fixed64)
		case f.num == 2:
			ms, err = int64(f.val), f.is(varint)
		case f.num == 3 && v2:
			start, err = int64(f.val), f.is(varint)
		}
		if err != nil {
			return fmt.Errorf("sample: %w", err)
		}
	}
	t, ok := stamp(ms)
	if !ok {
		d.refuse(1, "a sample at %d ms, which is out of range", ms)
		return nil
	}
	if start != 0 || len(s.starts) > 0 {
		for len(s.starts) < len(d.times)-s.first {
			s.starts = append(s.starts, 0)
		}
		s.starts = append(s.starts, start)
	}
	d.times = append(d.times, t)
	d.floats = append(d.floats, math.Float64frombits(value))
	return nil
}

// drop takes back what of s is in the columns, and says why. What is malformed in it is still an error.
func (d *Decoder) drop(s *series, v2 bool) error {
	n := len(d.times) - s.first + len(s.histograms) + len(s.exemplars)
	d.times, d.floats = d.times[:s.first], d.floats[:s.floats]
	d.refuse(max(n, 1), "%w", s.err)
	for _, m := range s.histograms {
		if _, _, err := d.hist.decode(m, v2); err != nil {
			return err
		}
	}
	for _, m := range s.exemplars {
		if _, _, _, err := d.exemplar(m, v2); err != nil {
			return err
		}
	}
	return nil
}

// emit appends the rows of s but its metadata. The error is about the message.
func (d *Decoder) emit(s *series, v2 bool) error {
	d.others += len(s.histograms) + len(s.exemplars)
	if err := errors.Join(tooMuch(len(d.Rows), "series"), tooMuch(d.others, "histograms and exemplars"),
		tooMuch(len(d.list), "distinct strings")); err != nil {
		return err
	}
	if s.err != nil {
		return d.drop(s, v2)
	}
	last := len(d.times)
	if last > s.first {
		d.addRow(Samples, s.dims, chunk.Float64, s.first).Floats = d.floats[s.floats:len(d.floats):len(d.floats)]
	}
	if len(s.histograms) > 0 {
		if err := d.emitHistograms(s, v2); err != nil {
			return err
		}
	}
	if len(s.exemplars) > 0 {
		if err := d.emitExemplars(s, v2); err != nil {
			return err
		}
	}
	if len(s.starts) > 0 {
		d.emitStarts(s, last)
	}
	return nil
}

func (d *Decoder) emitHistograms(s *series, v2 bool) error {
	first := len(d.times)
	for _, m := range s.histograms {
		ms, h, err := d.hist.decode(m, v2)
		if err != nil {
			return err
		}
		t, ok := stamp(ms)
		if !ok {
			d.refuse(1, "a histogram of %v at %d ms, which is out of range", s.dims, ms)
			continue
		}
		if err := validate(h); err != nil {
			d.refuse(1, "histogram of %v at %d ms: %w", s.dims, ms, err)
			continue
		}
		from := len(d.text)
		d.text = AppendHistogram(d.text, h)
		d.addText(len(d.Batch.Rows), from, t)
	}
	if len(d.times) > first {
		d.addRow(Histograms, s.dims, chunk.String, first)
	}
	return nil
}

func validate(h Histogram) error {
	if h.Float != nil {
		return h.Float.Validate()
	}
	return h.Int.Validate()
}

// addText makes the text from on a value of the row that will be added with this number, unless it is too long.
func (d *Decoder) addText(row, from int, t int64) {
	if n := len(d.text) - from; n > maxText {
		d.text = d.text[:from]
		d.refuse(1, "a value of %d bytes, at most %d", n, maxText)
		return
	}
	d.values = append(d.values, textSpan{row, from, len(d.text)})
	d.times = append(d.times, t)
}

// emitExemplars appends the exemplars of s: one value for all of one stamp.
func (d *Decoder) emitExemplars(s *series, v2 bool) error {
	base, scratch := len(d.text), 0
	for _, m := range s.exemplars {
		e, ms, bad, err := d.exemplar(m, v2)
		if err != nil {
			return err
		}
		t, ok := stamp(ms)
		if bad == nil && !ok {
			bad = fmt.Errorf("at %d ms, which is out of range", ms)
		}
		if bad != nil {
			d.refuse(1, "exemplar of %v: %w", s.dims, bad)
			continue
		}
		from := len(d.text)
		d.text = appendExemplar(d.text, e)
		s.examples = append(s.examples, example{t, from, len(d.text)})
	}
	if len(s.examples) == 0 {
		return nil
	}
	dims, err := d.standIn(s.dims, ExemplarOf)
	if err != nil {
		d.text = d.text[:base]
		d.refuse(len(s.examples), "exemplars of %v: %w", s.dims, err)
		return nil
	}
	slices.SortStableFunc(s.examples, func(a, b example) int { return cmp.Compare(a.stamp, b.stamp) })
	first, stored := len(d.times), 0
	for i := 0; i < len(s.examples); {
		from, t := len(d.text), s.examples[i].stamp
		d.text = append(d.text, '[')
		for scratch = i; i < len(s.examples) && s.examples[i].stamp == t; i++ {
			if i > scratch {
				d.text = append(d.text, ',')
			}
			d.text = append(d.text, d.text[s.examples[i].from:s.examples[i].to]...)
		}
		d.text = append(d.text, ']')
		before := len(d.times)
		d.addText(len(d.Batch.Rows), from, t)
		if len(d.times) > before {
			stored += i - scratch
		}
	}
	if len(d.times) > first {
		d.addRow(Exemplars, dims, chunk.String, first)
		d.Rows[len(d.Rows)-1].Count = stored
	}
	return nil
}

// exemplar reads the message Exemplar of either version. Bad says why it is not stored, err what is
// wrong with the message.
func (d *Decoder) exemplar(m []byte, v2 bool) (e Exemplar, ms int64, bad, err error) {
	d.pairs, d.refs = d.pairs[:0], d.refs[:0]
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return e, 0, nil, err
		}
		m = rest
		switch {
		case f.num == 1 && v2:
			d.refs, err = appendNumbers(d.refs, &f, varint)
		case f.num == 1:
			err = d.label(&f, &bad)
		case f.num == 2:
			e.Value, err = f.float(), f.is(fixed64)
		case f.num == 3:
			ms, err = int64(f.val), f.is(varint)
		}
		if err != nil {
			return e, 0, nil, fmt.Errorf("exemplar: %w", err)
		}
	}
	if v2 && bad == nil {
		bad = d.resolve()
	}
	sortPairs(d.pairs)
	for i, p := range d.pairs {
		if p.Name == "" {
			bad = fmt.Errorf("a label without a name, and the value %q", p.Value)
		} else if i > 0 && p.Name == d.pairs[i-1].Name {
			bad = fmt.Errorf("label %q twice", p.Name)
		}
	}
	e.Labels = d.pairs
	return e, ms, bad, nil
}

// emitStarts appends the start times of the samples before last, where they are not known yet.
func (d *Decoder) emitStarts(s *series, last int) {
	key := uint64(0)
	before, known := uint64(0), false
	if d.Known != nil {
		key = d.Known.Key(d.Who, StartOf) ^ s.dims.Hash()
		if before, known = d.fresh[key]; !known {
			before, known = d.Known.Has(key)
		}
	}
	first, at := len(d.times), len(d.ints)
	for i, ms := range s.starts {
		t, ok := stamp(ms)
		if ms == 0 || known && uint64(t) == before {
			continue
		}
		if !ok {
			d.refuse(1, "a start timestamp of %v at %d ms, which is out of range; its sample is stored", s.dims, ms)
			continue
		}
		d.times = append(d.times, d.times[s.first+i])
		d.ints = append(d.ints, t)
		before, known = uint64(t), true
	}
	if len(d.times) == first {
		return
	}
	dims, err := d.standIn(s.dims, StartOf)
	if err != nil { // a label called start_of
		d.times, d.ints = d.times[:first], d.ints[:at]
		d.refuse(1, "start timestamps of %v: %w; its samples are stored", s.dims, err)
		return
	}
	d.addRow(Starts, dims, chunk.Int64, first).Ints = d.ints[at:len(d.ints):len(d.ints)]
	d.learn(key, before)
}

// learn notes what Known does not know yet.
func (d *Decoder) learn(key, value uint64) {
	if d.Known == nil {
		return
	}
	if d.fresh == nil {
		d.fresh = make(map[uint64]uint64)
	}
	d.fresh[key] = value
}

// describe appends the metadata of a metric, where it is not known yet.
func (d *Decoder) describe(metric string, m Metadata) {
	if d.Known != nil {
		key := d.Known.Key(d.Who, MetadataOf, metric, m.Type, m.Help, m.Unit)
		if _, known := d.fresh[key]; known {
			return
		}
		if _, known := d.Known.Has(key); known {
			return
		}
		d.learn(key, 0)
	}
	dims, err := d.canonical([]chunk.Dimension{{Name: MetadataOf, Value: metric}})
	if err != nil {
		d.refuse(1, "metadata of %q: %w", metric, err)
		return
	}
	first, from := len(d.times), len(d.text)
	d.text = AppendMetadata(d.text, m)
	// Different metadata of one metric, from two jobs, must not share a stamp.
	d.addText(len(d.Batch.Rows), from, d.Now+int64(len(d.Batch.Rows)))
	if len(d.times) > first {
		d.addRow(MetadataRow, dims, chunk.String, first)
	}
}

// typeName returns the name of a metric's type by its number, which both versions share.
func typeName(n uint64) string {
	names := [...]string{"", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"}
	if n < uint64(len(names)) {
		return names[n]
	}
	return ""
}
