package server

import (
	"context"
	"net"
	"slices"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/api"
	"github.com/chronodex/chronodex/internal/keep"
	"github.com/chronodex/chronodex/internal/receive"
)

// routes returns all that is served by HTTP once the store is open: a line for each set of routes.
func (s *Server) routes(v *service) []access.Route {
	own := slices.Concat(
		s.operating(),
		v.receiver.Routes(),
		s.newKeeping(v).Routes(),
	)
	c := s.config.Load()
	exports := c.Limits.Exports
	if exports == 0 {
		exports = -1 // no bound
	}
	return slices.Concat(
		own,
		api.New(api.Options{
			Gate: v.gate, Version: s.o.Version, Others: own, CORS: c.Web.CORS, Exports: exports, Done: s.done, Now: s.o.Now, Logger: s.log,
		}).Routes(),
	)
}

// newReceiver returns what has the endpoints for writing.
func (s *Server) newReceiver(v *service) (*receive.Receiver, error) {
	c := s.config.Load()
	fromCollectd, err := c.collectdOptions()
	return receive.New(receive.Options{
		Gate: v.gate, MaxBody: int64(c.Limits.Body), Connections: c.Limits.Connections, Templates: c.templates(), Collectd: fromCollectd,
		Now: s.o.Now, Logger: s.log,
	}), err
}

// newKeeping returns what has the endpoints for backups.
func (s *Server) newKeeping(v *service) *keep.Keeper {
	b := &s.config.Load().Backup
	return keep.New(keep.Options{Gate: v.gate, Dir: b.Dir, Keep: b.Keep, BytesPerSecond: int64(b.Rate), Logger: s.log})
}

// others returns what serves a socket that is not for HTTP, until its context ends: a line for each
// listener. It is nil where there is none.
func (s *Server) others(k socket) func(context.Context) error {
	r := s.opened.Load().receiver
	stream := func(serve func(context.Context, net.Listener) error) func(context.Context) error {
		return func(ctx context.Context) error { return serve(ctx, k.stream) }
	}
	packet := func(serve func(context.Context, net.PacketConn) error) func(context.Context) error {
		return func(ctx context.Context) error { return serve(ctx, k.packet) }
	}
	switch k.spec.name {
	case "graphite":
		return stream(r.ServeGraphite)
	case "graphite_udp":
		return packet(r.ServeGraphiteUDP)
	case "graphite_pickle":
		return stream(r.ServeGraphitePickle)
	case "collectd":
		return packet(r.ServeCollectd)
	case "opentsdb":
		return stream(r.ServeOpenTSDB)
	case "otlp_grpc":
		return func(ctx context.Context) error {
			with, err := s.tls("h2")
			if err != nil {
				return err
			}
			return r.ServeOTLP(ctx, k.stream, receive.GRPCOptions{TLS: with, Authenticate: s.authorize})
		}
	}
	return nil
}
