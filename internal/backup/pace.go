package backup

import (
	"context"

	"golang.org/x/time/rate"
)

// A pace bounds how fast bytes are read. A nil one does not.
type pace struct{ limit *rate.Limiter }

func newPace(bytesPerSecond int64) *pace {
	if bytesPerSecond <= 0 {
		return nil
	}
	return &pace{rate.NewLimiter(rate.Limit(bytesPerSecond), copyBuffer)}
}

// wait waits until n bytes, at most copyBuffer, may be read.
func (p *pace) wait(ctx context.Context, n int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p == nil {
		return nil
	}
	return p.limit.WaitN(ctx, n)
}
