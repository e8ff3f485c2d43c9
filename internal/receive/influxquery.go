package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/chronodex/chronodex/index"
)

// influxResult is the answer to one statement.
type influxResult struct {
	ID     int            `json:"statement_id"`
	Series []influxSeries `json:"series,omitempty"`
	Error  string         `json:"error,omitempty"`
}

type influxSeries struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Values  [][]any  `json:"values,omitempty"`
}

// errInfluxQL says what is understood of the language.
var errInfluxQL = errors.New("only CREATE DATABASE, CREATE RETENTION POLICY … DURATION INF and SHOW DATABASES are understood here; ask at /v1/query")

// maxInfluxQuery bounds what is asked, in bytes.
const maxInfluxQuery = 1 << 20

// influxQuery answers the statements that senders begin with. A database is a value of the
// dimension db, which is there as soon as something was written to it.
func (r *Receiver) influxQuery(rw http.ResponseWriter, req *http.Request) {
	influxHeaders(rw.Header())
	req.Body = http.MaxBytesReader(rw, req.Body, maxInfluxQuery)
	q := req.FormValue("q")
	if strings.TrimSpace(q) == "" {
		influxV1{}.fail(rw, http.StatusBadRequest, errors.New(`missing required parameter "q"`))
		return
	}
	statements := influxTokens(q)
	body := struct {
		Results []influxResult `json:"results"`
	}{}
	for i, s := range statements {
		run, err := influxStatement(s)
		if err != nil {
			influxV1{}.fail(rw, http.StatusBadRequest, fmt.Errorf("error parsing query: %w", err))
			return
		}
		result := influxResult{ID: i}
		if err := run(req.Context(), r, &result); err != nil {
			result.Error = err.Error()
		}
		body.Results = append(body.Results, result)
	}
	influxJSON(rw, http.StatusOK, body)
}

// influxTokens cuts statements into words: keywords in capitals, and names with their quotes.
func influxTokens(q string) [][]string {
	var all [][]string
	var s []string
	for i := 0; i < len(q); {
		switch c := q[i]; {
		case c == ';':
			if len(s) > 0 {
				all = append(all, s)
			}
			s = nil
			i++
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '"' || c == '\'':
			end := i + 1
			for end < len(q) && q[end] != c {
				if q[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(q))
			s = append(s, q[i:end])
			i = end
		default:
			end := i
			for end < len(q) && !strings.ContainsRune(" \t\n\r;\"'", rune(q[end])) {
				end++
			}
			s = append(s, strings.ToUpper(q[i:end]))
			i = end
		}
	}
	if len(s) > 0 {
		all = append(all, s)
	}
	return all
}

type influxRun = func(context.Context, *Receiver, *influxResult) error

// influxStatement returns what a statement does.
func influxStatement(s []string) (influxRun, error) {
	begins := func(words ...string) bool {
		if len(s) < len(words) {
			return false
		}
		for i, w := range words {
			if s[i] != w && w != "*" {
				return false
			}
		}
		return true
	}
	nothing := func(context.Context, *Receiver, *influxResult) error { return nil }
	switch {
	case begins("CREATE", "DATABASE", "*"), begins("CREATE", "RETENTION", "POLICY", "*", "ON", "*"):
		for i, w := range s[:len(s)-1] {
			if d := s[i+1]; w == "DURATION" && s[max(i-1, 0)] != "SHARD" && d != "INF" && !strings.HasPrefix(d, "0") {
				return nil, fmt.Errorf("nothing is deleted by a policy that a sender creates: configure its DURATION %s as retention: of the server", d)
			}
		}
		return nothing, nil
	case begins("SHOW", "DATABASES") && len(s) == 2:
		return showDatabases, nil
	}
	return nil, errInfluxQL
}

// showDatabases lists the values of the dimension db.
func showDatabases(ctx context.Context, r *Receiver, out *influxResult) error {
	counts, err := r.o.Gate.Values(ctx, index.All(), "db", "", 0)
	if err != nil {
		return err
	}
	s := influxSeries{Name: "databases", Columns: []string{"name"}}
	for _, c := range counts {
		s.Values = append(s.Values, []any{c.Text})
	}
	out.Series = []influxSeries{s}
	return nil
}
