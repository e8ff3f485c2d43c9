package receive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A streamReader gathers whole messages, lines or frames, as they come in by a connection.
type streamReader interface {
	gatherer
	// read gathers the whole messages at the head of data and returns how many bytes they are, and
	// what is to be answered. now is the time of arrival in Unix nanoseconds. On error the
	// connection is closed, after the answer: errEnd ends it in order.
	read(data []byte, now int64) (n int, answer []byte, err error)
}

// errEnd is what a sender means that wants to end the connection.
var errEnd = errors.New("end")

// What is wrong with how messages arrive.
var (
	errUnfinished = errors.New("the connection ended within a message")
	errSlow       = errors.New("a message took too long to arrive")
	errCrowded    = errors.New("too many long messages at once; try again later")
)

const (
	smallBuffer = 4 << 10          // of a connection that has little to say
	usualBuffer = 64 << 10         // of one that has much
	mostLarge   = 32 << 20         // bytes of buffers beyond that, all connections together
	mostTurns   = 8                // connections that decode and store at once: more wait, and do not read
	messageTime = time.Minute      // for a message to arrive whole, once it has begun
	answerTime  = 10 * time.Second // for a sender to take an answer
)

// A stream is a kind of connection.
type stream struct {
	protocol string
	longest  int        // of a message, in bytes
	lines    bool       // messages are lines: one that is too long is left out
	readers  *sync.Pool // of streamReader
}

// A streamConn is a connection of a stream.
type streamConn struct {
	net.Conn
	stream *stream
	r      *Receiver
	from   string
	buf    []byte // what was read and not decoded is buf[:have]
	have   int
	large  int64     // of r.large
	skip   bool      // the rest of a line that is too long is to come
	begun  time.Time // when the message that is not whole began to arrive
}

// stream serves connections of a kind until ctx is done; see [Receiver.accept].
func (r *Receiver) stream(ctx context.Context, l net.Listener, s *stream) error {
	return r.accept(ctx, l, s.protocol, func(ctx context.Context, conn net.Conn) {
		c := &streamConn{Conn: conn, stream: s, r: r, from: conn.RemoteAddr().String(), buf: make([]byte, smallBuffer)}
		c.serve(ctx, nil)
	})
}

// serve reads messages, after those in head, until the sender ends the connection, is silent or
// slow for too long, or ctx is done. What has come in whole by then is stored.
func (c *streamConn) serve(ctx context.Context, head []byte) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() { c.r.large.Release(c.large) }()
	c.have = copy(c.buf, head)
	ended, err := false, error(nil)
	for {
		if c.have > 0 {
			if answer, failed := c.decode(ctx); !c.answer(answer) || failed != nil {
				c.refuse(failed)
				return
			}
		}
		if ended {
			c.end(ctx, err)
			return
		}
		if err := c.grow(); err != nil {
			c.refuse(err)
			return
		}
		_ = c.SetReadDeadline(c.deadline())
		if ctx.Err() != nil {
			return
		}
		var n int
		n, err = c.Read(c.buf[c.have:])
		c.have, ended = c.have+n, err != nil
	}
}

// deadline returns when to give the sender up: deadlines are of the system's clock.
func (c *streamConn) deadline() time.Time {
	now := time.Now()
	if c.have == 0 && !c.skip {
		c.begun = time.Time{}
		return now.Add(c.r.o.Idle)
	}
	if c.begun.IsZero() {
		c.begun = now
	}
	return c.begun.Add(min(messageTime, c.r.o.Idle))
}

// end says what an end of the connection leaves unfinished.
func (c *streamConn) end(ctx context.Context, err error) {
	switch {
	case c.have == 0 || ctx.Err() != nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.refuse(errSlow)
	default:
		c.refuse(errUnfinished)
	}
}

func (c *streamConn) refuse(err error) {
	if err != nil && !errors.Is(err, errEnd) && !errors.Is(err, io.EOF) {
		c.r.refuse(c.stream.protocol, c.from, 1, err)
	}
}

// answer reports whether the sender has taken what it is to be told.
func (c *streamConn) answer(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	_ = c.SetWriteDeadline(time.Now().Add(answerTime))
	_, err := c.Write(text)
	return err == nil
}

// decode stores the whole messages of the buffer and keeps the rest.
func (c *streamConn) decode(ctx context.Context) (answer []byte, err error) {
	if c.skip {
		k := bytes.IndexByte(c.buf[:c.have], '\n')
		if c.skip = k < 0; c.skip {
			k = c.have - 1
		}
		c.take(k + 1)
	}
	if c.stream.lines && bytes.IndexByte(c.buf[:c.have], '\n') < 0 {
		return nil, nil
	}
	c.r.turns <- struct{}{} // whoever has a turn gives it back, at the latest when ctx is done
	defer func() { <-c.r.turns }()
	reader := c.stream.readers.Get().(streamReader)
	defer c.stream.readers.Put(reader)
	n, answer, err := reader.read(c.buf[:c.have], c.r.o.Now().UnixNano())
	_ = c.r.store(ctx, c.stream.protocol, c.from, reader)
	if n > 0 {
		c.begun = time.Time{}
	}
	c.take(n)
	return answer, err
}

// take removes n bytes from the head of the buffer, and gives memory back that is not needed.
func (c *streamConn) take(n int) {
	rest := c.buf[n:c.have]
	if c.large > 0 && len(rest) < smallBuffer {
		c.buf = make([]byte, smallBuffer)
		c.r.large.Release(c.large)
		c.large = 0
	}
	c.have = copy(c.buf, rest)
}

// grow makes room where the buffer is full, up to the longest message. A line that is longer is
// left out.
func (c *streamConn) grow() error {
	if c.have < len(c.buf) {
		return nil
	}
	if c.have >= c.stream.longest {
		if !c.stream.lines {
			return errUnfinished // readers refuse longer frames by their head
		}
		c.r.refuse(c.stream.protocol, c.from, 1, errLongLine)
		c.skip, c.have = true, 0
		return nil
	}
	size := min(2*len(c.buf), c.stream.longest)
	if size > usualBuffer {
		if !c.r.large.TryAcquire(int64(size) - c.large) {
			return errCrowded
		}
		c.large = int64(size)
	}
	buf := make([]byte, size)
	copy(buf, c.buf[:c.have])
	c.buf = buf
	return nil
}

// errLongLine is the reason why a line is left out.
var errLongLine = errors.New("a line is too long")
