package promwrite

import (
	"encoding/binary"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"google.golang.org/protobuf/encoding/protowire"
)

const (
	varint  = protowire.VarintType
	fixed64 = protowire.Fixed64Type
	lengths = protowire.BytesType
)

// DecodeV1 reads the message prometheus.WriteRequest, of remote write 1.0, into d. An error, which
// wraps [ErrMessage], is about the message: nothing of it may be stored. What is wrong with a series
// or a sample is in Refused and Reasons, and the batch is without it. The batch aliases d and not the
// message, and is valid until the next message.
func (d *Decoder) DecodeV1(m []byte) error {
	d.reset()
	known, unknown := 0, protowire.Number(0)
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch f.num {
		case 1:
			if err = f.is(lengths); err == nil {
				err = d.seriesV1(f.data)
			}
			known++
		case 3:
			if err = f.is(lengths); err == nil {
				err = d.metadataV1(f.data)
			}
			known++
		default:
			unknown = f.num
		}
		if err != nil {
			return err
		}
	}
	if known == 0 && unknown != 0 {
		return fmt.Errorf("nothing of a prometheus.WriteRequest, but field %d; is it of remote write 2.0, whose content type "+
			"says proto=io.prometheus.write.v2.Request: %w", unknown, ErrMessage)
	}
	d.Finish()
	return nil
}

// seriesV1 reads the message TimeSeries of 1.0.
func (d *Decoder) seriesV1(m []byte) error {
	s := d.begin()
	labels := m[:labelBytes(m)] // which senders write first
	s.dims, s.err = nil, nil
	at, cached := d.find(labels, 1)
	if cached {
		s.dims, m = at.dims, m[len(labels):]
	}
	var bad error
	all := m
	d.pairs = d.pairs[:0]
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch f.num {
		case 1:
			if cached { // labels behind others: no sender does that
				return d.scattered(all, labels)
			}
			err = d.label(&f, &bad)
		case 2:
			if err = f.is(lengths); err == nil {
				err = d.sample(f.data, s, false)
			}
		case 3:
			s.exemplars, err = append(s.exemplars, f.data), f.is(lengths)
		case 4:
			s.histograms, err = append(s.histograms, f.data), f.is(lengths)
		}
		if err != nil {
			return fmt.Errorf("timeseries: %w", err)
		}
	}
	if !cached {
		n := len(d.pairs)
		if s.err = bad; bad == nil {
			s.dims, s.err = d.dimensions()
		}
		if s.err == nil && countLabels(labels) == n {
			at.dims = s.dims
		}
	}
	return d.emit(s, false)
}

// scattered reads a series once more whose first labels are known, and which has others behind them.
func (d *Decoder) scattered(rest, labels []byte) error {
	s := &d.one
	d.times, d.floats = d.times[:s.first], d.floats[:s.floats]
	at, _ := d.find(labels, 1)
	at.dims = nil
	return d.seriesV1(append(labels[:len(labels):len(labels)], rest...))
}

// labelBytes returns how many bytes the labels at the head of a TimeSeries are.
func labelBytes(m []byte) int {
	n := 0
	for n < len(m) && m[n] == 1<<3|byte(lengths) {
		size, k := protowire.ConsumeVarint(m[n+1:])
		if k < 0 || size > uint64(len(m)-n-1-k) {
			break
		}
		n += 1 + k + int(size)
	}
	return n
}

// countLabels returns how many labels there are in what labelBytes measured.
func countLabels(m []byte) (n int) {
	for ; len(m) > 0; n++ {
		size, k := protowire.ConsumeVarint(m[1:])
		m = m[1+k+int(size):]
	}
	return n
}

