package lineproto

import (
	"bytes"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// The dimensions that are made of a line, beside [chunk.MetricName].
const (
	measurementName = "measurement"
	fieldName       = "field"
)

// dimensions returns the dimensions of each field of a line, in new memory. Text is its measurement
// and its tags.
func (d *Decoder) dimensions(text []byte, s *schema) ([]chunk.Dimensions, error) {
	measurement, err := d.tags(text)
	if err != nil {
		return nil, err
	}
	tagged := d.pairs
	has := func(name string) bool {
		return slices.ContainsFunc(tagged, func(p chunk.Dimension) bool { return p.Name == name })
	}
	hasField, hasMetric := has(fieldName), has(chunk.MetricName)
	if hasMetric && (hasField || has(measurementName)) {
		return nil, errHidden
	}
	for _, p := range d.o.Set {
		if !has(p.Name) {
			d.pairs = append(d.pairs, p)
		}
	}
	if !has(measurementName) {
		d.pairs = append(d.pairs, chunk.Dimension{Name: measurementName, Value: measurement})
	}
	if !hasField {
		d.pairs = append(d.pairs, chunk.Dimension{Name: fieldName, Value: "?"})
	}
	if !hasMetric {
		d.pairs = append(d.pairs, chunk.Dimension{Name: chunk.MetricName, Value: "?"})
	}
	base, err := chunk.NewDimensions(d.pairs...)
	if err != nil {
		return nil, err
	}
	at := func(name string, tagged bool) int {
		if tagged {
			return -1
		}
		return slices.IndexFunc(base, func(p chunk.Dimension) bool { return p.Name == name })
	}
	return d.perField(base, measurement, s, at(fieldName, hasField), at(chunk.MetricName, hasMetric))
}

// perField returns a copy of base for each field of the schema, with what the field is called at the
// places for that, −1 where there is none.
func (d *Decoder) perField(base chunk.Dimensions, measurement string, s *schema, fieldAt, metricAt int) ([]chunk.Dimensions, error) {
	out := make([]chunk.Dimensions, len(s.fields))
	all := make([]chunk.Dimension, 0, len(base)*len(out))
	for i := range s.fields {
		from := len(all)
		all = append(all, base...)
		x := chunk.Dimensions(all[from:len(all):len(all)])
		raw := s.fields[i].text
		name := raw[:len(raw)-1]
		if bytes.IndexByte([]byte(name), '\\') >= 0 {
			name = string(unescape(nil, []byte(name), ",= "))
		}
		if fieldAt >= 0 {
			x[fieldAt].Value = name
		}
		if metricAt >= 0 {
			x[metricAt].Value = measurement + "_" + name
		}
		if err := x.Validate(); err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

// tags reads the tags of a line into pairs, and returns its measurement.
func (d *Decoder) tags(text []byte) (measurement string, err error) {
	d.pairs = d.pairs[:0]
	whole, plain := string(text), bytes.IndexByte(text, '\\') < 0
	word := func(from, to int, special string) string {
		if plain {
			return whole[from:to]
		}
		d.scratch = unescape(d.scratch[:0], text[from:to], special)
		return string(d.scratch)
	}
	comma := scan(text, ',')
	measurement = word(0, comma, ", ")
	for at := comma; at < len(text); {
		at++
		end := at + scan(text[at:], ',')
		eq := at + scan(text[at:end], '=')
		switch {
		case eq == at:
			return "", errTagKey
		case eq >= end-1:
			return "", errTagValue
		}
		d.pairs = append(d.pairs, chunk.Dimension{Name: word(at, eq, ",= "), Value: word(eq+1, end, ",= ")})
		at = end
	}
	return measurement, nil
}
