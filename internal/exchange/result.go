package exchange

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/query"
)

// ErrResult is wrapped by every error that means: these bytes are not a result, or not all of one.
var ErrResult = errors.New("malformed result")

const (
	resultHead = "CHRXRES1"

	flagSingle = 1
	flagText   = 2

	flushSize = 64 << 10
	maxText   = 1 << 30  // bytes of a text that is read
	pieceSize = 64 << 10 // that reading allocates before it has seen more
)

// WriteResult writes r in its binary form.
func WriteResult(w io.Writer, r *query.Result) error {
	x := &resultWriter{w: w, buf: append(make([]byte, 0, 4096), resultHead...)}
	for i := range r.Series {
		x.row(&r.Series[i])
		if x.flush(flushSize); x.err != nil {
			return x.err
		}
	}
	for _, text := range r.Warnings {
		x.buf = append(x.buf, 'W')
		x.text(text)
	}
	x.buf = append(x.buf, 'E')
	for _, n := range statsOf(&r.Stats) {
		x.buf = binary.AppendUvarint(x.buf, uint64(*n))
	}
	d := int64(r.Stats.Duration)
	x.buf = binary.AppendUvarint(x.buf, uint64(d))
	x.flush(0)
	return x.err
}

// statsOf returns the statistics but the duration, in the order of the format.
func statsOf(s *query.Stats) [9]*int64 {
	return [9]*int64{
		&s.SeriesSelected, &s.Chunks, &s.ChunksFromStats, &s.ChunksDecoded, &s.ChunksCut, &s.ChunksCorrupt,
		&s.Observations, &s.BytesDecoded, &s.PeakBytes,
	}
}

type resultWriter struct {
	w     io.Writer
	buf   []byte
	err   error
	times []int64 // of the row before
}

func (x *resultWriter) flush(atLeast int) {
	if len(x.buf) < atLeast || x.err != nil {
		return
	}
	_, x.err = x.w.Write(x.buf)
	x.buf = x.buf[:0]
}

func (x *resultWriter) uvarint(n int) { x.buf = binary.AppendUvarint(x.buf, uint64(n)) }

func (x *resultWriter) text(s string) {
	x.uvarint(len(s))
	x.buf = append(x.buf, s...)
}

func (x *resultWriter) row(s *query.ResultSeries) {
	flags := byte(0)
	if s.Single {
		flags |= flagSingle
	}
	if s.IsText {
		flags |= flagText
	}
	x.buf = append(x.buf, 'S', flags)
	x.uvarint(len(s.Dimensions))
	for _, p := range s.Dimensions {
		x.text(p.Name)
		x.text(p.Value)
	}
	switch {
	case s.Single && s.IsText:
		x.text(s.Text)
	case s.Single:
		x.buf = binary.LittleEndian.AppendUint64(x.buf, math.Float64bits(s.Value))
	default:
		x.samples(&s.Samples)
	}
}

func (x *resultWriter) samples(s *chunk.Samples) {
	x.buf = append(x.buf, byte(s.Kind))
	x.uvarint(s.Len())
	switch {
	case s.Len() > 0 && len(x.times) == s.Len() && (&x.times[0] == &s.Times[0] || slices.Equal(x.times, s.Times)):
		x.buf = append(x.buf, 1)
	default:
		x.buf = append(x.buf, 0)
		x.times = s.Times
		for _, t := range s.Times {
			x.buf = binary.LittleEndian.AppendUint64(x.buf, uint64(t))
			x.flush(flushSize)
		}
	}
	for _, v := range s.Floats {
		x.buf = binary.LittleEndian.AppendUint64(x.buf, math.Float64bits(v))
		x.flush(flushSize)
	}
	for _, v := range s.Ints {
		x.buf = binary.LittleEndian.AppendUint64(x.buf, uint64(v))
		x.flush(flushSize)
	}
	for _, v := range s.Bools {
		b := byte(0)
		if v {
			b = 1
		}
		x.buf = append(x.buf, b)
	}
	for _, v := range s.Strings {
		x.text(v)
		x.flush(flushSize)
	}
}

// ReadResult reads what [WriteResult] wrote, to its end. An error that is not one of r wraps
// [ErrResult]. It allocates a small multiple of what it has read.
func ReadResult(r io.Reader) (*query.Result, error) {
	x := &resultReader{r: bufio.NewReaderSize(r, flushSize)}
	var out query.Result
	if head := x.bytes(len(resultHead)); x.err == nil && string(head) != resultHead {
		return nil, fmt.Errorf("head %q: %w", head, ErrResult)
	}
	for x.err == nil {
		switch frame := x.byte(); {
		case x.err != nil:
		case frame == 'S':
			out.Series = append(out.Series, x.row())
		case frame == 'W':
			out.Warnings = append(out.Warnings, x.text())
		case frame == 'E':
			for _, n := range statsOf(&out.Stats) {
				*n = int64(x.uvarint())
			}
			out.Stats.Duration = time.Duration(x.uvarint())
			if x.err != nil {
				break
			}
			if _, err := x.r.ReadByte(); err != io.EOF {
				return nil, fmt.Errorf("bytes behind the end: %w", errors.Join(err, ErrResult))
			}
			return &out, nil
		default:
			x.fail("frame %q", frame)
		}
	}
	if errors.Is(x.err, io.EOF) || errors.Is(x.err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("the result ends before its end: %w", errors.Join(ErrResult, io.ErrUnexpectedEOF))
	}
	return nil, x.err
}

