package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/query"
)

// maxForm is the most bytes of the body of a question.
const maxForm = 1 << 20

// A call is one request on its way through an endpoint.
type call struct {
	*API
	e    *endpoint
	r    *http.Request
	out  answer
	args url.Values
}

// wrong says what is wrong with a parameter.
func wrong(name, format string, args ...any) error {
	return &exchange.ParameterError{Name: name, Reason: fmt.Errorf(format, args...)}
}

// elsewhere are names that other programs have for parameters of ours.
var elsewhere = map[string]string{
	"query": "q", "start": "from", "since": "from", "end": "to", "until": "to", "timezone": "tz", "zone": "tz", "epoch": "time",
	"precision": "time", "match": "selector", "match[]": "selector", "filter": "selector", "size": "limit", "n": "limit",
}

// readParams gathers the parameters of the URL and of the body, and refuses unknown ones.
func (c *call) readParams() error {
	if len(c.e.params) == 1 && c.e.params[0] == "*" {
		return nil
	}
	args, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return wrong("the URL's parameters", "%w; write %%3B for a semicolon, %%25 for a percent sign", err)
	}
	if c.args = args; c.r.Method == http.MethodPost {
		if err := c.readBody(); err != nil {
			return err
		}
	}
	for name, values := range c.args {
		if !slices.Contains(c.e.params, name) {
			near := nearest(name, c.e.params)
			if meant := elsewhere[name]; slices.Contains(c.e.params, meant) {
				near = meant
			}
			reason := "there is no such parameter; it takes none"
			if len(c.e.params) > 0 {
				reason = "there is no such parameter; there are " + strings.Join(c.e.params, ", ")
			}
			if near != "" {
				reason = fmt.Sprintf("there is no such parameter, did you mean %q?", near)
			}
			return &exchange.ParameterError{Name: name, Near: near, Reason: errors.New(reason)}
		}
		if len(values) > 1 && name != "facet" {
			return wrong(name, "given %d times", len(values))
		}
	}
	return nil
}

// readBody gathers the parameters of a body: a form, a JSON object, or the query as plain text.
func (c *call) readBody() error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, maxForm))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return &exchange.Problem{
				Type: exchange.Parameter, Title: "The body is too large", Status: http.StatusRequestEntityTooLarge,
				Detail: exchange.Text(fmt.Sprintf("the body of a question has at most %d bytes", maxForm)), Limit: maxForm,
			}
		}
		return wrong("the body", "%w", err)
	}
	kind, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		return c.readJSON(body)
	case "text/plain", "application/chronodex":
		c.args.Add("q", string(body))
	case "", "application/x-www-form-urlencoded":
		if text := string(body); text != "" && !strings.Contains(text, "=") { // curl --data-binary 'metric:cpu' says that it is a form
			c.args.Add("q", text)
			return nil
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return wrong("the body", "it is no form: %w; a query by itself is sent as Content-Type: text/plain", err)
		}
		for name, values := range form {
			c.args[name] = append(c.args[name], values...)
		}
	default:
		return &exchange.Problem{
			Type: exchange.Parameter, Title: "The body's type is not understood", Status: http.StatusUnsupportedMediaType,
			Detail: exchange.Text(kind + ": application/x-www-form-urlencoded, application/json and text/plain are understood"),
		}
	}
	return nil
}

// readJSON gathers the members of an object.
func (c *call) readJSON(body []byte) error {
	members, err := exchange.Members(body)
	if err != nil {
		return err
	}
	for name, raw := range members {
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			list = []json.RawMessage{raw}
		}
		for _, one := range list {
			var text exchange.Text
			switch {
			case string(one) == "null":
				continue
			case json.Unmarshal(one, &text) == nil:
			case one[0] == '{' || one[0] == '[':
				return wrong(name, "want a string, a number or a truth value")
			default:
				text = exchange.Text(one)
			}
			c.args.Add(name, string(text))
		}
	}
	return nil
}

