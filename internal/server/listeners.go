package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/chronodex/chronodex/internal/access"
)

// of returns d as package time has it.
func (d Duration) of() time.Duration { return time.Duration(d) }

// A listenerSpec is a listener as the configuration names it.
type listenerSpec struct {
	name    string // of its key in the section listen
	network string // tcp or udp
	address string // "" is off
	asks    bool   // its protocol has passwords
}

func (l listenerSpec) key() string { return "listen." + l.name }

// listeners returns all listeners, those that are off among them.
func (c *Config) listeners() []listenerSpec {
	return []listenerSpec{
		{"http", "tcp", c.Listen.HTTP, true},
		{"otlp_grpc", "tcp", c.Listen.OTLPGRPC, true},
		{"graphite", "tcp", c.Listen.Graphite, false},
		{"graphite_udp", "udp", c.Listen.GraphiteUDP, false},
		{"graphite_pickle", "tcp", c.Listen.GraphitePickle, false},
		{"opentsdb", "tcp", c.Listen.OpenTSDB, false},
		{"collectd", "udp", c.Listen.Collectd, false},
	}
}

// isLoopback reports whether only this machine reaches an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// patience is how long the server waits for a client: half-open connections, and senders of a byte
// now and then, would hold memory forever.
type patience struct {
	header time.Duration // for the head of a request, and for the handshake of TLS
	idle   time.Duration // for the next request
	body   time.Duration // for a body, beside what it has by its size
	write  time.Duration // for a client to read what fits in the buffers between us
}

// usualPatience is that of a server.
func usualPatience() patience {
	return patience{header: 10 * time.Second, idle: 2 * time.Minute, body: 30 * time.Second, write: time.Minute}
}

// bodyRate is at how many bytes a second a body must come, after its time.
const bodyRate = 4 << 10

// mostHeader is how many bytes the head of a request has at most.
const mostHeader = 64 << 10

// listen binds all addresses.
func (s *Server) listen() error {
	s.sockets = map[string]socket{}
	given, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("sockets of systemd: %w", err)
	}
	for _, spec := range s.config.Load().listeners() {
		k := socket{spec: spec}
		if from := given[spec.name]; len(from) > 0 && spec.network == "tcp" {
			k.stream = from[0]
		} else if spec.address == "" {
			continue
		} else if spec.network == "udp" {
			k.packet, err = net.ListenPacket("udp", spec.address)
		} else {
			k.stream, err = net.Listen("tcp", spec.address)
		}
		if err != nil {
			return fmt.Errorf("%s: %w: another program may have that address, or it is none of this machine", spec.key(), err)
		}
		if spec.asks { // the others bound their connections themselves
			k.stream = &bounded{Listener: k.stream, most: s.connections, refused: s.metrics.connectionsRefused, plain: spec.name == "http" && !s.hasTLS()}
		}
		s.sockets[spec.name] = k
		s.log.Info("listening", "listener", spec.name, "address", s.Addr(spec.name).String(), "tls", spec.asks && s.hasTLS())
	}
	return nil
}

func (s *Server) connections() int64 { return int64(s.config.Load().Limits.Connections) }

// warn says which listeners are open to a network.
func (s *Server) warn() {
	k := s.keeper.Load()
	for _, spec := range s.config.Load().listeners() {
		if spec.address == "" || isLoopback(spec.address) {
			continue
		}
		switch {
		case !spec.asks:
			s.log.Warn("LISTENER IS OPEN TO A NETWORK: its protocol has no passwords, everybody who reaches it can write",
				"listener", spec.name, "address", spec.address, "cure", "listen on 127.0.0.1, or let a firewall choose who reaches it")
		case k.open:
			s.log.Warn("LISTENER IS OPEN TO A NETWORK WITHOUT AUTHENTICATION: everybody who reaches it can read, write and delete",
				"listener", spec.name, "address", spec.address, "cure", "configure auth.tokens, or listen on 127.0.0.1")
		case !s.hasTLS():
			s.log.Warn("LISTENER IS OPEN TO A NETWORK WITHOUT TLS: tokens and data can be read on their way",
				"listener", spec.name, "address", spec.address, "cure", "configure TLS in web.config_file, or put a proxy with TLS before it")
		}
	}
}

// hasTLS reports whether the web configuration has TLS.
func (s *Server) hasTLS() bool {
	w := s.keeper.Load().web
	return w != nil && w.current().TLSConfig.IsEnabled()
}

// tls returns the configuration of TLS of listeners that speak these protocols; nil without TLS.
func (s *Server) tls(protocols ...string) (*tls.Config, error) {
	if w := s.keeper.Load().web; w != nil {
		return w.tls(protocols...)
	}
	return nil, nil
}

// httpServer returns the server of HTTP.
func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: s.patience.header, IdleTimeout: s.patience.idle, MaxHeaderBytes: mostHeader,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// serveHTTP serves until the server is shut down.
func serveHTTP(web *http.Server, l net.Listener, with *tls.Config) error {
	var err error
	if web.TLSConfig = with; with == nil {
		err = web.Serve(l)
	} else {
		if len(with.NextProtos) == 1 { // without HTTP/2
			web.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
		}
		err = web.ServeTLS(l, "", "")
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// serveOthers serves the listeners that are not HTTP.
func (s *Server) serveOthers(ctx context.Context, cancel context.CancelCauseFunc, listening *sync.WaitGroup) {
	for name, k := range s.sockets {
		serve := s.others(k)
		if serve == nil {
			continue
		}
		who := s.keeper.Load().writer(s.config.Load(), name)
		listening.Go(func() {
			if err := serve(access.With(ctx, who)); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", k.spec.key(), err))
			}
		})
	}
}

// writer returns as who a listener without passwords writes.
func (k *keeper) writer(c *Config, listener string) *access.Identity {
	if token := c.Auth.Listeners[listener]; token != "" {
		return k.byName[token]
	}
	return &access.Identity{Name: listener, Rights: access.Write}
}

// A bounded listener has at most so many connections at once. One more is told so, where the
// protocol lets us, and closed: those that there are go on.
type bounded struct {
	net.Listener
	most    func() int64
	plain   bool // HTTP without TLS
	refused prometheus.Counter
	open    atomic.Int64
}

const tooMany = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\nConnection: close\r\n" +
	"\r\ntoo many connections (limits.connections)\n"

// Accept returns the next connection within the bound.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if n := b.open.Add(1); b.most() == 0 || n <= b.most() {
			return &counted{Conn: c, open: &b.open}, nil
		}
		b.open.Add(-1)
		b.refused.Inc()
		if b.plain {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second)) // a socket that was just opened has room for this
			_, _ = io.WriteString(c, tooMany)
		}
		_ = c.Close()
	}
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Close closes the connection.
func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
