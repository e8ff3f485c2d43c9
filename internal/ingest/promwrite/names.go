package promwrite

import (
	"slices"
	"strings"

	"github.com/chronodex/chronodex/chunk"
)

// NameLabel is the label in which Prometheus keeps a metric's name.
const NameLabel = "__name__"

// The dimensions that stand in for metric in series which tell of a metric instead of being one.
const (
	ExemplarOf = "exemplar_of"
	MetadataOf = "metadata_of"
	StartOf    = "start_of"
)

// DimensionName returns the dimension that holds a label: metric for __name__, one more underscore
// for metric, metric_ and so on, and else the label itself.
func DimensionName(label string) string {
	switch {
	case label == NameLabel:
		return chunk.MetricName
	case likeMetric(label):
		return label + "_"
	}
	return label
}

// LabelName is the inverse of [DimensionName].
func LabelName(dimension string) string {
	switch {
	case dimension == chunk.MetricName:
		return NameLabel
	case likeMetric(dimension):
		return dimension[:len(dimension)-1]
	}
	return dimension
}

// likeMetric reports whether a name is metric followed by nothing but underscores.
func likeMetric(name string) bool {
	rest, ok := strings.CutPrefix(name, chunk.MetricName)
	return ok && strings.Trim(rest, "_") == ""
}

// AppendLabel appends a label as a dimension; one without a value is none.
func AppendLabel(pairs []chunk.Dimension, name, value string) []chunk.Dimension {
	if value == "" {
		return pairs
	}
	return append(pairs, chunk.Dimension{Name: DimensionName(name), Value: value})
}

// SetLabel sets a label among dimensions, and removes it where value is "".
func SetLabel(pairs []chunk.Dimension, name, value string) []chunk.Dimension {
	name = DimensionName(name)
	at := slices.IndexFunc(pairs, func(p chunk.Dimension) bool { return p.Name == name })
	switch {
	case at < 0 && value != "":
		return append(pairs, chunk.Dimension{Name: name, Value: value})
	case at >= 0 && value != "":
		pairs[at].Value = value
	case at >= 0:
		return slices.Delete(pairs, at, at+1)
	}
	return pairs
}
