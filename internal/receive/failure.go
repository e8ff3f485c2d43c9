package receive

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/shard"
)

// retryFull is when to try again while the disk is full: somebody has to make room first.
const retryFull = 30 * time.Second

// retryClosing is when to try again while the server goes down: the next one is up soon.
const retryClosing = 5 * time.Second

// failure returns the HTTP status of an error of the gate or of reading a body, and, where trying
// again may help, when.
func failure(err error) (status int, after time.Duration) {
	var overload *gate.Overload
	switch {
	case errors.As(err, &overload):
		return http.StatusTooManyRequests, max(overload.After, time.Second)
	case errors.Is(err, gate.ErrOverload):
		return http.StatusTooManyRequests, time.Second
	case errors.Is(err, gate.ErrForbidden):
		return http.StatusForbidden, 0
	case errors.Is(err, gate.ErrFull):
		return http.StatusServiceUnavailable, retryFull
	case errors.Is(err, gate.ErrClosing), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, retryClosing
	case errors.Is(err, gate.ErrInvalid), errors.Is(err, shard.ErrInvalid):
		return http.StatusBadRequest, 0
	case errors.Is(err, errTooLarge), errors.Is(err, errEncoding), errors.Is(err, errBody):
		return bodyStatus(err), 0
	}
	return http.StatusInternalServerError, 0
}

// retryAfter sets the header that says when to try again, in whole seconds; none for 0.
func retryAfter(h http.Header, after time.Duration) {
	if after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(after.Seconds())), 10))
	}
}