type resultReader struct {
	r     *bufio.Reader
	err   error
	buf   []byte
	times []int64
}

func (x *resultReader) fail(format string, args ...any) {
	if x.err == nil {
		x.err = fmt.Errorf(format+": %w", append(args, ErrResult)...)
	}
}

func (x *resultReader) byte() byte {
	if x.err != nil {
		return 0
	}
	b, err := x.r.ReadByte()
	x.err = err
	return b
}

func (x *resultReader) uvarint() uint64 {
	if x.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(x)
	if x.err == nil && err != nil {
		x.fail("a number of more than 64 bits")
	}
	return n
}

// ReadByte is for [binary.ReadUvarint].
func (x *resultReader) ReadByte() (byte, error) {
	b := x.byte()
	return b, x.err
}

// bytes returns the next n bytes, valid until the next call. Memory grows with what has come.
func (x *resultReader) bytes(n int) []byte {
	x.buf = x.buf[:0]
	for len(x.buf) < n && x.err == nil {
		k := min(n-len(x.buf), max(pieceSize, len(x.buf)))
		from := len(x.buf)
		x.buf = slices.Grow(x.buf, k)[:from+k]
		_, x.err = io.ReadFull(x.r, x.buf[from:])
	}
	return x.buf
}

func (x *resultReader) text() string {
	n := x.uvarint()
	if n > maxText {
		x.fail("a text of %d bytes", n)
		return ""
	}
	b := x.bytes(int(n))
	if x.err != nil {
		return ""
	}
	return string(b)
}

func (x *resultReader) row() (s query.ResultSeries) {
	flags := x.byte()
	if flags > flagSingle|flagText {
		x.fail("flags %d", flags)
	}
	s.Single, s.IsText = flags&flagSingle != 0, flags&flagText != 0
	n := x.uvarint()
	if n > 2*chunk.MaxDimensions {
		x.fail("%d dimensions", n)
	}
	for range n {
		if x.err != nil {
			return s
		}
		s.Dimensions = append(s.Dimensions, chunk.Dimension{Name: x.text(), Value: x.text()})
	}
	switch {
	case s.Single && s.IsText:
		s.Text = x.text()
	case s.Single:
		if b := x.bytes(8); x.err == nil {
			s.Value = math.Float64frombits(binary.LittleEndian.Uint64(b))
		}
	default:
		s.Samples = x.samples()
	}
	return s
}

func (x *resultReader) samples() (s chunk.Samples) {
	s.Kind = chunk.Kind(x.byte())
	n := x.uvarint()
	shared := x.byte()
	switch {
	case x.err != nil:
		return s
	case n > math.MaxInt32 || shared > 1 || s.Kind > chunk.String || s.Kind == 0 && n > 0:
		x.fail("%d values of %v", n, s.Kind)
		return s
	case shared == 1 && uint64(len(x.times)) != n:
		x.fail("%d stamps of the row before, which has %d", n, len(x.times))
		return s
	case shared == 0:
		x.times = column(x, nil, int(n), func(u uint64) int64 { return int64(u) })
	}
	s.Times = x.times
	switch s.Kind {
	case chunk.Float64:
		s.Floats = column(x, nil, int(n), math.Float64frombits)
	case chunk.Int64:
		s.Ints = column(x, nil, int(n), func(u uint64) int64 { return int64(u) })
	case chunk.Bool:
		for range n {
			b := x.byte()
			if b > 1 {
				x.fail("boolean %d", b)
			}
			if x.err != nil {
				break
			}
			s.Bools = append(s.Bools, b == 1)
		}
	case chunk.String:
		for range n {
			text := x.text()
			if x.err != nil {
				break
			}
			s.Strings = append(s.Strings, text)
		}
	}
	return s
}

// column reads n values of eight bytes. Memory grows with what has come.
func column[T any](x *resultReader, dst []T, n int, of func(uint64) T) []T {
	for len(dst) < n && x.err == nil {
		k := min(n-len(dst), pieceSize/8)
		b := x.bytes(8 * k)
		if x.err != nil {
			return nil
		}
		if len(dst) == 0 {
			dst = make([]T, 0, k)
		}
		for ; len(b) > 0; b = b[8:] {
			dst = append(dst, of(binary.LittleEndian.Uint64(b)))
		}
	}
	return dst
}
