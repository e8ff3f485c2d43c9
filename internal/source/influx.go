package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

// influx reads by queries of InfluxDB 1.x.
type influx struct {
	o *Options
	f *fetcher

	units map[string]*measurement // by slice.unit
}

// A measurement is what slices of one are read by.
type measurement struct {
	db, rp, name string
	fields       []influxField
}

// An influxField is a column of a query.
type influxField struct {
	name string
	kind chunk.Kind
	cast string // behind the name
}

// The span of all stamps that InfluxDB has.
var influxSpan = chunk.Span{Start: math.MinInt64 + 2, End: math.MaxInt64 - 1}

// plan finds databases, retention policies, measurements and fields, and cuts time as the source
// does, by its shards.
func (x *influx) plan(ctx context.Context) ([]slice, error) {
	x.units = map[string]*measurement{}
	databases := x.o.Databases
	if len(databases) == 0 {
		rows, err := x.rows(ctx, "", "", "SHOW DATABASES")
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if name := r.text("name"); name != "_internal" {
				databases = append(databases, name)
			}
		}
	}
	keep, err := patterns(x.o.Match)
	if err != nil {
		return nil, err
	}
	shards, err := x.shards(ctx)
	if err != nil {
		return nil, err
	}
	var out []slice
	for _, db := range databases {
		policies, err := x.rows(ctx, db, "", "SHOW RETENTION POLICIES ON "+ident(db))
		if err != nil {
			return nil, err
		}
		measurements, err := x.rows(ctx, db, "", "SHOW MEASUREMENTS")
		if err != nil {
			return nil, err
		}
		for _, p := range policies {
			for _, m := range measurements {
				if !keep(m.text("name")) {
					continue
				}
				some, err := x.measurement(ctx, &measurement{db: db, rp: p.text("name"), name: m.text("name")}, shards)
				if err != nil {
					return nil, err
				}
				out = append(out, some...)
			}
		}
	}
	return out, nil
}

// patterns returns what tells whether a measurement is wanted: by its name, or by a regular
// expression between slashes.
func patterns(match []string) (func(string) bool, error) {
	var all []*regexp.Regexp
	for _, text := range match {
		if len(text) > 1 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
			text = text[1 : len(text)-1]
		} else {
			text = "^" + regexp.QuoteMeta(text) + "$"
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return nil, fmt.Errorf("measurement %s: %w", text, err)
		}
		all = append(all, re)
	}
	return func(name string) bool {
		return len(all) == 0 || slices.ContainsFunc(all, func(re *regexp.Regexp) bool { return re.MatchString(name) })
	}, nil
}

// measurement finds the fields of m, and returns its slices.
func (x *influx) measurement(ctx context.Context, m *measurement, shards map[string][]chunk.Span) ([]slice, error) {
	spans := shards[m.db+"\x00"+m.rp]
	if len(spans) == 0 {
		return nil, nil
	}
	rows, err := x.rows(ctx, m.db, m.rp, "SHOW FIELD KEYS FROM "+ident(m.rp)+"."+ident(m.name))
	if err != nil {
		return nil, err
	}
	types := map[string][]string{}
	var names []string
	for _, r := range rows {
		name := r.text("fieldKey")
		if types[name] == nil {
			names = append(names, name)
		}
		types[name] = append(types[name], r.text("fieldType"))
	}
	for _, name := range names {
		m.fields = append(m.fields, x.columns(m, name, types[name])...)
	}
	if len(m.fields) == 0 {
		return nil, nil
	}
	unit := m.db + "/" + m.rp + "/" + m.name
	x.units[unit] = m
	var out []slice
	for _, span := range spans {
		if span = span.Intersect(x.o.Span).Intersect(influxSpan); !span.Empty() {
			out = append(out, cutSpan(unit, span, x.o.Slice)...)
		}
	}
	return out, nil
}

// columns returns how to ask for a field, whose type may differ from shard to shard of the source.
func (x *influx) columns(m *measurement, name string, types []string) []influxField {
	if len(types) == 1 {
		switch types[0] {
		case "float":
			return []influxField{{name: name, kind: chunk.Float64, cast: "::field"}}
		case "integer", "unsigned":
			return []influxField{{name: name, kind: chunk.Int64, cast: "::field"}}
		case "boolean":
			return []influxField{{name: name, kind: chunk.Bool, cast: "::field"}}
		case "string":
			return []influxField{{name: name, kind: chunk.String, cast: "::field"}}
		}
	}
	var out []influxField
	for _, t := range types {
		switch t {
		case "float":
			out = append(out, influxField{name: name, kind: chunk.Float64, cast: "::float"})
		case "boolean":
			out = append(out, influxField{name: name, kind: chunk.Bool, cast: "::boolean"})
		case "string":
			out = append(out, influxField{name: name, kind: chunk.String, cast: "::string"})
		case "integer", "unsigned":
			if !slices.Contains(types, "float") {
				out = append(out, influxField{name: name, kind: chunk.Int64, cast: "::integer"})
			}
		default:
			x.o.Warn(fmt.Sprintf("field %s of %s: type %s is not known, and left out", name, m.name, t))
		}
	}
	x.o.Warn(fmt.Sprintf("field %s of %s in %s.%s has values of several types (%s): they become several series, integers beside floats become floats",
		name, m.name, m.db, m.rp, strings.Join(types, ", ")))
	return out
}

