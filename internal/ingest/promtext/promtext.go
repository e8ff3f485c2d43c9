// Package promtext turns what exporters of Prometheus expose into batches: the Prometheus text
// format, OpenMetrics text, and the protobuf exposition with its native histograms. It reads them by
// Prometheus' own parsers, and puts what they say into the rows that package promwrite describes. It
// knows nothing of HTTP, of targets or of stores.
//
// Start at [Decoder.Decode]. Samples whose line has no time are given one; a line that is malformed
// does not take the others with it, unless Strict asks for that.
package promtext

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// The media types of what [Decoder.Decode] reads.
const (
	Text        = "text/plain"
	OpenMetrics = "application/openmetrics-text"
	Protobuf    = "application/vnd.google.protobuf"
)

// ErrFormat is wrapped by every error that means: this is not what its media type says.
var ErrFormat = errors.New("malformed exposition")

// A LineError is what is wrong with a line.
type LineError struct {
	Line   int // from 1
	Reason error
}

// Error names the line and the reason.
func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Reason) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Reason }

// errDrop is returned where a series is not wanted, which is no error.
var errDrop = errors.New("dropped")

// maxRows bounds the samples of one exposition, which are as many rows. Who exposes more is to be
// asked in parts.
const maxRows = 1 << 20

// errTooMany means that there are more.
var errTooMany = fmt.Errorf("more than %d samples in one exposition", maxRows)

// maxBad is how many bad lines there may be before the rest is not read.
const maxBad = 10_000

// A Decoder turns one exposition after another into batches, with the memory it has. It is used by
// one goroutine at a time.
type Decoder struct {
	promwrite.Builder // the batch, the stamp of metadata, what is known

	Stamp        int64             // of samples whose line has none, Unix nanoseconds
	IgnoreStamps bool              // of lines: all samples have Stamp
	Set          []chunk.Dimension // given to every series, in place of what it says itself
	Strict       bool              // the first thing that is wrong is an error, and the batch is void

	// Series returns the dimensions of a series, which text writes as the exposition does; nil
	// dimensions drop the sample. Labels says what the text means, and stamped whether the sample has
	// a stamp of its own. Where Series is nil, they are the labels, and Set.
	Series func(text []byte, stamped bool, labels func(*labels.Labels)) (chunk.Dimensions, error)

	family   []byte // that metadata is being told of
	metadata promwrite.Metadata
	labels   labels.Labels
	pairs    []chunk.Dimension
	line     []byte
}

// Decode reads an exposition of a media type, whose parameters are ignored; "" is [Text]. It returns an
// error that wraps [ErrFormat] where nothing of it could be read, or where d is strict and something
// could not. Else what is wrong is in Refused and Reasons, of lines as [*LineError], and the batch is
// without it. The batch is valid until the next call.
func (d *Decoder) Decode(data []byte, mediaType string) error {
	media := Text
	if mediaType != "" {
		var err error
		if media, _, err = mime.ParseMediaType(mediaType); err != nil {
			return fmt.Errorf("media type %q: %w: %w", mediaType, err, ErrFormat)
		}
	}
	if media != Text && media != OpenMetrics && media != Protobuf {
		return fmt.Errorf("media type %q; known are %s, %s and %s: %w", media, Text, OpenMetrics, Protobuf, ErrFormat)
	}
	d.Reset()
	err := d.parse(data, media)
	if (err != nil && !errors.Is(err, errTooMany) || d.Refused > 0) && !d.Strict && media != Protobuf { // read again, to say which lines
		d.Reset()
		err = d.lines(data, media)
	}
	if err == nil && d.Strict && d.Refused > 0 {
		err = d.Reasons[0]
	}
	if err != nil {
		d.Reset()
		return fmt.Errorf("%w: %w", err, ErrFormat)
	}
	d.Finish()
	return nil
}

// Reset empties d and keeps its memory.
func (d *Decoder) Reset() {
	d.Builder.Reset()
	d.family, d.metadata = d.family[:0], promwrite.Metadata{}
}

