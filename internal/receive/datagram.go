package receive

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// A packetReader gathers what datagrams say.
type packetReader interface {
	gatherer
	// packet gathers one datagram, which is whole.
	packet(data []byte, now int64)
}

const (
	packetPoints = 8 << 10               // observations of a batch of datagrams, about
	packetTime   = 50 * time.Millisecond // that a datagram waits for others
	packetQueue  = 4                     // batches at most, read and not stored
	packetBuffer = 4 << 20               // bytes that the system is asked to keep for us
)

// A packets is a listener of datagrams: while one batch is stored, the next one is gathered.
type packets struct {
	r        *Receiver
	protocol string
	free     chan packetReader
	full     chan packetBatch
}

// A packetBatch is what was gathered, to be stored.
type packetBatch struct {
	packetReader
	from  string    // sender of the first datagram
	until time.Time // when it is to be stored; deadlines are of the system's clock
}

// packets stores the datagrams that come by conn until ctx is done; then it closes conn, stores
// what it has read, and returns nil. Nothing is answered, so what the store does not take in time
// is lost and counted. An error is one of conn.
func (r *Receiver) packets(ctx context.Context, conn net.PacketConn, protocol string, reader func() packetReader) error {
	defer conn.Close()
	if c, ok := conn.(interface{ SetReadBuffer(int) error }); ok {
		_ = c.SetReadBuffer(packetBuffer) // a wish
	}
	p := &packets{r: r, protocol: protocol, free: make(chan packetReader, packetQueue), full: make(chan packetBatch, packetQueue)}
	for range packetQueue {
		p.free <- reader()
	}
	var storing sync.WaitGroup
	defer storing.Wait()
	storing.Go(func() {
		for b := range p.full {
			_ = r.store(ctx, protocol, b.from, b)
			p.free <- b.packetReader
		}
	})
	defer close(p.full)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	return p.read(ctx, conn)
}

// read gathers datagrams until ctx is done.
func (p *packets) read(ctx context.Context, conn net.PacketConn) error {
	buf := make([]byte, 64<<10)
	var b packetBatch
	defer func() { p.flush(&b) }()
	for {
		if b.packetReader != nil && (b.Points() >= packetPoints || !time.Now().Before(b.until)) {
			p.flush(&b)
		}
		_ = conn.SetReadDeadline(b.until) // none where nothing waits
		if ctx.Err() != nil {
			return nil
		}
		n, from, err := conn.ReadFrom(buf)
		switch {
		case err == nil:
			p.take(&b, buf[:n], from)
		case errors.Is(err, os.ErrDeadlineExceeded):
		case errors.Is(err, net.ErrClosed):
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("%s: %w", p.protocol, err)
		default:
			p.r.complain(p.protocol, err)
			pause(ctx, retryLeast)
		}
	}
}

// flush hands b on to be stored, if there is anything in it.
func (p *packets) flush(b *packetBatch) {
	if b.packetReader != nil {
		p.full <- *b // it has room for all readers
	}
	*b = packetBatch{}
}

// take gathers one datagram, or drops it where everything that was gathered is still to be stored.
func (p *packets) take(b *packetBatch, data []byte, from net.Addr) {
	if b.packetReader == nil {
		select {
		case d := <-p.free:
			*b = packetBatch{packetReader: d, from: from.String(), until: time.Now().Add(packetTime)}
		default:
			p.r.counter(p.protocol).dropped.Add(1)
			return
		}
	}
	b.packet(data, p.r.o.Now().UnixNano())
}
