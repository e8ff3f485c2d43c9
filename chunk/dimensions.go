package chunk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// MetricName is the dimension that holds a metric's own name.
const MetricName = "metric"

// FieldName is the dimension that holds the name of one of several values that a source sends
// together, where its protocol has such, beside the metric's.
const FieldName = "field"

// Limits of what a series may be called. They bound what hostile input can make the store keep.
const (
	MaxDimensions  = 256   // dimensions of one series
	MaxNameBytes   = 1024  // bytes of a dimension's name
	MaxValueBytes  = 65535 // bytes of a dimension's value
	maxIdentityLen = 1 << 20
)

// ErrDimensions is wrapped by every error that means: these dimensions cannot name a series.
var ErrDimensions = errors.New("invalid dimensions")

// A Dimension is a name and a string value, such as host=aws42.
type Dimension struct {
	Name  string
	Value string
}

// Dimensions is the canonical set of a series' dimensions: sorted by name, each name once,
// no name and no value empty. Make one with [NewDimensions]; never modify one that was shared.
type Dimensions []Dimension

// NewDimensions returns the canonical form of pairs, which it may reorder. Pairs with an empty
// value say nothing and are dropped. A repeated name, an empty name, and what is over the limits
// is an error that wraps [ErrDimensions].
func NewDimensions(pairs ...Dimension) (Dimensions, error) {
	d := slices.DeleteFunc(pairs, func(p Dimension) bool { return p.Value == "" && p.Name != "" })
	slices.SortFunc(d, func(a, b Dimension) int { return strings.Compare(a.Name, b.Name) })
	return Dimensions(d), Dimensions(d).Validate()
}

// Validate reports why d is not canonical, or nil.
func (d Dimensions) Validate() error {
	if len(d) > MaxDimensions {
		return fmt.Errorf("%d dimensions, at most %d: %w", len(d), MaxDimensions, ErrDimensions)
	}
	size := 0
	for i, p := range d {
		switch {
		case p.Name == "":
			return fmt.Errorf("dimension %d has no name: %w", i, ErrDimensions)
		case p.Value == "":
			return fmt.Errorf("dimension %q has no value: %w", p.Name, ErrDimensions)
		case len(p.Name) > MaxNameBytes:
			return fmt.Errorf("name of %d bytes, at most %d: %w", len(p.Name), MaxNameBytes, ErrDimensions)
		case len(p.Value) > MaxValueBytes:
			return fmt.Errorf("dimension %q: value of %d bytes, at most %d: %w",
				p.Name, len(p.Value), MaxValueBytes, ErrDimensions)
		case i > 0 && d[i-1].Name == p.Name:
			return fmt.Errorf("dimension %q twice: %w", p.Name, ErrDimensions)
		case i > 0 && d[i-1].Name > p.Name:
			return fmt.Errorf("dimension %q after %q: %w", p.Name, d[i-1].Name, ErrDimensions)
		}
		size += len(p.Name) + len(p.Value)
	}
	if size > maxIdentityLen {
		return fmt.Errorf("%d bytes of dimensions, at most %d: %w", size, maxIdentityLen, ErrDimensions)
	}
	return nil
}

// Get returns the value of the named dimension, and whether d has it.
func (d Dimensions) Get(name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(d, name, func(p Dimension, n string) int { return strings.Compare(p.Name, n) })
	if !ok {
		return "", false
	}
	return d[i].Value, true
}

// Only returns the dimensions of d with one of the names, in a new slice.
func (d Dimensions) Only(names ...string) Dimensions {
	out := make(Dimensions, 0, len(names))
	for _, p := range d {
		if slices.Contains(names, p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// Compare orders dimensions by their pairs, name before value, a prefix first.
func (d Dimensions) Compare(o Dimensions) int {
	return slices.CompareFunc(d, o, func(a, b Dimension) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
}

// Equal reports whether d and o are the same pairs.
func (d Dimensions) Equal(o Dimensions) bool { return slices.Equal(d, o) }

// Append appends the canonical binary form of d to dst: a uvarint count, then for each pair the
// uvarint length and the bytes of its name, and of its value. Equal dimensions have equal bytes.
func (d Dimensions) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(d)))
	for _, p := range d {
		dst = binary.AppendUvarint(dst, uint64(len(p.Name)))
		dst = append(dst, p.Name...)
		dst = binary.AppendUvarint(dst, uint64(len(p.Value)))
		dst = append(dst, p.Value...)
	}
	return dst
}

// ParseDimensions reads what [Dimensions.Append] wrote from the head of b, and returns the rest
// of b. The strings are copies. Anything but a canonical form is an error that wraps [ErrCorrupt].
func ParseDimensions(b []byte) (d Dimensions, rest []byte, err error) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n > MaxDimensions {
		return nil, b, fmt.Errorf("dimensions: count: %w", ErrCorrupt)
	}
	rest = b[k:]
	text := func() (string, bool) {
		l, k := binary.Uvarint(rest)
		if k <= 0 || l > uint64(len(rest)-k) {
			return "", false
		}
		s := string(rest[k : k+int(l)])
		rest = rest[k+int(l):]
		return s, true
	}
	d = make(Dimensions, 0, min(n, uint64(len(rest))))
	for i := range n {
		name, ok1 := text()
		value, ok2 := text()
		if !ok1 || !ok2 {
			return nil, b, fmt.Errorf("dimensions: pair %d of %d: %w", i, n, ErrCorrupt)
		}
		d = append(d, Dimension{Name: name, Value: value})
	}
	if err := d.Validate(); err != nil {
		return nil, b, fmt.Errorf("dimensions: %w: %w", err, ErrCorrupt)
	}
	return d, rest, nil
}

// Hash is the 64-bit xxHash of the canonical form. It is stored, so it never changes.
func (d Dimensions) Hash() uint64 {
	var buf [512]byte
	return xxhash.Sum64(d.Append(buf[:0]))
}

// Source is the hash of all dimensions but [MetricName] and [FieldName]: series of one source (one
// collector's target) tend to share their stamps, and are kept in one shard.
func (d Dimensions) Source() uint64 {
	var buf [512]byte
	dst := buf[:0]
	for _, p := range d {
		if naming(p.Name) {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(p.Name)))
		dst = append(dst, p.Name...)
		dst = binary.AppendUvarint(dst, uint64(len(p.Value)))
		dst = append(dst, p.Value...)
	}
	return xxhash.Sum64(dst)
}

// String prints d as {host="a", metric="b"}, values quoted as in Go.
func (d Dimensions) String() string {
	b := []byte{'{'}
	for i, p := range d {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, p.Name...)
		b = append(b, '=')
		b = strconv.AppendQuote(b, p.Value)
	}
	return string(append(b, '}'))
}
