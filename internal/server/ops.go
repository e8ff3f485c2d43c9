package server

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"

	"github.com/chronodex/chronodex/internal/access"
)

// starting answers while the store is not open.
func (s *Server) startingHandler() http.Handler {
	own := s.mount(s.always())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/-/healthy", "/-/ready", "/metrics", "/version":
			own.ServeHTTP(w, r)
		default:
			s.ready(w, r)
		}
	})
}

// always returns the routes that there are before the store is open, too.
func (s *Server) always() []access.Route {
	return []access.Route{
		{Method: "GET", Pattern: "/-/healthy", Handler: http.HandlerFunc(s.healthy)},
		{Method: "GET", Pattern: "/-/ready", Handler: http.HandlerFunc(s.ready)},
		{Method: "GET", Pattern: "/metrics", Need: access.Read, Handler: s.whole(s.metricsHandler())},
		{Method: "GET", Pattern: "/version", Need: access.Read, Handler: http.HandlerFunc(s.version)},
	}
}

// operating returns the routes of those who operate the server.
func (s *Server) operating() []access.Route {
	all := append(s.always(),
		access.Route{Method: "POST", Pattern: "/-/reload", Need: access.Admin, Handler: s.whole(http.HandlerFunc(s.reloadHandler))},
		access.Route{Method: "GET", Pattern: "/-/targets", Need: access.Admin, Handler: s.whole(http.HandlerFunc(s.targets))},
		access.Route{Method: "GET", Pattern: "/{$}", Handler: http.HandlerFunc(s.landing)},
	)
	if s.config.Load().Pprof {
		for pattern, handler := range map[string]http.HandlerFunc{
			"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
			"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
		} {
			all = append(all, access.Route{Pattern: pattern, Need: access.Admin, Handler: s.whole(handler)})
		}
	}
	return all
}

// whole keeps those out who are confined to a part of the store: what is behind it is of all of it.
func (s *Server) whole(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := access.From(r.Context()); who.Within != nil {
			s.refuse(w, r, http.StatusForbidden, who.Name+" sees only a part of the store, and this is of all of it")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// healthy says that the process runs.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, "healthy\n")
}

// ready says whether the store can be written and read.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case s.closing.Load():
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusServiceUnavailable, "shutting down")
	case s.opened.Load() == nil:
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "the store is being opened",
			"replayed", s.replay.done.Load(), "to_replay", s.replay.total.Load()) // bytes of logs
	default:
		text(w, http.StatusOK, "ready\n")
	}
}

// version says what runs.
func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", map[string]string{
		"version": s.o.Version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
	})
}

// landing says to people what they have found.
func (s *Server) landing(w http.ResponseWriter, _ *http.Request) {
	text(w, http.StatusOK, fmt.Sprintf("Chronodex %s\n\nWhat is served is described in docs/serve.md; /-/ready says whether it is ready.\n", s.o.Version))
}

func (s *Server) reloadHandler(w http.ResponseWriter, _ *http.Request) {
	if err := s.Reload(); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	text(w, http.StatusOK, "reloaded\n")
}

func text(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that went away needs no answer
}
