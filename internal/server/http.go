package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/chronodex/chronodex/internal/access"
)

// ServeHTTP answers a request: before the store is open, too.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.requests.enter() {
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusServiceUnavailable, "shutting down")
		return
	}
	defer s.requests.leave()
	out := newAnswer(w, s.o.Now, s.patience.write)
	in := newSlowReader(out, r, s.patience.body)
	route := "none"
	defer func() {
		took := s.o.Now().Sub(out.began)
		s.metrics.request(route, out.code(), took)
		s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("method", r.Method), slog.String("path", r.URL.Path),
			slog.Int("status", out.code()), slog.Int64("in", in.n), slog.Int64("out", out.n), slog.String("took", took.String()), slog.String("from", r.RemoteAddr))
	}()
	if k := s.keeper.Load(); k.web != nil && !k.web.within(w.Header()) {
		w.Header().Set("Retry-After", "1")
		problem(out, http.StatusTooManyRequests, "too many requests at once (rate_limit of web.config_file)")
		return
	}
	if err := s.csrf.Check(r); err != nil {
		problem(out, http.StatusForbidden, "a page of another site may not do this with your browser")
		return
	}
	handler := s.starting
	if v := s.opened.Load(); v != nil {
		handler = v.handler
	}
	handler.ServeHTTP(out, r)
	route = out.route
}

// mount returns what hands requests on to the routes, if who asks may come in there.
func (s *Server) mount(routes []access.Route) http.Handler {
	mux := http.NewServeMux()
	for _, route := range routes {
		pattern := route.Pattern
		if route.Method != "" {
			pattern = route.Method + " " + pattern
		}
		mux.Handle(pattern, s.guard(route))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		miss := &missed{header: w.Header()} // the mux tells 404 from 405
		handler.ServeHTTP(miss, r)
		if miss.status == http.StatusMethodNotAllowed {
			problem(w, miss.status, r.Method+" is not for "+r.URL.Path+"; there is "+w.Header().Get("Allow"))
			return
		}
		problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
}

// missed keeps the status of an answer, and its headers.
type missed struct {
	header http.Header
	status int
}

func (m *missed) Header() http.Header         { return m.header }
func (m *missed) WriteHeader(status int)      { m.status = status }
func (m *missed) Write(b []byte) (int, error) { return len(b), nil }

// guard lets in who may come in.
func (s *Server) guard(route access.Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if out, ok := w.(*answer); ok {
			out.route = route.Pattern
		}
		k := s.keeper.Load()
		who, err := k.identify(r)
		if route.Need == 0 {
			who, err = k.anonymous, nil
		}
		switch {
		case err != nil:
			s.refuse(w, r, http.StatusUnauthorized, err.Error())
		case who.Rights.Has(route.Need):
			ctx, done := access.With(r.Context(), who), func() {}
			if v := s.opened.Load(); v != nil {
				ctx, done = v.gate.Keep(ctx) // results are memory until they are written
			}
			defer done()
			route.Handler.ServeHTTP(w, r.WithContext(ctx))
		case who == k.anonymous:
			s.refuse(w, r, http.StatusUnauthorized, errNobody.Error())
		default:
			s.refuse(w, r, http.StatusForbidden, who.Name+" has not the right to do this")
		}
	})
}

