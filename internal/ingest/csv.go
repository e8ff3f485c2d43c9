package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/chunk"
)

const bom = "\xef\xbb\xbf"

// exportHead are the columns that our own export has before the dimensions.
var exportHead = []string{"time", "kind", "value"}

// A csvColumn is what a column holds.
type csvColumn uint8

const (
	csvIgnored csvColumn = iota
	csvTime
	csvKind
	csvValue
	csvDimension
)

// csvDecoder reads records of comma-separated values.
type csvDecoder struct {
	c      *collector
	o      *Options
	comma  byte
	names  []string    // of the columns; nil until the header is read
	is     []csvColumn // what they hold; nil until the first record is read
	ahead  []byte      // the text from the current record on, while is is nil
	final  bool        // nothing follows ahead
	headAt int64       // line of the header
	time   int         // column of the time
	kindAt int         // column of the kind, or −1
	kind   chunk.Kind
	clock  stamps
	metric bool // a dimension column, or the options, give the metric

	fields [][]byte // of the record, unquoted; alias data or scratch
	quoted []byte
	key    []byte
	pairs  []chunk.Dimension
	last   []lastSeries // by column, the series of the record before
	epoch  int          // of the collector, when they were made
}

// lastSeries is a series, and the key it has.
type lastSeries struct {
	key []byte
	s   *series
}

func newCSV(c *collector, o *Options, head []byte) decoder {
	d := &csvDecoder{c: c, o: o, comma: o.CSV.Comma, kindAt: -1, kind: o.CSV.Kind}
	if d.comma == 0 {
		d.comma = guessComma(head)
	}
	if d.kind == 0 {
		d.kind = chunk.Float64
	}
	d.clock = newStamps(o.CSV.Layout, o.Precision, o.CSV.Location)
	return d
}

// guessComma returns the delimiter that is most frequent in the first line. What our export wrote
// has commas, whatever its dimensions are called.
func guessComma(head []byte) byte {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(head, []byte(bom)), []byte{'\n'})
	if own := []byte(strings.Join(exportHead, ",")); bytes.HasPrefix(line, own) {
		return ','
	}
	best, most := byte(','), 0
	for _, c := range []byte(",;\t|") {
		if n := bytes.Count(line, []byte{c}); n > most {
			best, most = c, n
		}
	}
	return best
}

// decode reads whole records; see [decoder].
func (d *csvDecoder) decode(data []byte, final bool) (int, error) {
	n := 0
	if d.c.line == 0 && bytes.HasPrefix(data, []byte(bom)) {
		n = len(bom)
	}
	for n < len(data) {
		k, lines, ferr := d.split(data[n:], final)
		if k == 0 {
			return n, nil
		}
		if d.is == nil {
			d.ahead, d.final = data[n:], final
		}
		n += k
		d.c.line++
		err := ferr
		if err == nil && !(len(d.fields) == 1 && len(d.fields[0]) == 0) {
			err = d.record()
		}
		if fatal := (*HeaderError)(nil); errors.As(err, &fatal) {
			return n, &LineError{File: d.c.file, Line: d.c.line, Reason: fatal}
		}
		if err != nil {
			if err = d.c.bad(err); err != nil {
				return n, err
			}
		}
		d.c.line += int64(lines) - 1
	}
	if final && d.o.CSV.NeedRecords && d.is == nil && d.names != nil && !d.isExport() {
		reason := malformed("no record follows the header, %q", d.names)
		return n, &LineError{File: d.c.file, Line: d.headAt, Reason: &HeaderError{reason}}
	}
	return n, nil
}

// A HeaderError makes a whole CSV source unreadable: it is not known which of its columns are what.
// It wraps [ErrFormat].
type HeaderError struct{ reason error }

// Error names what is missed, and the columns that there are.
func (e *HeaderError) Error() string { return e.reason.Error() }

// Unwrap returns the reason.
func (e *HeaderError) Unwrap() error { return e.reason }