// parse reads all of data. The error is what its parser says.
func (d *Decoder) parse(data []byte, media string) error {
	p, err := textparse.New(data[:len(data):len(data)], media, nil, textparse.ParserOptions{OpenMetricsSkipSTSeries: true})
	if err != nil {
		return err
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			d.describe(nil)
			return nil
		}
		if err != nil {
			return err
		}
		if len(d.Rows) >= maxRows {
			return errTooMany
		}
		if err := d.entry(p, entry, media); err != nil {
			return err
		}
	}
}

// entry takes what a parser has found. The error is one of Strict.
func (d *Decoder) entry(p textparse.Parser, entry textparse.Entry, media string) error {
	switch entry {
	case textparse.EntryHelp:
		name, help := p.Help()
		d.describe(name)
		d.metadata.Help = string(help)
	case textparse.EntryType:
		name, typ := p.Type()
		d.describe(name)
		if d.metadata.Type = string(typ); typ == model.MetricTypeUnknown {
			d.metadata.Type = ""
		}
	case textparse.EntryUnit:
		name, unit := p.Unit()
		d.describe(name)
		d.metadata.Unit = string(unit)
	case textparse.EntrySeries, textparse.EntryHistogram:
		err := d.sample(p, entry, media)
		if err == nil || errors.Is(err, errDrop) {
			return nil
		}
		if d.Strict {
			return err
		}
		d.Refuse(1, "%w", err)
	}
	return nil
}

// describe begins the metadata of a metric family, where that is another one.
func (d *Decoder) describe(family []byte) {
	if bytes.Equal(family, d.family) {
		return
	}
	if d.metadata != (promwrite.Metadata{}) {
		d.AddMetadata(string(d.family), d.metadata)
	}
	d.family, d.metadata = append(d.family[:0], family...), promwrite.Metadata{}
}

// sample takes a sample or a native histogram, with what belongs to it.
func (d *Decoder) sample(p textparse.Parser, entry textparse.Entry, media string) error {
	var (
		text []byte
		ms   *int64
		v    float64
		h    promwrite.Histogram
	)
	if entry == textparse.EntrySeries {
		text, ms, v = p.Series()
	} else {
		var ints *histogram.Histogram
		var floats *histogram.FloatHistogram
		text, ms, ints, floats = p.Histogram()
		h = promwrite.Histogram{Int: ints, Float: floats}
	}
	if d.IgnoreStamps {
		ms = nil
	}
	t := d.Stamp
	if ms != nil {
		var ok bool
		if t, ok = nanos(*ms); !ok {
			return fmt.Errorf("sample of %s at %d ms, which is out of range", text, *ms)
		}
	}
	dims, err := d.dimensions(text, ms != nil, p.Labels)
	if err != nil {
		return err
	}
	start := int64(0)
	if media != Text {
		start, _ = nanos(p.StartTimestamp())
	}
	if entry == textparse.EntryHistogram {
		h.Start = start
		d.AddHistogram(dims, t, h)
	} else {
		d.AddSample(dims, t, v)
		if start != 0 {
			d.AddStarts(dims, []int64{t}, []int64{start})
		}
	}
	if media != Text {
		d.exemplars(p, dims, t)
	}
	return nil
}

// exemplars takes the exemplars of a sample at t.
func (d *Decoder) exemplars(p textparse.Parser, dims chunk.Dimensions, t int64) {
	for e := (exemplar.Exemplar{}); p.Exemplar(&e); e = (exemplar.Exemplar{}) {
		at := t
		if e.HasTs && !d.IgnoreStamps {
			var ok bool
			if at, ok = nanos(e.Ts); !ok {
				d.Refuse(1, "an exemplar of %v at %d ms, which is out of range", dims, e.Ts)
				continue
			}
		}
		d.pairs = d.pairs[:0]
		e.Labels.Range(func(l labels.Label) {
			d.pairs = append(d.pairs, chunk.Dimension{Name: l.Name, Value: l.Value})
		})
		d.AddExemplar(dims, at, promwrite.Exemplar{Labels: d.pairs, Value: e.Value})
	}
	d.FlushExemplars(dims)
}

