package exchange

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestMembers(t *testing.T) {
	for _, tc := range []struct {
		body string
		want int    // members
		err  string // part of it
	}{
		{`{}`, 0, ""},
		{` {"q":"a","tz":null} ` + "\n", 2, ""},
		{`{"q":{"q":1,"q":2}}`, 1, ""}, // within a member it is the member's matter
		{`{"q":"a","q":"b"}`, 0, "q: given more than once"},
		{`{"q":"a","\u0071":"a"}`, 0, "q: given more than once"},
		{``, 0, "the body: it is no JSON object: it ends too early"},
		{`null`, 0, "it is no JSON object: want {"},
		{`["q"]`, 0, "it is no JSON object: want {"},
		{`{"q":"a"`, 0, "ends too early"},
		{`{"q":}`, 0, "it is no JSON object"},
		{`{"q":1 "r":2}`, 0, "it is no JSON object"},
		{`{1:2}`, 0, "it is no JSON object"},
		{`{"q":1}{"r":2}`, 0, "something follows it"},
		{`{"q":1}]`, 0, "something follows it"},
	} {
		got, err := Members([]byte(tc.body))
		if parameter := (*ParameterError)(nil); tc.err != "" {
			if !errors.As(err, &parameter) || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: %v, want %s", tc.body, err, tc.err)
			}
		} else if err != nil || len(got) != tc.want {
			t.Errorf("%s: %v, %v, want %d members", tc.body, got, err, tc.want)
		}
	}
}

func FuzzMembers(f *testing.F) {
	for _, s := range []string{`{}`, `{"q":"a","q":"b"}`, `{"a":[1,{"b":2}],"c":null} `, `{"a"`, `{1:2}`, `{"a":1,}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := Members(body)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil || len(got) != len(want) {
			t.Fatalf("%q: %v, encoding/json says %v, %v", body, got, want, err)
		}
	})
}
