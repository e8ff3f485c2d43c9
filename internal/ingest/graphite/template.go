package graphite

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/chunk"
)

// ErrTemplate is wrapped by every error that means: this is no template.
var ErrTemplate = errors.New("not a template such as 'servers.* .host.metric*'")

// A Template makes dimensions of the parts of a path. It is written as Telegraf and InfluxDB write
// theirs, in up to three words: a filter, the parts, and dimensions of all its series:
//
//	servers.* .host.cpu.metric* site=lon,rack=a1
//
// The filter is a path whose parts may be *; it matches the paths that begin with it, and all where
// there is none. Each part names the dimension that the part of the path becomes; an empty one is
// left out. Parts of one name are put together with dots. metric (or measurement) is the metric's
// name, and metric* what is left of the path; where the template is shorter, what is left belongs to
// the metric all the same. Without a metric, the whole path is the metric's name.
type Template struct {
	filter []string
	parts  []string
	set    []chunk.Dimension
}

// ParseTemplate reads a template. An error wraps [ErrTemplate].
func ParseTemplate(text string) (Template, error) {
	var t Template
	words := strings.Fields(text)
	if n := len(words); n > 1 && strings.Contains(words[n-1], "=") {
		for pair := range strings.SplitSeq(words[n-1], ",") {
			k, v, _ := strings.Cut(pair, "=")
			if k == "" || v == "" {
				return Template{}, fmt.Errorf("%q: %q is no dimension: %w", text, pair, ErrTemplate)
			}
			t.set = append(t.set, chunk.Dimension{Name: k, Value: v})
		}
		words = words[:n-1]
	}
	switch len(words) {
	case 2:
		t.filter = strings.Split(words[0], ".")
		fallthrough
	case 1:
		t.parts = strings.Split(words[len(words)-1], ".")
	default:
		return Template{}, fmt.Errorf("%q has %d words: %w", text, len(words), ErrTemplate)
	}
	for i, p := range t.parts {
		p = strings.Replace(p, "measurement", chunk.MetricName, 1)
		if t.parts[i] = p; strings.Contains(p, "*") && (p != chunk.MetricName+"*" || i < len(t.parts)-1) {
			return Template{}, fmt.Errorf("%q: * is only for metric*, as the last part: %w", text, ErrTemplate)
		}
	}
	return t, nil
}

// matches reports whether the path begins with the filter.
func (t *Template) matches(path []string) bool {
	if len(t.filter) > len(path) {
		return false
	}
	for i, f := range t.filter {
		if f != "*" && f != path[i] {
			return false
		}
	}
	return true
}

// Templates are tried in order; the first that matches a path counts. Where there is none, the path
// is the metric's name.
type Templates []Template

// appendDimensions appends the dimensions of a path to dst.
func (ts Templates) appendDimensions(dst []chunk.Dimension, path string) []chunk.Dimension {
	if len(ts) > 0 {
		parts := strings.Split(path, ".")
		for i := range ts {
			if ts[i].matches(parts) {
				return ts[i].apply(dst, path, parts)
			}
		}
	}
	return append(dst, chunk.Dimension{Name: chunk.MetricName, Value: path})
}

func (t *Template) apply(dst []chunk.Dimension, path string, parts []string) []chunk.Dimension {
	at := len(dst)
	put := func(name, value string) {
		if name == "" || value == "" {
			return
		}
		if i := slices.IndexFunc(dst[at:], func(d chunk.Dimension) bool { return d.Name == name }); i >= 0 {
			dst[at+i].Value += "." + value
			return
		}
		dst = append(dst, chunk.Dimension{Name: name, Value: value})
	}
	metric := slices.ContainsFunc(t.parts, func(p string) bool { return strings.TrimSuffix(p, "*") == chunk.MetricName })
	for i, part := range parts {
		switch {
		case i < len(t.parts):
			put(strings.TrimSuffix(t.parts[i], "*"), part)
		case metric:
			put(chunk.MetricName, part)
		}
	}
	named := func(name string) bool {
		return slices.ContainsFunc(dst[at:], func(d chunk.Dimension) bool { return d.Name == name })
	}
	if !named(chunk.MetricName) {
		put(chunk.MetricName, path)
	}
	for _, d := range t.set {
		if !named(d.Name) {
			dst = append(dst, d)
		}
	}
	return dst
}
