package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/api"
)

// confined is somebody who sees host a only.
func confined(t *testing.T) *access.Identity {
	t.Helper()
	f, err := index.Parse("host:a")
	if err != nil {
		t.Fatal(err)
	}
	return &access.Identity{Name: "ann", Rights: access.All, Within: f}
}

// TestConfinement asks each route as somebody who may see host a only: nothing that only host b has
// is in any answer.
func TestConfinement(t *testing.T) {
	g := newGate(t)
	s, all := newServer(t, api.Options{Gate: g}, confined(t)), newServer(t, api.Options{Gate: g}, nil)
	asked := map[string]bool{}
	for _, tc := range []struct {
		route, path string
		want        string // that they see of host a; "" where nothing of the store is told
		secret      string // that who is not confined sees; "" where nothing of host b is told
	}{
		{"GET /v1/search", "/v1/search?facet=host&facet=metric", `"total":2`, `"host":"b"`},
		{"GET /v1/search", "/v1/search?selector=host:b", `"total":0`, `"host":"b"`},
		{"GET /v1/search", "/v1/search?selector=beta+OR+host:b+OR+NOT+host:a", `"total":0`, `"host":"b"`},
		{"GET /v1/dimensions", "/v1/dimensions", `{"value":"host","series":2}`, `{"value":"host","series":5}`},
		{"GET /v1/dimensions/{name}/values", "/v1/dimensions/metric/values", `"cpu","series":1`, `"version"`},
		{"GET /v1/complete", "/v1/complete?prefix=v", `[]`, `"version"`},
		{"GET /v1/complete", "/v1/complete?prefix=c", `"text":"cpu"`, `"series":2`},
		{"GET /v1/query", "/v1/query?q=*", `"values":[1,2,"NaN"]`, "3.25"},
		{"GET /v1/query", "/v1/query?q=" + url.QueryEscape("* | count by nothing"), `"value":4`, `"value":9`},
		{"GET /v1/query", "/v1/query?q=" + url.QueryEscape("(host:a | count by nothing) + (host:b | count by nothing)"), `"result":[`, `"value":9`},
		{"POST /v1/query", "/v1/query?q=*&format=csv", ",a,cpu,", ",b,cpu,"},
		{"GET /v1/explain", "/v1/explain?q=*&analyze=true", `"series":2`, `"series":5`},
		{"POST /v1/explain", "/v1/explain?q=*&analyze=true", `"series":2`, `"series":5`},
		{"GET /v1/export", "/v1/export?selector=*", `"host":"a"`, `"host":"b"`},
		{"GET /v1/export", "/v1/export?selector=*&format=csv", ",a,cpu", ",b,cpu"},
		{"GET /v1/functions", "/v1/functions", "", ""},
		{"GET /v1/openapi.yaml", "/v1/openapi.yaml", "", ""},
		{"GET /v1/openapi.json", "/v1/openapi.json", "", ""},
		{"GET /v1/status", "/v1/status", `"within":"host:a"`, `"store"`},
		{"DELETE /v1/series", "/v1/series?selector=host:b", `{"series":0}`, ""},
		{"GET /v1/tail", "", "", ""}, // TestTailIsConfined
	} {
		asked[tc.route] = true
		if tc.path == "" {
			continue
		}
		method, _, _ := strings.Cut(tc.route, " ")
		got := ask(t, s, method, tc.path)
		if !strings.Contains(got, tc.want) || tc.secret != "" && strings.Contains(got, tc.secret) {
			t.Errorf("%s %s: a confined one sees %s\nwant %s without %s", method, tc.path, got, tc.want, tc.secret)
		}
		if tc.secret != "" && !strings.Contains(ask(t, all, method, tc.path), tc.secret) {
			t.Errorf("%s %s: nobody sees %s", method, tc.path, tc.secret)
		}
	}
	for _, r := range api.New(api.Options{Gate: g}).Routes() {
		if r.Pattern != "/v1/" && !asked[r.Method+" "+r.Pattern] {
			t.Errorf("%s %s is not asked by a confined one in this test", r.Method, r.Pattern)
		}
	}
}

// ask returns the body of an answer that must be 200.
func ask(t *testing.T, s *httptest.Server, method, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, path, resp.StatusCode, b, err)
	}
	return string(b)
}

func TestTailIsConfined(t *testing.T) {
	g := newGate(t)
	s := newServer(t, api.Options{Gate: g}, confined(t))
	x := listen(t, s, "q=*&time=ns", "")
	write(t, g, "b", 1, 1)
	write(t, g, "a", 2, 2)
	e := x.next()
	if strings.Contains(e.data, `"host":"b"`) || !strings.Contains(e.data, `"host":"a"`) {
		t.Fatalf("a confined one hears %s", e.data)
	}
	// Somebody else cannot go on with what they heard.
	other := newServer(t, api.Options{Gate: g}, &access.Identity{Name: "bo", Rights: access.All})
	if e := listen(t, other, "q=*&time=ns", e.id).next(); e.kind != "missed" {
		t.Fatalf("somebody else goes on with %+v", e)
	}
}

func TestRights(t *testing.T) {
	need := map[string]access.Rights{"DELETE": access.Admin, "GET": access.Read, "POST": access.Read}
	for _, r := range api.New(api.Options{Gate: newGate(t)}).Routes() {
		open := r.Pattern == "/v1/" || strings.HasPrefix(r.Pattern, "/v1/openapi.")
		if want := need[r.Method]; !open && r.Need != want || open && r.Need != 0 {
			t.Errorf("%s %s needs %v", r.Method, r.Pattern, r.Need)
		}
	}
	// The gate refuses by itself, whatever the listener does.
	s := newServer(t, api.Options{}, &access.Identity{Name: "wes", Rights: access.Write})
	for _, path := range []string{"search", "dimensions", "dimensions/host/values", "complete", "query?q=*", "explain?q=*&analyze=1", "tail?q=*", "export?selector=*"} {
		if status, body := get(t, s, "/v1/"+path); status != http.StatusForbidden || !strings.Contains(body, `"wes\" may not read: not allowed`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
