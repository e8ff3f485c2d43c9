package receive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // which senders compress with by default
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/ingest/otlp"
)

// GRPCOptions say who may write over gRPC.
type GRPCOptions struct {
	TLS *tls.Config // nil means plaintext
	// Authenticate returns who sends the value of an authorization header, "" where there is none. An
	// error is told to the sender as it is. Nil means that everybody may write.
	Authenticate func(authorization string) (*access.Identity, error)
}

const (
	mostStreams       = 64               // of all connections that are read or stored at once
	mostConnStreams   = 16               // of one
	mostMessage       = 16 << 20         // bytes of a message; senders' batches have some 100 KB
	mostHeaders       = 64 << 10         // bytes of the headers of a request
	streamTime        = 30 * time.Second // that a request takes, reading and storing
	handshakeTime     = 20 * time.Second
	pingAfter         = 2 * time.Minute // of silence, so that half-open connections are found
	pingsAtMost       = 10 * time.Second
	retryStreams      = time.Second
	metricsService    = "opentelemetry.proto.collector.metrics.v1.MetricsService"
	metricsMethod     = "Export"
	otlpGRPCProtocol  = "otlp_grpc"
	authorizationName = "authorization"
)

// ServeOTLP takes metrics over gRPC from the connections of l, at most as many at once as the
// options of r allow, until ctx is done; then it closes l, waits for what is being written, and
// returns nil. An error is one of l.
func (r *Receiver) ServeOTLP(ctx context.Context, l net.Listener, o GRPCOptions) error {
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(rawCodec{}),
		grpc.InTapHandle(r.otlpAdmit(o)),
		grpc.MaxRecvMsgSize(int(min(r.o.MaxBody, mostMessage))),
		grpc.MaxConcurrentStreams(mostConnStreams),
		grpc.MaxHeaderListSize(mostHeaders),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: r.o.Idle, Time: pingAfter, Timeout: handshakeTime}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsAtMost, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(o.TLS)))
	}
	s := grpc.NewServer(options...)
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: metricsService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: metricsMethod, Handler: otlpHandler}},
	}, r)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		timer := time.AfterFunc(drainTime, s.Stop)
		defer timer.Stop()
		s.GracefulStop()
	})
	err := s.Serve(&countedListener{Listener: l, r: r})
	if !stop() {
		<-stopped
		return nil
	}
	s.Stop()
	return fmt.Errorf("otlp: %w", err)
}

// otlpAdmit returns what decides, before anything of a request is read, whether it is: who sends it,
// and whether there is room. It is called in the goroutine of its connection.
func (r *Receiver) otlpAdmit(o GRPCOptions) tap.ServerInHandle {
	return func(ctx context.Context, info *tap.Info) (context.Context, error) {
		if o.Authenticate != nil {
			who, err := o.Authenticate(authorization(info.Header))
			if err != nil {
				return nil, status.Error(codes.Unauthenticated, err.Error())
			}
			if !who.Rights.Has(access.Write) {
				return nil, status.Errorf(codes.PermissionDenied, "%q may not write", who.Name)
			}
			ctx = access.With(ctx, who)
		}
		select {
		case r.otlp.streams <- struct{}{}:
		default:
			return nil, otlpStatus(&otlpError{0, codes.ResourceExhausted, retryStreams, fmt.Errorf("%d requests are being read already", mostStreams)})
		}
		ctx, cancel := context.WithTimeout(ctx, streamTime)
		context.AfterFunc(ctx, func() { // the request is answered, or has taken too long
			cancel()
			<-r.otlp.streams
		})
		return ctx, nil
	}
}

func authorization(h metadata.MD) string {
	if v := h.Get(authorizationName); len(v) > 0 {
		return v[0]
	}
	return ""
}

// otlpHandler takes one request, srv is the receiver.
func otlpHandler(srv any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // grpc's order
	r := srv.(*Receiver)
	b := r.bodies.get()
	defer b.release()
	if err := read(b); err != nil {
		return nil, err
	}
	b.gate = r.o.Gate
	if err := b.hold(len(b.data)); err != nil {
		return nil, otlpStatus(otlpFailure(err))
	}
	answer, err := r.otlpStore(ctx, b.data, false)
	if err != nil {
		return nil, otlpStatus(otlpFailure(err))
	}
	return answer, nil
}

// otlpStatus returns the status of gRPC for what failed.
func otlpStatus(e *otlpError) error {
	s := status.New(e.grpc, e.Error())
	if e.after > 0 {
		if detailed, err := s.WithDetails(otlp.RetryInfo(e.after)); err == nil {
			s = detailed
		}
	}
	return s.Err()
}

// rawCodec hands messages through as bytes: into a *body, and from a []byte. So requests are decoded
// as those over HTTP are, within the same limits.
type rawCodec struct{}

// Name returns the name of the encoding that the bytes have.
func (rawCodec) Name() string { return "proto" }

var errRaw = errors.New("not a message as bytes")

// Marshal returns a []byte as it is.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, errRaw
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal copies data into a *body.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*body)
	if !ok {
		return errRaw
	}
	if n := data.Len(); cap(b.data) < n {
		b.data = make([]byte, n)
	} else {
		b.data = b.data[:n]
	}
	data.CopyTo(b.data)
	return nil
}

// A countedListener counts its connections, and turns away what is too many.
type countedListener struct {
	net.Listener
	r *Receiver
}

// Accept returns the next connection that is not too many.
func (l *countedListener) Accept() (net.Conn, error) {
	c := l.r.counter(otlpGRPCProtocol)
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.connections.Add(1) <= int64(l.r.o.Connections) {
			return &countedConn{Conn: conn, closed: func() { c.connections.Add(-1) }}, nil
		}
		c.connections.Add(-1)
		c.turnedAway.Add(1)
		_ = conn.Close()
	}
}

// A countedConn says when it is closed.
type countedConn struct {
	net.Conn
	once   sync.Once
	closed func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