// isExport reports whether the header is that of our own export, which is whole without records.
func (d *csvDecoder) isExport() bool {
	return len(d.names) >= 3 && slices.Equal(d.names[:3], exportHead) && d.o.CSV.Time == "" && len(d.o.CSV.Values) == 0
}

// split cuts the record at the head of data into d.fields. It returns the record's bytes, newline
// included, and lines; no bytes where the record is not whole.
func (d *csvDecoder) split(data []byte, final bool) (n, lines int, err error) {
	d.fields, d.quoted = d.fields[:0], d.quoted[:0]
	end := bytes.IndexByte(data, '\n')
	line := data
	switch {
	case end >= 0:
		line, n = data[:end], end+1
	case !final:
		return 0, 0, nil
	default:
		n = len(data)
	}
	if bytes.IndexByte(line, '"') >= 0 {
		return d.splitQuoted(data, final)
	}
	line = trimCR(line)
	for {
		i := bytes.IndexByte(line, d.comma)
		if i < 0 {
			d.fields = append(d.fields, line)
			return n, 1, nil
		}
		d.fields = append(d.fields, line[:i])
		line = line[i+1:]
	}
}

// splitQuoted is split where a field of the line is quoted.
func (d *csvDecoder) splitQuoted(data []byte, final bool) (n, lines int, err error) {
	if cap(d.quoted) < len(data) { // fields alias it, so it must not move
		d.quoted = make([]byte, 0, min(len(data), maxRecord))
	}
	for lines = 1; ; {
		if n >= len(data) || data[n] != '"' {
			rest := data[n:]
			i := bytes.IndexAny(rest, string([]byte{d.comma, '\n'}))
			switch {
			case i < 0 && !final:
				return 0, 0, nil
			case i < 0:
				d.fields = append(d.fields, trimCR(rest))
				return len(data), lines, nil
			case rest[i] == '\n':
				d.fields = append(d.fields, trimCR(rest[:i]))
				return n + i + 1, lines, nil
			}
			d.fields = append(d.fields, rest[:i])
			n += i + 1
			continue
		}
		start := len(d.quoted)
		for n++; ; {
			i := bytes.IndexByte(data[n:min(len(data), n+maxQuoted)], '"')
			if i < 0 {
				if !final && len(data)-n < maxQuoted {
					return 0, 0, nil
				}
				return d.restOfLine(data, n, lines, "a quote is not closed")
			}
			d.quoted = append(d.quoted, data[n:n+i]...)
			lines += bytes.Count(data[n:n+i], []byte{'\n'})
			if n += i + 1; n == len(data) && !final {
				return 0, 0, nil
			}
			if n == len(data) || data[n] != '"' {
				break
			}
			d.quoted = append(d.quoted, '"')
			n++
		}
		d.fields = append(d.fields, d.quoted[start:])
		rest := data[n:]
		switch {
		case len(rest) == 0:
			return n, lines, nil
		case rest[0] == d.comma:
			n++
		case rest[0] == '\n':
			return n + 1, lines, nil
		case rest[0] == '\r' && len(rest) == 1 && !final:
			return 0, 0, nil
		case rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n'):
			return n + min(2, len(rest)), lines, nil
		default:
			return d.restOfLine(data, n, lines, "text follows a closing quote")
		}
	}
}

// restOfLine gives up a record, up to the end of the line that holds data[n].
func (d *csvDecoder) restOfLine(data []byte, n, lines int, why string) (int, int, error) {
	if end := bytes.IndexByte(data[n:], '\n'); end >= 0 {
		return n + end + 1, lines, malformed("%s", why)
	}
	return len(data), lines, malformed("%s", why)
}

