package collectd

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/gather"
)

// Why something is refused.
var (
	ErrPacket   = errors.New("malformed datagram")
	ErrSecurity = errors.New("not signed or encrypted by a known user")
	ErrList     = errors.New("not a value list")
	ErrInteger  = errors.New("no integer of 64 bits")
	ErrJSON     = errors.New("not a JSON array of value lists")
)

// Security is what datagrams must have so that they are taken.
type Security int

// The levels of security. Each has what those before it have.
const (
	SecurityNone    Security = iota
	SecuritySign             // signed or encrypted
	SecurityEncrypt          // encrypted
)

// A Decoder gathers the observations of value lists. The zero value takes everything and knows no
// names of values. It is used by one goroutine at a time, and remembers series from batch to batch.
type Decoder struct {
	gather.Rows
	Types    Types             // names of values in datagrams
	Users    map[string]string // passwords of those who sign and encrypt
	Security Security

	list  list
	json  object
	key   []byte
	plain []byte // of a part that was encrypted
}

// A list is a value list, or what is known of the next one. Its texts alias what is read.
type list struct {
	id    [identity][]byte // by the indexes below
	time  int64            // Unix nanoseconds; 0 is none
	names [][]byte         // of the values; may be none
}

// What identifies a value list.
const (
	host = iota
	plugin
	pluginInstance
	typ
	typeInstance
	identity // how many there are
)

// A value is one value of a list.
type value struct {
	kind chunk.Kind // 0 where it is none
	f    float64
	i    int64
}

func gauge(v float64) value {
	if math.IsNaN(v) {
		return value{}
	}
	return value{kind: chunk.Float64, f: v}
}

func integer(v int64) value { return value{kind: chunk.Int64, i: v} }

// begin checks the list in hand and makes the key of its series.
func (d *Decoder) begin(now int64) error {
	for _, i := range []int{host, plugin, typ} {
		if len(d.list.id[i]) == 0 {
			return fmt.Errorf("no %s: %w", [identity]string{host: "host", plugin: "plugin", typ: "type"}[i], ErrList)
		}
	}
	if d.list.time == 0 {
		d.list.time = now
	}
	d.key = d.key[:0]
	for _, s := range d.list.id {
		d.key = append(append(d.key, s...), 0)
	}
	return nil
}

// add adds value i of the n of the list in hand, after begin.
func (d *Decoder) add(v value, i, n int) error {
	if v.kind == 0 {
		return nil
	}
	size := len(d.key)
	defer func() { d.key = d.key[:size] }()
	if n > 1 {
		d.key = d.name(d.key, i, n)
	}
	s := d.Lookup(d.key, v.kind)
	if s == nil {
		var err error
		if s, err = d.Define(d.key, v.kind, d.dimensions(string(d.key[size:]))); err != nil {
			return err
		}
	}
	if v.kind == chunk.Float64 {
		d.Float(s, d.list.time, v.f)
	} else {
		d.Int(s, d.list.time, v.i)
	}
	return nil
}

// name appends the name of value i of n to dst.
func (d *Decoder) name(dst []byte, i, n int) []byte {
	if len(d.list.names) == n && len(d.list.names[i]) > 0 {
		return append(dst, d.list.names[i]...)
	}
	if names := d.Types[string(d.list.id[typ])]; len(names) == n {
		return append(dst, names[i]...)
	}
	return strconv.AppendInt(dst, int64(i), 10)
}

// dimensions returns those of the list in hand, for the value of a name; those that are empty are
// dropped by who defines the series.
func (d *Decoder) dimensions(name string) []chunk.Dimension {
	id := func(i int) string { return string(d.list.id[i]) }
	metric := id(typ)
	if p := id(plugin); p != metric {
		metric = p + "_" + metric
	}
	return []chunk.Dimension{
		{Name: "host", Value: id(host)},
		{Name: "plugin", Value: id(plugin)},
		{Name: "plugin_instance", Value: id(pluginInstance)},
		{Name: "type", Value: id(typ)},
		{Name: "type_instance", Value: id(typeInstance)},
		{Name: "dsname", Value: name},
		{Name: chunk.MetricName, Value: metric},
	}
}
