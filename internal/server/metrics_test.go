package server_test

import (
	"strings"
	"testing"
)

// What is written and asked is counted in /metrics, by protocol, route and what it read.
func TestMetricsCount(t *testing.T) {
	r := run(t, map[string]string{"limits.queries": "7", "limits.query_time": "90s"})
	for _, body := range []string{"m,host=a v=1 1\nm,host=b v=2 1", "m,host=a v=3 2\nnot a line", "nothing"} {
		r.do("POST", "/write", body, nil)
	}
	if status, body := r.get("/v1/query?q=metric:m_v+|+median+by+host"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	r.get("/v1/query?q=")
	_, body := r.get("/metrics")
	for _, want := range []string{
		"chronodex_observations_stored_total 3",
		"chronodex_store_series 2",
		`chronodex_receive_stored_total{protocol="influx"} 3`,
		`chronodex_receive_refused_total{protocol="influx"} 2`,
		`chronodex_http_requests_total{code="204",route="/write"} 1`,
		`chronodex_http_requests_total{code="400",route="/write"} 2`,
		`chronodex_http_requests_total{code="200",route="/v1/query"} 1`,
		`chronodex_http_request_duration_seconds_count{route="/v1/query"} 2`,
		`chronodex_queries_total{result="ok"} 1`,
		"chronodex_query_observations_total 3",
		"chronodex_query_series_total 2",
		`chronodex_limit{limit="queries"} 7`,
		`chronodex_limit{limit="query_time"} 90`,
		`chronodex_limit{limit="body"} 6.7108864e+07`,
	} {
		if !strings.Contains(body, want+"\n") {
			name, _, _ := strings.Cut(want, "{")
			name, _, _ = strings.Cut(name, " ")
			var has []string
			for line := range strings.Lines(body) {
				if strings.HasPrefix(line, name) {
					has = append(has, line)
				}
			}
			t.Errorf("no %s in\n%s", want, strings.Join(has, ""))
		}
	}
}
