package graphite

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/internal/literal"
)

// MaxLine is the longest line that is read, in bytes, its newline included.
const MaxLine = 64 << 10

// Why a line or a point is refused.
var (
	ErrLine = errors.New("not a line such as servers.web1.load 1.5 1439400341")
	ErrLong = fmt.Errorf("a line of more than %d bytes", MaxLine)
)

// A Decoder gathers the observations of lines and pickles. The zero value is ready; it is used by
// one goroutine at a time, and remembers series from batch to batch.
type Decoder struct {
	gather.Rows
	Templates Templates

	line   int // since the last Reset
	pairs  []chunk.Dimension
	pickle pickle
}

// Reset begins a new batch.
func (d *Decoder) Reset() {
	d.Rows.Reset()
	d.line = 0
}

// Lines reads the whole lines at the head of data, and where final is true what is behind them,
// too; now is the time of lines without one, in Unix nanoseconds. It returns how many bytes it has
// read. Bad lines are refused one by one. It keeps nothing of data.
func (d *Decoder) Lines(data []byte, now int64, final bool) int {
	n := 0
	for n < len(data) {
		k := bytes.IndexByte(data[n:], '\n')
		if k < 0 {
			if !final {
				break
			}
			k = len(data) - n
		}
		d.line++
		if line := data[n : n+k]; len(line) > MaxLine {
			d.Refuse(d.line, line, ErrLong)
		} else if err := d.readLine(line, now); err != nil {
			d.Refuse(d.line, line, err)
		}
		n = min(n+k+1, len(data))
	}
	return n
}

// readLine adds what a line says; nothing where it is empty.
func (d *Decoder) readLine(line []byte, now int64) error {
	path, rest := field(line)
	if len(path) == 0 {
		return nil
	}
	value, rest := field(rest)
	stamp, rest := field(rest)
	if end, _ := field(rest); len(stamp) == 0 || len(end) > 0 {
		return ErrLine
	}
	v, ok := literal.ParseFloat(value)
	if !ok {
		return fmt.Errorf("%q is not a number: %w", gather.Excerpt(value), ErrLine)
	}
	t, ok := parseTime(stamp, now)
	if !ok {
		return fmt.Errorf("%q is not a time in seconds, -1 or N: %w", gather.Excerpt(stamp), ErrLine)
	}
	return d.add(path, t, v)
}

// field returns the first field of a line, and what is behind it.
func field(line []byte) (field, rest []byte) {
	i := 0
	for i < len(line) && blank(line[i]) {
		i++
	}
	line = line[i:]
	for i = 0; i < len(line) && !blank(line[i]); i++ {
	}
	return line[:i], line[i:]
}

// blank reports whether Python's split, by which carbon reads lines, parts at c.
func blank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func parseTime(b []byte, now int64) (int64, bool) {
	switch string(b) {
	case "-1", "N", "n", "-1.0":
		return now, true
	}
	return gather.Seconds(b)
}

// add adds an observation of the series that path names.
func (d *Decoder) add(path []byte, t int64, v float64) error {
	if v != v { // NaN: there is none
		return nil
	}
	s := d.Lookup(path, chunk.Float64)
	if s == nil {
		pairs, err := d.dimensions(path)
		if err != nil {
			return err
		}
		if s, err = d.Define(path, chunk.Float64, pairs); err != nil {
			return err
		}
	}
	d.Float(s, t, v)
	return nil
}

// dimensions returns what a path, with its tags, says, valid until the next call.
func (d *Decoder) dimensions(path []byte) ([]chunk.Dimension, error) {
	name, tags, tagged := bytes.Cut(path, []byte{';'})
	if len(name) == 0 {
		return nil, fmt.Errorf("no path before the tags: %w", ErrLine)
	}
	d.pairs = d.Templates.appendDimensions(d.pairs[:0], string(name))
	for tagged {
		var tag []byte
		tag, tags, tagged = bytes.Cut(tags, []byte{';'})
		k, v, ok := bytes.Cut(tag, []byte{'='})
		if !ok || len(k) == 0 {
			return nil, fmt.Errorf("%q is not a tag such as host=web1: %w", gather.Excerpt(tag), ErrLine)
		}
		d.pairs = append(d.pairs, chunk.Dimension{Name: gather.TagName(string(k)), Value: string(v)})
	}
	return d.pairs, nil
}
