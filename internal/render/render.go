package render

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/chronodex/chronodex/internal/literal"
	"github.com/chronodex/chronodex/query"
)

// The formats that [Write] knows.
const (
	Table  = "table"
	JSON   = "json"
	NDJSON = "ndjson"
	CSV    = "csv"
	Plot   = "plot"
)

// ErrFormat is wrapped by the error about a format that [Write] does not know.
var ErrFormat = errors.New("unknown format")

// Options say how a result is written. The zero value is usable.
type Options struct {
	Unit     time.Duration  // of times as integers: ns, us, ms or s; 0 means RFC 3339
	Location *time.Location // of times as text; nil means UTC
	Width    int            // columns of the terminal, for table and plot; 0 means 100
	Height   int            // lines of a plot; 0 means 16
	MaxRows  int            // of a table; 0 means 40, negative means all
	Color    bool           // the terminal shows colours
	End      bool           // NDJSON ends with a line that has the warnings and statistics
}

// Write writes r to w in a format, which is one of the constants.
func Write(w io.Writer, format string, r *query.Result, o Options) error {
	o.fill()
	switch format {
	case Table:
		return writeTable(w, r, &o)
	case JSON:
		return writeJSON(w, r, &o)
	case NDJSON:
		return writeNDJSON(w, r, &o)
	case CSV:
		return writeCSV(w, r, &o)
	case Plot:
		return writePlot(w, r, &o)
	}
	return fmt.Errorf("%q: %w", format, ErrFormat)
}

// fill replaces zeros by what they mean.
func (o *Options) fill() {
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Width <= 0 {
		o.Width = 100
	}
	if o.Height <= 0 {
		o.Height = 16
	}
	switch {
	case o.MaxRows == 0:
		o.MaxRows = 40
	case o.MaxRows < 0:
		o.MaxRows = int(^uint(0) >> 1)
	}
}

// stampWriter writes stamps as programs read them.
type stampWriter struct {
	unit  int64
	clock literal.Clock
	quote bool
}

func newStampWriter(o *Options, quote bool) *stampWriter {
	return &stampWriter{unit: int64(o.Unit), clock: literal.Clock{Location: o.Location}, quote: quote}
}

func (s *stampWriter) append(dst []byte, t int64) []byte {
	switch {
	case s.unit == 1:
		return appendInt(dst, t)
	case s.unit > 1:
		q := t / s.unit
		if t%s.unit < 0 {
			q--
		}
		return appendInt(dst, q)
	case s.quote:
		return append(s.clock.Append(append(dst, '"'), t), '"')
	}
	return s.clock.Append(dst, t)
}

// dimensionNames returns the names of all dimensions of r, sorted.
func dimensionNames(r *query.Result) []string {
	seen := make(map[string]bool)
	for i := range r.Series {
		for _, p := range r.Series[i].Dimensions {
			seen[p.Name] = true
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
