package jsontext_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/internal/jsontext"
)

// walk prints JSON by what Members and Elements say of it.
func walk(b []byte) (string, error) {
	var out strings.Builder
	var value func(b []byte) error
	value = func(b []byte) (err error) {
		switch {
		case b[0] == '{':
			out.WriteByte('{')
			_, err = jsontext.Members(b, func(name, v []byte) error {
				fmt.Fprintf(&out, "%s=", name)
				return value(v)
			})
			out.WriteByte('}')
		case b[0] == '[':
			out.WriteByte('[')
			_, err = jsontext.Elements(b, value)
			out.WriteByte(']')
		default:
			fmt.Fprintf(&out, "%s;", jsontext.Text(nil, b))
		}
		return err
	}
	b = b[jsontext.Space(b):]
	n := jsontext.Len(b)
	if n == 0 {
		return "", jsontext.ErrSyntax
	}
	err := value(b[:n])
	return out.String(), err
}

func TestWalk(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "{}", ` [ ] `: "[]", `{"a":1,"b" : [ true , "x\ty" , null ]}`: "{a=1;b=[true;x\ty;null;]}",
		`{"a\"":{"ü":-1.5e3}}`: `{a"={ü=-1.5e3;}}`, `"x"`: "x;", `[[],{}]`: "[[]{}]",
	} {
		if got, err := walk([]byte(text)); got != want || err != nil {
			t.Errorf("%s is %s, want %s: %v", text, got, want, err)
		}
	}
	for _, bad := range []string{
		``, `{`, `[`, `[1`, `[1,`, `[1,]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`, `[1 2]`, `"x`, `"\x"`, `{"a\q":1}`,
		strings.Repeat("[", 1000), strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
	} {
		if got, err := walk([]byte(bad)); !errors.Is(err, jsontext.ErrSyntax) {
			t.Errorf("%.40q is %s: %v", bad, got, err)
		}
	}
	for _, b := range []string{"", "1", "[]"} {
		if _, err := jsontext.Members([]byte(b), nil); !errors.Is(err, jsontext.ErrSyntax) {
			t.Errorf("members of %q: %v", b, err)
		}
	}
	if _, err := jsontext.Elements([]byte("{}"), nil); !errors.Is(err, jsontext.ErrSyntax) {
		t.Errorf("elements of an object: %v", err)
	}
	sentinel := errors.New("x")
	if _, err := jsontext.Elements([]byte("[1]"), func([]byte) error { return sentinel }); !errors.Is(err, sentinel) {
		t.Errorf("the error of the caller is %v", err)
	}
}

// Whatever encoding/json takes, within the depth, is walked; the length is that of the text.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x",{"b":null}]}`, `[]`, `"\ud800"`, `{"a" : tru}`, `[1,`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := walk(text)
		if err != nil && !errors.Is(err, jsontext.ErrSyntax) {
			t.Fatal(err)
		}
		depth := strings.Count(string(text), "[") + strings.Count(string(text), "{")
		if json.Valid(text) && depth <= jsontext.MaxDepth && err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if json.Valid(text) && err == nil {
			b := text[jsontext.Space(text):]
			if n := jsontext.Len(b); n+jsontext.Space(b[n:]) != len(b) {
				t.Fatalf("%q is %d bytes long", b, n)
			}
		}
	})
}
