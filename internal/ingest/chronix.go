package ingest

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// chronixDate is how the part of a file's name before -- ends.
var chronixDate = regexp.MustCompile(`_\d{4}\.\d\d\.\d\d_\d\d\.\d\d\.\d\d$`)

// chronixDimensions takes host, process and group from a file's name.
func chronixDimensions(name string) ([]chunk.Dimension, bool) {
	name = name[strings.LastIndexByte(name, '/')+1:]
	name, _, found := strings.Cut(name, "--")
	end := chronixDate.FindStringIndex(name)
	if !found || end == nil {
		return nil, false
	}
	name = name[:end[0]]
	for i := range len(name) {
		if name[i] != '_' || !strings.HasSuffix(name[i:], "_"+name[:i]) {
			continue
		}
		middle := strings.TrimSuffix(name[i:], "_"+name[:i])
		cut := strings.LastIndexByte(middle, '_')
		if cut <= 0 {
			return nil, false
		}
		return []chunk.Dimension{
			{Name: "host", Value: name[:i]},
			{Name: "process", Value: middle[1:cut]},
			{Name: "group", Value: middle[cut+1:]},
		}, true
	}
	return nil, false
}

// chronixDecoder reads the form of the Chronix benchmark's data.
type chronixDecoder struct {
	c       *collector
	series  []*series // one a column, nil until the header is read
	samples []*chunk.Samples
	date    [10]byte // the last date read
	day     int64    // and the stamp at which it begins
	known   bool
}

func newChronix(c *collector) (decoder, error) {
	dims, ok := chronixDimensions(path.Base(strings.ReplaceAll(c.file, "\\", "_")))
	if !ok && len(c.set) == 0 {
		return nil, malformed("the name is not <host>_<process>_<group>_<host>_<date>--<metric>")
	}
	c.set = append(dims, c.set...)
	return &chronixDecoder{c: c}, nil
}

// decode reads whole lines; see [decoder].
func (d *chronixDecoder) decode(data []byte, final bool) (int, error) {
	n := 0
	if d.series == nil {
		end := bytes.IndexByte(data, '\n')
		if end < 0 && !final {
			return 0, nil
		}
		if end < 0 {
			end = len(data)
		}
		d.c.line++
		if err := d.header(trimCR(data[:end])); err != nil {
			return 0, &LineError{File: d.c.file, Line: d.c.line, Reason: err}
		}
		n = min(end+1, len(data))
	}
	for _, s := range d.series {
		d.c.samples(s)
	}
	for i, s := range d.series { // now that all rows are there, they do not move
		d.samples[i] = d.c.samples(s)
		d.c.buf.n -= len(d.samples[i].Times)
	}
	n, err := d.lines(data, n, final)
	for _, s := range d.samples {
		d.c.buf.n += len(s.Times)
	}
	return n, err
}