// label reads the message Label into d.pairs. Bad says what is wrong with it, err what is wrong with
// the message.
func (d *Decoder) label(f *field, bad *error) error {
	if err := f.is(lengths); err != nil {
		return err
	}
	var name, value []byte
	for m := f.data; len(m) > 0; {
		g, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch g.num {
		case 1:
			name, err = g.data, g.is(lengths)
		case 2:
			value, err = g.data, g.is(lengths)
		}
		if err != nil {
			return fmt.Errorf("label: %w", err)
		}
	}
	n, v := d.word(name), d.word(value)
	if err := tooMuch(len(d.list), maxWords+maxStrings, "distinct strings"); err != nil {
		return err
	}
	if !d.valid[n] || !d.valid[v] {
		*bad = fmt.Errorf("label %q=%q is not UTF-8", name, value)
	}
	d.pairs = append(d.pairs, chunk.Dimension{Name: d.list[n], Value: d.list[v]})
	return nil
}

// metadataV1 reads the message MetricMetadata.
func (d *Decoder) metadataV1(m []byte) error {
	var kind uint64
	var texts [3]uint32 // family, help, unit
	for i := range texts {
		texts[i] = d.word(nil)
	}
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch at := f.num; at {
		case 1:
			kind, err = f.val, f.is(varint)
		case 2:
			texts[0], err = d.word(f.data), f.is(lengths)
		case 4, 5:
			texts[at-3], err = d.word(f.data), f.is(lengths)
		}
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	for _, n := range texts {
		if !d.valid[n] {
			d.Refuse(1, "metadata of %q is not UTF-8: %q", d.list[texts[0]], d.list[n])
			return nil
		}
	}
	if texts[0] == d.word(nil) {
		d.Refuse(1, "metadata without the name of a metric")
		return nil
	}
	if d.count++; d.count > maxSeries {
		return tooMuch(d.count, maxSeries, "series and metadata")
	}
	d.AddMetadata(d.list[texts[0]], Metadata{typeName(kind), d.list[texts[1]], d.list[texts[2]]})
	return nil
}

// DecodeV2 reads the message io.prometheus.write.v2.Request, of remote write 2.0, into d, as
// [Decoder.DecodeV1] does. Symbols may come after the series that refer to them.
func (d *Decoder) DecodeV2(m []byte) error {
	d.reset()
	d.symbols = d.symbols[:0]
	all, known, unknown := m, 0, protowire.Number(0)
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch f.num {
		case 4:
			if err := f.is(lengths); err != nil {
				return fmt.Errorf("symbols: %w", err)
			}
			d.symbols = append(d.symbols, d.word(f.data))
			if err := tooMuch(len(d.symbols), maxStrings, "symbols"); err != nil {
				return err
			}
			known++
		case 5:
			known++
		default:
			unknown = f.num
		}
	}
	if known == 0 && unknown != 0 {
		return fmt.Errorf("nothing of an io.prometheus.write.v2.Request, but field %d; is it of remote write 1.0, whose content "+
			"type is application/x-protobuf: %w", unknown, ErrMessage)
	}
	var last description
	for m = all; len(m) > 0; {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		if m = rest; f.num != 5 {
			continue
		}
		if err := f.is(lengths); err != nil {
			return fmt.Errorf("timeseries: %w", err)
		}
		if err := d.seriesV2(f.data, &last); err != nil {
			return fmt.Errorf("timeseries: %w", err)
		}
	}
	d.Finish()
	return nil
}

// A description is metadata as a 2.0 message writes it.
type description struct {
	metric     string
	kind       uint64
	help, unit uint32
}

