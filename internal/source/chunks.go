package source

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// A chunkReader reads messages prometheus.ChunkedReadResponse:
//
//	1  series, repeated: 1 labels, repeated (1 name, 2 value); 2 chunks, repeated (1 first stamp,
//	   2 last stamp, 3 encoding, 4 data)
//
// The chunks of one series may go on in the next message.
type chunkReader struct {
	pairs []chunk.Dimension
	it    chunkenc.Iterator
	text  []byte
}

var errChunk = errors.New("malformed chunk")

// fields calls f with each field of a message that has bytes, and skips the others.
func fields(message []byte, f func(num protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("message: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(num, typ, message); n < 0 {
			return fmt.Errorf("message: %w", protowire.ParseError(n))
		}
		value := message[:n]
		message = message[n:]
		if typ == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		if typ == protowire.BytesType || typ == protowire.VarintType {
			if err := f(num, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// frame gives the observations of a message to c.
func (r *chunkReader) frame(ctx context.Context, message []byte, c *collector) error {
	return fields(message, func(num protowire.Number, value []byte) error {
		if num != 1 {
			return nil
		}
		return r.series(ctx, value, c)
	})
}

func (r *chunkReader) series(ctx context.Context, message []byte, c *collector) error {
	r.pairs = r.pairs[:0]
	var chunks [][]byte
	err := fields(message, func(num protowire.Number, value []byte) error {
		switch num {
		case 1:
			return r.label(value)
		case 2:
			chunks = append(chunks, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	d, err := c.dimensions(r.pairs)
	if err != nil {
		c.refuse(1, "series refused: %v", err)
		return nil
	}
	for _, message := range chunks {
		if err := r.chunk(ctx, d, message, c); err != nil {
			return fmt.Errorf("%v: %w", d, err)
		}
	}
	return nil
}

func (r *chunkReader) label(message []byte) error {
	var name, value string
	err := fields(message, func(num protowire.Number, text []byte) error {
		switch num {
		case 1:
			name = string(text)
		case 2:
			value = string(text)
		}
		return nil
	})
	if value != "" {
		r.pairs = append(r.pairs, chunk.Dimension{Name: promwrite.DimensionName(name), Value: value})
	}
	return err
}

func (r *chunkReader) chunk(ctx context.Context, d chunk.Dimensions, message []byte, c *collector) error {
	var encoding uint64
	var data []byte
	err := fields(message, func(num protowire.Number, value []byte) error {
		switch num {
		case 3:
			encoding, _ = protowire.ConsumeVarint(value)
		case 4:
			data = value
		}
		return nil
	})
	if err != nil || len(data) == 0 {
		return err
	}
	return r.data(ctx, d, chunkenc.Encoding(min(encoding, 255)), data, c)
}

// data decodes one chunk.
func (r *chunkReader) data(ctx context.Context, d chunk.Dimensions, e chunkenc.Encoding, data []byte, c *collector) (err error) {
	if err := checkChunk(e, data); err != nil {
		return err
	}
	ch, err := chunkenc.FromData(e, data)
	if err != nil {
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	r.it = ch.Iterator(r.it)
	switch kind := r.it.Next(); kind {
	case chunkenc.ValNone:
		return r.failed()
	case chunkenc.ValFloat:
		err = r.floats(ctx, d, c)
	default:
		err = r.histograms(ctx, d, kind, c)
	}
	return errors.Join(err, r.failed())
}

// floats reads the rest of a chunk, from the first observation on.
func (r *chunkReader) floats(ctx context.Context, d chunk.Dimensions, c *collector) error {
	s := c.row(d, chunk.Float64)
	for kind := chunkenc.ValFloat; kind == chunkenc.ValFloat; kind = r.it.Next() {
		t, v := r.it.At()
		if at, ok := nanoseconds(t); ok {
			s.Times, s.Floats = append(s.Times, at), append(s.Floats, v)
		}
	}
	return c.ended(ctx)
}

// rowBytes is how much text a row gathers before it is handed on.
const rowBytes = 1 << 20

// histograms is floats for histograms.
func (r *chunkReader) histograms(ctx context.Context, d chunk.Dimensions, kind chunkenc.ValueType, c *collector) error {
	s, size := c.row(d, chunk.String), 0
	for ; kind == chunkenc.ValHistogram || kind == chunkenc.ValFloatHistogram; kind = r.it.Next() {
		t, h := r.histogram(kind)
		at, ok := nanoseconds(t)
		if !ok {
			continue
		}
		r.text = promwrite.AppendHistogram(r.text[:0], h)
		s.Times, s.Strings = append(s.Times, at), append(s.Strings, string(r.text))
		if size += len(r.text); size > rowBytes {
			if err := c.ended(ctx); err != nil {
				return err
			}
			if err := c.flush(ctx); err != nil {
				return err
			}
			s, size = c.row(d, chunk.String), 0
		}
	}
	return c.ended(ctx)
}

func (r *chunkReader) failed() error {
	if err := r.it.Err(); err != nil {
		return fmt.Errorf("%w: %w", errChunk, err)
	}
	return nil
}

func (r *chunkReader) histogram(kind chunkenc.ValueType) (int64, promwrite.Histogram) {
	var h promwrite.Histogram
	var t int64
	if kind == chunkenc.ValHistogram {
		t, h.Int = r.it.AtHistogram(nil)
	} else {
		t, h.Float = r.it.AtFloatHistogram(nil)
	}
	if st, ok := nanoseconds(r.it.AtST()); ok {
		h.Start = st
	}
	return t, h
}

// nanoseconds makes a stamp of milliseconds, where it can be one.
func nanoseconds(t int64) (int64, bool) {
	at := t * millisecond
	return at, at/millisecond == t
}
