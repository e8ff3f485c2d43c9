package receive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chronodex/chronodex/internal/ingest/lineproto"
)

// influxV1 is InfluxDB 1.x: db, rp, and {"error": …}.
type influxV1 struct{}

func (influxV1) parameters(q url.Values) (influxParameters, error) {
	p := influxParameters{db: q.Get("db"), rp: q.Get("rp")}
	switch precision := q.Get("precision"); precision {
	case "", "n", "ns":
		p.unit = 1
	case "u", "us", "µ", "µs":
		p.unit = int64(time.Microsecond)
	case "ms":
		p.unit = int64(time.Millisecond)
	case "s":
		p.unit = int64(time.Second)
	case "m":
		p.unit = int64(time.Minute)
	case "h":
		p.unit = int64(time.Hour)
	default:
		return p, fmt.Errorf("invalid precision %q (use n, u, ms, s, m or h)", precision)
	}
	return p, nil
}

// maxErrorHeader is how much of an error the header X-InfluxDB-Error says.
const maxErrorHeader = 1024

func (influxV1) fail(rw http.ResponseWriter, status int, err error) {
	text := err.Error()
	rw.Header().Set("X-Influxdb-Error", strings.ReplaceAll(text[:min(len(text), maxErrorHeader)], "\n", "; "))
	influxJSON(rw, status, struct {
		Error string `json:"error"`
	}{text})
}

// influxV2 is InfluxDB 2.x: a bucket, which is db/rp, and {"code": …, "message": …}.
type influxV2 struct{}

func (influxV2) parameters(q url.Values) (influxParameters, error) {
	var p influxParameters
	p.db, p.rp, _ = strings.Cut(q.Get("bucket"), "/")
	switch precision := q.Get("precision"); precision {
	case "", "ns":
		p.unit = 1
	case "us":
		p.unit = int64(time.Microsecond)
	case "ms":
		p.unit = int64(time.Millisecond)
	case "s":
		p.unit = int64(time.Second)
	default:
		return p, fmt.Errorf("invalid precision %q (use ns, us, ms or s)", precision)
	}
	return p, nil
}

func (influxV2) fail(rw http.ResponseWriter, status int, err error) {
	code := "internal error"
	switch status {
	case http.StatusBadRequest:
		code = "invalid"
	case http.StatusForbidden:
		code = "forbidden"
	case http.StatusRequestEntityTooLarge:
		code = "request too large"
	case http.StatusUnsupportedMediaType:
		code = "unsupported media type"
	case http.StatusTooManyRequests:
		code = "too many requests"
	case http.StatusServiceUnavailable:
		code = "unavailable"
	}
	influxJSON(rw, status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{code, err.Error()})
}

// influxV3 is InfluxDB 3: db, all or nothing where it is asked for, and lines that were refused one
// by one.
type influxV3 struct{}

func (influxV3) parameters(q url.Values) (influxParameters, error) {
	p := influxParameters{db: q.Get("db"), whole: q.Get("accept_partial") == "false"}
	switch precision := q.Get("precision"); precision {
	case "", "auto":
		p.unit = lineproto.Guess
	case "ns", "n", "nanosecond":
		p.unit = 1
	case "us", "u", "microsecond":
		p.unit = int64(time.Microsecond)
	case "ms", "millisecond":
		p.unit = int64(time.Millisecond)
	case "s", "second":
		p.unit = int64(time.Second)
	default:
		return p, fmt.Errorf("invalid precision %q (use auto, nanosecond, microsecond, millisecond or second)", precision)
	}
	return p, nil
}

func (influxV3) fail(rw http.ResponseWriter, status int, err error) {
	type line struct {
		Text   string `json:"original_line"`
		Number int    `json:"line_number"`
		Error  string `json:"error_message"`
	}
	body := struct {
		Error string `json:"error"`
		Data  []line `json:"data,omitempty"`
	}{Error: err.Error()}
	var bad *influxRefusals
	if errors.As(err, &bad) {
		body.Error = "partial write of line protocol occurred"
		if bad.all {
			body.Error = "parsing failed for write_lp endpoint"
		}
		for _, f := range bad.list {
			body.Data = append(body.Data, line{f.text, f.line, f.reason.Error()})
		}
	}
	influxJSON(rw, status, body)
}

func influxJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v) // whoever went away does not read it
}

// influxHeaders are those that clients tell an InfluxDB by.
func influxHeaders(h http.Header) {
	h.Set("X-Influxdb-Version", influxVersion)
	h.Set("X-Influxdb-Build", "Chronodex")
}

// influxPing answers whether somebody is there.
func influxPing(rw http.ResponseWriter, req *http.Request) {
	influxHeaders(rw.Header())
	if v := req.URL.Query().Get("verbose"); v != "" && v != "0" && v != "false" {
		influxJSON(rw, http.StatusOK, struct {
			Version string `json:"version"`
		}{influxVersion})
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

// influxHealth answers as InfluxDB does when all is well.
func influxHealth(rw http.ResponseWriter, _ *http.Request) {
	influxHeaders(rw.Header())
	influxJSON(rw, http.StatusOK, struct {
		Name    string   `json:"name"`
		Message string   `json:"message"`
		Status  string   `json:"status"`
		Checks  []string `json:"checks"`
		Version string   `json:"version"`
	}{"influxdb", "ready for queries and writes", "pass", []string{}, influxVersion})
}