// lines reads the lines of data from n on.
func (d *chronixDecoder) lines(data []byte, n int, final bool) (int, error) {
	for n < len(data) {
		d.c.line++
		if len(d.series) == 1 {
			if k := d.fast(data[n:]); k > 0 {
				n += k
				continue
			}
		}
		end := bytes.IndexByte(data[n:], '\n')
		if end < 0 && !final {
			d.c.line--
			return n, nil
		}
		line := data[n:]
		if end >= 0 {
			line = line[:end]
			n++
		}
		n += len(line)
		if err := d.slow(trimCR(line)); err != nil {
			if err := d.c.bad(err); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// header makes a series of each column.
func (d *chronixDecoder) header(line []byte) error {
	names := strings.Split(string(line), ";")
	if len(names) < 2 || !strings.EqualFold(names[0], "Date") {
		return malformed("the first line is not Date;<metric>")
	}
	for _, name := range names[1:] {
		s, err := d.c.newSeries(chunk.Float64, []chunk.Dimension{{Name: chunk.MetricName, Value: name}})
		if err != nil {
			return err
		}
		d.series = append(d.series, s)
	}
	d.samples = make([]*chunk.Samples, len(d.series))
	return nil
}

// fast reads one line of the one series, the common case: a date as the last one, and a number
// of up to 15 digits. It returns the line's length, newline included, or 0 for all that is
// special, which is left to slow.
func (d *chronixDecoder) fast(b []byte) int {
	if len(b) < 28 || !d.known || [10]byte(b) != d.date || b[23] != ';' {
		return 0
	}
	t, ok := timeOfDay(b[10:23])
	if !ok {
		return 0
	}
	i, neg := 24, false
	if b[i] == '-' {
		neg, i = true, i+1
	}
	var m uint64
	start, group, point := i, -1, -1
	for ; i < len(b); i++ {
		c := b[i]
		if v := c - '0'; v <= 9 {
			m = m*10 + uint64(v)
			continue
		}
		if c == ',' {
			if n := i - group; point >= 0 || (group < 0 && (i-start > 3 || i == start)) || (group >= 0 && n != 4) {
				return 0
			}
			group = i
			continue
		}
		if c != '.' || point >= 0 {
			break
		}
		if group >= 0 && i-group != 4 {
			return 0
		}
		point = i
	}
	if i-start > 19 || i == start || i >= len(b) || m > 1<<53 || point == start || point == i-1 {
		return 0
	}
	v := float64(m)
	switch {
	case point >= 0:
		v /= pow10[i-1-point]
	case group >= 0 && i-group != 4:
		return 0
	}
	if neg {
		v = -v
	}
	if b[i] == '\r' {
		i++
	}
	if i >= len(b) || b[i] != '\n' {
		return 0
	}
	s := d.samples[0]
	s.Times = append(s.Times, d.day+t)
	s.Floats = append(s.Floats, v)
	return i + 1
}

var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// timeOfDay reads " hh:mm:ss.mmm" as nanoseconds.
func timeOfDay(b []byte) (int64, bool) {
	_ = b[12]
	h1, h2, m1, m2, s1, s2 := b[1]-'0', b[2]-'0', b[4]-'0', b[5]-'0', b[7]-'0', b[8]-'0'
	f1, f2, f3 := b[10]-'0', b[11]-'0', b[12]-'0'
	h, m, s := int64(h1)*10+int64(h2), int64(m1)*10+int64(m2), int64(s1)*10+int64(s2)
	ok := b[0] == ' ' && b[3] == ':' && b[6] == ':' && b[9] == '.' &&
		max(h1, h2, m1, m2, s1) <= 9 && max(s2, f1, f2, f3) <= 9 && h < 24 && m < 60 && s < 60
	return (((h*60+m)*60+s)*1000 + int64(f1)*100 + int64(f2)*10 + int64(f3)) * 1_000_000, ok
}

// slow reads any line, and says what is wrong with it.
func (d *chronixDecoder) slow(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	stamp, rest, found := bytes.Cut(line, []byte{';'})
	if !found {
		return malformed("no ; after the date")
	}
	if len(stamp) != 23 || !d.setDay(stamp[:10]) {
		return malformed("%s is not a date such as 12.08.2015 17:25:40.964", quote(stamp))
	}
	t, ok := timeOfDay(stamp[10:])
	if !ok {
		return malformed("%s is not a date such as 12.08.2015 17:25:40.964", quote(stamp))
	}
	if n := bytes.Count(rest, []byte{';'}) + 1; n != len(d.series) {
		return malformed("%d values, the header has %d", n, len(d.series))
	}
	values := make([]float64, 0, 8)
	for field := range bytes.SplitSeq(rest, []byte{';'}) {
		v, ok := groupedFloat(field)
		if !ok && len(field) > 0 {
			return malformed("%s is not a number", quote(field))
		}
		values = append(values, v)
	}
	i := 0
	for field := range bytes.SplitSeq(rest, []byte{';'}) {
		if len(field) > 0 {
			d.samples[i].Times = append(d.samples[i].Times, d.day+t)
			d.samples[i].Floats = append(d.samples[i].Floats, values[i])
		}
		i++
	}
	return nil
}

// setDay makes dd.mm.yyyy the date of the lines that follow.
func (d *chronixDecoder) setDay(b []byte) bool {
	digit := func(i int) int64 { return int64(b[i] - '0') }
	for i, c := range b {
		if dot := i == 2 || i == 5; dot && c != '.' || !dot && c-'0' > 9 {
			return false
		}
	}
	day, ok := literal.Days(digit(6)*1000+digit(7)*100+digit(8)*10+digit(9), digit(3)*10+digit(4), digit(0)*10+digit(1))
	if const200Years := int64(106751); !ok || day > const200Years || day < -const200Years {
		return false
	}
	d.date, d.day, d.known = [10]byte(b), day*86_400_000_000_000, true
	return true
}

// groupedFloat reads a number whose thousands may be parted by commas.
func groupedFloat(b []byte) (float64, bool) {
	if bytes.IndexByte(b, ',') < 0 {
		return literal.ParseFloat(b)
	}
	whole, part, _ := bytes.Cut(b, []byte{'.'})
	groups := bytes.Split(bytes.TrimLeft(whole, "-+"), []byte{','})
	for i, g := range groups {
		if len(g) == 0 || len(g) > 3 || i > 0 && len(g) != 3 {
			return 0, false
		}
	}
	if bytes.IndexByte(part, ',') >= 0 {
		return 0, false
	}
	return literal.ParseFloat(bytes.ReplaceAll(b, []byte{','}, nil))
}
