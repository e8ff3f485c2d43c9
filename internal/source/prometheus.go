package source

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// Bounds of what a Prometheus may send at once.
const (
	maxFrame   = 64 << 20  // of a stream of chunks; Prometheus sends 1 MiB
	maxSamples = 512 << 20 // of an answer that is no stream, decompressed
)

// leastSlice is the width below which a slice is not cut any more.
const leastSlice = time.Minute

const millisecond = int64(time.Millisecond)

// prometheus reads by Prometheus' remote read.
type prometheus struct {
	o        *Options
	f        *fetcher
	matchers [][]matcher
	frame    []byte
	chunks   chunkReader
	decoder  promwrite.Decoder
}

// plan finds the first day that has data, unless the span says where to begin.
func (p *prometheus) plan(ctx context.Context) ([]slice, error) {
	var err error
	if p.matchers, err = parseMatchers(p.o.Match); err != nil {
		return nil, err
	}
	span, err := bounded(p.o)
	if err != nil || span.Empty() {
		return nil, err
	}
	if p.o.Span.Start == math.MinInt64 {
		if span.Start, err = p.first(ctx, span); err != nil {
			return nil, fmt.Errorf("looking for where the data begin: %w; name the time to begin at", err)
		}
	}
	return cutSpan("", span, p.o.Slice), nil
}

// bounded returns the span to read: within what all stores know, and no later than two days from
// now where it has no end.
func bounded(o *Options) (chunk.Span, error) {
	span := o.Span
	span.Start = max(span.Start, 0)
	if span.End == math.MaxInt64 {
		span.End = o.Now().Add(48 * time.Hour).UnixNano()
	}
	return span, nil
}

// first returns the start of a day before which there is nothing, by asking log₂ of the days whether
// there are labels up to them.
func (p *prometheus) first(ctx context.Context, span chunk.Span) (int64, error) {
	const day = int64(24 * time.Hour)
	low, high := span.Start/day, span.End/day+1 // there is something before high, or nothing at all
	for low < high {
		middle := (low + high) / 2
		some, err := hasLabels(ctx, p.f, p.o.Match, chunk.Span{Start: 0, End: (middle + 1) * day})
		if err != nil {
			return 0, err
		}
		if some {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return max(span.Start, low*day), nil
}

// hasLabels asks by the API of Prometheus whether there are series within a span.
func hasLabels(ctx context.Context, f *fetcher, match []string, span chunk.Span) (bool, error) {
	args := url.Values{"start": {seconds(span.Start)}, "end": {seconds(span.End)}}
	for _, m := range match {
		args.Add("match[]", m)
	}
	resp, err := f.do(ctx, request{method: http.MethodGet, path: "api/v1/labels", args: args})
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	var labels struct{ Data []string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxFrame)).Decode(&labels); err != nil {
		return false, fmt.Errorf("api/v1/labels: %w", err)
	}
	return len(labels.Data) > 0, nil
}

// seconds writes a stamp as Unix seconds with milliseconds.
func seconds(t int64) string { return fmt.Sprintf("%d.%03d", t/1e9, t%1e9/1e6) }

// read asks for the slice, in halves where it is more than the source reads at once.
func (p *prometheus) read(ctx context.Context, s slice, c *collector) error {
	for i := range max(1, len(p.matchers)) {
		var ms []matcher
		if i < len(p.matchers) {
			ms = p.matchers[i]
		}
		if err := p.query(ctx, s.span, ms, c); err != nil {
			return err
		}
	}
	return nil
}

func (p *prometheus) query(ctx context.Context, span chunk.Span, ms []matcher, c *collector) error {
	first, last := ceilDiv(span.Start, millisecond), ceilDiv(span.End, millisecond)-1
	if first > last {
		return nil
	}
	resp, err := p.f.do(ctx, request{
		method: http.MethodPost, path: "api/v1/read", body: s2.EncodeSnappy(nil, appendReadRequest(nil, first, last, ms)),
		header: map[string]string{
			"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "Accept-Encoding": "snappy",
			"X-Prometheus-Remote-Read-Version": "0.1.0",
		},
	})
	var status *statusError
	if errors.As(err, &status) && status.status == http.StatusBadRequest && strings.Contains(status.text, "exceeded sample limit") &&
		span.End-span.Start > int64(leastSlice) {
		middle := span.Start + (span.End-span.Start)/2/millisecond*millisecond
		if err := p.query(ctx, chunk.Span{Start: span.Start, End: middle}, ms, c); err != nil {
			return err
		}
		return p.query(ctx, chunk.Span{Start: middle, End: span.End}, ms, c)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	kind, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "application/x-streamed-protobuf" && params["proto"] == "prometheus.ChunkedReadResponse":
		return p.stream(ctx, resp.Body, c)
	case kind == "application/x-protobuf":
		return p.samples(ctx, resp.Body, c)
	}
	return fmt.Errorf("the answer is %q, and no remote read; is this the address of a Prometheus?", resp.Header.Get("Content-Type"))
}

func ceilDiv(a, b int64) int64 {
	n := a / b
	if a%b > 0 {
		n++
	}
	return n
}

// Types of answers, of prometheus.ReadRequest.
const (
	responseSamples = 0
	responseStream  = 1
)

// appendReadRequest appends a message prometheus.ReadRequest with one query, first and last included.
func appendReadRequest(dst []byte, first, last int64, ms []matcher) []byte {
	var q []byte
	q = protowire.AppendVarint(protowire.AppendTag(q, 1, protowire.VarintType), uint64(first))
	q = protowire.AppendVarint(protowire.AppendTag(q, 2, protowire.VarintType), uint64(last))
	if len(ms) == 0 {
		ms = []matcher{{matchNotEqual, promwrite.NameLabel, ""}}
	}
	for _, m := range ms {
		var b []byte
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(m.kind))
		b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), m.name)
		b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), m.value)
		q = protowire.AppendBytes(protowire.AppendTag(q, 3, protowire.BytesType), b)
	}
	dst = protowire.AppendBytes(protowire.AppendTag(dst, 1, protowire.BytesType), q)
	for _, r := range []uint64{responseStream, responseSamples} {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), r)
	}
	return dst
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// stream reads a stream of chunks: frames of a uvarint length, the CRC32C of the message, big endian,
// and the message prometheus.ChunkedReadResponse.
func (p *prometheus) stream(ctx context.Context, body io.Reader, c *collector) error {
	r := bufio.NewReaderSize(body, 64<<10)
	for {
		n, err := binary.ReadUvarint(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return cut(err)
		}
		if n > maxFrame {
			return fmt.Errorf("stream of chunks: a frame of %d bytes, at most %d", n, maxFrame)
		}
		var sum [4]byte
		if _, err := io.ReadFull(r, sum[:]); err != nil {
			return cut(err)
		}
		if p.frame, err = readFull(p.frame[:0], r, int(n)); err != nil {
			return cut(err)
		}
		if crc32.Checksum(p.frame, castagnoli) != binary.BigEndian.Uint32(sum[:]) {
			return &temporary{err: errors.New("stream of chunks: a checksum is wrong")}
		}
		if err := p.chunks.frame(ctx, p.frame, c); err != nil {
			return fmt.Errorf("stream of chunks: %w", err)
		}
	}
}

