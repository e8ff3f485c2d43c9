package main

import (
	"context"
	"io"
)

// An interruptible reads from r, but a Read that waits ends when its context does. It is used by
// one goroutine at a time; the goroutine below it ends with the process, or with r.
type interruptible struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	rest []byte // of what was read
	err  error  // that came with it
	done chan int
}

// Read returns what r gives, or the error of the context.
func (x *interruptible) Read(p []byte) (int, error) {
	if err := x.ctx.Err(); err != nil {
		return 0, err
	}
	if len(x.rest) == 0 && x.err == nil {
		if x.done == nil {
			x.buf, x.done = make([]byte, 256<<10), make(chan int, 1)
		}
		go func() {
			n, err := x.r.Read(x.buf)
			x.err = err
			x.done <- n
		}()
		select {
		case n := <-x.done:
			x.rest = x.buf[:n]
		case <-x.ctx.Done():
			return 0, x.ctx.Err()
		}
	}
	n := copy(p, x.rest)
	if x.rest = x.rest[n:]; len(x.rest) == 0 && n == 0 {
		return 0, x.err
	}
	return n, nil
}
