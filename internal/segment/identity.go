package segment

import (
	"encoding/binary"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
)

const (
	// pageSeries is how many identities a series page has: all but the last page of a file are full.
	pageSeries = 1024
	// pageLookups is how many series a lookup page has, likewise.
	pageLookups = 4096
)

// appendSeries appends a series page: identities in source order. Their source is written as the
// count of pairs that it begins with as the one before it does, and the other pairs. Fields follow only
// where there are any.
func appendSeries(dst []byte, series []chunk.Series, p codec.Profile) []byte {
	var common, more, kinds []int64
	var metrics, fields, names, values []string
	var before chunk.Series
	fielded := false
	for _, s := range series {
		same := int64(chunk.CommonSource(before, s))
		before = s
		metric, _ := s.Dimensions.Get(chunk.MetricName)
		metrics = append(metrics, metric)
		field, ok := s.Dimensions.Get(chunk.FieldName)
		fields, fielded = append(fields, field), fielded || ok
		kinds = append(kinds, int64(s.Kind))
		common = append(common, same)
		had := len(names)
		for _, d := range s.Dimensions {
			if d.Name == chunk.MetricName || d.Name == chunk.FieldName {
				continue
			}
			if same--; same < 0 {
				names, values = append(names, d.Name), append(values, d.Value)
			}
		}
		more = append(more, int64(len(names)-had))
	}
	dst = binary.AppendUvarint(dst, uint64(len(series)))
	for _, v := range [][]int64{kinds, common, more} {
		dst = appendInts(dst, v, p)
	}
	dst = appendStrings(dst, metrics, p)
	dst = appendStrings(dst, names, p)
	dst = appendStrings(dst, values, p)
	if fielded {
		dst = appendStrings(dst, fields, p)
	}
	return dst
}

// parseSeries reads a series page.
func parseSeries(b []byte) ([]chunk.Series, error) {
	r := pageReader{rest: b}
	n := r.count(pageSeries)
	kinds := r.bounded(n, int64(chunk.Float64), int64(chunk.String))
	common := r.bounded(n, 0, chunk.MaxDimensions)
	more := r.bounded(n, 0, chunk.MaxDimensions)
	pairs, total := 0, 0
	for i := range n {
		pairs += int(more[i])
		total += int(more[i]+common[i]) + 2
	}
	metrics, names, values := r.strings(n), r.strings(pairs), r.strings(pairs)
	fields := make([]string, n)
	if len(r.rest) > 0 {
		fields = r.strings(n)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	series, room := make([]chunk.Series, n), make(chunk.Dimensions, 0, total)
	var source chunk.Dimensions // of the series before
	for i := range series {
		if common[i] > int64(len(source)) {
			return nil, corrupt("series %d of %d shares %d pairs of %d", i, n, common[i], len(source))
		}
		if more[i] > 0 || common[i] < int64(len(source)) {
			source = source[:common[i]:common[i]] // appending copies
			for range more[i] {
				source = append(source, chunk.Dimension{Name: names[0], Value: values[0]})
				names, values = names[1:], values[1:]
			}
		}
		at := len(room)
		room = appendNamed(room, source, metrics[i], fields[i])
		series[i] = chunk.Series{Dimensions: room[at:len(room):len(room)], Kind: chunk.Kind(kinds[i])}
		if err := series[i].Dimensions.Validate(); err != nil {
			return nil, corrupt("series %d of %d: %v", i, n, err)
		}
	}
	return series, nil
}

// appendNamed appends the pairs of a source, and the metric and the field in their places.
func appendNamed(dst, source chunk.Dimensions, metric, field string) chunk.Dimensions {
	rest := [...]chunk.Dimension{{Name: chunk.FieldName, Value: field}, {Name: chunk.MetricName, Value: metric}}
	names := rest[:]
	next := func(before string, all bool) {
		for len(names) > 0 && (all || names[0].Name < before) {
			if names[0].Value != "" {
				dst = append(dst, names[0])
			}
			names = names[1:]
		}
	}
	for _, d := range source {
		next(d.Name, false)
		dst = append(dst, d)
	}
	next("", true)
	return dst
}

// A lookup page says where series are, by ordinal.
type lookups struct {
	ordinals []int64 // rising
	places   []int64 // of each, among the series of the file in source order
}

// appendLookups appends a lookup page.
func appendLookups(dst []byte, l lookups, p codec.Profile) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(l.ordinals)))
	return appendInts(appendInts(dst, l.ordinals, p), l.places, p)
}

// parseLookups reads a lookup page.
func parseLookups(b []byte) (lookups, error) {
	r := pageReader{rest: b}
	n := r.count(pageLookups)
	l := lookups{ordinals: r.bounded(n, 0, 1<<32-1), places: r.bounded(n, 0, 1<<32-1)}
	return l, r.end()
}
