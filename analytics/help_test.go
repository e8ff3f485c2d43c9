package analytics_test

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// errorsIsCorrupt reports whether err says that bytes are corrupt.
func errorsIsCorrupt(err error) bool { return errors.Is(err, chunk.ErrCorrupt) }

// columns makes observations of bytes: each eight the bits of a value.
func columns(src []byte) (times []int64, values []float64) {
	for len(src) >= 8 {
		times = append(times, int64(len(times)))
		values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(src)))
		src = src[8:]
	}
	return times, values
}