// dimensions returns the dimensions of a series; the error is errDrop where it is not wanted.
func (d *Decoder) dimensions(text []byte, stamped bool, parsed func(*labels.Labels)) (chunk.Dimensions, error) {
	if d.Series != nil {
		dims, err := d.Series(text, stamped, parsed)
		if err == nil && dims == nil {
			err = errDrop
		}
		return dims, err
	}
	parsed(&d.labels)
	return d.Dimensions(d.labels)
}

// Dimensions returns labels and Set as dimensions, which may be kept. The error says which label is
// wrong.
func (d *Decoder) Dimensions(ls labels.Labels) (chunk.Dimensions, error) {
	if !ls.IsValid(model.UTF8Validation) {
		return nil, fmt.Errorf("series %v: a name that is empty, or not UTF-8", ls)
	}
	d.pairs = d.pairs[:0]
	ls.Range(func(l labels.Label) {
		d.pairs = promwrite.AppendLabel(d.pairs, l.Name, l.Value)
	})
	for _, l := range d.Set {
		d.pairs = promwrite.SetLabel(d.pairs, l.Name, l.Value)
	}
	dims, err := d.Sorted(d.pairs)
	if err != nil {
		return nil, fmt.Errorf("series %v: %w", ls, err)
	}
	return dims, nil
}

// nanos returns milliseconds as nanoseconds, and whether there are so many.
func nanos(ms int64) (int64, bool) {
	const most = math.MaxInt64 / 1_000_000
	return ms * 1_000_000, ms <= most && ms >= -most
}

// lines reads text whose parser did not like all of it, each line by itself, so that it is known
// which ones are bad.
func (d *Decoder) lines(data []byte, media string) error {
	var context []byte // the last line that said a type, which some labels depend on
	ended := false
	for number := 1; len(data) > 0; number++ {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, data = data[:i], data[i+1:]
		} else {
			data = nil
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if ended {
			d.Refuse(1, "%w", &LineError{number, errors.New("it and what follows is behind # EOF")})
			return nil
		}
		if media == OpenMetrics && bytes.Equal(bytes.TrimRight(line, "\r"), []byte("# EOF")) {
			ended = true
			continue
		}
		if len(d.Rows) >= maxRows {
			return errTooMany
		}
		if err := d.oneLine(context, line, media); err != nil {
			d.Refuse(1, "%w", &LineError{number, err})
			if d.Refused >= maxBad {
				return fmt.Errorf("line %d is bad number %d; the first: %w", number, d.Refused, d.Reasons[0])
			}
			continue
		}
		if bytes.HasPrefix(line, []byte("# TYPE ")) {
			context = line
		}
	}
	if media == OpenMetrics && !ended {
		d.Refuse(1, "the text does not end with # EOF: what is behind its last line is lost")
	}
	d.describe(nil)
	return nil
}

// oneLine reads a line in its context.
func (d *Decoder) oneLine(context, line []byte, media string) error {
	d.line = d.line[:0]
	skip := 0
	if len(context) > 0 {
		d.line, skip = append(append(d.line, context...), '\n'), 1
	}
	d.line = append(append(d.line, line...), '\n')
	if media == OpenMetrics {
		d.line = append(d.line, "# EOF\n"...)
	}
	p, err := textparse.New(d.line, media, nil, textparse.ParserOptions{OpenMetricsSkipSTSeries: true})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if i < skip {
			continue
		}
		before := len(d.Reasons)
		if err := d.entry(p, entry, media); err != nil {
			return err
		}
		if d.Refused > 0 && len(d.Reasons) > before { // what the line says is wrong, not how
			last := d.Reasons[before]
			d.Reasons, d.Refused = d.Reasons[:before], d.Refused-1
			return last
		}
	}
}