// shards returns the spans of the source's groups of shards, by database and retention policy.
func (x *influx) shards(ctx context.Context) (map[string][]chunk.Span, error) {
	rows, err := x.rows(ctx, "", "", "SHOW SHARDS")
	if err != nil {
		return nil, err
	}
	out := map[string][]chunk.Span{}
	for _, r := range rows {
		start, err1 := time.Parse(time.RFC3339Nano, r.text("start_time"))
		end, err2 := time.Parse(time.RFC3339Nano, r.text("end_time"))
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("SHOW SHARDS: %w", err)
		}
		key := r.text("database") + "\x00" + r.text("retention_policy")
		span := chunk.Span{Start: start.UnixNano(), End: end.UnixNano()}
		if !slices.Contains(out[key], span) {
			out[key] = append(out[key], span)
		}
	}
	for _, spans := range out {
		slices.SortFunc(spans, func(a, b chunk.Span) int {
			if a.Start < b.Start {
				return -1
			}
			return 1
		})
	}
	return out, nil
}

// ident quotes a name for InfluxQL.
func ident(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(name) + `"`
}

// read asks for a slice: all fields, of each set of tags.
func (x *influx) read(ctx context.Context, s slice, c *collector) error {
	m := x.units[s.unit]
	var q strings.Builder
	q.WriteString("SELECT ")
	for i, f := range m.fields {
		if i > 0 {
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "%s%s AS \"f%d\"", ident(f.name), f.cast, i)
	}
	fmt.Fprintf(&q, " FROM %s.%s WHERE time >= %d AND time < %d GROUP BY *", ident(m.rp), ident(m.name), s.span.Start, s.span.End)
	return x.ask(ctx, m.db, m.rp, q.String(), func(series *influxSeries) error { return x.series(ctx, m, series, c) })
}

// ask sends one statement, and calls f with each part of the answer.
func (x *influx) ask(ctx context.Context, db, rp, q string, f func(*influxSeries) error) error {
	args := url.Values{"q": {q}, "epoch": {"ns"}, "chunked": {"true"}, "chunk_size": {"10000"}}
	if db != "" {
		args.Set("db", db)
	}
	if rp != "" {
		args.Set("rp", rp)
	}
	resp, err := x.f.do(ctx, request{method: http.MethodPost, path: "query", args: args})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return objects(resp.Body, func(d *json.Decoder) error {
		var part struct {
			Results []struct {
				Series []influxSeries
				Error  string
			}
			Error string
		}
		if err := d.Decode(&part); err != nil {
			return err
		}
		for _, r := range part.Results {
			if r.Error != "" {
				part.Error = r.Error
			}
			for i := range r.Series {
				if err := f(&r.Series[i]); err != nil {
					return err
				}
			}
		}
		if part.Error != "" {
			return fmt.Errorf("%.200s: the source says: %s", q, part.Error)
		}
		return nil
	})
}

// An influxSeries is rows of one set of tags.
type influxSeries struct {
	Name    string
	Tags    map[string]string
	Columns []string
	Values  []numbers // rows as they are written
}

// A tableRow is a row of an answer about the source itself.
type tableRow struct {
	columns []string
	cells   [][]byte
}

func (r tableRow) text(column string) string {
	i := slices.Index(r.columns, column)
	if i < 0 || i >= len(r.cells) {
		return ""
	}
	var text string
	if json.Unmarshal(r.cells[i], &text) != nil {
		return string(r.cells[i])
	}
	return text
}

// rows returns all rows of a statement.
func (x *influx) rows(ctx context.Context, db, rp, q string) (out []tableRow, err error) {
	err = x.ask(ctx, db, rp, q, func(s *influxSeries) error {
		for _, row := range s.Values {
			r := tableRow{columns: s.Columns}
			if err := elements(row, func(e []byte) error {
				r.cells = append(r.cells, e)
				return nil
			}); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}
