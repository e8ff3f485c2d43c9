package render

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/literal"
	"github.com/chronodex/chronodex/query"
)

// minCell is how narrow a column of text is made before columns are left out.
const minCell = 8

// Clean returns s fit for a terminal: control characters and broken UTF-8 are written as escapes.
func Clean(s string) string {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			q := strconv.QuoteToGraphic(s)
			return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
		}
	}
	return s
}

// width is how many columns of a terminal s takes; wide runes of East Asian scripts count as two.
func width(s string) int {
	n := 0
	for _, r := range s {
		if n++; r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
			r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0x1f300 && r <= 0x1faff) {
			n++
		}
	}
	return n
}

// shorten cuts the middle out of s so that it takes at most n columns: of a path both ends tell most.
func shorten(s string, n int) string {
	if width(s) <= n {
		return s
	}
	if n < 3 {
		return "…"
	}
	r := []rune(s)
	head, tail := (n-1)/3, n-1-(n-1)/3
	for {
		if out := string(r[:head]) + "…" + string(r[max(head, len(r)-tail):]); width(out) <= n || tail == 0 {
			return out
		}
		tail--
	}
}

// number writes v for people: whole numbers of up to 15 digits whole, others with ten digits at
// most. A larger one has an exponent, since zeros would pass for digits of it.
func number(v float64) string {
	if a := math.Abs(v); a < 1e15 && v == math.Trunc(v) || v-v != 0 {
		text := string(literal.AppendFloat(nil, v))
		text, _, _ = strings.Cut(text, "(") // the bits of a NaN are for programs
		return text
	}
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64)
	if err != nil {
		rounded = v
	}
	if math.Abs(rounded) >= 1e15 {
		return strconv.FormatFloat(rounded, 'e', -1, 64)
	}
	return string(literal.AppendFloat(nil, rounded))
}

// cell writes value i of s for people.
func cell(s *chunk.Samples, i int) string {
	switch s.Kind {
	case chunk.Float64:
		return number(s.Floats[i])
	case chunk.String:
		return Clean(s.Strings[i])
	default:
		return string(appendValue(nil, s, i))
	}
}

// single writes the value of a row without stamps.
func single(s *query.ResultSeries) string {
	if s.IsText {
		return Clean(s.Text)
	}
	return number(s.Value)
}

// timeFormat returns the layout that shows all of the stamps with as few decimals as they need.
func timeFormat(columns ...[]int64) string {
	decimals := 0
	for _, times := range columns {
		for _, t := range times {
			for decimals < 9 && t%int64(math.Pow10(9-decimals)) != 0 {
				decimals += 3
			}
		}
	}
	return "2006-01-02 15:04:05.000000000"[:19+min(1, decimals)+decimals]
}

// stampText writes t in a layout, in the zone of the options.
func (o *Options) stampText(t int64, layout string) string {
	if o.Unit > 0 {
		return string(newStampWriter(o, false).append(nil, t))
	}
	return time.Unix(0, t).In(o.Location).Format(layout)
}

// clocksChange reports whether the zone's offset is not the same for all of the stamps, which are
// sorted, so that two of them may look the same without it.
func (o *Options) clocksChange(times []int64) bool {
	if o.Unit > 0 || o.Location == time.UTC {
		return false
	}
	for i := range times {
		_, a := time.Unix(0, times[0]).In(o.Location).Zone()
		if _, b := time.Unix(0, times[i]).In(o.Location).Zone(); a != b {
			return true
		}
	}
	return false
}

// timeHead is the head of the column of stamps.
func (o *Options) timeHead() string {
	if o.Unit > 0 {
		return "time"
	}
	return "time (" + o.Location.String() + ")"
}

// floatsOf returns the values of s as floats; none where it holds strings.
func floatsOf(s *chunk.Samples) []float64 {
	switch s.Kind {
	case chunk.Float64:
		return s.Floats
	case chunk.Int64:
		out := make([]float64, len(s.Ints))
		for i, v := range s.Ints {
			out[i] = float64(v)
		}
		return out
	case chunk.Bool:
		out := make([]float64, len(s.Bools))
		for i, v := range s.Bools {
			if v {
				out[i] = 1
			}
		}
		return out
	}
	return nil
}

// labels tells the rows of a result apart: shared are the dimensions that all have, written once;
// each row is left with the others.
func labels(rows []query.ResultSeries) (shared chunk.Dimensions, rest []chunk.Dimensions) {
	if len(rows) > 1 {
		for _, p := range rows[0].Dimensions {
			same := true
			for i := range rows {
				v, ok := rows[i].Dimensions.Get(p.Name)
				same = same && ok && v == p.Value
			}
			if same {
				shared = append(shared, p)
			}
		}
	}
	rest = make([]chunk.Dimensions, len(rows))
	for i := range rows {
		for _, p := range rows[i].Dimensions {
			if _, ok := shared.Get(p.Name); !ok {
				rest[i] = append(rest[i], p)
			}
		}
	}
	return shared, rest
}

// label writes dimensions for people: the values alone where there is one name, else name=value.
func label(d chunk.Dimensions) string {
	if len(d) == 1 {
		return Clean(d[0].Value)
	}
	parts := make([]string, len(d))
	for i, p := range d {
		parts[i] = Clean(p.Name) + "=" + Clean(p.Value)
	}
	return strings.Join(parts, " ")
}

// pairs writes all of d as name=value.
func pairs(d chunk.Dimensions) string {
	parts := make([]string, len(d))
	for i, p := range d {
		parts[i] = Clean(p.Name) + "=" + Clean(p.Value)
	}
	return strings.Join(parts, "  ")
}
