package source

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
	"github.com/chronodex/chronodex/internal/literal"
)

// maxObject is how long one JSON object of an answer may be.
const maxObject = 128 << 20

// victoria reads by VictoriaMetrics' export of JSON lines.
type victoria struct {
	o *Options
	f *fetcher
}

// Spans within which VictoriaMetrics looks at days for what series there are, and not at all of them.
const victoriaWindow = 30 * 24 * time.Hour

// plan leaves out windows of time without any series, where the span does not say where to begin.
func (v *victoria) plan(ctx context.Context) ([]slice, error) {
	if _, err := parseMatchers(v.o.Match); err != nil {
		return nil, err
	}
	span, err := bounded(v.o)
	if err != nil || span.Empty() {
		return nil, err
	}
	if v.o.Span.Start != math.MinInt64 {
		return cutSpan("", span, v.o.Slice), nil
	}
	var out []slice
	for _, w := range cutSpan("", span, victoriaWindow) {
		some, err := hasLabels(ctx, v.f, v.o.Match, w.span)
		if err != nil {
			return nil, err
		}
		if some {
			out = append(out, cutSpan("", w.span, v.o.Slice)...)
		}
	}
	return out, nil
}

// read asks for a slice. Stamps there are of milliseconds, both ends included.
func (v *victoria) read(ctx context.Context, s slice, c *collector) error {
	first, last := ceilDiv(s.span.Start, millisecond), ceilDiv(s.span.End, millisecond)-1
	if first > last {
		return nil
	}
	args := url.Values{
		"start": {fmt.Sprintf("%d.%03d", first/1000, first%1000)}, "end": {fmt.Sprintf("%d.%03d", last/1000, last%1000)},
		"reduce_mem_usage": {"1"}, "max_rows_per_line": {"10000"},
	}
	for _, m := range v.o.Match {
		args.Add("match[]", m)
	}
	if len(v.o.Match) == 0 {
		args.Set("match[]", `{__name__!=""}`)
	}
	resp, err := v.f.do(ctx, request{method: http.MethodGet, path: "api/v1/export", args: args})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	r := bufio.NewReaderSize(resp.Body, 64<<10)
	var text []byte
	for {
		if text, err = readLine(text[:0], r); errors.Is(err, io.EOF) && len(text) == 0 {
			return nil
		}
		if err != nil {
			return cut(err)
		}
		if len(trimSpace(text)) == 0 {
			continue
		}
		var line victoriaLine
		if err := line.parse(text); err != nil {
			return fmt.Errorf("the answer is no line of an export: %.80q: %w", text, err)
		}
		if err := v.line(ctx, &line, c); err != nil {
			return err
		}
	}
}

// readLine appends the next line of r to dst, without its end. A line that has none was cut.
func readLine(dst []byte, r *bufio.Reader) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		if dst = append(dst, part...); len(dst) > maxObject {
			return dst, fmt.Errorf("a line of the answer is longer than %d bytes", maxObject)
		}
		switch {
		case err == nil:
			return dst[:len(dst)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return dst, err
		}
	}
}

// A victoriaLine is a line of an export: up to 10,000 samples of one series.
type victoriaLine struct {
	metric             map[string]string
	values, timestamps []byte // lists, as they are written
}

// parse reads a line. It is JSON but for values: some versions write +Inf, -Inf and NaN without
// quotes, so lists are taken as they are.
func (l *victoriaLine) parse(text []byte) error {
	text = trimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return errors.New("want an object")
	}
	for rest := text[1 : len(text)-1]; len(rest) > 0; {
		name := rest[:valueEnd(rest, ':')]
		if len(name) == len(rest) {
			return fmt.Errorf("want a colon behind %.40q", name)
		}
		rest = rest[len(name)+1:]
		value := rest[:valueEnd(rest, ',')]
		if rest = rest[len(value):]; len(rest) > 0 {
			rest = rest[1:]
		}
		switch value = trimSpace(value); string(trimSpace(name)) {
		case `"metric"`:
			if err := json.Unmarshal(value, &l.metric); err != nil {
				return fmt.Errorf("metric: %w", err)
			}
		case `"values"`:
			l.values = value
		case `"timestamps"`:
			l.timestamps = value
		}
	}
	return nil
}

// valueEnd returns where the first end outside of strings, lists and objects is, or the length.
func valueEnd(text []byte, end byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == end && depth <= 0:
			return i
		}
	}
	return len(text)
}

func (v *victoria) line(ctx context.Context, line *victoriaLine, c *collector) error {
	pairs := make([]chunk.Dimension, 0, len(line.metric))
	for name, value := range line.metric {
		pairs = append(pairs, chunk.Dimension{Name: promwrite.DimensionName(name), Value: value})
	}
	d, err := c.dimensions(pairs)
	if err != nil {
		c.refuse(1, "series refused: %v", err)
		return nil
	}
	s := c.row(d, chunk.Float64)
	s.Floats, err = appendFloats(s.Floats, line.values)
	if err != nil {
		return fmt.Errorf("%v: values: %w", d, err)
	}
	if s.Times, err = appendStamps(s.Times, line.timestamps); err != nil {
		return fmt.Errorf("%v: timestamps: %w", d, err)
	}
	if len(s.Times) != len(s.Floats) {
		return fmt.Errorf("%v: %d values and %d timestamps", d, len(s.Floats), len(s.Times))
	}
	return c.ended(ctx)
}

// elements calls f with each element of a JSON array of scalars.
func elements(list []byte, f func(element []byte) error) error {
	if len(list) == 0 || string(list) == "null" {
		return nil
	}
	if len(list) < 2 || list[0] != '[' || list[len(list)-1] != ']' {
		return errors.New("want a list")
	}
	list = list[1 : len(list)-1]
	for at := 0; at < len(list); {
		begin, quoted := at, false
		for ; at < len(list) && (quoted || list[at] != ','); at++ {
			switch {
			case list[at] == '"':
				quoted = !quoted
			case list[at] == '\\' && quoted:
				at++
			}
		}
		at = min(at, len(list))
		if e := trimSpace(list[begin:at]); len(e) > 0 {
			if err := f(e); err != nil {
				return err
			}
		}
		at++
	}
	return nil
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && b[0] <= ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// appendFloats reads values as VictoriaMetrics writes them: null is NaN.
func appendFloats(dst []float64, list []byte) ([]float64, error) {
	err := elements(list, func(e []byte) error {
		v, ok := literal.ParseFloat(e)
		if !ok {
			switch string(e) {
			case "null", "NaN", `"NaN"`:
				v = math.NaN()
			case "+Inf", "Inf", `"Infinity"`, `"+Inf"`, `"Inf"`:
				v = math.Inf(1)
			case "-Inf", `"-Infinity"`, `"-Inf"`:
				v = math.Inf(-1)
			default:
				return fmt.Errorf("%.40q is no value", e)
			}
		}
		dst = append(dst, v)
		return nil
	})
	return dst, err
}

// appendStamps reads stamps in milliseconds.
func appendStamps(dst []int64, list []byte) ([]int64, error) {
	err := elements(list, func(e []byte) error {
		ms, ok := literal.ParseInt(e)
		at, fits := nanoseconds(ms)
		if !ok || !fits {
			return fmt.Errorf("%.40q is no time in milliseconds", e)
		}
		dst = append(dst, at)
		return nil
	})
	return dst, err
}
