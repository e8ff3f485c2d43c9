package ingest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/chronodex/chronodex/chunk"
)

const (
	blockSize = 256 << 10 // text that is read at once
	maxRecord = 64 << 20  // longest line
)

// A decoder reads the records of one source.
type decoder interface {
	// decode reads the whole records at the head of data, and returns how many bytes they are. With
	// final, nothing follows data, so that the last record need not end in a newline. Bad lines are
	// told to the collector; an error ends the source.
	decode(data []byte, final bool) (int, error)
}

// newDecoder returns the decoder of a format. The head of the text helps it to guess.
func newDecoder(format string, c *collector, o *Options, head []byte) (decoder, error) {
	switch format {
	case Chronix:
		return newChronix(c)
	case CSV:
		return newCSV(c, o, head), nil
	case Influx:
		return newInflux(c, o), nil
	case NDJSON:
		return newNDJSON(c, o), nil
	}
	return nil, fmt.Errorf("unknown format %q: %w", format, ErrFormat)
}

// Decode reads one stream of text, named name, in one goroutine, and hands it to emit in batches,
// which are valid until emit returns. It returns the first error of emit, of r, or of the
// text where that ends the reading: a bad line does with [Options].Strict only.
func Decode(ctx context.Context, name string, r io.Reader, o Options, emit func(*chunk.Batch) error) (Summary, error) {
	sum := Summary{Files: 1}
	buf := new(buffer)
	err := new(workspace).decode(ctx, input{name, r, &o}, buf, func(b *buffer) (*buffer, error) {
		sum.add(b)
		o.report(b)
		var err error
		if b.n > 0 {
			err = emit(&b.batch)
		}
		b.reset(o.batchSize())
		return b, err
	})
	sum.Bytes = sum.Text
	return sum, err
}

// add counts what is in b.
func (s *Summary) add(b *buffer) {
	s.Text += b.text
	s.Bytes += b.stored
	s.Observations += int64(b.n)
	s.Skipped += b.skipped
	if b.failed {
		s.Failed++
	}
}

// report tells of the bad lines in b.
func (o *Options) report(b *buffer) {
	if o.Skipped == nil {
		return
	}
	for _, e := range b.errors {
		o.Skipped(e)
	}
}

func (o *Options) batchSize() int {
	if o.BatchSize > 0 {
		return o.BatchSize
	}
	return 256 << 10
}

func (o *Options) maxBytes() int64 {
	if o.MaxBytes > 0 {
		return o.MaxBytes
	}
	return 1 << 40
}

// An input is one text to decode.
type input struct {
	name string
	r    io.Reader
	o    *Options
}

// A workspace is the memory that decoding needs, kept from source to source by one goroutine.
type workspace struct {
	inflate inflater
	block   []byte
}

// decode is [Decode] with buffers that change hands: pass takes a full one and returns an empty
// one. The last one is passed on even when it is not full, and even when an error follows.
func (w *workspace) decode(ctx context.Context, in input, buf *buffer, pass func(*buffer) (*buffer, error)) error {
	name, o := in.name, in.o
	c := &collector{file: name, set: expandSet(o.Set, name), strict: o.Strict, buf: buf}
	text, err := w.inflate.open(in.r)
	if err != nil {
		return &LineError{File: name, Reason: err}
	}
	if cap(w.block) == 0 {
		w.block = make([]byte, 0, blockSize)
	}
	t := &textReader{r: text, limit: o.maxBytes(), block: w.block[:0]}
	var d decoder
	for {
		var rerr error
		err = ctx.Err()
		if err == nil {
			rerr = t.fill()
		}
		if rerr != nil && len(t.block) == 0 {
			err = rerr
		}
		if err == nil && d == nil {
			format := o.Format
			if format == "" {
				format = Guess(name, t.block)
			}
			if d, err = newDecoder(format, c, o, t.block); err != nil {
				err = &LineError{File: name, Reason: err}
			}
		}
		if err == nil {
			err = cmp.Or(t.decode(d, c), rerr) // what came before the error counts
		}
		if done := t.final && err == nil; done || err != nil || c.buf.n >= o.batchSize() || len(c.buf.batch.Rows) >= bufferRows {
			var perr error
			if c.buf, perr = pass(c.buf); err == nil {
				err = perr
			}
			if c.generation++; done || err != nil {
				break
			}
		}
	}
	if le := (*LineError)(nil); err != nil && !errors.As(err, &le) && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// A textReader reads text in blocks that end with a record, as its decoder sees it.
type textReader struct {
	r     io.Reader
	limit int64 // bytes that may still be read
	block []byte
	final bool // nothing follows the block
	skip  bool // the rest of an overlong line is being skipped
}

// fill reads more behind what is left in the block.
func (t *textReader) fill() error {
	if len(t.block) == cap(t.block) {
		grown := make([]byte, len(t.block), 2*cap(t.block))
		copy(grown, t.block)
		t.block = grown
	}
	for !t.final && len(t.block) < cap(t.block) {
		n, err := t.r.Read(t.block[len(t.block):cap(t.block)])
		t.block = t.block[:len(t.block)+n]
		if t.limit -= int64(n); t.limit < 0 {
			return errors.New("more text than the limit of one source allows")
		}
		if err == io.EOF { //nolint:errorlint // io.Reader returns this very value
			t.final = true
		} else if err != nil {
			return err
		}
	}
	return nil
}

// decode hands the block to d, keeps what d leaves, and counts what it took.
func (t *textReader) decode(d decoder, c *collector) error {
	if t.skip {
		end := bytes.IndexByte(t.block, '\n')
		if end < 0 {
			t.drop(c, len(t.block))
			return nil
		}
		t.drop(c, end+1)
		t.skip = false
	}
	n, err := d.decode(t.block, t.final)
	whole := len(t.block)
	t.drop(c, n)
	if err == nil && !t.final && n == 0 && whole >= maxRecord {
		c.line++
		err = c.bad(malformed("a record longer than %d bytes", maxRecord))
		t.drop(c, len(t.block))
		t.skip = true
	}
	return err
}

// drop takes n bytes from the head of the block.
func (t *textReader) drop(c *collector, n int) {
	c.buf.text += int64(n)
	t.block = t.block[:copy(t.block, t.block[n:])]
}

// trimCR takes the carriage return off a line.
func trimCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// quote prints text of the input for an error, shortened.
func quote(b []byte) string {
	if len(b) > 60 {
		return strconv.Quote(string(b[:60])) + "…"
	}
	return strconv.Quote(string(b))
}