// refuse answers somebody who may not come in, in the form of the protocol.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	s.metrics.refused(status)
	s.log.Warn("refused", "audit", true, "status", status, "why", why, "method", r.Method, "path", r.URL.Path, "from", r.RemoteAddr)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="chronodex"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="chronodex"`)
	}
	switch {
	case isInflux(r.URL.Path) && strings.HasPrefix(r.URL.Path, "/api/v2/"):
		code := "unauthorized"
		if status == http.StatusForbidden {
			code = "forbidden"
		}
		writeJSON(w, status, "application/json; charset=utf-8", map[string]string{"code": code, "message": why})
	case isInflux(r.URL.Path):
		w.Header().Set("X-Influxdb-Error", why)
		writeJSON(w, status, "application/json", map[string]string{"error": why})
	default:
		problem(w, status, why)
	}
}

// isInflux reports whether clients of InfluxDB are who asks there.
func isInflux(path string) bool {
	return path == "/write" || path == "/query" || path == "/ping" || strings.HasPrefix(path, "/api/v2/") || strings.HasPrefix(path, "/api/v3/")
}

// problemTypes are what package api calls the same errors.
var problemTypes = map[int]string{
	http.StatusUnauthorized: "forbidden", http.StatusForbidden: "forbidden", http.StatusNotFound: "not-found",
	http.StatusMethodNotAllowed: "method", http.StatusTooManyRequests: "overload", http.StatusServiceUnavailable: "closing",
}

// problem answers with an error (RFC 9457), whose members are those of a problem of package api.
func problem(w http.ResponseWriter, status int, detail string, more ...any) {
	kind := problemTypes[status]
	if kind == "" {
		kind = "invalid"
	}
	members := map[string]any{"type": "urn:chronodex:problem:" + kind, "title": http.StatusText(status), "status": status, "detail": detail}
	for i := 0; i+1 < len(more); i += 2 {
		members[more[i].(string)] = more[i+1]
	}
	writeJSON(w, status, "application/problem+json", members)
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a client that went away needs no answer
}

// An answer is a response whose status and size are noted, and which a client cannot keep open by
// not reading it.
type answer struct {
	http.ResponseWriter
	control  *http.ResponseController
	now      func() time.Time
	began    time.Time
	patience time.Duration
	bounded  time.Time // until when a write may last
	route    string
	status   int
	n        int64
}

func newAnswer(w http.ResponseWriter, now func() time.Time, patience time.Duration) *answer {
	return &answer{ResponseWriter: w, control: http.NewResponseController(w), now: now, began: now(), patience: patience, route: "none"}
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// WriteHeader notes the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write writes within the time.
func (a *answer) Write(b []byte) (int, error) {
	if now := time.Now(); a.bounded.Sub(now) < a.patience*3/4 {
		a.bounded = now.Add(a.patience)
		_ = a.control.SetWriteDeadline(a.bounded) // recorders of tests have none
	}
	n, err := a.ResponseWriter.Write(b)
	a.n += int64(n)
	return n, err
}

// Flush sends what was written; then there may be nothing to write for as long as it takes.
func (a *answer) Flush() { _ = a.FlushError() }

// FlushError is Flush for [http.ResponseController].
func (a *answer) FlushError() error {
	err := a.control.Flush()
	a.bounded = time.Time{}
	_ = a.control.SetWriteDeadline(time.Time{})
	return err
}

// A slowReader reads a body that must come at some rate: who sends a byte now and then would hold
// a connection, and memory, forever.
type slowReader struct {
	io.ReadCloser
	control *http.ResponseController
	until   time.Time
	n       int64
}

// newSlowReader puts itself before the body of r.
func newSlowReader(w *answer, r *http.Request, patience time.Duration) *slowReader {
	s := &slowReader{ReadCloser: r.Body, control: w.control}
	if r.Body != nil && r.Body != http.NoBody {
		s.until = time.Now().Add(patience)     // of the network, whatever clock the store has
		_ = s.control.SetReadDeadline(s.until) // recorders of tests have none
		r.Body = s
	}
	return s
}

// Read reads, and puts the end of the client's time off by what it has sent.
func (s *slowReader) Read(b []byte) (int, error) {
	n, err := s.ReadCloser.Read(b)
	s.n += int64(n)
	switch err {
	case nil:
		_ = s.control.SetReadDeadline(s.until.Add(time.Duration(s.n) * time.Second / bodyRate))
	case io.EOF:
		_ = s.control.SetReadDeadline(time.Time{}) // the server itself watches whether the client goes away
	} // else the deadline stays, for what the server wants to read of a body that nobody wanted
	return n, err
}
