package analytics

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// The first byte of a state's binary form says which states it is of. Numbers are never reused.
const (
	tagCounts    = 1
	tagSums      = 2
	tagExtremes  = 3
	tagMoments   = 4
	tagEnds      = 5
	tagQuantiles = 6
	tagDistinct  = 7
	tagSteps     = 8
	tagText      = 9
)

// appendFloat appends the bits of v, little endian.
func appendFloat(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// appendTime appends t, little endian.
func appendTime(dst []byte, t int64) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t))
}

// appendCount appends n, which is not negative, as a uvarint.
func appendCount(dst []byte, n int64) []byte { return binary.AppendUvarint(dst, uint64(n)) }

// A parser reads the fields of a binary form. After the first field that is not there it reads
// zeros, and err says so.
type parser struct {
	name string // of the states, for errors
	rest []byte
	err  error
}

// parse begins to read a form with this tag.
func parse(name string, tag byte, src []byte) *parser {
	p := &parser{name: name, rest: src}
	if len(src) == 0 || src[0] != tag {
		p.fail("tag")
		return p
	}
	p.rest = src[1:]
	return p
}

// fail notes that field is not there, or not as it can be.
func (p *parser) fail(field string) {
	if p.err == nil {
		p.err = fmt.Errorf("state of %s: %s: %w", p.name, field, chunk.ErrCorrupt)
	}
	p.rest = nil
}

// bits reads eight bytes.
func (p *parser) bits(field string) uint64 {
	if len(p.rest) < 8 {
		p.fail(field)
		return 0
	}
	v := binary.LittleEndian.Uint64(p.rest)
	p.rest = p.rest[8:]
	return v
}

// float reads what appendFloat wrote, time what appendTime wrote.
func (p *parser) float(field string) float64 { return math.Float64frombits(p.bits(field)) }
func (p *parser) time(field string) int64    { return int64(p.bits(field)) }

// count reads what appendCount wrote.
func (p *parser) count(field string) int64 {
	v, k := binary.Uvarint(p.rest)
	if k <= 0 || v > math.MaxInt64 {
		p.fail(field)
		return 0
	}
	p.rest = p.rest[k:]
	return int64(v)
}

// length reads a count of things of which each takes at least size more bytes.
func (p *parser) length(field string, size int) int {
	n := p.count(field)
	if n > int64(len(p.rest)/size) {
		p.fail(field)
		return 0
	}
	return int(n)
}
