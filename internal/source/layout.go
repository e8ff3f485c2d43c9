package source

import (
	"fmt"

	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// histogramHeader is the length of the header of a chunk of histograms: count and flags.
const histogramHeader = 3

// checkChunk refuses a chunk that would have its decoder panic, or allocate more than a small multiple
// of the chunk: one without a header, or of histograms with more buckets or spans than it has bits for.
func checkChunk(e chunkenc.Encoding, data []byte) error {
	switch e {
	case chunkenc.EncXOR, chunkenc.EncXOR2:
		if len(data) < 3 {
			return fmt.Errorf("%d bytes: %w", len(data), errChunk)
		}
		return nil
	case chunkenc.EncHistogram, chunkenc.EncFloatHistogram, chunkenc.EncHistogramST, chunkenc.EncFloatHistogramST:
		if len(data) < histogramHeader {
			return fmt.Errorf("%d bytes: %w", len(data), errChunk)
		}
	default:
		return fmt.Errorf("encoding %d is not known: %w", e, errChunk)
	}
	r := bits{data: data[histogramHeader:]}
	if r.read(8) == 255 { // the zero threshold
		r.read(64)
	}
	r.varbit() // the schema
	buckets, spans := uint64(0), uint64(0)
	for range 2 { // positive and negative ones
		n := r.varbit()
		for range min(n, uint64(8*len(data))) {
			length := r.varbit()
			r.varbit() // the offset
			if length > uint64(8*len(data)) || r.short {
				return fmt.Errorf("a span of %d buckets: %w", length, errChunk)
			}
			buckets += length
		}
		spans += n
	}
	// The first histogram has at least a bit for each bucket.
	if r.short || buckets > uint64(8*len(data)) || spans > 2*buckets+16 {
		return fmt.Errorf("%d buckets in %d spans, in %d bytes: %w", buckets, spans, len(data), errChunk)
	}
	return nil
}

// bits reads bits, the highest of a byte first.
type bits struct {
	data  []byte
	at    int  // the next bit
	short bool // more were asked for than there are
}

func (b *bits) read(n int) (v uint64) {
	for range n {
		if b.at >= 8*len(b.data) {
			b.short = true
			return 0
		}
		v = v<<1 | uint64(b.data[b.at/8]>>(7-b.at%8)&1)
		b.at++
	}
	return v
}

// varbitSizes are the bits of a number, by how many ones stand before it.
var varbitSizes = [9]int{0, 3, 6, 9, 12, 18, 25, 56, 64}

// varbit reads a number in the variable form of Prometheus' chunks, as one without a sign.
func (b *bits) varbit() uint64 {
	ones := 0
	for ones < 8 && b.read(1) == 1 {
		ones++
	}
	return b.read(varbitSizes[ones])
}