// record reads d.fields, as a header or as observations.
func (d *csvDecoder) record() error {
	if d.names == nil {
		d.headAt = d.c.line
		for i, f := range d.fields {
			if d.o.CSV.NoHeader {
				d.names = append(d.names, strconv.Itoa(i+1))
			} else {
				d.names = append(d.names, string(f))
			}
		}
		if !d.o.CSV.NoHeader {
			return nil
		}
	}
	if d.is == nil {
		if err := d.plan(); err != nil {
			return &HeaderError{err}
		}
	}
	if len(d.fields) != len(d.names) {
		return malformed("%d fields, the header has %d", len(d.fields), len(d.names))
	}
	t, err := d.clock.parse(d.fields[d.time])
	if err != nil {
		return err
	}
	kind := d.kind
	if d.kindAt >= 0 {
		if kind = kindOf(d.fields[d.kindAt]); kind == 0 {
			return malformed("%s is not a kind of value", quote(d.fields[d.kindAt]))
		}
	}
	d.dimensionKey(kind)
	for i, is := range d.is {
		if is != csvValue {
			continue
		}
		if len(d.fields[i]) == 0 && kind != chunk.String {
			if d.kindAt >= 0 {
				return malformed("no value of kind %v", kind)
			}
			continue
		}
		s, err := d.seriesOf(i, kind)
		if err != nil {
			return err
		}
		if err := d.c.add(s, t, d.fields[i]); err != nil {
			return fmt.Errorf("column %s: %w", quote([]byte(d.names[i])), err)
		}
	}
	return nil
}

// dimensionKey makes d.key of the fields that are dimensions.
func (d *csvDecoder) dimensionKey(kind chunk.Kind) {
	d.key = append(d.key[:0], byte(kind), 0, 0)
	for i, is := range d.is {
		if is == csvDimension {
			d.key = append(d.key, d.fields[i]...)
			d.key = append(d.key, byte(len(d.fields[i])), byte(len(d.fields[i])>>8), byte(len(d.fields[i])>>16))
		}
	}
}

// seriesOf returns the series of the value in column i.
func (d *csvDecoder) seriesOf(i int, kind chunk.Kind) (*series, error) {
	d.key[1], d.key[2] = byte(i), byte(i>>8)
	if d.epoch != d.c.epoch {
		clear(d.last)
		d.epoch = d.c.epoch
	}
	last := &d.last[i]
	if last.s != nil && bytes.Equal(last.key, d.key) {
		return last.s, nil
	}
	key := d.c.key(d.key)
	s := d.c.lookup(key)
	if s == nil {
		d.pairs = d.pairs[:0]
		for k, is := range d.is {
			if is == csvDimension && len(d.fields[k]) > 0 {
				d.pairs = append(d.pairs, chunk.Dimension{Name: d.names[k], Value: d.c.word(d.fields[k])})
			}
		}
		if !d.metric {
			d.pairs = append(d.pairs, chunk.Dimension{Name: chunk.MetricName, Value: d.names[i]})
		}
		var err error
		if s, err = d.c.newSeries(kind, d.pairs); err != nil {
			return nil, err
		}
		d.c.remember(key, s)
	}
	last.key, last.s = append(last.key[:0], d.key...), s
	return s, nil
}

// plan decides what the columns hold, by the options, the header, and the record in d.fields.
func (d *csvDecoder) plan() error {
	d.is, d.last = make([]csvColumn, len(d.names)), make([]lastSeries, len(d.names))
	if len(d.names) > 1<<16 {
		return malformed("%d columns", len(d.names))
	}
	o := &d.o.CSV
	d.metric = slices.ContainsFunc(d.c.set, func(p chunk.Dimension) bool { return p.Name == chunk.MetricName })
	if d.isExport() {
		d.is[0], d.is[1], d.is[2], d.kindAt, d.metric = csvTime, csvKind, csvValue, 1, true
		for i := 3; i < len(d.is); i++ {
			d.is[i] = csvDimension
		}
		d.clock.unit = 1
		return nil
	}
	if err := d.planTime(); err != nil {
		return err
	}
	for _, name := range o.Dimensions {
		i := slices.Index(d.names, name)
		if i < 0 || d.is[i] != csvIgnored {
			return malformed("no column %q for a dimension; the columns are %q", name, d.names)
		}
		d.is[i] = csvDimension
	}
	for _, name := range o.Values {
		i := slices.Index(d.names, name)
		if i < 0 || d.is[i] != csvIgnored {
			return malformed("no column %q for a value; the columns are %q", name, d.names)
		}
		d.is[i] = csvValue
	}
	d.planRest()
	if !slices.Contains(d.is, csvValue) {
		return malformed("no column with values among %q", d.names)
	}
	for i, is := range d.is {
		if k := slices.Index(d.names, d.names[i]); is == csvValue && k < i && d.is[k] == csvValue {
			return malformed("two columns of values are named %q", d.names[i])
		}
	}
	if i := slices.Index(d.names, chunk.MetricName); i >= 0 && d.is[i] == csvDimension {
		d.metric = true
	}
	return nil
}

