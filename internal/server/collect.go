package server

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/receive"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// A reading is all figures that packages below keep of themselves, as of one moment.
type reading struct {
	store    shard.Stats
	gate     gate.Counts
	received []receive.ProtocolCount
}

// A figure is a metric that is read when it is asked for, without counting on the way of data.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*reading, func(v float64, labels ...string))
}

// A collector turns readings into metrics.
type collector struct {
	s       *Server
	ready   *prometheus.Desc
	replay  *prometheus.Desc
	figures []figure
}

func newCollector(s *Server) *collector {
	c := &collector{
		s:      s,
		ready:  prometheus.NewDesc("chronodex_ready", "1 when the store is open, 0 while it is being opened or closed.", nil, nil),
		replay: prometheus.NewDesc("chronodex_replayed_bytes", "Bytes of the logs that were read when the store was opened.", nil, nil),
	}
	c.storeFigures()
	c.writeFigures()
	c.queryFigures()
	c.receiveFigures()
	c.limitFigures()
	return c
}

// gauge adds a metric that goes up and down.
func (c *collector) gauge(name, help string, read func(*reading) float64) {
	c.figures = append(c.figures, figure{
		prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue,
		func(r *reading, out func(float64, ...string)) { out(read(r)) },
	})
}

// counter adds a metric that only grows.
func (c *collector) counter(name, help string, read func(*reading) float64) {
	c.gauge(name, help, read)
	c.figures[len(c.figures)-1].kind = prometheus.CounterValue
}

// labelled adds a metric with one value for each value of a label.
func (c *collector) labelled(kind prometheus.ValueType, name, help, label string, read func(*reading, func(float64, ...string))) {
	c.figures = append(c.figures, figure{prometheus.NewDesc(name, help, []string{label}, nil), kind, read})
}

// reasons adds a counter that package gate keeps by reason.
func (c *collector) reasons(name, help, label string, of func(*reading) map[string]int64) {
	c.labelled(prometheus.CounterValue, name, help, label, func(r *reading, out func(float64, ...string)) {
		for reason, n := range of(r) {
			out(float64(n), reason)
		}
	})
}

func (c *collector) storeFigures() {
	c.gauge("chronodex_store_series", "Series known.", func(r *reading) float64 { return float64(r.store.Series) })
	c.gauge("chronodex_store_segments", "Segments, immutable files of observations.", func(r *reading) float64 { return float64(r.store.Segments) })
	c.gauge("chronodex_store_segment_bytes", "Size of all segments.", func(r *reading) float64 { return float64(r.store.SegmentBytes) })
	c.gauge("chronodex_store_head_observations", "Observations not yet sealed into segments.", func(r *reading) float64 { return float64(r.store.HeadRows) })
	c.gauge("chronodex_store_head_bytes", "Memory that they take, roughly.", func(r *reading) float64 { return float64(r.store.HeadBytes) })
	c.gauge("chronodex_store_log_bytes", "Size of the log.", func(r *reading) float64 { return float64(r.store.LogBytes) })
	c.gauge("chronodex_store_deletions", "Deletions that compaction has still to apply.", func(r *reading) float64 { return float64(r.store.Deletions) })
	c.gauge("chronodex_store_shards", "Shards of the store.", func(r *reading) float64 { return float64(r.store.Shards) })
}

func (c *collector) writeFigures() {
	c.counter("chronodex_batches_stored_total", "Batches stored, in whole or in part.", func(r *reading) float64 { return float64(r.gate.Batches) })
	c.counter("chronodex_observations_stored_total", "Observations stored, durable before they were acknowledged.", func(r *reading) float64 { return float64(r.gate.Stored) })
	c.reasons("chronodex_rows_refused_total", "Rows of stored batches that were not stored, by reason.", "reason",
		func(r *reading) map[string]int64 { return r.gate.Refused })
	c.reasons("chronodex_batches_rejected_total", "Batches and bodies of which nothing was stored, by reason.", "reason",
		func(r *reading) map[string]int64 { return r.gate.Rejected })
	c.gauge("chronodex_in_flight_bytes", "Bytes of bodies and batches that are being read and stored.", func(r *reading) float64 { return float64(r.gate.InFlightBytes) })
	c.gauge("chronodex_disk_full", "1 when writes are refused because of limits.free_disk.", func(r *reading) float64 {
		if r.gate.DiskFull {
			return 1
		}
		return 0
	})
	c.reasons("chronodex_deletes_total", "Deletions, by what came of them.", "result", func(r *reading) map[string]int64 { return r.gate.Deletes })
}

