package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/internal/exchange"
)

const (
	holdBytes     = 64 << 10 // of an answer that are kept back, so that small ones have a length
	compressBytes = 1400     // from which on compressing saves a packet
)

// An answer gathers what an endpoint writes. A small one is sent as a whole with its length; a
// larger one is sent as it comes.
type answer struct {
	w        http.ResponseWriter
	r        *http.Request
	status   int
	buf      []byte
	begun    bool           // the head was sent
	broken   bool           // it could not be written
	encoding string         // of the body, where it is compressed
	stream   io.WriteCloser // compresses, once begun
}

// buffers hold what answers gather.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Write gathers p, and sends what has gathered where that is much.
func (a *answer) Write(p []byte) (int, error) {
	if a.begun {
		return a.send(p)
	}
	if a.buf == nil {
		a.buf = (*buffers.Get().(*[]byte))[:0]
	}
	if len(a.buf)+len(p) <= holdBytes {
		a.buf = append(a.buf, p...)
		return len(p), nil
	}
	if err := a.begin(true); err != nil {
		return 0, err
	}
	return a.send(p)
}

func (a *answer) send(p []byte) (n int, err error) {
	if a.stream != nil {
		n, err = a.stream.Write(p)
	} else {
		n, err = a.w.Write(p)
	}
	a.broken = a.broken || err != nil
	return n, err
}

// begin sends the head and what has gathered. A body that goes on has no length.
func (a *answer) begin(more bool) error {
	a.begun = true
	h := a.w.Header()
	if h.Get("Content-Type") != exchange.EventsType {
		h.Add("Vary", "Accept-Encoding")
		if more || len(a.buf) >= compressBytes {
			a.encoding = accepted(a.r.Header.Get("Accept-Encoding"))
		}
	}
	h.Set("X-Content-Type-Options", "nosniff")
	body := a.buf
	if a.encoding != "" {
		h.Set("Content-Encoding", a.encoding)
		if more {
			a.stream = compressor(a.encoding, a.w)
		} else {
			packed := (*buffers.Get().(*[]byte))[:0]
			defer func() { release(packed) }()
			packed = compress(packed, a.encoding, body)
			body = packed
		}
	}
	if !more && a.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	a.w.WriteHeader(a.status)
	var err error
	if len(body) > 0 {
		_, err = a.send(body)
	}
	release(a.buf)
	a.buf = nil
	return err
}

// finish sends what is left.
func (a *answer) finish() error {
	if !a.begun {
		return a.begin(false)
	}
	if a.stream != nil {
		err := a.stream.Close()
		a.broken = a.broken || err != nil
		recycle(a.encoding, a.stream)
		a.stream = nil
		return err
	}
	return nil
}

// problem sends p instead of what has gathered.
func (a *answer) problem(p *exchange.Problem) {
	a.buf = a.buf[:0]
	h := a.w.Header()
	h.Del("Trailer")
	h.Set("Content-Type", exchange.ProblemType)
	h.Set("Cache-Control", "no-store")
	if p.Retry > 0 {
		h.Set("Retry-After", strconv.FormatInt(p.Retry, 10))
	} else if p.Status == http.StatusServiceUnavailable || p.Status == http.StatusInsufficientStorage {
		h.Set("Retry-After", "5")
	}
	a.status = p.Status
	e := json.NewEncoder(a)
	e.SetEscapeHTML(false)
	if e.Encode(p) == nil {
		_ = a.finish() // nobody is left to be told
	}
}

func release(buf []byte) {
	if buf != nil && cap(buf) <= 2*holdBytes {
		buffers.Put(&buf)
	}
}

// accepted returns the encoding that a client takes, zstd before gzip; "" is none.
func accepted(header string) string {
	best := ""
	for one := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if q = strings.ReplaceAll(q, " ", ""); strings.HasPrefix(q, "q=0") && strings.Trim(q[3:], ".0") == "" {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "zstd":
			return "zstd"
		case "gzip", "x-gzip", "*":
			best = "gzip"
		}
	}
	return best
}

var (
	gzips = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return z
	}}
	zstds = sync.Pool{New: func() any {
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(512<<10))
		return z
	}}
)

// compressor returns what compresses into w.
func compressor(encoding string, w io.Writer) io.WriteCloser {
	if encoding == "zstd" {
		z := zstds.Get().(*zstd.Encoder)
		z.Reset(w)
		return z
	}
	z := gzips.Get().(*gzip.Writer)
	z.Reset(w)
	return z
}

// recycle keeps a closed compressor for the next answer.
func recycle(encoding string, w io.WriteCloser) {
	switch z := w.(type) {
	case *zstd.Encoder:
		z.Reset(nil)
		zstds.Put(z)
	case *gzip.Writer:
		z.Reset(io.Discard)
		gzips.Put(z)
	}
}

// compress appends body, compressed, to dst.
func compress(dst []byte, encoding string, body []byte) []byte {
	if encoding == "zstd" {
		z := zstds.Get().(*zstd.Encoder)
		defer zstds.Put(z)
		return z.EncodeAll(body, dst)
	}
	out := &appender{dst}
	z := compressor(encoding, out)
	_, _ = z.Write(body) // an appender does not fail
	_ = z.Close()
	recycle(encoding, z)
	return out.b
}

// An appender is a writer to a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
