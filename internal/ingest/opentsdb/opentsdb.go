package opentsdb

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/internal/jsontext"
	"github.com/chronodex/chronodex/internal/literal"
)

// ErrJSON is wrapped by every error that means: this body is not JSON of data points.
var ErrJSON = errors.New("unable to parse the given JSON")

// A Problem is why a point or a line is refused, in OpenTSDB's words.
type Problem string

// Error returns the words.
func (p Problem) Error() string { return string(p) }

// What can be wrong with a point of JSON.
const (
	ErrNull      Problem = "Unexpected null datapoint encountered in set."
	ErrPoint     Problem = "Not a data point"
	ErrMetric    Problem = "Metric name was empty"
	ErrTimestamp Problem = "Invalid timestamp"
	ErrEmpty     Problem = "Empty value"
	ErrNumber    Problem = "Unable to parse value to a number"
	ErrTags      Problem = "Tags are not an object of strings"
)

// A Decoder gathers data points. The zero value is ready; it is used by one goroutine at a time, and
// remembers series from batch to batch.
type Decoder struct {
	gather.Rows
	// Point is told of each point of JSON, as it is written, and of the series that it is an
	// observation of; or why it was refused. It may be nil.
	Point func(raw []byte, s *gather.Series, refused error)

	number int // of points since the last Reset
	key    []byte
	text   []byte
	pairs  []chunk.Dimension
	words  [][]byte
}

// Reset begins a new batch.
func (d *Decoder) Reset() {
	d.Rows.Reset()
	d.number = 0
}

// JSON reads the body of a request. On error, which wraps [ErrJSON], the batch is not to be used:
// some points of the body may be in it. It keeps nothing of body.
func (d *Decoder) JSON(body []byte) error {
	body = body[jsontext.Space(body):]
	one := func(raw []byte) error {
		d.number++
		s, err := d.point(raw)
		if err != nil {
			d.Refuse(d.number, raw, err)
		}
		if d.Point != nil {
			d.Point(raw, s, err)
		}
		return nil
	}
	n, err := 0, error(nil)
	if len(body) > 0 && body[0] == '[' {
		n, err = jsontext.Elements(body, one)
	} else if n = jsontext.Len(body); n == 0 || body[0] != '{' {
		err = fmt.Errorf("neither an object nor an array: %w", jsontext.ErrSyntax)
	} else {
		err = one(body[:n])
	}
	if err == nil && n+jsontext.Space(body[n:]) < len(body) {
		err = fmt.Errorf("%q follows: %w", gather.Excerpt(body[n:]), jsontext.ErrSyntax)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrJSON, err)
	}
	return nil
}

