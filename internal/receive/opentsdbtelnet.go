package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/chronodex/chronodex/internal/ingest/graphite"
	"github.com/chronodex/chronodex/internal/ingest/opentsdb"
)

// maxAnswers is how many bytes of answers a connection gets to what it has sent at once; what is
// beyond is only counted.
const maxAnswers = 16 << 10

// ServeOpenTSDB takes what senders say to an OpenTSDB's port by the connections of l: lines of
// telnet, and requests of HTTP to /api/put, told apart by their first byte, which of HTTP is a
// capital letter. It ends as [Receiver.ServeGraphite] does. Good lines have no answer, so that here,
// too, nothing more is read while the store takes no more; bad ones are answered.
func (r *Receiver) ServeOpenTSDB(ctx context.Context, l net.Listener) error {
	const protocol = "opentsdb_telnet"
	lines := &stream{protocol: protocol, longest: graphite.MaxLine, lines: true, readers: &sync.Pool{New: func() any { return new(telnetReader) }}}
	web := newHandedServer(ctx, l.Addr(), r.opentsdbMux())
	defer web.close(ctx)
	return r.accept(ctx, l, protocol, func(ctx context.Context, conn net.Conn) {
		c := &streamConn{Conn: conn, stream: lines, r: r, from: conn.RemoteAddr().String(), buf: make([]byte, smallBuffer)}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		_ = conn.SetReadDeadline(c.deadline())
		if ctx.Err() != nil {
			return
		}
		head := make([]byte, smallBuffer)
		n, err := conn.Read(head)
		stop()
		switch {
		case n > 0 && head[0] >= 'A' && head[0] <= 'Z':
			web.serve(conn, head[:n])
		case err == nil:
			c.serve(ctx, head[:n])
		}
	})
}

// opentsdbMux returns the endpoints of HTTP on OpenTSDB's own port.
func (r *Receiver) opentsdbMux() http.Handler {
	mux := http.NewServeMux()
	for _, route := range r.opentsdbRoutes() {
		mux.Handle(route.Method+" "+route.Pattern, route.Handler)
	}
	mux.HandleFunc("/api/put", func(w http.ResponseWriter, req *http.Request) {
		opentsdbAnswer(w, http.StatusMethodNotAllowed, map[string]opentsdbError{"error": {
			http.StatusMethodNotAllowed, "Method not allowed", fmt.Sprintf("The HTTP method [%s] is not permitted for this endpoint", req.Method),
		}})
	})
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		opentsdbAnswer(w, http.StatusOK, map[string]string{"version": "chronodex"})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		opentsdbAnswer(w, http.StatusNotFound, map[string]opentsdbError{"error": {http.StatusNotFound, "Endpoint not found", "The requested endpoint was not found"}})
	})
	return mux
}

// A telnetReader reads lines of telnet.
type telnetReader struct {
	opentsdb.Decoder
	answer []byte
}

func (t *telnetReader) read(data []byte, _ int64) (n int, answer []byte, err error) {
	t.answer = t.answer[:0]
	for {
		k := bytes.IndexByte(data[n:], '\n')
		if k < 0 {
			return n, t.answer, nil
		}
		command, err := t.Line(data[n : n+k])
		n += k + 1
		switch {
		case len(t.answer) > maxAnswers:
		case err != nil:
			t.answer = append(append(t.answer, err.Error()...), '\n')
		case command == opentsdb.Version:
			t.answer = append(t.answer, "chronodex, which takes what is put to an OpenTSDB\n"...)
		case command == opentsdb.Help:
			t.answer = append(t.answer, "available commands: exit help put version\n"...)
		}
		if command == opentsdb.Exit {
			return n, t.answer, errEnd
		}
	}
}

// A handedServer is an HTTP server for connections that somebody else has accepted.
type handedServer struct {
	web   *http.Server
	conns chan net.Conn
	addr  net.Addr
	once  sync.Once
	ended chan struct{}
	done  chan struct{}
}

// newHandedServer returns a server whose requests have the values of ctx.
func newHandedServer(ctx context.Context, addr net.Addr, h http.Handler) *handedServer {
	s := &handedServer{conns: make(chan net.Conn), addr: addr, ended: make(chan struct{}), done: make(chan struct{})}
	s.web = &http.Server{
		Handler: h, ReadHeaderTimeout: answerTime, ReadTimeout: messageTime, IdleTimeout: messageTime, MaxHeaderBytes: usualBuffer,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	go func() {
		defer close(s.done)
		_ = s.web.Serve(s) // ends when it is closed
	}()
	context.AfterFunc(ctx, func() { s.close(ctx) })
	return s
}

// serve serves a connection, of which head was read, until it is closed.
func (s *handedServer) serve(conn net.Conn, head []byte) {
	_ = conn.SetReadDeadline(time.Time{})
	c := &handedConn{Conn: conn, head: head, closed: make(chan struct{})}
	select {
	case s.conns <- c:
		<-c.closed
	case <-s.ended:
	}
}

// close ends the server: requests under way have drainTime.
func (s *handedServer) close(ctx context.Context) {
	writes, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.web.Shutdown(writes); errors.Is(err, context.DeadlineExceeded) {
		_ = s.web.Close()
	}
	<-s.done
}

// Accept, Close and Addr make s the listener of its own server.

// Accept returns the next connection that was handed over.
func (s *handedServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.ended:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (s *handedServer) Close() error {
	s.once.Do(func() { close(s.ended) })
	return nil
}

// Addr is the address of the listener that has accepted the connections.
func (s *handedServer) Addr() net.Addr { return s.addr }

// A handedConn is a connection of which something was read already.
type handedConn struct {
	net.Conn
	head   []byte
	once   sync.Once
	closed chan struct{}
}

// Read returns what was read first.
func (c *handedConn) Read(b []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(b, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// Close closes the connection and lets whoever accepted it know.
func (c *handedConn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
