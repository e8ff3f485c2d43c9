package promwrite

import (
	"errors"
	"fmt"
	"math"

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
	start  int64   // of all that do not say it themselves, milliseconds

	histograms [][]byte
	exemplars  [][]byte

	kind       uint64 // metadata
	help, unit uint32 // symbols
	described  bool
}

func (d *Decoder) begin() *series {
	s := &d.one
	*s = series{
		first: len(d.times), floats: len(d.floats),
		starts: s.starts[:0], histograms: s.histograms[:0], exemplars: s.exemplars[:0],
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
		d.Refuse(1, "a sample at %d ms, which is out of range", ms)
		return nil
	}
	if start != 0 || len(s.starts) > 0 {
		for len(s.starts) < len(d.times)-s.first {
			s.starts = append(s.starts, 0)
		}
		s.starts = append(s.starts, start)
	}
	if len(d.times) >= maxSamples {
		return tooMuch(len(d.times)+1, maxSamples, "samples")
	}
	d.times = append(d.times, t)
	d.floats = append(d.floats, math.Float64frombits(value))
	return nil
}

// drop takes back what of s is in the columns, and says why. What is malformed in it is still an error.
func (d *Decoder) drop(s *series, v2 bool) error {
	n := len(d.times) - s.first + len(s.histograms) + len(s.exemplars)
	d.times, d.floats = d.times[:s.first], d.floats[:s.floats]
	d.Refuse(max(n, 1), "%w", s.err)
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
	d.count++
	d.others += len(s.histograms) + len(s.exemplars)
	if d.count > maxSeries || d.others > maxOthers || len(d.times) > maxSamples {
		return errors.Join(tooMuch(d.count, maxSeries, "series"), tooMuch(d.others, maxOthers, "histograms and exemplars"),
			tooMuch(len(d.times), maxSamples, "samples"))
	}
	if s.err != nil {
		return d.drop(s, v2)
	}
	if s.start != 0 {
		s.startAll(len(d.times) - s.first)
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
		if start, ok := stamp(s.start); ok && h.Start == 0 {
			h.Start = start
		}
		if t, ok := stamp(ms); ok {
			d.histogram(s.dims, t, h)
		} else {
			d.Refuse(1, "a histogram of %v at %d ms, which is out of range", s.dims, ms)
		}
	}
	if len(d.times) > first {
		d.addRow(Histograms, s.dims, chunk.String, first)
	}
	return nil
}

func (d *Decoder) emitExemplars(s *series, v2 bool) error {
	for _, m := range s.exemplars {
		e, ms, bad, err := d.exemplar(m, v2)
		if err != nil {
			return err
		}
		t, ok := stamp(ms)
		switch {
		case bad != nil:
			d.Refuse(1, "exemplar of %v: %w", s.dims, bad)
		case !ok:
			d.Refuse(1, "an exemplar of %v at %d ms, which is out of range", s.dims, ms)
		default:
			d.AddExemplar(s.dims, t, e)
		}
	}
	d.FlushExemplars(s.dims)
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
	e.Labels = d.pairs
	return e, ms, bad, nil
}

// emitStarts appends the start times of the samples, whose stamps are the ones before last.
func (d *Decoder) emitStarts(s *series, last int) {
	for i, ms := range s.starts {
		t, ok := stamp(ms)
		if !ok {
			d.Refuse(1, "a start timestamp of %v at %d ms, which is out of range; its sample is stored", s.dims, ms)
			t = 0
		}
		s.starts[i] = t
	}
	d.AddStarts(s.dims, d.times[s.first:last], s.starts)
}

// startAll gives the start of the series to those of its n samples that have none.
func (s *series) startAll(n int) {
	for len(s.starts) < n {
		s.starts = append(s.starts, 0)
	}
	for i, own := range s.starts {
		if own == 0 {
			s.starts[i] = s.start
		}
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
