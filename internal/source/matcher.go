package source

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// The kinds of matchers, as prometheus.LabelMatcher numbers them.
const (
	matchEqual    = 0
	matchNotEqual = 1
	matchRegexp   = 2
	matchNotRegex = 3
)

// A matcher is one condition of a selector of Prometheus.
type matcher struct {
	kind        int
	name, value string
}

var matchKinds = []struct {
	text string
	kind int
}{{"=~", matchRegexp}, {"!~", matchNotRegex}, {"!=", matchNotEqual}, {"=", matchEqual}}

// parseMatchers reads selectors such as up, {job="a",host!~"b.*"} or up{job="a"}.
func parseMatchers(texts []string) ([][]matcher, error) {
	var out [][]matcher
	for _, text := range texts {
		ms, err := parseSelector(text)
		if err != nil {
			return nil, fmt.Errorf("selector %s: %w: want one of Prometheus, such as up{job=\"a\"}", text, err)
		}
		out = append(out, ms)
	}
	return out, nil
}

func parseSelector(text string) (out []matcher, err error) {
	rest := strings.TrimSpace(text)
	name, rest, braces := strings.Cut(rest, "{")
	if name = strings.TrimSpace(name); name != "" {
		if !isName(name, true) {
			return nil, fmt.Errorf("%q is no name of a metric", name)
		}
		out = append(out, matcher{matchEqual, promwrite.NameLabel, name})
	}
	if !braces {
		if name == "" {
			return nil, errors.New("it is empty")
		}
		return out, nil
	}
	for {
		rest = strings.TrimSpace(rest)
		if end, ok := strings.CutPrefix(rest, "}"); ok {
			if strings.TrimSpace(end) != "" {
				return nil, fmt.Errorf("%q behind the braces", end)
			}
			if len(out) == 0 {
				return nil, errors.New("it has no condition")
			}
			return out, nil
		}
		var m matcher
		if m, rest, err = parseMatcher(rest); err != nil {
			return nil, err
		}
		out = append(out, m)
		rest = strings.TrimSpace(rest)
		if next, ok := strings.CutPrefix(rest, ","); ok {
			rest = next
		} else if !strings.HasPrefix(rest, "}") {
			return nil, fmt.Errorf("want , or } before %q", rest)
		}
	}
}

func parseMatcher(text string) (m matcher, rest string, err error) {
	end := strings.IndexAny(text, "=!")
	if end < 0 {
		return m, "", fmt.Errorf("%q is no condition", text)
	}
	if m.name = strings.TrimSpace(text[:end]); strings.HasPrefix(m.name, `"`) {
		if m.name, _, err = quoted(m.name); err != nil {
			return m, "", err
		}
	} else if !isName(m.name, false) {
		return m, "", fmt.Errorf("%q is no name of a label", m.name)
	}
	for _, k := range matchKinds {
		after, ok := strings.CutPrefix(text[end:], k.text)
		if !ok {
			continue
		}
		m.kind = k.kind
		m.value, rest, err = quoted(strings.TrimSpace(after))
		return m, rest, err
	}
	return m, "", fmt.Errorf("%q is no condition", text)
}

// isName reports whether text is a name as Prometheus writes it without quotes.
func isName(text string, metric bool) bool {
	for i, c := range text {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || metric && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

// quoted reads a string in quotes, as Go and Prometheus have them, at the head of text.
func quoted(text string) (value, rest string, err error) {
	if text == "" {
		return "", "", errors.New("a value is missing")
	}
	if text[0] == '\'' { // with the escapes of the other ones
		end := 1
		for end < len(text) && text[end] != '\'' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(text) {
			return "", "", fmt.Errorf("%s has no end", text)
		}
		inner := strings.ReplaceAll(strings.ReplaceAll(text[1:end], `\'`, `'`), `"`, `\"`)
		value, err = strconv.Unquote(`"` + inner + `"`)
		return value, text[end+1:], err
	}
	q, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", fmt.Errorf("%s: want a value in quotes", text)
	}
	value, err = strconv.Unquote(q)
	return value, text[len(q):], err
}
