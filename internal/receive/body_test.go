package receive

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// receiver returns one with a gate.
func receiver(t testing.TB, maxBody int64, l gate.Limits) (*Receiver, *gate.Gate) {
	t.Helper()
	set, err := shard.Open("store", shard.Options{FS: vfs.NewMem(), Shards: 2, IndexDir: t.TempDir(), Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = set.Close() })
	g := gate.New(set, gate.Options{Limits: l})
	return New(Options{Gate: g, MaxBody: maxBody}), g
}

// packed returns n zeros in an encoding.
func packed(t testing.TB, encoding string, n int) []byte {
	t.Helper()
	zeros := make([]byte, n)
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "snappy":
		return s2.EncodeSnappy(nil, zeros)
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return zeros
	}
	if _, err := w.Write(zeros); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func request(encoding string, body io.Reader) *http.Request {
	req := httptest.NewRequest(http.MethodPost, "/write", body)
	req.ContentLength = -1 // as of chunks
	req.Header.Set("Content-Encoding", encoding)
	return req
}

var encodings = []string{"", "gzip", "deflate", "zstd", "snappy"}

// TestBombs sends bodies that become 64 times as large as is allowed: they are refused, and take
// little more memory than what is allowed.
func TestBombs(t *testing.T) {
	const most = 1 << 20
	r, g := receiver(t, most, gate.Limits{})
	for _, encoding := range encodings {
		t.Run("encoding "+encoding, func(t *testing.T) {
			bomb := packed(t, encoding, 64*most)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			b, err := r.body(request(encoding, bytes.NewReader(bomb)))
			runtime.ReadMemStats(&after)
			if b != nil || !errors.Is(err, errTooLarge) {
				t.Fatalf("not refused: %v", err)
			}
			if status, _ := failure(err); status != http.StatusRequestEntityTooLarge {
				t.Errorf("status %d", status)
			}
			// The buffer doubles up to twice the limit; a zstd window is 8 MiB at most.
			if took := after.TotalAlloc - before.TotalAlloc; took > 8*most+2*maxWindow {
				t.Errorf("took %d bytes", took)
			}
			if n := g.Counts().InFlightBytes; n != 0 {
				t.Errorf("%d bytes stay counted", n)
			}
		})
	}
}

// TestHeldBodies reads bodies while others hold what may be in flight.
func TestHeldBodies(t *testing.T) {
	const limit = 8 << 20
	r, g := receiver(t, 4<<20, gate.Limits{InFlight: limit})
	for _, encoding := range encodings {
		t.Run("encoding "+encoding, func(t *testing.T) {
			text := packed(t, encoding, 1<<20)
			var held []*body
			var err error
			for range 100 {
				var b *body
				if b, err = r.body(request(encoding, bytes.NewReader(text))); err != nil {
					break
				}
				if held = append(held, b); len(b.data) != 1<<20 {
					t.Fatalf("%d bytes", len(b.data))
				}
			}
			if status, after := failure(err); !errors.Is(err, gate.ErrOverload) || status != http.StatusTooManyRequests || after <= 0 {
				t.Errorf("with %d bodies: %v, status %d", len(held), err, status)
			}
			if n := g.Counts().InFlightBytes; len(held) < 2 || n > limit || n < limit/4 {
				t.Errorf("%d bodies, %d bytes are counted", len(held), n)
			}
			for _, b := range held {
				b.release()
			}
			if n := g.Counts().InFlightBytes; n != 0 {
				t.Errorf("%d bytes stay counted", n)
			}
		})
	}
}

// TestBrokenBodies cuts bodies anywhere: they are refused, and nothing stays counted.
func TestBrokenBodies(t *testing.T) {
	r, g := receiver(t, 1<<20, gate.Limits{})
	for _, encoding := range encodings[1:] {
		text := packed(t, encoding, 100_000)
		for cut := range len(text) {
			b, err := r.body(request(encoding, bytes.NewReader(text[:cut])))
			if err == nil {
				b.release()
				if cut > 0 { // nothing at all is an empty body
					t.Errorf("%s, cut at %d of %d: taken", encoding, cut, len(text))
				}
				continue
			}
			if status, _ := failure(err); status != http.StatusBadRequest {
				t.Errorf("%s, cut at %d of %d: status %d, %v", encoding, cut, len(text), status, err)
			}
		}
	}
	if n := g.Counts().InFlightBytes; n != 0 {
		t.Errorf("%d bytes stay counted", n)
	}
}