// planTime finds the column of the time: as asked for, by its name, or the first.
func (d *csvDecoder) planTime() error {
	if name := d.o.CSV.Time; name != "" {
		if d.time = slices.Index(d.names, name); d.time < 0 {
			return malformed("no column %q for the time; the columns are %q", name, d.names)
		}
	} else {
		d.time = slices.IndexFunc(d.names, func(n string) bool {
			switch string(bytes.ToLower(bytes.Trim([]byte(n), " _@"))) {
			case "time", "timestamp", "date", "datetime", "ts":
				return true
			}
			return false
		})
		if d.time < 0 && !d.timesFirst() {
			return malformed("no column with times among %q: none is called time, timestamp, date, datetime or ts, and the first has none", d.names)
		}
		d.time = max(0, d.time)
	}
	d.is[d.time] = csvTime
	return nil
}

// timesFirst reports whether the first column has a time in any of the first records. Where it has
// none, no record could be stored, and one error says more than one for each of them.
func (d *csvDecoder) timesFirst() bool {
	found := false
	d.peek(func(fields [][]byte) {
		if !found {
			_, err := d.clock.parse(fields[0])
			found = err == nil
		}
	})
	return found
}

// planRest takes the columns that nothing was said of: where values were not named, a column holds
// values if most of its first fields that are not empty are of the kind; where dimensions were not,
// any other is one. Beside a column of values, one that is empty so far counts as another: should
// it turn out to be a dimension, its fields are reported, while values that are taken for those of
// a dimension would go unnoticed.
func (d *csvDecoder) planRest() {
	good, bad := d.survey()
	for i := range good {
		if good[i]+bad[i] == 0 && slices.Max(good) > 0 {
			good[i] = 1
		}
	}
	for i, is := range d.is {
		if is != csvIgnored {
			continue
		}
		switch {
		case len(d.o.CSV.Values) == 0 && d.kind != chunk.String && good[i] > bad[i]:
			d.is[i] = csvValue
		case len(d.o.CSV.Dimensions) == 0:
			d.is[i] = csvDimension
		}
	}
}

// surveyed is how many records are looked at to tell values from dimensions.
const surveyed = 1000

// survey counts, by column, the fields of the first records that are values of the kind, and those
// that are neither that nor empty.
func (d *csvDecoder) survey() (good, bad []int) {
	good, bad = make([]int, len(d.names)), make([]int, len(d.names))
	d.peek(func(fields [][]byte) {
		for i, f := range fields {
			switch {
			case len(f) == 0:
			case parses(d.kind, f):
				good[i]++
			default:
				bad[i]++
			}
		}
	})
	return good, bad
}

// peek calls f with the first records that have as many fields as the header.
func (d *csvDecoder) peek(f func(fields [][]byte)) {
	probe := csvDecoder{comma: d.comma}
	rest := d.ahead
	for range surveyed {
		n, _, err := probe.split(rest, d.final)
		if n == 0 {
			break
		}
		rest = rest[n:]
		if err == nil && len(probe.fields) == len(d.names) {
			f(probe.fields)
		}
	}
}