// cut says that an answer has ended before its end.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &temporary{err: fmt.Errorf("the answer was cut: %w", io.ErrUnexpectedEOF)}
	}
	return err
}

// readFull appends n bytes of r to dst. What is not there takes no memory.
func readFull(dst []byte, r io.Reader, n int) ([]byte, error) {
	for n > 0 {
		piece := min(n, 1<<20)
		at := len(dst)
		dst = append(dst, make([]byte, piece)...)
		if _, err := io.ReadFull(r, dst[at:]); err != nil {
			return dst[:at], err
		}
		n -= piece
	}
	return dst, nil
}

// samples reads an answer that is one message: prometheus.ReadResponse, whose results have the form
// of a remote write.
func (p *prometheus) samples(ctx context.Context, body io.Reader, c *collector) error {
	packed, err := io.ReadAll(io.LimitReader(body, maxSamples/2))
	if err != nil {
		return err
	}
	n, err := s2.DecodedLen(packed)
	if err != nil || n > maxSamples {
		return fmt.Errorf("answer of %d bytes, at most %d: choose smaller slices of time (%v)", n, maxSamples, err)
	}
	message, err := s2.Decode(nil, packed)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("answer: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if num != 1 || typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, message); n < 0 {
				return fmt.Errorf("answer: %w", protowire.ParseError(n))
			}
			message = message[n:]
			continue
		}
		result, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return fmt.Errorf("answer: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if err := p.result(ctx, result, c); err != nil {
			return err
		}
	}
	return nil
}

// result takes one prometheus.QueryResult.
func (p *prometheus) result(ctx context.Context, message []byte, c *collector) error {
	if err := p.decoder.DecodeV1(message); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	for _, reason := range p.decoder.Reasons {
		c.refuse(0, "refused: %v", reason)
	}
	c.refused += int64(p.decoder.Refused)
	for i := range p.decoder.Batch.Rows {
		r := &p.decoder.Batch.Rows[i]
		d := r.Dimensions
		if len(c.set) > 0 {
			var err error
			if d, err = c.dimensions(d); err != nil {
				c.refuse(r.Samples.Len(), "%v: %v", r.Dimensions, err)
				continue
			}
		}
		c.row(d, r.Samples.Kind).Append(r.Samples)
		if err := c.ended(ctx); err != nil {
			return err
		}
	}
	return nil
}