func (c *collector) queryFigures() {
	c.gauge("chronodex_queries_running", "Queries that run.", func(r *reading) float64 { return float64(r.gate.QueriesRunning) })
	c.gauge("chronodex_queries_waiting", "Queries that wait for their turn.", func(r *reading) float64 { return float64(r.gate.QueriesWaiting) })
	c.gauge("chronodex_query_memory_bytes", "Memory that running queries have reserved.", func(r *reading) float64 { return float64(r.gate.QueryBytes) })
	c.reasons("chronodex_queries_total", "Queries, by what came of them.", "result", func(r *reading) map[string]int64 { return r.gate.Queries })
	c.counter("chronodex_query_seconds_total", "Time that queries ran.", func(r *reading) float64 { return r.gate.QuerySeconds })
	c.counter("chronodex_query_wait_seconds_total", "Time that queries waited for their turn.", func(r *reading) float64 { return r.gate.WaitSeconds })
	for _, f := range []struct {
		name, help string
		of         func(*query.Stats) int64
	}{
		{"series", "Series that queries selected.", func(s *query.Stats) int64 { return s.SeriesSelected }},
		{"chunks_decoded", "Pieces of series that queries decoded.", func(s *query.Stats) int64 { return s.ChunksDecoded }},
		{"chunks_from_statistics", "Pieces of series that queries answered from statistics alone.", func(s *query.Stats) int64 { return s.ChunksFromStats }},
		{"chunks_corrupt", "Pieces of series that queries left out since they are damaged.", func(s *query.Stats) int64 { return s.ChunksCorrupt }},
		{"observations", "Observations in the pieces that queries decoded.", func(s *query.Stats) int64 { return s.Observations }},
		{"decoded_bytes", "Bytes of columns that queries decoded.", func(s *query.Stats) int64 { return s.BytesDecoded }},
	} {
		c.counter("chronodex_query_"+f.name+"_total", f.help, func(r *reading) float64 { return float64(f.of(&r.gate.Read)) })
	}
	c.counter("chronodex_slow_queries_total", "Queries that took longer than log.slow_query.", func(r *reading) float64 { return float64(r.gate.SlowQueries) })
}

func (c *collector) receiveFigures() {
	for _, f := range []struct {
		name, help string
		kind       prometheus.ValueType
		of         func(*receive.ProtocolCount) int64
	}{
		{"stored_total", "Observations stored, by protocol.", prometheus.CounterValue, func(p *receive.ProtocolCount) int64 { return p.Stored }},
		{"refused_total", "Lines, points or messages that will never be stored as they are.", prometheus.CounterValue, func(p *receive.ProtocolCount) int64 { return p.Refused }},
		{"dropped_total", "Observations lost because the store did not take them and the protocol has no answer.", prometheus.CounterValue, func(p *receive.ProtocolCount) int64 { return p.Dropped }},
		{"connections", "Connections that are open, of protocols that are not HTTP.", prometheus.GaugeValue, func(p *receive.ProtocolCount) int64 { return p.Connections }},
		{"turned_away_total", "Connections closed at once because there were too many.", prometheus.CounterValue, func(p *receive.ProtocolCount) int64 { return p.TurnedAway }},
	} {
		c.labelled(f.kind, "chronodex_receive_"+f.name, f.help, "protocol", func(r *reading, out func(float64, ...string)) {
			for i := range r.received {
				out(float64(f.of(&r.received[i])), r.received[i].Protocol)
			}
		})
	}
}

// limitFigures has the limits beside what they limit, so that an alert can compare them.
func (c *collector) limitFigures() {
	c.labelled(prometheus.GaugeValue, "chronodex_limit", "Limits of the configuration in use; 0 is none.", "limit", func(_ *reading, out func(float64, ...string)) {
		config := c.s.config.Load()
		for _, key := range Keys() {
			if name, ok := strings.CutPrefix(key, "limits."); ok {
				out(limitValue(config.value(key)), name)
			}
		}
	})
}

// limitValue returns a limit in bytes, seconds or pieces.
func limitValue(v any) float64 {
	switch v := v.(type) {
	case Size:
		return float64(v)
	case Duration:
		return v.of().Seconds()
	case int:
		return float64(v)
	case int64:
		return float64(v)
	}
	return 0
}

// Describe is of [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	out <- c.ready
	out <- c.replay
	for _, f := range c.figures {
		out <- f.desc
	}
}

// Collect is of [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	v, ready := c.s.opened.Load(), 0.0
	if v != nil && !c.s.closing.Load() {
		ready = 1
	}
	out <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, ready)
	out <- prometheus.MustNewConstMetric(c.replay, prometheus.GaugeValue, float64(c.s.replay.done.Load()))
	if ready == 0 {
		return
	}
	r := &reading{store: v.set.Stats(), gate: v.gate.Counts(), received: v.receiver.Counters()}
	for _, f := range c.figures {
		f.read(r, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
		})
	}
}
