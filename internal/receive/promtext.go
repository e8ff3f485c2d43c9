package receive

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/ingest/promtext"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// promtextRoutes returns the endpoint that VictoriaMetrics has for what exporters expose, and with
// labels in the path as a push gateway has them: …/metrics/job/backup/instance/a.
func (r *Receiver) promtextRoutes() []access.Route {
	const path = "/api/v1/import/prometheus"
	var routes []access.Route
	for _, pattern := range []string{path, path + "/metrics/job/{labels...}"} {
		for _, method := range []string{http.MethodPost, http.MethodPut} {
			routes = append(routes, access.Route{Method: method, Pattern: pattern, Need: access.Write, Handler: http.HandlerFunc(r.importExposition)})
		}
	}
	return routes
}

// An exposition is what came in of one request.
type exposition struct {
	media  string
	set    []chunk.Dimension // labels for all of it
	strict bool
	stamp  int64 // of samples without one
}

// takenExposition is what became of it.
type takenExposition struct {
	stored, refused int64
	reasons         []error // of the first refusals
}

// takeExposition decodes and stores an exposition. The error says that nothing of it was stored.
func (r *Receiver) takeExposition(ctx context.Context, data []byte, x exposition) (out takenExposition, err error) {
	d, ok := r.promtext.Get().(*promtext.Decoder)
	if !ok {
		d = &promtext.Decoder{Builder: promwrite.Builder{Known: &r.prom.known}}
	}
	defer r.promtext.Put(d)
	d.Now, d.Who, d.Stamp = r.o.Now().UnixNano(), access.From(ctx).Name, x.stamp
	d.Set, d.Strict = x.set, x.strict
	if err := d.Decode(data, x.media); err != nil {
		return out, fmt.Errorf("%w: %w", errOwn, err)
	}
	answer, err := r.o.Gate.Append(ctx, &d.Batch)
	if err != nil {
		return out, err
	}
	out = takenExposition{stored: answer.Stored, refused: int64(d.Refused), reasons: d.Reasons}
	for _, f := range answer.Refused {
		out.refused += int64(d.Rows[f.Row].Count)
		out.reasons = append(out.reasons, f.Reason)
	}
	if len(answer.Refused) == 0 {
		d.Stored()
	}
	return out, nil
}

// ownExposition returns the format of /v1/write that package promtext reads.
func (r *Receiver) ownExposition(media string, types ...string) ownFormat {
	return ownFormat{types: types, parameters: []string{"set", "strict"}, read: func(w *ownWrite) error {
		o, err := ownOptions(w.URL.Query())
		if err != nil {
			return fmt.Errorf("%w: %w", errOwn, err)
		}
		b, err := r.body(w.Request)
		if err != nil {
			return err
		}
		defer b.release()
		x := exposition{media: media, strict: o.Strict, stamp: r.o.Now().UnixNano()}
		for _, p := range o.Set {
			x.set = append(x.set, chunk.Dimension{Name: promwrite.LabelName(p.Name), Value: p.Value})
		}
		out, err := r.takeExposition(w.Context(), b.data, x)
		w.stored, w.refused = out.stored, out.refused
		for _, reason := range out.reasons {
			line := (*promtext.LineError)(nil)
			if errors.As(reason, &line) {
				w.describe(exchange.Refusal{Line: int64(line.Line), Detail: line.Reason.Error()})
			} else {
				w.describe(exchange.Refusal{Detail: reason.Error()})
			}
		}
		return err
	}}
}

// importExposition is /api/v1/import/prometheus.
func (r *Receiver) importExposition(rw http.ResponseWriter, req *http.Request) {
	x, err := importOptions(req)
	if err == nil && x.stamp == 0 {
		x.stamp = r.o.Now().UnixNano()
	}
	var out takenExposition
	if err == nil {
		out, err = r.importBody(req, x)
		r.count("prometheus-text", out.stored, out.refused)
	}
	switch {
	case errors.Is(err, errOwn):
		http.Error(rw, err.Error(), http.StatusBadRequest)
	case err != nil:
		status, after := failure(err)
		retryAfter(rw.Header(), after)
		http.Error(rw, err.Error(), status)
	case out.refused > 0:
		var text strings.Builder
		fmt.Fprintf(&text, "%d stored, %d not:", out.stored, out.refused)
		for _, reason := range out.reasons {
			text.WriteString("\n" + reason.Error())
		}
		http.Error(rw, text.String(), http.StatusBadRequest)
	default:
		rw.WriteHeader(http.StatusNoContent)
	}
}

func (r *Receiver) importBody(req *http.Request, x exposition) (takenExposition, error) {
	b, err := r.body(req)
	if err != nil {
		return takenExposition{}, err
	}
	defer b.release()
	return r.takeExposition(req.Context(), b.data, x)
}

// importOptions reads what a request says beside its body: extra_label=name=value, repeated, as in
// VictoriaMetrics; timestamp in milliseconds; and the labels in the path.
func importOptions(req *http.Request) (x exposition, err error) {
	x.media = promtext.Text
	if media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil &&
		(media == promtext.OpenMetrics || media == promtext.Protobuf) {
		x.media = media
	}
	if x.set, err = pathLabels(req); err != nil {
		return x, err
	}
	for name, values := range req.URL.Query() {
		switch name {
		case "extra_label":
			for _, v := range values {
				name, value, ok := strings.Cut(v, "=")
				if !ok || name == "" {
					return x, fmt.Errorf("%w: extra_label=%s: want extra_label=NAME=VALUE", errOwn, v)
				}
				x.set = append(x.set, chunk.Dimension{Name: name, Value: value})
			}
		case "timestamp":
			const most = 1 << 43 // the year 2248
			ms, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil || ms < -most || ms > most {
				return x, fmt.Errorf("%w: timestamp=%s: want milliseconds since 1970", errOwn, values[0])
			}
			x.stamp = ms * 1_000_000
		default:
			return x, fmt.Errorf("%w: unknown parameter %q: there are extra_label and timestamp", errOwn, name)
		}
	}
	return x, nil
}

// pathLabels returns the labels of a path …/metrics/job/JOB/NAME/VALUE/….
func pathLabels(req *http.Request) ([]chunk.Dimension, error) {
	_, path, ok := strings.Cut(req.URL.EscapedPath(), "/metrics/job/")
	if !ok {
		return nil, nil
	}
	parts := append([]string{"job"}, strings.Split(path, "/")...)
	if len(parts)%2 != 0 {
		return nil, fmt.Errorf("%w: path %s: want /metrics/job/JOB, and then pairs of a label and its value", errOwn, req.URL.Path)
	}
	var set []chunk.Dimension
	for i := 0; i < len(parts); i += 2 {
		name, err1 := url.PathUnescape(parts[i])
		value, err2 := url.PathUnescape(parts[i+1])
		if err := errors.Join(err1, err2); err != nil || name == "" || value == "" {
			return nil, fmt.Errorf("%w: path %s: label %q is %q", errOwn, req.URL.Path, name, value)
		}
		set = append(set, chunk.Dimension{Name: name, Value: value})
	}
	return set, nil
}
