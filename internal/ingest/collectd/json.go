package collectd

import (
	"fmt"

	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/internal/jsontext"
	"github.com/chronodex/chronodex/internal/literal"
)

// JSON reads the body of a request; now is the time of value lists without one, in Unix
// nanoseconds. With rates, derives, counters and absolutes are rates, as with StoreRates true. On
// error, which wraps [ErrJSON], the batch is not to be used: some lists of the body may be in it. It
// keeps nothing of body.
func (d *Decoder) JSON(body []byte, now int64, rates bool) error {
	body = body[jsontext.Space(body):]
	number := 0
	n, err := jsontext.Elements(body, func(raw []byte) error {
		number++
		if err := d.object(raw, now, rates); err != nil {
			d.Refuse(number, raw, err)
		}
		return nil
	})
	if err == nil && n+jsontext.Space(body[n:]) < len(body) {
		err = fmt.Errorf("%q follows: %w", gather.Excerpt(body[n:]), jsontext.ErrSyntax)
	}
	d.list = list{names: d.list.names[:0]}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	return nil
}

// An object is a value list as it is written.
type object struct {
	values, kinds [][]byte
}

// object adds one value list: all of its values, or none.
func (d *Decoder) object(raw []byte, now int64, rates bool) error {
	d.list = list{names: d.list.names[:0]}
	o := &d.json
	o.values, o.kinds = o.values[:0], o.kinds[:0]
	if _, err := jsontext.Members(raw, d.member); err != nil {
		return fmt.Errorf("%w: %w", ErrList, err)
	}
	if len(o.values) != len(o.kinds) || len(o.values) == 0 {
		return fmt.Errorf("%d values, %d dstypes: %w", len(o.values), len(o.kinds), ErrList)
	}
	for i, v := range o.values {
		if _, err := numberOf(v, o.kinds[i], rates); err != nil {
			return err
		}
	}
	if err := d.begin(now); err != nil {
		return err
	}
	for i, text := range o.values {
		v, err := numberOf(text, o.kinds[i], rates)
		if err == nil {
			err = d.add(v, i, len(o.values))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// member keeps what a value list says.
func (d *Decoder) member(name, v []byte) error {
	switch string(name) {
	case "host":
		return d.textMember(host, v)
	case "plugin":
		return d.textMember(plugin, v)
	case "plugin_instance":
		return d.textMember(pluginInstance, v)
	case "type":
		return d.textMember(typ, v)
	case "type_instance":
		return d.textMember(typeInstance, v)
	case "time":
		if string(v) == "null" || string(v) == "0" {
			return nil
		}
		t, ok := gather.Seconds(v)
		if !ok {
			return fmt.Errorf("time %q: %w", gather.Excerpt(v), ErrList)
		}
		d.list.time = t
	case "values":
		return elements(&d.json.values, v)
	case "dstypes":
		return elements(&d.json.kinds, v)
	case "dsnames":
		return elements(&d.list.names, v)
	}
	return nil
}

// textMember keeps a text that identifies the list.
func (d *Decoder) textMember(i int, v []byte) error {
	if v[0] != '"' && string(v) != "null" {
		return fmt.Errorf("%q is no string: %w", gather.Excerpt(v), ErrList)
	}
	if v[0] == '"' {
		d.list.id[i] = jsontext.Text(nil, v)
	}
	return nil
}

// elements appends the texts of an array of scalars to dst.
func elements(dst *[][]byte, v []byte) error {
	_, err := jsontext.Elements(v, func(e []byte) error {
		if e[0] == '[' || e[0] == '{' {
			return fmt.Errorf("%q is no value: %w", gather.Excerpt(e), ErrList)
		}
		*dst = append(*dst, jsontext.Text(nil, e))
		return nil
	})
	return err
}

// numberOf reads a value of a kind.
func numberOf(text, kind []byte, rates bool) (value, error) {
	switch string(kind) {
	case "gauge":
	case "derive", "counter", "absolute":
		if string(text) == "null" {
			return value{}, nil
		}
		if rates {
			break
		}
		v, ok := literal.ParseInt(text)
		if !ok {
			return value{}, fmt.Errorf("the %s %q is %w: with StoreRates true, the URL must say ?rates=true", kind, gather.Excerpt(text), ErrInteger)
		}
		return integer(v), nil
	default:
		return value{}, fmt.Errorf("dstype %q: %w", gather.Excerpt(kind), ErrList)
	}
	if string(text) == "null" {
		return value{}, nil
	}
	v, ok := literal.ParseFloat(text)
	if !ok {
		return value{}, fmt.Errorf("%q is no number: %w", gather.Excerpt(text), ErrList)
	}
	return gauge(v), nil
}
