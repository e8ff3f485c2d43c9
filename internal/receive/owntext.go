package receive

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest"
)

// maxWindow is the memory that the sender of a zstd stream can make us keep (RFC 9659).
const maxWindow = 8 << 20

// inflation is how many bodies of the largest size a compressed stream may grow to.
const inflation = 1024

// ownText returns a format that package ingest reads, as a stream in bounded memory.
func (r *Receiver) ownText(format string, types ...string) ownFormat {
	parameters := []string{"set", "strict", "precision"}
	if format == ingest.CSV {
		parameters = append(parameters, "time", "value", "dimension", "kind", "layout", "zone", "delimiter", "no-header")
	}
	return ownFormat{types: types, parameters: parameters, read: func(w *ownWrite) error {
		o, err := ownOptions(w.URL.Query())
		if err != nil {
			return fmt.Errorf("%w: %w", errOwn, err)
		}
		o.CSV.NeedRecords = true
		o.Format, o.Now, o.MaxBytes = format, r.o.Now().UnixNano(), inflation*r.o.MaxBody
		o.Skipped = func(e *ingest.LineError) { w.describe(exchange.Refusal{Line: e.Line, Detail: e.Reason.Error()}) }
		text, err := w.stream()
		if err != nil {
			return err
		}
		defer text.Close()
		return w.decode(text, o)
	}}
}

// decode reads text to its end.
func (w *ownWrite) decode(text io.Reader, o ingest.Options) error {
	var stop error // of the store, not of the text
	sum, err := ingest.Decode(w.Context(), "body", text, o, func(b *chunk.Batch) error {
		stop = w.append(b)
		return stop
	})
	w.refused += sum.Skipped
	line, header := (*ingest.LineError)(nil), (*ingest.HeaderError)(nil)
	switch {
	case err == nil || stop != nil:
		return stop
	case w.text.err != nil:
		return w.text.err
	case errors.As(err, &header) && errors.As(err, &line):
		return fmt.Errorf("%w: line %d: %w; name columns by time=COLUMN and value=COLUMN, say no-header where the first line is "+
			"a record, or the format where it is not CSV", errOwn, line.Line, header)
	case errors.As(err, &line) && line.Line > 0:
		return fmt.Errorf("%w: line %d: %w", errOwn, line.Line, line.Reason)
	case errors.As(err, &line):
		return fmt.Errorf("%w: %w", errOwn, line.Reason)
	case w.Context().Err() != nil:
		return w.Context().Err()
	}
	return fmt.Errorf("%w: %w", errBody, err)
}

// A heldText is text whose bytes the gate counts from when they are read to when they are stored, with
// those of all other requests: a long line is as much memory as a body.
type heldText struct {
	io.ReadCloser
	gate *gate.Gate
	held int64
	err  error // of the gate, a [*gate.Overload]
}

// Read implements io.Reader.
func (h *heldText) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if h.err = h.gate.Hold(int64(n)); h.err != nil {
		return 0, h.err
	}
	h.held += int64(n)
	return n, err
}

func (h *heldText) release() {
	h.gate.Release(h.held)
	h.held = 0
}

// Close implements io.Closer.
func (h *heldText) Close() error {
	h.release()
	return h.ReadCloser.Close()
}

// ownOptions reads the parameters of text formats, which are called as the flags of the command
// import are.
func ownOptions(q url.Values) (ingest.Options, error) {
	var o ingest.Options
	for _, text := range q["set"] {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return o, fmt.Errorf("set=%s: want NAME=VALUE", text)
		}
		o.Set = append(o.Set, chunk.Dimension{Name: name, Value: value})
	}
	c := &o.CSV
	c.Time, c.Values, c.Dimensions, c.Layout = q.Get("time"), q["value"], q["dimension"], q.Get("layout")
	var err error
	switch p := q.Get("precision"); p {
	case "", "ns":
	case "us":
		o.Precision = time.Microsecond
	case "ms":
		o.Precision = time.Millisecond
	case "s":
		o.Precision = time.Second
	default:
		return o, fmt.Errorf("precision=%s: want ns, us, ms or s", p)
	}
	switch k := q.Get("kind"); k {
	case "":
	case "float64":
		c.Kind = chunk.Float64
	case "int64":
		c.Kind = chunk.Int64
	case "bool":
		c.Kind = chunk.Bool
	case "string":
		c.Kind = chunk.String
	default:
		return o, fmt.Errorf("kind=%s: want float64, int64, bool or string", k)
	}
	switch d := strings.ReplaceAll(q.Get("delimiter"), `\t`, "\t"); {
	case len(d) == 1:
		c.Comma = d[0]
	case len(d) > 1:
		return o, fmt.Errorf("delimiter=%s: want one character", d)
	}
	if zone := q.Get("zone"); zone != "" {
		if c.Location, err = time.LoadLocation(zone); err != nil {
			return o, fmt.Errorf("zone=%s: %w", zone, err)
		}
	}
	if c.NoHeader, err = flag(q, "no-header"); err != nil {
		return o, err
	}
	o.Strict, err = flag(q, "strict")
	return o, err
}

// flag reads a parameter that is there or not: ?strict is as good as ?strict=true.
func flag(q url.Values, name string) (bool, error) {
	if !q.Has(name) || q.Get(name) == "" {
		return q.Has(name), nil
	}
	v, err := strconv.ParseBool(q.Get(name))
	if err != nil {
		return false, fmt.Errorf("%s=%s: want true or false", name, q.Get(name))
	}
	return v, nil
}

// stream returns the body, decompressed as it is read, and counted by the gate. The caller closes it.
func (w *ownWrite) stream() (io.ReadCloser, error) {
	text, err := w.inflated()
	if err == nil {
		w.text = &heldText{ReadCloser: text, gate: w.r.o.Gate}
	}
	return w.text, err
}

func (w *ownWrite) inflated() (io.ReadCloser, error) {
	var in io.ReadCloser
	var err error
	switch encoding := strings.ToLower(strings.TrimSpace(w.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return w.Body, nil
	case "gzip", "x-gzip":
		in, err = gzip.NewReader(w.Body)
	case "deflate":
		in, err = zlib.NewReader(w.Body)
	case "zstd":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(w.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			in = z.IOReadCloser()
		}
	default:
		return nil, fmt.Errorf("%w %q: gzip, zstd, deflate and identity are understood", errEncoding, encoding)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errBody, w.Header.Get("Content-Encoding"), err)
	}
	return in, nil
}
