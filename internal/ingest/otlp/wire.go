package otlp

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"unicode/utf8"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/chronodex/chronodex/chunk"
)

const (
	sets = 1 << 13 // of slots, in each of which a series may be in any slot
	ways = 4       // slots of a set
)

// A wire is how requests in protobuf become rows without messages being made of them: what senders
// repeat is who they are, so the dimensions of a series of numbers are remembered under the bytes
// that tell them. A point that is not remembered, or has more to it than a number, takes the way of
// the generated types, and so do all other metrics.
type wire struct {
	seeds    [2]maphash.Seed
	sets     [][ways]slot
	resource []byte // of the metrics being read
	scope    []byte
	entered  bool   // the decoder has been told of them
	context  []byte // of the points being read: who sends, and hashes of all but their attributes
	key      []byte
	head     head
}

// A slot remembers the dimensions of a series under the hashes of its bytes. Nobody outside can know
// the seeds, so equal hashes mean equal bytes.
type slot struct {
	a, b  uint64
	start uint64 // start time that the store has; 0 is not known
	dims  chunk.Dimensions
}

// A head is what a metric says beside its points.
type head struct {
	name, description, unit string
}

// GetName returns the name.
func (h *head) GetName() string { return h.name }

// GetDescription returns the description.
func (h *head) GetDescription() string { return h.description }

// GetUnit returns the unit.
func (h *head) GetUnit() string { return h.unit }

// Decode reads a request in protobuf. An error wraps [ErrMalformed], [ErrTooLarge], or is that of
// Emit; what was emitted before it stays.
func (d *Decoder) Decode(data []byte) (Result, error) {
	left := maxMessages
	if err := survey(data, request, 1, &left); err != nil {
		return Result{}, err
	}
	if d.wire.sets == nil {
		d.wire.sets = make([][ways]slot, sets)
		d.wire.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	d.begin()
	for rm := range fields(data, 1) {
		if err := d.resourceBytes(rm); err != nil {
			return d.result, err
		}
	}
	return d.result, d.flush()
}

// fields calls yield with each message or string in a field of m, which the survey has passed.
func fields(m []byte, field protowire.Number) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(m) > 0 {
			number, typ, n := protowire.ConsumeTag(m)
			k := protowire.ConsumeFieldValue(number, typ, m[n:])
			if number == field && typ == protowire.BytesType {
				if v, _ := protowire.ConsumeBytes(m[n:]); !yield(v) {
					return
				}
			}
			m = m[n+k:]
		}
	}
}

// joined returns the message in a field of m. In protobuf a message that is there more than once is
// what its bytes are, one behind the other.
func joined(m []byte, field protowire.Number) (out []byte) {
	for v := range fields(m, field) {
		if out == nil {
			out = v[:len(v):len(v)]
		} else {
			out = append(out, v...)
		}
	}
	return out
}

// unmarshal makes a message of bytes that the survey has passed.
func unmarshal(data []byte, m proto.Message) error {
	o := proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxDepth}
	if err := o.Unmarshal(data, m); err != nil {
		return fmt.Errorf("%w: %w", err, ErrMalformed)
	}
	return nil
}

