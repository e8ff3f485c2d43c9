package exchange

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/literal"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// Text is a string of any bytes that survives JSON.
type Text string

// MarshalJSON writes t as package literal does.
func (t Text) MarshalJSON() ([]byte, error) { return literal.AppendJSON(nil, string(t)), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *Text) UnmarshalJSON(b []byte) error {
	out, n := literal.ParseJSON(nil, b)
	if n != len(b) {
		return fmt.Errorf("%.40q is not a string", b)
	}
	*t = Text(out)
	return nil
}

// A Series is the identity of a series as JSON: {"dimensions":{…},"kind":"float64"}.
type Series chunk.Series

// AppendSeries appends s as JSON.
func AppendSeries(dst []byte, s chunk.Series) []byte {
	dst = append(dst, `{"dimensions":{`...)
	for i, p := range s.Dimensions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = literal.AppendJSON(dst, p.Name)
		dst = literal.AppendJSON(append(dst, ':'), p.Value)
	}
	dst = literal.AppendJSON(append(dst, `},"kind":`...), s.Kind.String())
	return append(dst, '}')
}

// MarshalJSON writes s.
func (s Series) MarshalJSON() ([]byte, error) { return AppendSeries(nil, chunk.Series(s)), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Series) UnmarshalJSON(b []byte) error {
	var x struct {
		Dimensions rawObject
		Kind       string
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	for k := chunk.Float64; k <= chunk.String; k++ {
		if k.String() == x.Kind {
			s.Kind = k
		}
	}
	if !s.Kind.Valid() {
		return fmt.Errorf("%q is not a kind", x.Kind)
	}
	var err error
	s.Dimensions, err = chunk.NewDimensions(x.Dimensions...)
	return err
}

// A rawObject is the members of a JSON object of strings, in their order. A map would take two names
// that are not UTF-8 for one.
type rawObject []chunk.Dimension

func (o *rawObject) UnmarshalJSON(b []byte) error {
	*o = nil
	var pair [2][]byte
	k := 0
	for i := 0; i < len(b); i++ { // b is valid JSON
		if b[i] != '"' {
			if b[i] == '{' && i > 0 || b[i] == '[' {
				return fmt.Errorf("%.40q is not an object of strings", b)
			}
			continue
		}
		text, n := literal.ParseJSON(nil, b[i:])
		if n == 0 {
			return fmt.Errorf("%.40q is not a string", b[i:])
		}
		pair[k] = text
		if i += n - 1; k == 1 {
			*o = append(*o, chunk.Dimension{Name: string(pair[0]), Value: string(pair[1])})
		}
		k = 1 - k
	}
	return nil
}

// A Found is the answer of search.
type Found struct {
	Series []Series         `json:"series"`
	Total  int              `json:"total"`            // that match, on all pages
	Cursor string           `json:"cursor,omitempty"` // of the next page; empty on the last one
	Facets map[Text][]Value `json:"facets,omitempty"`
}

// A Value is a text, and the number of series that have it.
type Value struct {
	Value  Text `json:"value"`
	Series int  `json:"series"`
}

// Values makes values of counts.
func Values(counts []shard.Count) []Value {
	out := make([]Value, len(counts))
	for i, c := range counts {
		out[i] = Value{Text(c.Text), c.Count}
	}
	return out
}

// Counts makes counts of values.
func Counts(values []Value) []shard.Count {
	out := make([]shard.Count, len(values))
	for i, v := range values {
		out[i] = shard.Count{Text: string(v.Value), Count: v.Series}
	}
	return out
}

// Names is the answer of dimensions.
type Names struct {
	Dimensions []Value `json:"dimensions"`
}

// ValueList is the answer of the values of one dimension.
type ValueList struct {
	Values []Value `json:"values"`
	More   bool    `json:"more"` // than the limit allowed
}

// A Completion is one way to go on with a text.
type Completion struct {
	Kind   index.CompletionKind `json:"kind"`
	Name   Text                 `json:"name,omitempty"` // of the dimension, for a value
	Text   Text                 `json:"text"`
	Series int                  `json:"series"`
}

// Completions is the answer of complete.
type Completions struct {
	Completions []Completion `json:"completions"`
}

// CompletionsOf makes an answer of completions.
func CompletionsOf(list []index.Completion) *Completions {
	out := &Completions{Completions: make([]Completion, len(list))}
	for i, c := range list {
		out.Completions[i] = Completion{Kind: c.Kind, Name: Text(c.Name), Text: Text(c.Text), Series: c.Count}
	}
	return out
}

// An Explained is the answer of explain.
type Explained struct {
	Plan     *query.Plan  `json:"plan"`
	Text     string       `json:"text"`            // the plan for people
	Stats    *query.Stats `json:"stats,omitempty"` // where the query ran
	Warnings []string     `json:"warnings,omitempty"`
}

// A Deleted is the answer of a deletion.
type Deleted struct {
	Series int64 `json:"series"` // that matched and might have had observations there
}

// A Status is the answer of status.
type Status struct {
	Version  string       `json:"version"`
	Now      time.Time    `json:"now"`
	Started  time.Time    `json:"started"`
	Identity Identity     `json:"identity"`
	Store    *StoreStatus `json:"store,omitempty"` // for who may see it
}

// An Identity is who asks, as status tells them.
type Identity struct {
	Name   string   `json:"name,omitempty"`
	Rights []string `json:"rights"`
	Within Text     `json:"within,omitempty"`
}

// A StoreStatus is [shard.Stats] as JSON.
type StoreStatus struct {
	Shards       int   `json:"shards"`
	Series       int64 `json:"series"`
	Segments     int   `json:"segments"`
	SegmentBytes int64 `json:"segment_bytes"`
	HeadRows     int64 `json:"head_observations"`
	HeadBytes    int64 `json:"head_bytes"`
	LogBytes     int64 `json:"log_bytes"`
	Deletions    int   `json:"deletions"`
	Start        int64 `json:"start_ns"` // of the span that holds all observations
	End          int64 `json:"end_ns"`
}

// StoreStatusOf makes JSON of the figures.
func StoreStatusOf(s shard.Stats) *StoreStatus {
	return &StoreStatus{
		s.Shards, s.Series, s.Segments, s.SegmentBytes, s.HeadRows, s.HeadBytes, s.LogBytes, s.Deletions, s.Span.Start, s.Span.End,
	}
}

// Stats makes figures of JSON.
func (s *StoreStatus) Stats() shard.Stats {
	return shard.Stats{
		Shards: s.Shards, Series: s.Series, Segments: s.Segments, SegmentBytes: s.SegmentBytes, HeadRows: s.HeadRows,
		HeadBytes: s.HeadBytes, LogBytes: s.LogBytes, Deletions: s.Deletions, Span: chunk.Span{Start: s.Start, End: s.End},
	}
}
