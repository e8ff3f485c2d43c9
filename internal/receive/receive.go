// Package receive is where senders write to: for each protocol that agents speak, an endpoint that
// reads what they send, has it decoded by a package of internal/ingest, passes it through the gate,
// and answers as their protocol does, after the store has made it durable. It knows nothing of how
// the server listens or who may come in.
//
// Start at [Receiver.Routes] for HTTP; what listens on ports of its own has a Serve function each.
package receive

import (
	"log/slog"
	"sync"
	"time"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/graphite"
)

// Options configure a [Receiver].
type Options struct {
	Gate    *gate.Gate
	MaxBody int64            // bytes of a body after decompression; 0 means 64 MiB
	Now     func() time.Time // nil means time.Now
	Logger  *slog.Logger     // nil means that nothing is logged

	Connections int                // at once, of each listener that is not HTTP; 0 means 1024
	Idle        time.Duration      // after which such a connection is closed; 0 means 10 minutes
	Templates   graphite.Templates // that make dimensions of Graphite's paths
	Collectd    CollectdOptions
}

// A Receiver has the endpoints for writing. It is safe for concurrent use.
type Receiver struct {
	o        Options
	counters sync.Map // of *protocolCounter by the protocol's name
	own      map[string]ownFormat
	prom     promwriteStore
	promtext sync.Pool // of *promtext.Decoder
	influx   influxMemory
	bodies   bodyStore
	otlp     otlpMemory
	listening
}

// New returns a receiver.
func New(o Options) *Receiver {
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Connections == 0 {
		o.Connections = 1024
	}
	if o.Idle == 0 {
		o.Idle = 10 * time.Minute
	}
	r := &Receiver{o: o, listening: newListening(o.Gate)}
	r.own = r.ownFormats()
	r.prom.r = r
	r.influx = newInfluxMemory()
	r.bodies = newBodyStore()
	r.otlp.streams = make(chan struct{}, mostStreams)
	return r
}

// Routes returns the endpoints of all protocols.
func (r *Receiver) Routes() []access.Route {
	var all []access.Route
	all = append(all, r.ownRoutes()...)
	all = append(all, r.opentsdbRoutes()...)
	all = append(all, r.collectdRoutes()...)
	all = append(all, r.promwriteRoutes()...)
	all = append(all, r.promtextRoutes()...)
	all = append(all, r.influxRoutes()...)
	all = append(all, r.otlpRoutes()...)
	return all
}
