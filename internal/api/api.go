// Package api is the store's own HTTP API, under /v1/: searching, asking, tailing, exporting,
// deleting, as docs/api.md describes it for people and openapi.yaml for programs. It reads requests,
// calls the gate, and writes what package exchange and package render say. It knows nothing of how
// the server listens, or of who may come in: package access carries that.
//
// Start at [API.Routes]; each endpoint is a method that reads a [call].
package api

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
)

// Options configure an [API]. Only Gate is needed.
type Options struct {
	Gate      *gate.Gate
	Version   string
	Others    []access.Route   // of the server, to be named where a route is not known
	CORS      []string         // origins whose pages may ask; "*" is all of them; none by default
	Exports   int              // at once; 0 means 4, less than that no bound
	Heartbeat time.Duration    // between signs of life of a tail; 0 means 15 s
	Done      <-chan struct{}  // when it is closed, tails end; may be nil
	Now       func() time.Time // nil means time.Now
	Logger    *slog.Logger     // nil means that nothing is logged
}

// An API has the endpoints for reading. It is safe for concurrent use.
type API struct {
	o         Options
	started   time.Time
	exports   chan struct{} // has one for each that runs; nil where there is no bound
	endpoints []endpoint
	asJSON    func() ([]byte, error) // the document that describes it
}

// New returns an API.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	if o.Exports == 0 {
		o.Exports = 4
	}
	a := &API{o: o, started: o.Now(), asJSON: sync.OnceValues(jsonDocument)}
	if o.Exports > 0 {
		a.exports = make(chan struct{}, o.Exports)
	}
	a.endpoints = a.table()
	return a
}

// An endpoint is one method of one path.
type endpoint struct {
	method, path string
	need         access.Rights
	params       []string // names of all parameters that it reads
	handle       func(*call) error
}

// table lists the endpoints.
func (a *API) table() []endpoint {
	span := []string{"from", "to", "tz"}
	with := func(more ...string) []string { return append(more, span...) }
	return []endpoint{
		{"GET", "/v1/search", access.Read, []string{"selector", "limit", "cursor", "offset", "facet", "facet_limit"}, a.search},
		{"GET", "/v1/dimensions", access.Read, []string{"selector"}, a.names},
		{"GET", "/v1/dimensions/{name}/values", access.Read, []string{"selector", "prefix", "limit"}, a.values},
		{"GET", "/v1/query", access.Read, with("q", "format", "time"), a.query},
		{"POST", "/v1/query", access.Read, with("q", "format", "time"), a.query},
		{"GET", "/v1/explain", access.Read, with("q", "analyze", "format"), a.explain},
		{"POST", "/v1/explain", access.Read, with("q", "analyze", "format"), a.explain},
		{"GET", "/v1/complete", access.Read, []string{"prefix", "limit"}, a.complete},
		{"GET", "/v1/functions", access.Read, []string{"kind"}, a.functions},
		{"GET", "/v1/export", access.Read, with("selector", "format"), a.export},
		{"GET", "/v1/tail", access.Read, []string{"q", "every", "from", "tz", "time"}, a.tail},
		{"DELETE", "/v1/series", access.Admin, with("selector"), a.remove},
		{"GET", "/v1/status", access.Read, []string{}, a.status},
		{"GET", "/v1/openapi.yaml", 0, []string{}, a.documentYAML},
		{"GET", "/v1/openapi.json", 0, []string{}, a.documentJSON},
	}
}

// Routes returns the endpoints, and one for what is below /v1/ but not known.
func (a *API) Routes() []access.Route {
	var out []access.Route
	for _, e := range a.endpoints {
		out = append(out, access.Route{Method: e.method, Pattern: e.path, Need: e.need, Handler: a.handler(e)})
	}
	return append(out, access.Route{Pattern: "/v1/", Handler: a.handler(endpoint{params: anyParams, handle: a.unknown})})
}

// anyParams are those of an endpoint that reads none and minds none.
var anyParams = []string{"*"}

// handler returns what serves e.
func (a *API) handler(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{API: a, e: &e, r: r, out: answer{w: w, r: r, status: http.StatusOK}}
		if len(a.o.CORS) > 0 {
			a.cors(w.Header(), r)
		}
		err := c.readParams()
		if err == nil {
			err = e.handle(c)
		}
		if err == nil {
			err = c.out.finish()
		}
		if err != nil {
			c.fail(err)
		}
	})
}

// unknown answers what no other route does.
func (a *API) unknown(c *call) error {
	var routes, methods []string
	for _, e := range a.endpoints {
		routes = append(routes, e.method+" "+e.path)
		if samePath(e.path, c.r.URL.Path) {
			methods = append(methods, e.method)
		}
	}
	for _, o := range a.o.Others {
		if strings.HasPrefix(o.Pattern, "/v1/") {
			routes = append(routes, strings.TrimSpace(o.Method+" "+o.Pattern))
			if o.Method != "" && samePath(o.Pattern, c.r.URL.Path) {
				methods = append(methods, o.Method)
			}
		}
	}
	if len(methods) > 0 {
		if c.r.Method == http.MethodOptions {
			c.out.w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
			c.out.status = http.StatusNoContent
			return nil
		}
		c.out.w.Header().Set("Allow", strings.Join(methods, ", "))
		return &exchange.Problem{
			Type: exchange.Method, Title: "The route has no such method", Status: http.StatusMethodNotAllowed,
			Detail: exchange.Text(c.r.URL.Path + " takes " + strings.Join(methods, " and ") + ", not " + c.r.Method), Routes: routes,
		}
	}
	p := &exchange.Problem{
		Type: exchange.NotFound, Title: "No such route", Status: http.StatusNotFound,
		Detail: exchange.Text("there is no " + c.r.URL.Path), Routes: routes,
	}
	var paths []string
	for _, e := range a.endpoints {
		paths = append(paths, e.path)
	}
	if near := nearest(c.r.URL.Path, paths); near != "" {
		p.Near = exchange.Text(near)
		p.Detail += exchange.Text(`, did you mean ` + near + "?")
	}
	return p
}

// samePath reports whether a path is one of those that a pattern describes.
func samePath(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// cors lets pages of the origins that the options name ask.
func (a *API) cors(h http.Header, r *http.Request) {
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	for _, allowed := range a.o.CORS {
		if origin != "" && (allowed == "*" || strings.EqualFold(allowed, origin)) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
			h.Set("Access-Control-Expose-Headers", "Retry-After")
			h.Set("Access-Control-Max-Age", "600")
			return
		}
	}
}
