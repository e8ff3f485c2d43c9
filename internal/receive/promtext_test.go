package receive

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExposition(t *testing.T) {
	at := promNow.UnixNano()
	for name, tc := range map[string]struct {
		method, url, media, body string
		status                   int
		answer                   string
		want                     []string
	}{
		"own, by parameter": {
			"POST", "/v1/write?format=prometheus&set=site=north", "", "up{job=\"a\"} 1\n", 200, `{"stored":1}`,
			[]string{fmt.Sprintf(`{job="a", metric="up", site="north"} float64 %d=1`, at)},
		},
		"own, by media type": {
			"POST", "/v1/write", "application/openmetrics-text; version=1.0.0", "up 1 1.5\n# EOF\n", 200, `{"stored":1}`,
			[]string{`{metric="up"} float64 1500000000=1`},
		},
		"own, bad in part": {
			"POST", "/v1/write?format=prometheus", "", "up 1 1\nup{ 2\nup 3 3\n", 400, `"stored":2,"refused":1,"errors":[{"line":2,`,
			[]string{`{metric="up"} float64 1000000=1 3000000=3`},
		},
		"own, strict": {"POST", "/v1/write?format=prometheus&strict", "", "up 1 1\nup{ 2\n", 400, "malformed exposition", nil},
		"as VictoriaMetrics has it": {
			"POST", "/api/v1/import/prometheus?extra_label=job=b&extra_label=x=y&timestamp=5", "", "up{job=\"a\"} 1\nat 2 7\n", 204, "",
			[]string{`{job="b", metric="at", x="y"} float64 7000000=2`, `{job="b", metric="up", x="y"} float64 5000000=1`},
		},
		"as a push gateway has it": {
			"PUT", "/api/v1/import/prometheus/metrics/job/a%2Fb/instance/i", "", "up 1 1\n", 204, "",
			[]string{`{instance="i", job="a/b", metric="up"} float64 1000000=1`},
		},
		"bad in part": {
			"POST", "/api/v1/import/prometheus", "", "up 1 1\nup{ 2\n", 400, "1 stored, 1 not:\nline 2:", []string{`{metric="up"} float64 1000000=1`},
		},
		"half a label in the path": {"PUT", "/api/v1/import/prometheus/metrics/job/a/b", "", "up 1\n", 400, "pairs of a label and its value", nil},
		"unknown parameter":        {"POST", "/api/v1/import/prometheus?extra=1", "", "up 1\n", 400, `unknown parameter "extra"`, nil},
		"bad extra_label":          {"POST", "/api/v1/import/prometheus?extra_label=x", "", "up 1\n", 400, "want extra_label=NAME=VALUE", nil},
		"bad timestamp":            {"POST", "/api/v1/import/prometheus?timestamp=now", "", "up 1\n", 400, "want milliseconds", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, newProm(t))
			req := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.body))
			if tc.media != "" {
				req.Header.Set("Content-Type", tc.media)
			}
			w := send(t, r, req)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.answer) {
				t.Errorf("got %d %s; want %d %s", w.Code, w.Body, tc.status, tc.answer)
			}
			if diff := cmp.Diff(tc.want, stored(t, set)); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}