// seriesV2 reads the message TimeSeries of 2.0. Last is the metadata of the series before it, which
// tends to be the same.
func (d *Decoder) seriesV2(m []byte, last *description) error {
	s := d.begin()
	d.refs = d.refs[:0]
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch f.num {
		case 1:
			d.refs, err = appendNumbers(d.refs, &f, varint)
		case 2:
			if err = f.is(lengths); err == nil {
				err = d.sample(f.data, s, true)
			}
		case 3:
			s.histograms, err = append(s.histograms, f.data), f.is(lengths)
		case 4:
			s.exemplars, err = append(s.exemplars, f.data), f.is(lengths)
		case 5:
			if err = f.is(lengths); err == nil {
				err = s.metadata(f.data)
			}
		case 6: // created_timestamp, until release candidate 4 of the specification
			if f.typ == varint {
				s.start = int64(f.val)
			}
		}
		if err != nil {
			return err
		}
	}
	d.identify(s)
	if s.err == nil && len(d.times) == s.first && len(s.histograms)+len(s.exemplars) == 0 && !s.described {
		s.err = fmt.Errorf("series %v has no sample and no histogram", s.dims)
	}
	described := s.described && s.err == nil
	if err := d.emit(s, true); err != nil || !described {
		return err
	}
	metric, _ := s.dims.Get(chunk.MetricName)
	if now := (description{metric, s.kind, s.help, s.unit}); now != *last {
		*last = now
		d.describeV2(now)
	}
	return nil
}

// identify finds the dimensions of s by the references of its labels.
func (d *Decoder) identify(s *series) {
	d.key = d.key[:0]
	for _, r := range d.refs {
		if uint64(uint32(r)) >= uint64(len(d.symbols)) {
			s.err = fmt.Errorf("a label refers to symbol %d of %d", uint32(r), len(d.symbols))
			return
		}
		d.key = binary.LittleEndian.AppendUint32(d.key, d.symbols[uint32(r)])
	}
	at, cached := d.find(d.key, 2)
	if cached {
		s.dims = at.dims
		return
	}
	if s.err = d.resolve(); s.err != nil {
		return
	}
	s.dims, s.err = d.dimensions()
	at.dims = s.dims
}

// resolve makes pairs of references.
func (d *Decoder) resolve() error {
	d.pairs = d.pairs[:0]
	if len(d.refs)%2 != 0 {
		return fmt.Errorf("%d references to symbols, which should be pairs of a name and a value", len(d.refs))
	}
	for i := 0; i < len(d.refs); i += 2 {
		name, value := uint64(uint32(d.refs[i])), uint64(uint32(d.refs[i+1]))
		if n := uint64(len(d.symbols)); name >= n || value >= n {
			return fmt.Errorf("a label refers to symbols %d and %d of %d", name, value, n)
		}
		n, v := d.symbols[name], d.symbols[value]
		if !d.valid[n] || !d.valid[v] {
			return fmt.Errorf("label %q=%q is not UTF-8", d.list[n], d.list[v])
		}
		d.pairs = append(d.pairs, chunk.Dimension{Name: d.list[n], Value: d.list[v]})
	}
	return nil
}

// metadata reads the message Metadata of 2.0.
func (s *series) metadata(m []byte) error {
	for len(m) > 0 {
		f, rest, err := next(m)
		if err != nil {
			return err
		}
		m = rest
		switch f.num {
		case 1:
			s.kind, err = f.val, f.is(varint)
		case 3:
			s.help, err = uint32(f.val), f.is(varint)
		case 4:
			s.unit, err = uint32(f.val), f.is(varint)
		}
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
	}
	s.described = s.kind != 0 || s.help != 0 || s.unit != 0
	return nil
}

// describeV2 appends the metadata of a metric. The first symbol is the empty string, whatever a
// sender has put there.
func (d *Decoder) describeV2(m description) {
	texts := [2]string{}
	for i, r := range [2]uint32{m.help, m.unit} {
		if r == 0 {
			continue
		}
		if int64(r) >= int64(len(d.symbols)) || !d.valid[d.symbols[r]] {
			d.Refuse(1, "metadata of %q refers to symbol %d of %d, or to one that is not UTF-8", m.metric, r, len(d.symbols))
			return
		}
		texts[i] = d.list[d.symbols[r]]
	}
	if md := (Metadata{typeName(m.kind), texts[0], texts[1]}); md != (Metadata{}) {
		d.AddMetadata(m.metric, md)
	}
}
