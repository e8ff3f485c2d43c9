package otlp

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// A pair is a dimension that an attribute gives, and the level that it is of.
type pair struct {
	chunk.Dimension
	level string
}

// The levels that attributes are of.
const (
	ofPoint    = "point"
	ofScope    = "scope"
	ofResource = "resource"
)

var errNoKey = errors.New("an attribute has no key")

// appendPairs appends the pairs of attributes to dst, sorted by name and each name once.
func appendPairs(dst []pair, attributes []*commonpb.KeyValue, level string) ([]pair, error) {
	start := len(dst)
	if len(attributes) > chunk.MaxDimensions {
		return dst, fmt.Errorf("%d attributes, at most %d", len(attributes), chunk.MaxDimensions)
	}
	for _, a := range attributes {
		if a.GetKey() == "" {
			return dst, errNoKey
		}
		dst = append(dst, pair{chunk.Dimension{Name: dimensionName(a.GetKey()), Value: text(a.GetValue())}, level})
	}
	return dst[:start+len(tidy(dst[start:]))], nil
}

// tidy sorts pairs by name; of equal names the last one stays, and of empty values none.
func tidy(pairs []pair) []pair {
	byName := func(a, b pair) int { return cmp.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(pairs, byName) {
		slices.SortStableFunc(pairs, byName)
	}
	out := pairs[:0]
	for i, p := range pairs {
		if p.Value != "" && (i+1 == len(pairs) || pairs[i+1].Name != p.Name) {
			out = append(out, p)
		}
	}
	return out
}

// dimensionName returns the dimension of an attribute: metric is taken.
func dimensionName(key string) string {
	if rest, ok := strings.CutPrefix(key, chunk.MetricName); ok && strings.Trim(rest, "_") == "" {
		return key + "_"
	}
	return key
}

// merge appends the pairs of two lists, both sorted by name, to dst, which is then sorted by name.
// Names of outer that inner has too get their level in front.
func merge(dst, inner, outer []pair) []pair {
	start := len(dst)
	i, k, clash := 0, 0, false
	for i < len(inner) && k < len(outer) {
		c := cmp.Compare(inner[i].Name, outer[k].Name)
		if c == 0 {
			clash = true
			break
		}
		if c < 0 {
			dst = append(dst, inner[i])
			i++
		} else {
			dst = append(dst, outer[k])
			k++
		}
	}
	if !clash {
		return append(append(dst, inner[i:]...), outer[k:]...)
	}
	dst = append(append(dst[:start], inner...), outer...)
	renamed := dst[start+len(inner):]
	for i := range renamed {
		p := &renamed[i]
		taken := func(o pair) bool { return o.Name == p.Name }
		for hasName(inner, p.Name) || p.Name != outer[i].Name && (hasName(outer, p.Name) || slices.ContainsFunc(renamed[:i], taken)) {
			p.Name = p.level + "." + p.Name
		}
	}
	slices.SortFunc(dst[start:], func(a, b pair) int { return cmp.Compare(a.Name, b.Name) })
	return dst
}

// hasName reports whether one of pairs, sorted by name, has the name.
func hasName(pairs []pair, name string) bool {
	_, found := slices.BinarySearchFunc(pairs, name, func(p pair, name string) int { return cmp.Compare(p.Name, name) })
	return found
}

// text returns the value of an attribute as a dimension has it; "" is none.
func text(v *commonpb.AnyValue) string {
	if s, ok := v.GetValue().(*commonpb.AnyValue_StringValue); ok {
		return s.StringValue
	}
	if b, ok := v.GetValue().(*commonpb.AnyValue_BytesValue); ok {
		return base64.StdEncoding.EncodeToString(b.BytesValue)
	}
	if d, ok := v.GetValue().(*commonpb.AnyValue_DoubleValue); ok {
		return string(appendDouble(nil, d.DoubleValue))
	}
	if out := appendText(nil, v); string(out) != "null" {
		return string(out)
	}
	return ""
}

// appendText appends v as JSON.
func appendText(dst []byte, v *commonpb.AnyValue) []byte {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return literal.AppendJSON(dst, v.StringValue)
	case *commonpb.AnyValue_BoolValue:
		return strconv.AppendBool(dst, v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.AppendInt(dst, v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		if math.IsNaN(v.DoubleValue) || math.IsInf(v.DoubleValue, 0) {
			return append(appendDouble(append(dst, '"'), v.DoubleValue), '"')
		}
		return appendDouble(dst, v.DoubleValue)
	case *commonpb.AnyValue_BytesValue:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), v.BytesValue), '"')
	case *commonpb.AnyValue_ArrayValue:
		dst = append(dst, '[')
		for i, e := range v.ArrayValue.GetValues() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendText(dst, e)
		}
		return append(dst, ']')
	case *commonpb.AnyValue_KvlistValue:
		return appendMap(dst, v.KvlistValue.GetValues())
	}
	return append(dst, "null"...)
}

// appendMap appends a map as JSON, sorted by key, so that equal maps are equal text.
func appendMap(dst []byte, members []*commonpb.KeyValue) []byte {
	members = slices.Clone(members)
	slices.SortStableFunc(members, func(a, b *commonpb.KeyValue) int { return cmp.Compare(a.GetKey(), b.GetKey()) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(literal.AppendJSON(dst, m.GetKey()), ':')
		dst = appendText(dst, m.GetValue())
	}
	return append(dst, '}')
}

// appendDouble appends a number as JSON has it, and else NaN, Infinity or -Infinity.
func appendDouble(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, "NaN"...)
	case math.IsInf(v, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(v, -1):
		return append(dst, "-Infinity"...)
	}
	return literal.AppendFloat(dst, v)
}
