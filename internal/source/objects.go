package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// objects calls f for each of the JSON objects of a body, which f decodes.
func objects(body io.Reader, f func(*json.Decoder) error) error {
	r := &limitedReader{r: body}
	d := json.NewDecoder(r)
	for {
		r.left = maxObject
		err := f(d)
		var syntax *json.SyntaxError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return cut(err)
		case errors.As(err, &syntax):
			return fmt.Errorf("the answer is no JSON: %w", err)
		default:
			return err
		}
	}
}

// A limitedReader fails when it has read more than what is left.
type limitedReader struct {
	r    io.Reader
	left int
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("an object of the answer is longer than %d bytes", maxObject)
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// numbers is a JSON array of numbers as it is written.
type numbers []byte

// UnmarshalJSON keeps the text.
func (n *numbers) UnmarshalJSON(b []byte) error {
	*n = append((*n)[:0], b...)
	return nil
}
