package receive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/internal/ingest/opentsdb"
)

// maxDetails is how many failed points an answer describes; all are counted.
const maxDetails = 1000

func (r *Receiver) opentsdbRoutes() []access.Route {
	return []access.Route{{Method: "POST", Pattern: "/api/put", Need: access.Write, Handler: http.HandlerFunc(r.opentsdbPut)}}
}

// opentsdbDecoders keeps decoders, which remember series, from request to request.
var opentsdbDecoders = sync.Pool{New: func() any { return new(opentsdb.Decoder) }}

// An opentsdbSummary is the answer to a request that asks for a summary or for details.
type opentsdbSummary struct {
	Errors   *[]opentsdbDetail `json:"errors,omitempty"` // where details are asked for, also if there are none
	Failed   int64             `json:"failed"`
	Success  int64             `json:"success"`
	Timeouts *int64            `json:"timeouts,omitempty"`
}

// An opentsdbDetail is a point that was not stored.
type opentsdbDetail struct {
	Datapoint json.RawMessage `json:"datapoint"`
	Error     string          `json:"error"`
}

// An opentsdbError is the answer to a request that fails as a whole, or that asks for nothing else.
type opentsdbError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Details string `json:"details,omitempty"`
}

// An opentsdbPut is one request to /api/put.
type opentsdbPut struct {
	r       *Receiver
	d       *opentsdb.Decoder
	details []opentsdbDetail
	points  []opentsdbPoint // good ones, where details are asked for
}

// An opentsdbPoint is a point as it was sent, and its row of the batch.
type opentsdbPoint struct {
	raw []byte
	row int
}

// opentsdbPut is /api/put.
func (r *Receiver) opentsdbPut(w http.ResponseWriter, req *http.Request) {
	asks := req.URL.Query()
	p := &opentsdbPut{r: r, d: opentsdbDecoders.Get().(*opentsdb.Decoder)}
	defer p.release()
	if asks.Has("details") {
		p.d.Point = p.point
	}
	b, err := r.body(req)
	if err != nil {
		r.opentsdbFail(w, err)
		return
	}
	defer b.release()
	s, err := p.put(req, b.data)
	if err != nil {
		r.opentsdbFail(w, err)
		return
	}
	status := http.StatusOK
	if s.Failed > 0 {
		status = http.StatusBadRequest
	}
	switch {
	case asks.Has("details"):
		if p.details == nil {
			p.details = []opentsdbDetail{}
		}
		s.Errors = &p.details
	case asks.Has("summary"):
	case s.Failed > 0:
		opentsdbAnswer(w, status, map[string]opentsdbError{"error": {
			status, "One or more data points had errors", `Please see the TSD logs or append "details" to the put request`,
		}})
		return
	default:
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if n, err := strconv.Atoi(asks.Get("sync_timeout")); err == nil && n > 0 {
		s.Timeouts = new(int64)
	}
	opentsdbAnswer(w, status, s)
}

// release gives the decoder back.
func (p *opentsdbPut) release() {
	p.d.Reset()
	p.d.Point = nil
	opentsdbDecoders.Put(p.d)
}

const errNoContent opentsdb.Problem = "Missing request content"

// put decodes and stores a body.
func (p *opentsdbPut) put(req *http.Request, body []byte) (s opentsdbSummary, err error) {
	if len(body) == 0 {
		return s, fmt.Errorf("%w: %w", opentsdb.ErrJSON, errNoContent)
	}
	if err := p.d.JSON(body); err != nil {
		p.r.count("opentsdb", 0, 1)
		return s, err
	}
	refused, first := p.d.Refused()
	if p.d.Points() == 0 && refused == 0 {
		return s, fmt.Errorf("%w: no datapoints found in content", opentsdb.ErrJSON)
	}
	total := int64(p.d.Points()) + refused
	if p.d.Points() > 0 {
		out, err := p.r.put(req.Context(), p.d.Batch())
		if err != nil {
			return s, err
		}
		s.Success = out.Stored
		p.refused(out.Refused)
	}
	s.Failed = total - s.Success
	p.r.count("opentsdb", s.Success, 0)
	if refused > 0 {
		p.r.refuse("opentsdb", req.RemoteAddr, s.Failed, first[0].Reason)
	} else {
		p.r.count("opentsdb", 0, s.Failed)
	}
	return s, nil
}

// point is told of each point, where details are asked for.
func (p *opentsdbPut) point(raw []byte, s *gather.Series, refused error) {
	if refused == nil {
		p.points = append(p.points, opentsdbPoint{raw, s.Row()})
	} else {
		p.detail(raw, refused)
	}
}

func (p *opentsdbPut) detail(raw []byte, reason error) {
	if len(p.details) < maxDetails {
		p.details = append(p.details, opentsdbDetail{raw, reason.Error()})
	}
}

// refused describes the points of rows that the store did not take.
func (p *opentsdbPut) refused(rows []gate.Refusal) {
	reasons := make(map[int]error, len(rows))
	for _, f := range rows {
		reasons[f.Row] = f.Reason
	}
	for _, x := range p.points {
		if reason := reasons[x.row]; reason != nil {
			p.detail(x.raw, reason)
		}
	}
}

// opentsdbFail answers a request that failed as a whole.
func (r *Receiver) opentsdbFail(w http.ResponseWriter, err error) {
	status, after := failure(err)
	e := opentsdbError{Message: err.Error()}
	switch {
	case errors.Is(err, errNoContent):
		status, e.Message = http.StatusBadRequest, errNoContent.Error()
	case errors.Is(err, opentsdb.ErrJSON):
		status, e.Message, e.Details = http.StatusBadRequest, "Unable to parse the given JSON", err.Error()
	case errors.Is(err, gate.ErrOverload):
		e.Message, e.Details = "Please throttle writes: too much at once", err.Error()
	case status == http.StatusInternalServerError:
		r.o.Logger.Error("a write failed", "path", "/api/put", "error", err)
	}
	e.Code = status
	retryAfter(w.Header(), after)
	opentsdbAnswer(w, status, map[string]opentsdbError{"error": e})
}

func opentsdbAnswer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever went away does not read it
}