// point adds one point.
func (d *Decoder) point(raw []byte) (*gather.Series, error) {
	if string(raw) == "null" {
		return nil, ErrNull
	}
	if raw[0] != '{' {
		return nil, ErrPoint
	}
	var metric, stamp, value, tags []byte
	_, err := jsontext.Members(raw, func(name, v []byte) error {
		switch string(name) {
		case "metric":
			metric = v
		case "timestamp":
			stamp = v
		case "value":
			value = v
		case "tags":
			tags = v
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !isScalar(metric) || string(metric) == "null" || string(metric) == `""` {
		return nil, ErrMetric
	}
	t, ok := d.stamp(stamp)
	if !ok {
		return nil, ErrTimestamp
	}
	if !isScalar(value) || string(value) == "null" || string(value) == `""` {
		return nil, ErrEmpty
	}
	d.text = append(d.text[:0], jsontext.Text(d.text, value)...)
	v, ok := parseValue(d.text)
	if !ok {
		return nil, ErrNumber
	}
	d.key = append(append(append(d.key[:0], metric...), 0), tags...)
	s := d.Lookup(d.key, chunk.Float64)
	if s == nil {
		pairs, err := d.dimensions(metric, tags)
		if err != nil {
			return nil, err
		}
		if s, err = d.Define(d.key, chunk.Float64, pairs); err != nil {
			return nil, err
		}
	}
	d.Float(s, t, v)
	return s, nil
}

func isScalar(v []byte) bool { return len(v) > 0 && v[0] != '{' && v[0] != '[' }

// stamp reads a time of JSON.
func (d *Decoder) stamp(v []byte) (int64, bool) {
	if !isScalar(v) {
		return 0, false
	}
	d.text = append(d.text[:0], jsontext.Text(d.text, v)...)
	return parseStamp(d.text)
}

// parseStamp reads a time after 1970 in seconds or, where it does not fit into 32 bits, milliseconds.
func parseStamp(text []byte) (int64, bool) {
	if n, ok := literal.ParseInt(text); ok && n > math.MaxUint32 {
		return n * int64(time.Millisecond), n <= math.MaxInt64/int64(time.Millisecond)
	}
	t, ok := gather.Seconds(text)
	return t, ok && t > 0
}

// parseValue reads a number that is neither NaN nor infinite.
func parseValue(text []byte) (float64, bool) {
	v, ok := literal.ParseFloat(text)
	return v, ok && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// dimensions returns those of a metric with tags, as JSON has them, valid until the next call.
func (d *Decoder) dimensions(metric, tags []byte) ([]chunk.Dimension, error) {
	d.pairs = append(d.pairs[:0], chunk.Dimension{Name: chunk.MetricName, Value: string(jsontext.Text(nil, metric))})
	if len(tags) == 0 || string(tags) == "null" {
		return d.pairs, nil
	}
	if tags[0] != '{' {
		return nil, ErrTags
	}
	_, err := jsontext.Members(tags, func(name, v []byte) error {
		if !isScalar(v) || string(v) == "null" {
			return ErrTags
		}
		d.pairs = append(d.pairs, chunk.Dimension{Name: gather.TagName(string(name)), Value: string(jsontext.Text(nil, v))})
		return nil
	})
	return d.pairs, err
}

// What a line of telnet may ask for beside put.
type Command int

// The commands.
const (
	Put     Command = iota // the line was a point, or was empty
	Version                // what the server is
	Help                   // which commands there are
	Exit                   // end the connection
)

// Line reads one line of telnet, without its newline. The error of a bad line is what OpenTSDB
// answers, without its newline; the line is refused in the batch, too.
func (d *Decoder) Line(line []byte) (Command, error) {
	d.words = splitWords(d.words[:0], line)
	words := d.words
	if len(words) == 0 {
		return Put, nil
	}
	d.number++
	var err error
	switch string(words[0]) {
	case "put":
		err = d.put(words[1:])
	case "version":
		return Version, nil
	case "help":
		return Help, nil
	case "exit", "quit":
		return Exit, nil
	default:
		err = Problem("unknown command: " + gather.Excerpt(words[0]) + ".  Try `help'.")
	}
	if err != nil {
		d.Refuse(d.number, line, err)
	}
	return Put, err
}

// splitWords appends the words of a line to dst.
func splitWords(dst [][]byte, line []byte) [][]byte {
	for {
		line = bytes.TrimLeft(line, " \t\r")
		if len(line) == 0 {
			return dst
		}
		n := bytes.IndexAny(line, " \t\r")
		if n < 0 {
			n = len(line)
		}
		dst, line = append(dst, line[:n]), line[n:]
	}
}

func illegal(format string, args ...any) error {
	return fmt.Errorf("put: illegal argument: "+format, args...)
}

// put adds metric, timestamp, value and tags.
func (d *Decoder) put(words [][]byte) error {
	if len(words) < 3 {
		return illegal("not enough arguments (need least 3, got %d)", len(words))
	}
	t, ok := parseStamp(words[1])
	if !ok {
		return illegal("invalid timestamp: %s", gather.Excerpt(words[1]))
	}
	v, ok := parseValue(words[2])
	if !ok {
		return fmt.Errorf("put: invalid value: %s", gather.Excerpt(words[2]))
	}
	d.key = append(d.key[:0], words[0]...)
	for _, w := range words[3:] {
		d.key = append(append(d.key, ' '), w...)
	}
	s := d.Lookup(d.key, chunk.Float64)
	if s == nil {
		d.pairs = append(d.pairs[:0], chunk.Dimension{Name: chunk.MetricName, Value: string(words[0])})
		for _, w := range words[3:] {
			k, v, _ := bytes.Cut(w, []byte{'='})
			if len(k) == 0 || len(v) == 0 {
				return illegal("invalid tag: %s", gather.Excerpt(w))
			}
			d.pairs = append(d.pairs, chunk.Dimension{Name: gather.TagName(string(k)), Value: string(v)})
		}
		var err error
		if s, err = d.Define(d.key, chunk.Float64, d.pairs); err != nil {
			return illegal("%w", err)
		}
	}
	d.Float(s, t, v)
	return nil
}
