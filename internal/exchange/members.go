package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Members returns the members of a JSON object, the parameters of a request, by name. The error is a
// [*ParameterError]: the body is no object, something follows it, or a name comes twice, which
// encoding/json takes without a word. The members alias nothing of body.
func Members(body []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, noObject(err, "want {")
	}
	members := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil, noObject(err, "want the name of a parameter")
		}
		if _, twice := members[name]; twice {
			return nil, &ParameterError{Name: name, Reason: fmt.Errorf("given more than once, again before offset %d of the body", d.InputOffset())}
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, noObject(err, "")
		}
		members[name] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, noObject(err, "")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, noObject(nil, "something follows it")
	}
	return members, nil
}

func noObject(err error, why string) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends too early")
	case err == nil:
		err = errors.New(why)
	}
	return &ParameterError{Name: "the body", Reason: fmt.Errorf("it is no JSON object: %w", err)}
}
