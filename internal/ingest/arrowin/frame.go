package arrowin

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

const (
	maxMetadata  = 4 << 20 // bytes of a message's metadata
	maxColumns   = 1024
	maxText      = 4 << 20 // bytes of all names and remarks of a schema, each time that they are pointed to
	maxRemarks   = 1 << 14
	continuation = 0xffffffff
)

// A framer reads the messages of a stream, and lets through only those that it is safe to give to
// Arrow.
type framer struct {
	r    io.Reader
	max  int64
	hold func(n int64) error
	held int64
	meta bytes.Buffer
	body bytes.Buffer
	msg  *ipc.Message
	err  error // of r, other than its end, or of hold
}

// Retain does nothing: there is one owner.
func (f *framer) Retain() {}

// Release does nothing.
func (f *framer) Release() {}

// Message returns the next message, which is valid until the next call, or io.EOF.
func (f *framer) Message() (*ipc.Message, error) {
	n, err := f.length()
	if err != nil {
		return nil, err
	}
	if err := f.read(&f.meta, n); err != nil {
		return nil, err
	}
	body, err := check(f.meta.Bytes())
	if err != nil {
		return nil, err
	}
	if body < 0 || body > f.max {
		return nil, fmt.Errorf("a message of %d bytes, at most %d: send smaller record batches: %w", body, f.max, ErrFormat)
	}
	if body > f.held && f.hold != nil {
		if f.err = f.hold(body - f.held); f.err != nil {
			return nil, f.err
		}
		f.held = body
	}
	if err := f.read(&f.body, body); err != nil {
		return nil, err
	}
	f.msg = ipc.NewMessage(memory.NewBufferBytes(f.meta.Bytes()), memory.NewBufferBytes(f.body.Bytes()))
	return f.msg, nil
}

// length reads what is before a message's metadata: how long that is. Streams older than Arrow 0.15
// have no continuation before it. The end of the stream is a length of 0, or nothing.
func (f *framer) length() (int64, error) {
	var word [4]byte
	for continued := false; ; continued = true {
		if _, err := io.ReadFull(f.r, word[:]); err != nil {
			if err == io.EOF { //nolint:errorlint // ReadFull returns this very value
				return 0, io.EOF
			}
			return 0, f.broken(err)
		}
		n := binary.LittleEndian.Uint32(word[:])
		switch {
		case n == continuation && !continued:
			continue
		case n == 0:
			return 0, io.EOF
		case n > maxMetadata:
			return 0, fmt.Errorf("metadata of %d bytes, at most %d: %w", n, maxMetadata, ErrFormat)
		}
		return int64(n), nil
	}
}

// read reads n bytes into b, whose memory grows as they come.
func (f *framer) read(b *bytes.Buffer, n int64) error {
	b.Reset()
	got, err := io.CopyN(b, f.r, n)
	if got < n {
		return f.broken(err)
	}
	return nil
}

// broken keeps an error of r. That a stream ends within a message is one of its bytes.
func (f *framer) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the stream ends within a message: %w", ErrFormat)
	}
	f.err = err
	return err
}

// check walks the metadata of a message, and returns how long its body is. It refuses schemas of
// nested columns, of too many or too much text, and compression other than LZ4.
func check(meta []byte) (body int64, err error) {
	f := flat{b: meta}
	message := f.follow(0)
	header := f.table(message, 2)
	body = f.int64(f.field(message, 3))
	switch kind := f.byte(f.field(message, 1)); {
	case f.bad || header == 0:
	case kind == headerSchema:
		err = f.schema(header)
	case kind == headerDictionary:
		err = f.compression(f.table(header, 1))
	case kind == headerRecord:
		err = f.compression(header)
	default:
		err = fmt.Errorf("a message of type %d: %w", kind, ErrFormat)
	}
	if err == nil && (f.bad || header == 0) {
		err = fmt.Errorf("malformed metadata: %w", ErrFormat)
	}
	return body, err
}

// The types of messages (Message.fbs).
const (
	headerSchema     = 1
	headerDictionary = 2
	headerRecord     = 3
)

// compression checks that of a record batch (Message.fbs).
func (f *flat) compression(batch int) error {
	if batch == 0 {
		f.bad = true
		return nil
	}
	c := f.table(batch, 3)
	if c == 0 {
		return nil
	}
	if codec := f.field(c, 0); codec != 0 && f.byte(codec) != 0 {
		return fmt.Errorf("buffers are compressed with zstd: compress the request instead, by Content-Encoding, or use LZ4: %w", ErrFormat)
	}
	return nil
}

// typeName names a type of columns (Schema.fbs) for errors.
func typeName(t byte) string {
	names := [...]string{
		"none", "null", "int", "floating point", "binary", "utf8", "bool", "decimal", "date", "time", "timestamp", "interval", "list",
		"struct", "union", "fixed size binary", "fixed size list", "map", "duration", "large binary", "large utf8", "large list",
	}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", t)
}

const (
	typeNull      = 1
	typeInt       = 2
	typeFloat     = 3
	typeUTF8      = 5
	typeBool      = 6
	typeTimestamp = 10
	typeLargeUTF8 = 20
)

// schema checks a schema (Schema.fbs).
func (f *flat) schema(schema int) error {
	text := f.remarks(f.field(schema, 2))
	first, n := f.vector(f.field(schema, 1))
	if n > maxColumns {
		return fmt.Errorf("%d columns, at most %d: %w", n, maxColumns, ErrFormat)
	}
	for i := range n {
		column := f.follow(first + 4*i)
		name := f.text(f.field(column, 0))
		text += int64(len(name)) + f.remarks(f.field(column, 6))
		if _, children := f.vector(f.field(column, 5)); children > 0 {
			return fmt.Errorf("column %.60q is nested: %w", name, ErrFormat)
		}
		switch t := f.byte(f.field(column, 2)); t {
		case typeNull, typeInt, typeFloat, typeUTF8, typeBool, typeLargeUTF8:
		case typeTimestamp:
			text += int64(len(f.text(f.field(f.table(column, 3), 1)))) // its zone
		default:
			if !f.bad {
				return fmt.Errorf("column %.60q is of type %s, which is neither time, number, bool nor utf8: %w", name, typeName(t), ErrFormat)
			}
		}
		if text > maxText {
			return fmt.Errorf("more than %d bytes of names and remarks: %w", maxText, ErrFormat)
		}
		if f.bad {
			break
		}
	}
	return nil
}

// remarks returns the bytes of a vector of keys and values.
func (f *flat) remarks(field int) (text int64) {
	first, n := f.vector(field)
	if n > maxRemarks {
		f.bad = true
		return 0
	}
	for i := range n {
		kv := f.follow(first + 4*i)
		if text += int64(len(f.text(f.field(kv, 0))) + len(f.text(f.field(kv, 1)))); f.bad || text > maxText {
			break
		}
	}
	return text
}
