package receive

import (
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/internal/gate"
)

// What is wrong with a body before any protocol looks at it.
var (
	errTooLarge = errors.New("the body is too large")
	errEncoding = errors.New("unsupported Content-Encoding")
	errBody     = errors.New("the body cannot be read")
)

// bodyStatus returns the HTTP status of an error of [Receiver.body].
func bodyStatus(err error) int {
	switch {
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errEncoding):
		return http.StatusUnsupportedMediaType
	}
	return http.StatusBadRequest
}

// A body is the decompressed body of a request, in memory that is given back by release. What it
// takes is counted by the gate, with all others: so slow senders together hold a bounded amount.
type body struct {
	data []byte
	raw  []byte
	gate *gate.Gate
	held int64        // bytes that the gate counts
	gzip *gzip.Reader // nil before the first one
	home bodyStore
}

// A bodyStore keeps bodies for the next requests. It is no sync.Pool, since that is emptied with
// every other collection of garbage: which is often, where the heap is small and requests are large.
type bodyStore chan *body

func newBodyStore() bodyStore { return make(bodyStore, 2*runtime.GOMAXPROCS(0)) }

// get returns a body, empty, which is to be released.
func (s bodyStore) get() *body {
	select {
	case b := <-s:
		return b
	default:
		return &body{home: s}
	}
}

// hold has the gate count n more bytes. Its error is a [*gate.Overload].
func (b *body) hold(n int) error {
	if n == 0 || b.gate == nil {
		return nil
	}
	if err := b.gate.Hold(int64(n)); err != nil {
		return err
	}
	b.held += int64(n)
	return nil
}

// snappyRatio bounds how much more the snappy block format can hold than it takes: its densest
// element is three bytes that repeat 64.
const snappyRatio = 22

// mostKept is the memory that a body keeps for the next one.
const mostKept = 4 << 20

// release gives the memory back; data must not be used any more.
func (b *body) release() {
	if cap(b.data) > mostKept {
		b.data = nil
	}
	if cap(b.raw) > mostKept {
		b.raw = nil
	}
	if b.held > 0 {
		b.gate.Release(b.held)
	}
	*b = body{data: b.data[:0], raw: b.raw[:0], gzip: b.gzip, home: b.home}
	select {
	case b.home <- b:
	default:
	}
}

// body reads and decompresses the body of a request, at most as many bytes as the options allow:
// before decompression and after it. Encodings are gzip, deflate, zstd, snappy (block format), and
// none. The caller releases it.
func (r *Receiver) body(req *http.Request) (*body, error) {
	b := r.bodies.get()
	b.gate = r.o.Gate
	if err := r.read(b, req); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

func (r *Receiver) read(b *body, req *http.Request) error {
	if req.ContentLength > r.o.MaxBody {
		return r.tooLarge()
	}
	switch encoding := strings.ToLower(strings.TrimSpace(req.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		return r.fill(b, &b.data, req.Body)
	case "snappy":
		if err := r.fill(b, &b.raw, req.Body); err != nil {
			return err
		}
		n, err := s2.DecodedLen(b.raw)
		if err != nil {
			return fmt.Errorf("%w: snappy: %w", errBody, err)
		}
		if int64(n) > r.o.MaxBody {
			return r.tooLarge()
		}
		if n > snappyRatio*len(b.raw) { // before memory is taken for what cannot be true
			return fmt.Errorf("%w: snappy: %d bytes do not hold the %d that they promise", errBody, len(b.raw), n)
		}
		if err := b.hold(max(n, cap(b.data))); err != nil {
			return err
		}
		if b.data, err = s2.Decode(b.data[:cap(b.data)], b.raw); err != nil {
			return fmt.Errorf("%w: snappy: %w", errBody, err)
		}
		return nil
	case "gzip", "x-gzip":
		if b.gzip == nil {
			b.gzip = new(gzip.Reader)
		}
		if err := b.gzip.Reset(req.Body); err != nil {
			return fmt.Errorf("%w: gzip: %w", errBody, err)
		}
		return r.fill(b, &b.data, b.gzip)
	case "deflate":
		z, err := zlib.NewReader(req.Body)
		if err != nil {
			return fmt.Errorf("%w: deflate: %w", errBody, err)
		}
		return r.fill(b, &b.data, z)
	case "zstd":
		z, err := zstd.NewReader(req.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(max(r.o.MaxBody, maxWindow))), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return fmt.Errorf("%w: zstd: %w", errBody, err)
		}
		defer z.Close()
		return r.fill(b, &b.data, z)
	default:
		return fmt.Errorf("%w %q: gzip, zstd, snappy, deflate and identity are understood", errEncoding, encoding)
	}
}

// leastRoom is what a body takes at first.
const leastRoom = 32 << 10

// fill reads all of in into dst, which is one of b, within the limit.
func (r *Receiver) fill(b *body, dst *[]byte, in io.Reader) error {
	buf := (*dst)[:0]
	if err := b.hold(cap(buf)); err != nil {
		buf = nil // much memory for what may be little, while others need it
	}
	defer func() { *dst = buf }()
	for {
		if len(buf) == cap(buf) {
			more := max(leastRoom, len(buf))
			if err := b.hold(more); err != nil {
				return err
			}
			buf = append(make([]byte, 0, len(buf)+more), buf...)
		}
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > r.o.MaxBody {
			return r.tooLarge()
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errBody, err)
		}
	}
}

func (r *Receiver) tooLarge() error {
	return fmt.Errorf("%w: at most %d bytes (limits.body); send smaller batches", errTooLarge, r.o.MaxBody)
}
