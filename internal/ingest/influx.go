package ingest

import (
	"bytes"
	"errors"
	"math"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// exportMark begins the line that says that our export wrote the line protocol that follows.
const exportMark = "#chronodex"

// influxField is a field of a line that is being read.
type influxField struct {
	key   []byte
	value []byte // of a string without its quotes, of a number without its suffix
	kind  chunk.Kind
	text  bool // value still has its escapes
	u     bool // unsigned
}

// influxDecoder reads line protocol.
type influxDecoder struct {
	c      *collector
	unit   int64
	now    int64
	own    bool // our export wrote the lines
	key    []byte
	text   []byte
	fields []influxField
}

func newInflux(c *collector, o *Options) decoder {
	d := &influxDecoder{c: c, unit: int64(o.Precision), now: o.Now}
	if d.unit == 0 {
		d.unit = 1
	}
	return d
}

// errOpen means that a record goes on behind the data.
var errOpen = errors.New("the line is not whole")

// decode reads whole lines; see [decoder].
func (d *influxDecoder) decode(data []byte, final bool) (int, error) {
	n := 0
	for n < len(data) {
		k, lines, err := d.record(data[n:])
		if errors.Is(err, errOpen) {
			if !final {
				return n, nil
			}
			err = malformed("a string is not closed")
			if bytes.IndexByte(data[n:], '\n') < 0 || k == 0 {
				k, lines = d.lastLine(data[n:])
			}
		}
		if k == len(data)-n && !final && data[len(data)-1] != '\n' {
			return n, nil
		}
		if d.c.line++; err != nil {
			if err = d.c.bad(err); err != nil {
				return n, err
			}
		} else {
			d.flush()
		}
		d.c.line += int64(lines) - 1
		n += k
	}
	return n, nil
}

// lastLine returns the length of the first line of data.
func (d *influxDecoder) lastLine(data []byte) (n, lines int) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, 1
	}
	return len(data), 1
}
