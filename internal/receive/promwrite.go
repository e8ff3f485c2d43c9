package receive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// promwriteRoutes returns the endpoint of Prometheus remote write, 1.0 and 2.0, under the paths that
// Prometheus, Mimir and Cortex, and InfluxDB have it.
func (r *Receiver) promwriteRoutes() []access.Route {
	handler := remote.NewWriteHandler(&r.prom, remote.MessageTypes{remote.WriteV1MessageType, remote.WriteV2MessageType},
		remote.WithWriteHandlerMiddlewares(strictType, r.snappyOnly))
	var routes []access.Route
	for _, path := range []string{"/api/v1/write", "/api/v1/push", "/api/v1/prom/write"} {
		routes = append(routes, access.Route{Method: http.MethodPost, Pattern: path, Need: access.Write, Handler: handler})
	}
	return routes
}

// strictType refuses what is not a message of remote write before anybody looks at the body, and
// writes the type as the module behind it wants it: that one takes no blank behind the semicolon,
// and would read a 2.0 message as 1.0, where nothing of it is known, and say that all is well.
func strictType(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if given := req.Header.Get("Content-Type"); given != "" {
			media, parameters, err := mime.ParseMediaType(given)
			if err != nil || media != "application/x-protobuf" {
				http.Error(w, fmt.Sprintf("Content-Type %q is not of remote write: it should be application/x-protobuf, and for 2.0 "+
					"application/x-protobuf;proto=%s", given, remote.WriteV2MessageType), http.StatusUnsupportedMediaType)
				return
			}
			if proto := parameters["proto"]; proto != "" {
				media += ";proto=" + proto
			}
			req.Header.Set("Content-Type", media)
		}
		next.ServeHTTP(w, req)
	})
}

// snappyOnly reads the body, in memory that is used again, and within the server's limit instead of
// the module's own.
func (r *Receiver) snappyOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch encoding := req.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
		case "", "snappy": // no other is allowed, so senders may leave it out
			req.Header.Set("Content-Encoding", "snappy")
		default:
			http.Error(w, fmt.Sprintf("Content-Encoding %q: remote write is compressed with snappy, in its block format", encoding),
				http.StatusUnsupportedMediaType)
			return
		}
		b, err := r.body(req)
		if err != nil {
			status, after := failure(err)
			retryAfter(w.Header(), after)
			http.Error(w, err.Error(), status)
			return
		}
		defer b.release()
		req.Body = decoded{io.NopCloser(bytes.NewReader(b.data)), b.data}
		next.ServeHTTP(w, req)
	})
}

// decoded is a body that need not be read to be had.
type decoded struct {
	io.ReadCloser
	data []byte
}

// A promwriteStore is what the module's handler writes to.
type promwriteStore struct {
	r        *Receiver
	known    promwrite.Known
	decoders sync.Pool
}

// Store decodes and stores one message. It is called with a body of snappyOnly.
func (s *promwriteStore) Store(req *http.Request, typ remote.WriteMessageType) (*remote.WriteResponse, error) {
	d, ok := s.decoders.Get().(*promwrite.Decoder)
	if !ok {
		d = &promwrite.Decoder{Builder: promwrite.Builder{Known: &s.known}}
	}
	defer s.decoders.Put(d)
	d.Now, d.Who = s.r.o.Now().UnixNano(), access.From(req.Context()).Name

	answer := remote.NewWriteResponse()
	decode := d.DecodeV1
	if typ == remote.WriteV2MessageType {
		decode = d.DecodeV2
	}
	if err := decode(req.Body.(decoded).data); err != nil {
		answer.SetStatusCode(http.StatusBadRequest)
		return answer, fmt.Errorf("%s: %w", typ, err)
	}
	written := d.Written()
	out, err := s.r.o.Gate.Append(req.Context(), &d.Batch)
	if err != nil {
		status, after := writeFailure(err)
		answer.SetStatusCode(status)
		header := http.Header{}
		retryAfter(header, after)
		for name := range header {
			answer.SetExtraHeader(name, header.Get(name))
		}
		return answer, err
	}
	refused := int64(d.Refused)
	for _, refusal := range out.Refused {
		refused += int64(d.Rows[refusal.Row].Count)
		row := d.Rows[refusal.Row]
		written[row.What] -= row.Count
	}
	s.r.count("prometheus", out.Stored, refused)
	answer.Add(remote.WriteResponseStats{
		Samples: written[promwrite.Samples], Histograms: written[promwrite.Histograms], Exemplars: written[promwrite.Exemplars],
	})
	if len(out.Refused) == 0 {
		d.Stored()
		if d.Refused == 0 {
			return answer, nil
		}
	}
	answer.SetStatusCode(http.StatusBadRequest)
	return answer, partial(&d.Builder, out.Refused, refused)
}

// partial says what of a message was not stored, and that the rest was.
func partial(d *promwrite.Builder, refused []gate.Refusal, n int64) error {
	const described = 10
	all := d.Reasons
	for _, refusal := range refused {
		if len(all) < described {
			all = append(all, refusal.Reason)
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d not stored, all others are:", n)
	for _, reason := range all {
		text.WriteString("\n" + reason.Error())
	}
	return errors.New(text.String())
}

// writeFailure is [failure] as senders of Prometheus need it: they give up at any 4xx, and by default
// at 429 too, so that what passes is 503.
func writeFailure(err error) (status int, after time.Duration) {
	if status, after = failure(err); status == http.StatusTooManyRequests {
		status = http.StatusServiceUnavailable
	}
	return status, after
}
