package receive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/chronodex/chronodex/internal/ingest/graphite"
)

// ServeGraphite takes lines of Graphite's plaintext protocol from the connections of l, until ctx is
// done; then it stores what has come in whole, closes l, and returns nil. It writes as who ctx says,
// see package access. Nothing is answered: where the store does not take more, it reads no more.
func (r *Receiver) ServeGraphite(ctx context.Context, l net.Listener) error {
	return r.stream(ctx, l, &stream{protocol: "graphite", longest: graphite.MaxLine, lines: true, readers: r.graphiteReaders(false)})
}

// ServeGraphitePickle is [Receiver.ServeGraphite] for pickles with their length before them.
func (r *Receiver) ServeGraphitePickle(ctx context.Context, l net.Listener) error {
	return r.stream(ctx, l, &stream{protocol: "graphite_pickle", longest: pickleHead + graphite.MaxFrame, readers: r.graphiteReaders(true)})
}

// ServeGraphiteUDP takes lines from datagrams, until ctx is done; then it stores what it has read,
// closes c, and returns nil. What the store does not take in time is lost, and counted.
func (r *Receiver) ServeGraphiteUDP(ctx context.Context, c net.PacketConn) error {
	return r.packets(ctx, c, "graphite_udp", func() packetReader { return r.graphiteReader(false) })
}

func (r *Receiver) graphiteReader(pickles bool) *graphiteReader {
	return &graphiteReader{Decoder: graphite.Decoder{Templates: r.o.Templates}, pickles: pickles}
}

func (r *Receiver) graphiteReaders(pickles bool) *sync.Pool {
	return &sync.Pool{New: func() any { return r.graphiteReader(pickles) }}
}

// A graphiteReader reads lines or pickles.
type graphiteReader struct {
	graphite.Decoder
	pickles bool
}

// pickleHead is the size of the length before a pickle.
const pickleHead = 4

var errFrame = errors.New("not the length of a pickle: lines belong to listen.graphite")

func (g *graphiteReader) read(data []byte, now int64) (n int, answer []byte, err error) {
	if !g.pickles {
		return g.Lines(data, now, false), nil, nil
	}
	for len(data)-n >= pickleHead {
		size := binary.BigEndian.Uint32(data[n:])
		if size > graphite.MaxFrame {
			return n, nil, fmt.Errorf("%d bytes, at most %d: %w", size, graphite.MaxFrame, errFrame)
		}
		frame := data[n+pickleHead:]
		if len(frame) < int(size) {
			break
		}
		if err := g.Pickle(frame[:size], now); err != nil {
			g.Refuse(0, nil, err)
		}
		n += pickleHead + int(size)
	}
	return n, nil, nil
}

func (g *graphiteReader) packet(data []byte, now int64) { g.Lines(data, now, true) }