// resourceBytes reads a ResourceMetrics.
func (d *Decoder) resourceBytes(rm []byte) error {
	d.wire.resource = joined(rm, 1)
	for sm := range fields(rm, 2) {
		d.wire.scope, d.wire.entered = joined(sm, 1), false
		d.wire.context = append(d.wire.context[:0], d.Who...)
		d.wire.context = binary.LittleEndian.AppendUint32(d.wire.context, uint32(len(d.Who)))
		d.wire.context = d.wire.hash(d.wire.context, d.wire.resource)
		d.wire.context = d.wire.hash(d.wire.context, d.wire.scope)
		n := len(d.wire.context)
		for m := range fields(sm, 2) {
			d.wire.context = d.wire.context[:n]
			if err := d.metricBytes(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// hash appends the hashes of b to dst.
func (w *wire) hash(dst, b []byte) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, maphash.Bytes(w.seeds[0], b))
	return binary.LittleEndian.AppendUint64(dst, maphash.Bytes(w.seeds[1], b))
}

// enterBytes tells the decoder of the resource and the scope, where it has not been told.
func (d *Decoder) enterBytes() error {
	if d.wire.entered {
		return nil
	}
	var r resourcepb.Resource
	var s commonpb.InstrumentationScope
	if err := unmarshal(d.wire.resource, &r); err != nil {
		return err
	}
	if err := unmarshal(d.wire.scope, &s); err != nil {
		return err
	}
	d.enter(&r, &s)
	d.wire.entered = true
	return nil
}

// metricBytes reads a Metric. All but one gauge or sum is read by the generated types.
func (d *Decoder) metricBytes(m []byte) error {
	h := &d.wire.head
	*h = head{}
	var data []byte
	kind, several := protowire.Number(0), false
	for rest := m; len(rest) > 0; {
		number, typ, n := protowire.ConsumeTag(rest)
		k := protowire.ConsumeFieldValue(number, typ, rest[n:])
		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(rest[n:])
			switch number {
			case 1:
				h.name = string(v)
			case 2:
				h.description = string(v)
			case 3:
				h.unit = string(v)
			case 5, 7, 9, 10, 11:
				several = several || kind != 0
				kind, data = number, v
			}
		}
		rest = rest[n+k:]
	}
	if several || kind != 5 && kind != 7 {
		var whole metricspb.Metric
		if err := unmarshal(m, &whole); err != nil {
			return err
		}
		if err := d.enterBytes(); err != nil {
			return err
		}
		return d.metric(&whole)
	}
	if !utf8.ValidString(h.name) || !utf8.ValidString(h.description) || !utf8.ValidString(h.unit) {
		return fmt.Errorf("a metric's name, description or unit is not UTF-8: %w", ErrMalformed)
	}
	return d.numbersBytes(data, kind == 7)
}

// numbersBytes reads a Gauge or a Sum, whose metric is d.wire.head.
func (d *Decoder) numbersBytes(data []byte, sum bool) error {
	h := &d.wire.head
	d.now = series{metric: h.name}
	if sum {
		temporality, monotonic := uint64(0), false
		for rest := data; len(rest) > 0; {
			number, typ, n := protowire.ConsumeTag(rest)
			k := protowire.ConsumeFieldValue(number, typ, rest[n:])
			if v, _ := protowire.ConsumeVarint(rest[n:]); typ == protowire.VarintType && number == 2 {
				temporality = v
			} else if typ == protowire.VarintType && number == 3 {
				monotonic = v != 0
			}
			rest = rest[n+k:]
		}
		d.sum(h, metricspb.AggregationTemporality(temporality), monotonic)
	} else {
		d.describe(h, "gauge")
	}
	w := &d.wire
	w.key = append(w.key[:0], h.name...)
	if d.now.delta {
		w.key = append(w.key, 0xff) // in no UTF-8
	}
	w.context = w.hash(w.context, w.key)
	for p := range fields(data, 1) {
		if !d.knownNumber(p) {
			if err := d.numberBytes(p); err != nil {
				return err
			}
		}
		if err := d.settle(); err != nil {
			return err
		}
	}
	return d.settle()
}

// A number is a NumberDataPoint, as far as it has nothing but a number.
type number struct {
	time, start, value uint64
	field              protowire.Number // that the value is in: 4, a double, or 6, an integer; 0 is none
	more               bool             // it has flags or exemplars
}

// readNumber reads a NumberDataPoint. It appends the bytes of its attributes to key.
func readNumber(p, key []byte) (number, []byte) {
	var x number
	for len(p) > 0 {
		field, typ, n := protowire.ConsumeTag(p)
		k := protowire.ConsumeFieldValue(field, typ, p[n:])
		switch {
		case typ == protowire.Fixed64Type:
			v := binary.LittleEndian.Uint64(p[n:])
			switch field {
			case 2:
				x.start = v
			case 3:
				x.time = v
			case 4, 6:
				x.value, x.field = v, field
			}
		case typ == protowire.BytesType && field == 7:
			key = append(key, p[n:n+k]...)
		case field == 5 || field == 8:
			x.more = true
		}
		p = p[n+k:]
	}
	return x, key
}

// knownNumber appends the row of a NumberDataPoint, where nothing about it is new or wrong, and
// reports whether it did. Else it has left the hashes of its bytes in d.wire.key.
func (d *Decoder) knownNumber(p []byte) bool {
	w := &d.wire
	var x number
	x, w.key = readNumber(p, append(w.key[:0], w.context...))
	s := w.slot()
	if x.more || x.field == 0 || x.time == 0 || x.time > math.MaxInt64 || d.now.err != nil || s == nil {
		return false
	}
	if d.now.starts && x.start != 0 && x.start <= math.MaxInt64 && x.start != s.start {
		if d.Known == nil {
			return false
		}
		if v, ok := d.Known.Has(d.startKey(s.dims)); !ok || v != x.start {
			return false
		}
		s.start = x.start
	}
	row := d.row(int64(x.time), s.dims, int32(d.result.Points))
	if x.field == 4 {
		row.Kind, row.Floats = chunk.Float64, one(&d.floats, math.Float64frombits(x.value))
	} else {
		row.Kind, row.Ints = chunk.Int64, one(&d.ints, int64(x.value))
	}
	d.pairs += len(s.dims)
	d.result.Points++
	return true
}

// slot returns what is remembered under the bytes in w.key, which become their hashes, or nil.
func (w *wire) slot() *slot {
	n := len(w.key)
	w.key = w.hash(w.key, w.key)
	w.key = w.key[:copy(w.key, w.key[n:])]
	a, b := binary.LittleEndian.Uint64(w.key), binary.LittleEndian.Uint64(w.key[8:])
	set := &w.sets[a%sets]
	for i := range set {
		if s := &set[i]; s.dims != nil && s.a == a && s.b == b {
			return s
		}
	}
	return nil
}

// remember keeps dimensions under the hashes in w.key, where there is room or instead of others.
func (w *wire) remember(dims chunk.Dimensions) {
	a, b := binary.LittleEndian.Uint64(w.key), binary.LittleEndian.Uint64(w.key[8:])
	set := &w.sets[a%sets]
	way := int(b % ways)
	for i := range set {
		if s := &set[i]; s.dims == nil || s.a == a && s.b == b {
			way = i
			break
		}
	}
	set[way] = slot{a: a, b: b, dims: dims}
}

// numberBytes reads a NumberDataPoint by the generated type, and remembers its dimensions under the
// hashes in d.wire.key.
func (d *Decoder) numberBytes(data []byte) error {
	if err := d.enterBytes(); err != nil {
		return err
	}
	p := new(metricspb.NumberDataPoint)
	if err := unmarshal(data, p); err != nil {
		return err
	}
	if d.err != nil {
		d.now.err = d.err
	}
	first := len(d.batch.Rows)
	d.one(p, func(t int64) error { return d.number(p, t) })
	if len(d.batch.Rows) > first {
		d.wire.remember(d.batch.Rows[first].Dimensions)
	}
	return nil
}
