package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A question is one of the queries of the Time Series Benchmark Suite about CPUs
// (github.com/timescale/tsbs, cmd/tsbs_generate_queries), in the languages of the systems.
type question struct {
	kind     string
	from, to time.Time
	step     time.Duration // of PromQL; 0 is an instant query at to
	own      string
	promql   string
	influxql string
}

// kinds are the questions, in the order in which they are reported.
var kinds = []string{
	"single-groupby-1-1-1", "single-groupby-5-8-1", "double-groupby-1", "double-groupby-all",
	"cpu-max-all-8", "high-cpu-all", "lastpoint", "groupby-orderby-limit", "smallest",
}

// makeQuestion returns a question of a kind about a load, of hosts and hours by chance.
func makeQuestion(rng *rand.Rand, kind string, l *load) *question {
	q := questionOf(rng, kind, l)
	q.kind = kind
	return q
}

func questionOf(rng *rand.Rand, kind string, l *load) *question {
	switch kind {
	case "single-groupby-1-1-1":
		return groups(rng, l, grouping{"max", 1, 1, time.Hour, time.Minute, false})
	case "single-groupby-5-8-1":
		return groups(rng, l, grouping{"max", 5, 8, time.Hour, time.Minute, false})
	case "double-groupby-1":
		return groups(rng, l, grouping{"mean", 1, 0, 12 * time.Hour, time.Hour, true})
	case "double-groupby-all":
		return groups(rng, l, grouping{"mean", len(cpuFields), 0, 12 * time.Hour, time.Hour, true})
	case "cpu-max-all-8":
		return groups(rng, l, grouping{"max", len(cpuFields), 8, 8 * time.Hour, time.Hour, false})
	case "high-cpu-all":
		q := within(rng, l, 12*time.Hour)
		q.own = "measurement:cpu | where (metric:cpu_usage_user | where > 90) on hostname"
		q.promql, q.step = `{__name__=~"cpu_.+"} and on (hostname) (cpu_usage_user > 90)`, 10*time.Second
		q.influxql = "SELECT * FROM cpu WHERE usage_user > 90.0" + q.span(" AND ")
		return q
	case "lastpoint":
		q := within(rng, l, l.to.Sub(l.from))
		q.own = "measurement:cpu | tail 1"
		q.promql = `{__name__=~"cpu_.+"}`
		q.influxql = `SELECT * FROM cpu GROUP BY "hostname" ORDER BY time DESC LIMIT 1`
		return q
	case "groupby-orderby-limit":
		q := within(rng, l, time.Hour)
		q.own = "metric:cpu_usage_user | max by nothing every 1m | tail 5"
		q.promql = "max(max_over_time(cpu_usage_user[1m]))"
		q.influxql = "SELECT max(usage_user) FROM cpu WHERE time < " + stamp(q.to) + " GROUP BY time(1m) ORDER BY time DESC LIMIT 5"
		q.step, q.from = time.Minute, l.from
		return q
	case "smallest":
		q := within(rng, l, time.Minute)
		host := rng.IntN(l.hosts)
		q.own = fmt.Sprintf("metric:cpu_usage_user hostname:host_%d | last", host)
		q.promql = fmt.Sprintf(`last_over_time(cpu_usage_user{hostname="host_%d"}[1m])`, host)
		q.influxql = fmt.Sprintf(`SELECT last(usage_user) FROM cpu WHERE hostname = 'host_%d'`, host) + q.span(" AND ")
		return q
	}
	return nil
}

// A grouping is a question for windows of some fields of some hosts.
type grouping struct {
	aggregate string
	fields    int
	hosts     int // 0: all
	length    time.Duration
	every     time.Duration
	byHost    bool
}

