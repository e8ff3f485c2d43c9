package promwrite

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
)

// ErrValue is wrapped by every error that means: [AppendExemplars] or [AppendMetadata] did not write
// this.
var ErrValue = errors.New("malformed value")

// An Exemplar is an example of what a series counted, such as the request that a trace tells of.
type Exemplar struct {
	Labels []chunk.Dimension // sorted by name, each once; names are labels, not dimensions
	Value  float64
}

// AppendExemplars appends the exemplars of one series and one stamp to dst, as in
// [{"labels":{"trace_id":"4bf9"},"value":"0.25"}]. Values are strings, as in package literal, since
// JSON has no NaN.
func AppendExemplars(dst []byte, es []Exemplar) []byte {
	dst = append(dst, '[')
	for i, e := range es {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendExemplar(dst, e)
	}
	return append(dst, ']')
}

func appendExemplar(dst []byte, e Exemplar) []byte {
	dst = append(dst, `{"labels":{`...)
	for i, l := range e.Labels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = literal.AppendJSON(dst, l.Name)
		dst = append(dst, ':')
		dst = literal.AppendJSON(dst, l.Value)
	}
	dst = append(dst, `},"value":"`...)
	dst = literal.AppendFloat(dst, e.Value)
	return append(dst, `"}`...)
}

// ParseExemplars reads what [AppendExemplars] wrote. An error wraps [ErrValue].
func ParseExemplars(s string) ([]Exemplar, error) {
	var raw []struct {
		Labels map[string]string `json:"labels"`
		Value  string            `json:"value"`
	}
	if err := json.Unmarshal([]byte(s), &raw); err != nil {
		return nil, fmt.Errorf("exemplars: %w: %w", err, ErrValue)
	}
	out := make([]Exemplar, len(raw))
	for i, r := range raw {
		v, ok := literal.ParseFloat([]byte(r.Value))
		if !ok {
			return nil, fmt.Errorf("exemplar %d: value %q: %w", i, r.Value, ErrValue)
		}
		out[i].Value = v
		for name, value := range r.Labels {
			out[i].Labels = append(out[i].Labels, chunk.Dimension{Name: name, Value: value})
		}
		sortPairs(out[i].Labels)
	}
	return out, nil
}

// Metadata is what is known of a metric beside its series. Empty strings say nothing.
type Metadata struct {
	Type string `json:"type,omitempty"` // counter, gauge, histogram, gaugehistogram, summary, info, stateset
	Help string `json:"help,omitempty"`
	Unit string `json:"unit,omitempty"`
}

// AppendMetadata appends m to dst, as in {"type":"counter","help":"Requests served.","unit":"s"}.
func AppendMetadata(dst []byte, m Metadata) []byte {
	dst = append(dst, '{')
	for _, p := range [...]chunk.Dimension{{Name: "type", Value: m.Type}, {Name: "help", Value: m.Help}, {Name: "unit", Value: m.Unit}} {
		if p.Value == "" {
			continue
		}
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), p.Name...), '"', ':')
		dst = literal.AppendJSON(dst, p.Value)
	}
	return append(dst, '}')
}

// ParseMetadata reads what [AppendMetadata] wrote. An error wraps [ErrValue].
func ParseMetadata(s string) (Metadata, error) {
	var m Metadata
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		return Metadata{}, fmt.Errorf("metadata: %w: %w", err, ErrValue)
	}
	return m, nil
}

// sortPairs sorts pairs by name. They are few, and mostly sorted.
func sortPairs(pairs []chunk.Dimension) {
	for i := 1; i < len(pairs); i++ {
		for j := i; j > 0 && pairs[j].Name < pairs[j-1].Name; j-- {
			pairs[j], pairs[j-1] = pairs[j-1], pairs[j]
		}
	}
}
