package receive

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/ingest/otlp"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// otlpRoutes returns the endpoint of OpenTelemetry's metrics over HTTP, under the paths that the
// protocol, Prometheus, and VictoriaMetrics have it.
func (r *Receiver) otlpRoutes() []access.Route {
	var routes []access.Route
	for _, path := range []string{"/v1/metrics", "/api/v1/otlp/v1/metrics", "/opentelemetry/v1/metrics"} {
		routes = append(routes, access.Route{Method: http.MethodPost, Pattern: path, Need: access.Write, Handler: http.HandlerFunc(r.otlpHTTP)})
	}
	return routes
}

// An otlpMemory is what requests of OpenTelemetry share.
type otlpMemory struct {
	known    promwrite.Known
	decoders sync.Pool
	streams  chan struct{} // of gRPC, all connections together
}

// retryStore is when to try again after the store has failed in a way that it does not know.
const retryStore = 10 * time.Second

const (
	otlpGrows = 4        // times larger the messages of a request in JSON are in memory than as text, about
	otlpMost  = 32 << 20 // of it that is counted, so that one request alone always passes
)

const (
	otlpProtobuf = "application/x-protobuf"
	otlpJSON     = "application/json"
)

// An otlpError is a request of which nothing was taken.
type otlpError struct {
	http  int
	grpc  codes.Code
	after time.Duration // 0: trying again will not help
	error
}

// Unwrap returns the reason.
func (e *otlpError) Unwrap() error { return e.error }

// otlpFailure returns what senders are told of an error.
func otlpFailure(err error) *otlpError {
	switch {
	case errors.Is(err, otlp.ErrTooLarge):
		return &otlpError{http.StatusRequestEntityTooLarge, codes.InvalidArgument, 0, err}
	case errors.Is(err, otlp.ErrMalformed):
		return &otlpError{http.StatusBadRequest, codes.InvalidArgument, 0, err}
	}
	status, after := failure(err)
	e := &otlpError{status, codes.InvalidArgument, after, err}
	switch status {
	case http.StatusForbidden:
		e.grpc = codes.PermissionDenied
	case http.StatusTooManyRequests:
		e.grpc = codes.ResourceExhausted
	case http.StatusServiceUnavailable:
		e.grpc = codes.Unavailable
	case http.StatusInternalServerError: // which senders would take for good, and drop what they have
		e.http, e.grpc, e.after = http.StatusServiceUnavailable, codes.Unavailable, retryStore
	}
	return e
}

// otlpHTTP takes one request.
func (r *Receiver) otlpHTTP(w http.ResponseWriter, req *http.Request) {
	media, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	json := media == otlpJSON
	if !json && media != otlpProtobuf {
		err := fmt.Errorf("Content-Type %q: metrics come as %s or %s", req.Header.Get("Content-Type"), otlpProtobuf, otlpJSON)
		r.otlpAnswer(w, otlpJSON, nil, &otlpError{http.StatusUnsupportedMediaType, codes.InvalidArgument, 0, err})
		return
	}
	body, err := r.body(req)
	if err != nil {
		r.otlpAnswer(w, media, nil, otlpFailure(err))
		return
	}
	defer body.release()
	answer, err := r.otlpStore(req.Context(), body.data, json)
	if err != nil {
		r.otlpAnswer(w, media, nil, otlpFailure(err))
		return
	}
	r.otlpAnswer(w, media, answer, nil)
}

// otlpAnswer writes an answer: what it is given, or what failed.
func (r *Receiver) otlpAnswer(w http.ResponseWriter, media string, answer []byte, failed *otlpError) {
	status := http.StatusOK
	if failed != nil {
		status = failed.http
		retryAfter(w.Header(), failed.after)
		var err error
		if answer, err = otlp.Failure(uint32(failed.grpc), failed.Error(), media == otlpJSON); err != nil {
			r.o.Logger.Error("an answer cannot be encoded", "protocol", "otlp", "error", err)
		}
	}
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_, _ = w.Write(answer) // whoever went away does not read it
}

// otlpStore decodes a request, stores it, and returns the answer, in the encoding of the request.
func (r *Receiver) otlpStore(ctx context.Context, data []byte, json bool) ([]byte, error) {
	if json { // of which messages are made, all at once
		size := min(otlpGrows*int64(len(data)), otlpMost)
		if err := r.o.Gate.Hold(size); err != nil {
			return nil, err
		}
		defer r.o.Gate.Release(size)
	}
	d, ok := r.otlp.decoders.Get().(*otlp.Decoder)
	if !ok {
		d = new(otlp.Decoder)
	}
	x := otlpExport{r: r, ctx: ctx}
	d.Emit, d.Now, d.Who, d.Known = x.append, r.o.Now().UnixNano(), access.From(ctx).Name, &r.otlp.known
	defer func() {
		d.Emit = nil
		r.otlp.decoders.Put(d)
	}()
	decode := d.Decode
	if json {
		decode = d.DecodeJSON
	}
	result, err := decode(data)
	if err != nil {
		return nil, err
	}
	if x.stored == 0 && x.first != nil && result.Refused == 0 { // so sending it again may help
		r.count("otlp", 0, int64(len(x.refused)))
		return nil, x.first
	}
	if x.first == nil {
		d.Stored()
	}
	refused := result.Refused + int64(len(x.refused))
	r.count("otlp", x.stored, refused)
	return otlp.Answer(refused, x.why(result), json)
}

// An otlpExport is one request on its way to the store.
type otlpExport struct {
	r       *Receiver
	ctx     context.Context
	stored  int64
	refused map[int32]bool // points of which the gate has refused a row
	first   error          // why it has refused the first row, metadata among them
	reasons []string
}

// append stores a batch.
func (x *otlpExport) append(b *chunk.Batch, points []int32) error {
	names := make([]chunk.Dimensions, 0, len(b.Rows)) // the gate may reorder the rows
	for i := range b.Rows {
		names = append(names, b.Rows[i].Dimensions)
	}
	out, err := x.r.o.Gate.Append(x.ctx, b)
	if err != nil {
		return err
	}
	x.stored += out.Stored
	for _, f := range out.Refused {
		if x.first == nil {
			x.first = f.Reason
		}
		p := points[f.Row]
		if p < 0 || x.refused[p] {
			continue
		}
		if x.refused == nil {
			x.refused = make(map[int32]bool)
		}
		x.refused[p] = true
		if len(x.reasons) < maxRefusals {
			x.reasons = append(x.reasons, fmt.Sprintf("%.400v: %v", names[f.Row], f.Reason))
		}
	}
	return nil
}

// why returns the reasons of the first points that were refused, in one text.
func (x *otlpExport) why(result otlp.Result) string {
	reasons := append(result.Reasons, x.reasons...)
	if rest := result.Refused + int64(len(x.refused)) - int64(len(reasons)); rest > 0 {
		reasons = append(reasons, fmt.Sprintf("and %d more", rest))
	}
	return strings.Join(reasons, "; ")
}
