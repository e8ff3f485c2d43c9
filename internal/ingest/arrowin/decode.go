package arrowin

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"github.com/chronodex/chronodex/chunk"
)

// ErrFormat is wrapped by every error that means: this is no stream of Arrow, or not one of
// observations.
var ErrFormat = errors.New("not an Arrow stream of observations")

// Options say how a stream is read. The zero value is usable.
type Options struct {
	Set      []chunk.Dimension          // given to every series that does not have them itself
	MaxBytes int64                      // of a message; its columns, and all dictionaries, take three times that; 0 means 64 MiB
	Refused  func(row int64, why error) // told of each row, from 1, of which something is not stored; may be nil
	Hold     func(n int64) error        // asked before messages take n more bytes than any before; its error ends the reading; may be nil
	Emit     func(b *chunk.Batch) error // takes each batch, which is valid until it returns
}

// Decode reads the stream in r to its end. An error wraps [ErrFormat], or is that of r or Emit; what was
// emitted before it stays.
func Decode(r io.Reader, o Options) error {
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	d := &decoder{o: o, mem: &allocator{limit: 3 * o.MaxBytes}}
	messages := &framer{r: r, max: o.MaxBytes, hold: o.Hold}
	for {
		more, err := d.step(messages)
		if err != nil {
			if messages.err != nil { // what arrow makes of an error of the connection is no better
				err = messages.err
			}
			return err
		}
		if !more {
			return nil
		}
		for d.next < d.rows {
			if err := d.convert(); err != nil {
				return err
			}
			if err := d.emit(); err != nil {
				return err
			}
		}
	}
}

// A decoder reads one stream.
type decoder struct {
	o       Options
	mem     *allocator
	reader  *ipc.Reader
	columns columns

	record arrow.Record // being converted
	rows   int          // that it has
	next   int          // of them
	before int64        // rows of the records before

	batch    chunk.Batch
	refusals []refusal
}

// A refusal is a row of which something is not stored.
type refusal struct {
	row int64
	why error
}

// step reads the schema, where that has not been done, and the next record. It reports whether there
// is one. This, and convert, is where panics of Arrow become errors.
func (d *decoder) step(messages *framer) (more bool, err error) {
	defer malformed(&err)
	d.before += int64(d.rows)
	d.rows, d.next = 0, 0
	if d.reader == nil {
		if d.reader, err = ipc.NewReaderFromMessageReader(messages, ipc.WithAllocator(d.mem)); err != nil {
			return false, fmt.Errorf("%w: %w", err, ErrFormat)
		}
		if d.columns, err = plan(d.reader.Schema(), d.o.Set); err != nil {
			return false, err
		}
	}
	if !d.reader.Next() {
		if err := d.reader.Err(); err != nil {
			return false, fmt.Errorf("%w: %w", err, ErrFormat)
		}
		return false, nil
	}
	d.record = d.reader.Record()
	d.rows = int(d.record.NumRows())
	return true, nil
}

// malformed makes an error of a panic. Arrow indexes what the stream says without asking first, and
// says by a panic that a message makes no sense: both happen to hostile bytes only, and nothing but
// the stream's own reader is left half done.
func malformed(err *error) {
	switch p := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("%w: %w", p, ErrFormat)
	default:
		*err = fmt.Errorf("%v: %w", p, ErrFormat)
	}
}

// emit hands on what convert made.
func (d *decoder) emit() error {
	for _, f := range d.refusals {
		if d.o.Refused != nil {
			d.o.Refused(f.row, f.why)
		}
	}
	d.refusals = d.refusals[:0]
	if len(d.batch.Rows) == 0 {
		return nil
	}
	err := d.o.Emit(&d.batch)
	for i := range d.batch.Rows {
		d.batch.Rows[i].Dimensions = nil
		d.batch.Rows[i].Samples.Reset()
	}
	d.batch.Rows = d.batch.Rows[:0]
	return err
}