// text returns a parameter; "" where it is not given.
func (c *call) text(name string) string {
	if v := c.args[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// count returns a parameter that is a count, def where it is not given.
func (c *call) count(name string, def int) (int, error) {
	text := c.text(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, wrong(name, "%q is not a count", text)
	}
	return n, nil
}

// flag returns a parameter that is a truth value.
func (c *call) flag(name string) (bool, error) {
	switch text := c.text(name); text {
	case "":
		_, given := c.args[name]
		return given, nil
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	default:
		return false, wrong(name, "%q is neither true nor false", text)
	}
}

// selector returns the parameter selector; all series where it is not given.
func (c *call) selector() (index.Filter, error) {
	return exchange.ParseSelector("selector", c.text("selector"))
}

// question returns the parameter q.
func (c *call) question() (*query.Query, error) {
	if c.text("q") == "" {
		return nil, wrong("q", "want a query, such as metric:cpu | mean by host")
	}
	return query.Parse(c.text("q"))
}

// request returns the parameters from, to and tz.
func (c *call) request() (req query.Request, err error) {
	req.Span = chunk.Always
	if req.Location, err = c.zone(); err != nil {
		return req, err
	}
	for _, end := range []struct {
		name string
		at   *int64
	}{{"from", &req.Span.Start}, {"to", &req.Span.End}} {
		if text := c.text(end.name); text != "" {
			if *end.at, err = query.ParseTime(text, c.o.Now(), req.Location); err != nil {
				return req, wrong(end.name, "%w", err)
			}
		}
	}
	if from, to := c.text("from"), c.text("to"); from != "" && to != "" && req.Span.Start >= req.Span.End {
		return req, wrong("from", "%s is not before to, which is %s", from, to)
	}
	return req, nil
}

// zone returns the parameter tz.
func (c *call) zone() (*time.Location, error) {
	name := c.text("tz")
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, wrong("tz", "%w", err)
	}
	return loc, nil
}

// oneOf returns a parameter that is one of the words, the first of them where it is not given.
func (c *call) oneOf(name string, words ...string) (string, error) {
	text := c.text(name)
	switch {
	case text == "":
		return words[0], nil
	case slices.Contains(words, text):
		return text, nil
	}
	near := nearest(text, words)
	return "", &exchange.ParameterError{Name: name, Near: near, Reason: fmt.Errorf("%q is not one of %s", text, strings.Join(words, ", "))}
}

// units are the units of times as integers.
var units = map[string]time.Duration{"rfc3339": 0, "ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second}

// unit returns the parameter time.
func (c *call) unit() (time.Duration, error) {
	word, err := c.oneOf("time", "rfc3339", "ns", "us", "ms", "s")
	return units[word], err
}

// json answers with v.
func (c *call) json(v any) error {
	c.out.w.Header().Set("Content-Type", exchange.JSONType)
	e := json.NewEncoder(&c.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// fail answers with an error: a problem where nothing was sent yet, else an aborted connection, so
// that nobody takes half an answer for a whole one.
func (c *call) fail(err error) {
	p := exchange.ProblemOf(err)
	if p.Status >= http.StatusInternalServerError {
		level := slog.LevelWarn
		if c.out.broken || c.r.Context().Err() != nil { // the client went away: that is no fault of ours
			level = slog.LevelDebug
		}
		c.o.Logger.Log(c.r.Context(), level, "request failed", "method", c.r.Method, "path", c.r.URL.Path, "status", p.Status, "error", err)
	}
	if c.out.begun || p.Type == exchange.Disconnect {
		panic(http.ErrAbortHandler)
	}
	c.out.problem(p)
}

// nearest returns the one of names that text is most like, or "" where none is like it.
func nearest(text string, names []string) string {
	best, least := "", 1+max(1, len(text)/3)
	for _, name := range names {
		if d := distance(text, name); d < least {
			best, least = name, d
		}
	}
	if best != "" {
		return best
	}
	for _, name := range names {
		if len(text) > 1 && (strings.HasPrefix(name, text) || strings.HasPrefix(text, name) && len(name) > 1) {
			return name
		}
	}
	return ""
}

// distance counts the edits from a to b (Levenshtein 1966); of long texts it is their length.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
