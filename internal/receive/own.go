package receive

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/ingest/promtext"
)

// An ownFormat is a format of /v1/write.
type ownFormat struct {
	types      []string // media types that name it
	parameters []string // of the URL that it takes, beside format
	// read stores what comes in w by [ownWrite.append], counts bad records in w.refused, and tells the
	// first of them to [ownWrite.describe]. An error ends the reading; what was appended before stays.
	read func(w *ownWrite) error
}

// ownFormats returns the formats of /v1/write by name, each a line. It is called once, by [New].
func (r *Receiver) ownFormats() map[string]ownFormat {
	return map[string]ownFormat{
		"ndjson": r.ownText("ndjson", "application/x-ndjson", "application/ndjson", "application/jsonl"),
		"csv":    r.ownText("csv", "text/csv"),
		"influx": r.ownText("influx"),
		"arrow":  r.ownArrow(),

		"prometheus":  r.ownExposition(promtext.Text),
		"openmetrics": r.ownExposition(promtext.OpenMetrics, promtext.OpenMetrics),

		"collectd": r.ownCollectd(),
	}
}

func (r *Receiver) ownRoutes() []access.Route {
	return []access.Route{{Method: "POST", Pattern: "/v1/write", Need: access.Write, Handler: http.HandlerFunc(r.ownWrite)}}
}

// errOwn is wrapped by errors that mean: the request is wrong, and sending it again will not help.
var errOwn = errors.New("bad request")

// maxRefusals is how many refusals an answer describes; the others are counted.
const maxRefusals = 20

// An ownWrite is one request to /v1/write.
type ownWrite struct {
	*http.Request
	r        *Receiver
	stored   int64 // observations
	refused  int64 // records, and series of batches
	refusals []exchange.Refusal
	text     *heldText // what a format that is text reads; nil before
}

// describe keeps one of the first refusals for the answer, which somebody else counts.
func (w *ownWrite) describe(f exchange.Refusal) {
	if len(w.refusals) < maxRefusals {
		w.refusals = append(w.refusals, f)
	}
}

// append stores a batch durably. What the gate refuses of it is noted.
func (w *ownWrite) append(b *chunk.Batch) error {
	names := make([]chunk.Dimensions, len(b.Rows)) // the gate may reorder the rows
	for i := range b.Rows {
		names[i] = b.Rows[i].Dimensions
	}
	out, err := w.r.o.Gate.Append(w.Context(), b)
	if w.text != nil {
		w.text.release() // it was decoded
	}
	if err != nil {
		return err
	}
	w.stored += out.Stored
	for _, f := range out.Refused {
		w.refused++
		w.describe(exchange.Refusal{Series: names[f.Row].String(), Detail: f.Reason.Error()})
	}
	return nil
}

// ownWrite is /v1/write.
func (r *Receiver) ownWrite(rw http.ResponseWriter, req *http.Request) {
	w := &ownWrite{Request: req, r: r}
	err := r.ownRead(w)
	r.count("own", w.stored, w.refused)
	w.answer(rw, err)
}

// answer says what became of a request, the reading of which ended with err.
func (w *ownWrite) answer(rw http.ResponseWriter, err error) {
	if err == nil && w.refused == 0 {
		rw.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(rw, "{\"stored\":%d}\n", w.stored)
		return
	}
	w.problem(rw, err)
}

// ownRead finds the format of a request and reads it.
func (r *Receiver) ownRead(w *ownWrite) error {
	name, err := ownFormatOf(w.Request, r.own)
	if err != nil {
		return err
	}
	f := r.own[name]
	parameters, err := url.ParseQuery(w.URL.RawQuery) // URL.Query leaves out what it does not understand
	if err != nil {
		return fmt.Errorf("%w: the URL's parameters: %w; write %%3B for a semicolon, %%25 for a percent sign", errOwn, err)
	}
	for p, values := range parameters {
		if p != "format" && !slices.Contains(f.parameters, p) {
			return fmt.Errorf("%w: format %s has no parameter %q, only %s", errOwn, name, p,
				strings.Join(append([]string{"format"}, f.parameters...), ", "))
		}
		if len(values) > 1 && p != "set" && p != "value" && p != "dimension" {
			return fmt.Errorf("%w: parameter %s is given %d times", errOwn, p, len(values))
		}
	}
	return f.read(w)
}

// ownFormatOf returns the format that a request names by its parameter, or else by its media type.
func ownFormatOf(req *http.Request, formats map[string]ownFormat) (string, error) {
	known := make([]string, 0, len(formats))
	for name := range formats {
		known = append(known, name)
	}
	slices.Sort(known)
	name := req.URL.Query().Get("format")
	if _, ok := formats[name]; ok {
		return name, nil
	}
	if name != "" {
		return "", fmt.Errorf("%w: unknown format %q: want one of %s", errOwn, name, strings.Join(known, ", "))
	}
	media, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type"))
	for _, name := range known {
		if slices.Contains(formats[name].types, media) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w: say what you send, by ?format= (%s) or by Content-Type", errMedia, strings.Join(known, ", "))
}

// errMedia is wrapped by errors that mean: nothing here reads this media type.
var errMedia = errors.New("unsupported media type")

// problem answers a request of which something was not stored. The reading ended with err, or is
// complete where that is nil.
func (w *ownWrite) problem(rw http.ResponseWriter, err error) {
	p := exchange.Partly{Stored: w.stored, Refused: w.refused, Errors: w.refusals}
	if err == nil {
		p.Problem = exchange.Problem{Type: exchange.Invalid, Title: "Not all was stored", Status: http.StatusBadRequest}
		p.Detail = exchange.Text(fmt.Sprintf("%d of what was sent was refused, the rest is stored", w.refused))
		if w.stored == 0 {
			p.Title, p.Detail = "Nothing was stored", "all of what was sent was refused"
		}
	} else {
		p.Problem = w.failed(rw, err)
		if w.stored > 0 {
			p.Detail += exchange.Text(fmt.Sprintf("; the %d observations read before it are stored, and sending them again does no harm", w.stored))
		}
	}
	body, merr := json.Marshal(p)
	if merr != nil {
		http.Error(rw, string(p.Detail), p.Status)
		return
	}
	rw.Header().Set("Content-Type", "application/problem+json")
	rw.WriteHeader(p.Status)
	_, _ = rw.Write(append(body, '\n')) // whoever went away does not read it
}

// failed returns the problem of an error that ended the reading, and sets Retry-After.
func (w *ownWrite) failed(rw http.ResponseWriter, err error) exchange.Problem {
	p := exchange.Problem{Type: exchange.Invalid, Status: http.StatusBadRequest, Detail: exchange.Text(err.Error())}
	status, after := failure(err)
	switch {
	case errors.Is(err, errMedia):
		p.Type, p.Title, p.Status = exchange.Parameter, "The body's type is not understood", http.StatusUnsupportedMediaType
	case errors.Is(err, errOwn):
		p.Title = "The request is not understood"
	case errors.Is(err, errTooLarge), errors.Is(err, errEncoding), errors.Is(err, errBody):
		p.Title, p.Status = "The body cannot be read", status
	default:
		p = *exchange.ProblemOf(err)
		if p.Status == http.StatusInternalServerError {
			w.r.o.Logger.Error("a write failed", "path", w.URL.Path, "error", err)
		}
		retryAfter(rw.Header(), after)
	}
	return p
}