func groups(rng *rand.Rand, l *load, g grouping) *question {
	q := within(rng, l, g.length)
	q.step = g.every
	fields := cpuFields[:g.fields]
	hosts := rng.Perm(l.hosts)[:min(g.hosts, l.hosts)]
	var own, prom, influx []string
	for _, h := range hosts {
		own = append(own, fmt.Sprintf("host_%d", h))
		prom = append(prom, fmt.Sprintf("host_%d", h))
		influx = append(influx, fmt.Sprintf("hostname = 'host_%d'", h))
	}
	q.own = "metric:(cpu_" + strings.Join(fields, " OR cpu_") + ")"
	q.promql = `{__name__=~"cpu_(` + strings.Join(fields, "|") + `)"`
	where := ""
	if len(hosts) > 0 {
		q.own += " hostname:(" + strings.Join(own, " OR ") + ")"
		q.promql += `,hostname=~"` + strings.Join(prom, "|") + `"`
		where = " AND (" + strings.Join(influx, " OR ") + ")"
	}
	by, promBy, influxBy := "metric", "__name__", fmt.Sprintf("time(%v)", g.every)
	if g.byHost {
		by, promBy, influxBy = by+", hostname", promBy+", hostname", influxBy+", hostname"
	}
	q.own += fmt.Sprintf(" | %s by %s every %v", g.aggregate, by, short(g.every))
	over := map[string]string{"mean": "avg"}[g.aggregate]
	if over == "" {
		over = g.aggregate
	}
	q.promql = fmt.Sprintf("%s(%s_over_time(%s}[%v])) by (%s)", over, over, q.promql, short(g.every), promBy)
	var selected []string
	for _, f := range fields {
		selected = append(selected, g.aggregate+"("+f+")")
	}
	q.influxql = "SELECT " + strings.Join(selected, ", ") + " FROM cpu WHERE " + q.span("") + where + " GROUP BY " + influxBy
	return q
}

// within returns a question about a part of the load's time, by chance.
func within(rng *rand.Rand, l *load, length time.Duration) *question {
	q := &question{from: l.from, to: l.to}
	if room := l.to.Sub(l.from) - length; room > 0 {
		q.from = l.from.Add(time.Duration(rng.Int64N(int64(room)))).Truncate(10 * time.Second)
		q.to = q.from.Add(length)
	}
	return q
}

// span is the condition on time in InfluxQL.
func (q *question) span(head string) string {
	return head + "time >= " + stamp(q.from) + " AND time < " + stamp(q.to)
}

func stamp(t time.Time) string { return "'" + t.Format(time.RFC3339) + "'" }

// short writes a duration without the parts that are zero.
func short(d time.Duration) string {
	s := strings.TrimSuffix(d.String(), "0s")
	return strings.TrimSuffix(s, "0m")
}

func (ours) ask(base string, q *question) (*http.Request, error) {
	return form(base+"/v1/query", url.Values{
		"q": {q.own}, "from": {q.from.Format(time.RFC3339)}, "to": {q.to.Format(time.RFC3339)}, "format": {"json"}, "time": {"ms"},
	})
}

func (victoria) ask(base string, q *question) (*http.Request, error) {
	v := url.Values{"query": {q.promql}}
	if q.step == 0 {
		v.Set("time", strconv.FormatInt(q.to.Unix()-1, 10)) // our end is excluded
		return form(base+"/api/v1/query", v)
	}
	start := q.from.Add(q.step)
	if q.kind == "groupby-orderby-limit" { // PromQL cannot ask for the last five, but for their time
		start = q.to.Add(-4 * q.step)
	}
	v.Set("start", strconv.FormatInt(start.Unix(), 10))
	v.Set("end", strconv.FormatInt(q.to.Unix(), 10))
	v.Set("step", strconv.FormatFloat(q.step.Seconds(), 'f', -1, 64))
	return form(base+"/api/v1/query_range", v)
}

func (influx) ask(base string, q *question) (*http.Request, error) {
	return form(base+"/query", url.Values{"db": {"bench"}, "q": {q.influxql}, "epoch": {"ms"}})
}

func form(target string, v url.Values) (*http.Request, error) {
	return http.NewRequest(http.MethodGet, target+"?"+v.Encode(), nil)
}
