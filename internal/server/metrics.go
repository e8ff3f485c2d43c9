package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// minSelf is the shortest interval at which the server stores its own metrics.
const minSelf = time.Second

// metrics are what the server says of itself.
type metrics struct {
	registry           *prometheus.Registry
	requests           *prometheus.CounterVec
	durations          *prometheus.HistogramVec
	refusals           *prometheus.CounterVec
	connectionsRefused prometheus.Counter
	reloads            *prometheus.CounterVec
	reloadOK           prometheus.Gauge
}

// durationBuckets are in seconds: the smallest query takes less than a millisecond.
var durationBuckets = []float64{.00025, .001, .005, .025, .1, .5, 2.5, 10, 60}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronodex_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "chronodex_http_request_duration_seconds", Help: "Time from the head of a request to the end of its answer.", Buckets: durationBuckets,
		}, []string{"route"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronodex_auth_refused_total", Help: "Requests refused for who sent them: 401 is not known, 403 has not the right.",
		}, []string{"code"}),
		connectionsRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "chronodex_connections_refused_total", Help: "Connections closed at once because of limits.connections.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "chronodex_config_reloads_total", Help: "Reloads of the configuration, by success.",
		}, []string{"success"}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "chronodex_config_last_reload_successful", Help: "1 when the configuration in use is the one that was last read, 0 when that was refused.",
		}),
	}
	m.reloadOK.Set(1)
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "chronodex_build_info", Help: "Always 1; what runs is in the labels.", ConstLabels: prometheus.Labels{"version": s.o.Version},
	})
	build.Set(1)
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		m.requests, m.durations, m.refusals, m.connectionsRefused, m.reloads, m.reloadOK, newCollector(s))
	return m
}

// request notes one answered request.
func (m *metrics) request(route string, code int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) refused(code int) { m.refusals.WithLabelValues(strconv.Itoa(code)).Inc() }

func (m *metrics) reloaded(ok bool) {
	m.reloads.WithLabelValues(strconv.FormatBool(ok)).Inc()
	if m.reloadOK.Set(0); ok {
		m.reloadOK.Set(1)
	}
}

// metricsHandler answers /metrics.
func (s *Server) metricsHandler() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}
