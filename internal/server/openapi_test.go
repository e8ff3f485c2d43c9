package server_test

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// documented has requests of the documented operations that package api does not answer, in an order
// in which they succeed.
var documented = []struct {
	method, path, kind, body string
	status                   int
}{
	{"POST", "/v1/write?format=ndjson&set=site=north&strict", "", `{"dimensions":{"metric":"cpu"},"time":1,"value":1}`, 200},
	{"POST", "/v1/write", "application/x-ndjson", "nonsense\n" + `{"dimensions":{"metric":"cpu"},"time":2,"value":1}`, 400},
	{"POST", "/v1/write?precision=s&dimension=host&value=load&time=at&zone=UTC&kind=float64", "text/csv", "at,host,load\n1,a,2\n", 200},
	{"POST", "/v1/write?format=csv&no-header&layout=unix&delimiter=;", "", "1;2\n", 400}, // a semicolon is %3B
	{"POST", "/v1/write?format=csv&no-header=true&layout=unix&delimiter=%3B", "", "1;2\n", 200},
	{"POST", "/v1/write?format=influx", "", "cpu,host=a load=1 1000\n", 200},
	{"POST", "/v1/write", "application/vnd.apache.arrow.stream", "no arrow", 400},
	{"POST", "/v1/write?format=prometheus&strict=true", "", "up 1\n", 200},
	{"POST", "/v1/write", "application/openmetrics-text", "up 1\n# EOF\n", 200},
	{"POST", "/v1/write?format=collectd&rates=false", "", `[{"values":[1],"dstypes":["gauge"],"dsnames":["value"],"time":1,"host":"a","plugin":"load","type":"load"}]`, 200},
	{"POST", "/v1/write?format=csv&zone=UTC&zone=Asia/Tokyo", "", "time,load\n1,2\n", 400},
	{"POST", "/v1/write?format=collectd&set=a=b", "", `[]`, 400},
	{"POST", "/v1/write", "image/png", "x", 415},
	{"POST", "/v1/metrics", "application/json", `{"resourceMetrics":[]}`, 200},
	{"POST", "/v1/metrics", "application/json", `{"resourceMetrics":1}`, 400},
	{"GET", "/v1/backups", "", "", 200},
	{"POST", "/v1/restore", "application/json", `{"selector":"*"}`, 404},
	{"POST", "/v1/backup?name=nightly&keep=2", "", "", 200},
	{"POST", "/v1/backup", "application/json", `{"name":"nightly","full":true}`, 200},
	{"POST", "/v1/backup", "application/json", `{"name":"nightly","name":"weekly"}`, 400},
	{"POST", "/v1/backup?name=weekly", "application/json", `{"name":"nightly"}`, 400},
	{"POST", "/v1/backup?keep=none", "", "", 400},
	{"GET", "/v1/backups?name=nightly&verify=true", "", "", 200},
	{"GET", "/v1/backups?verify=perhaps", "", "", 400},
	{"GET", "/v1/backup.tar", "", "", 200},
	{"GET", "/v1/backup.tar?full=true", "", "", 400},
	{"POST", "/v1/restore", "application/x-www-form-urlencoded", "name=nightly&selector=metric:cpu&from=1970-01-01&to=now&tz=UTC", 200},
	{"POST", "/v1/restore?name=nightly&at=never&selector=*", "", "", 404},
	{"POST", "/v1/restore?name=nightly", "", "", 400},
}

// TestDocument holds the OpenAPI document to the server: the routes below /v1/ are those that it
// describes, and what is answered by other packages than api, which tests its own answers, is as it
// says.
func TestDocument(t *testing.T) {
	r := run(t, map[string]string{"backup.dir": t.TempDir()})
	_, text := r.get("/v1/openapi.yaml")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: r.url}}
	routes := map[string]bool{} // whether each is described
	for _, route := range r.s.Routes() {
		if _, pattern, _ := strings.Cut(route, " "); strings.HasPrefix(pattern, "/v1/") && pattern != "/v1/" {
			routes[route] = false
		}
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if _, ok := routes[method+" "+path]; !ok {
				t.Errorf("%s %s is described, but there is no route", method, path)
			}
			routes[method+" "+path] = true
		}
	}
	for route, described := range routes {
		if !described {
			t.Errorf("%s is not described", route)
		}
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	openapi3filter.RegisterBodyDecoder("application/x-tar", openapi3filter.FileBodyDecoder)
	for _, d := range documented {
		req, err := http.NewRequestWithContext(t.Context(), d.method, r.url+d.path, strings.NewReader(d.body))
		if err != nil {
			t.Fatal(err)
		}
		if d.kind != "" {
			req.Header.Set("Content-Type", d.kind)
		}
		asDocumented(t, router, req, d.status)
	}
}

// asDocumented makes a request, and compares its answer with the document.
func asDocumented(t *testing.T, router routers.Router, req *http.Request, status int) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	route, params, err := router.FindRoute(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 resp.StatusCode, Header: resp.Header, Body: io.NopCloser(strings.NewReader(string(body))),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	})
	if err != nil || resp.StatusCode != status {
		t.Errorf("%s %s: status %d, want %d: %v: %.300q", req.Method, req.URL, resp.StatusCode, status, err, body)
	}
}

// TestDocumentedParameters asks with a parameter that there is not: the answers name those that there
// are, which are those of the document.
func TestDocumentedParameters(t *testing.T) {
	r := run(t, map[string]string{"backup.dir": t.TempDir()})
	_, text := r.get("/v1/openapi.yaml")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile(`\\"([a-z]+)\\"`)
	for _, path := range []string{"/v1/write", "/v1/backup", "/v1/backups", "/v1/restore"} {
		item := doc.Paths.Value(path)
		method, op := "GET", item.Get
		if item.Post != nil {
			method, op = "POST", item.Post
		}
		var want, got []string
		var formats []any
		for _, p := range op.Parameters {
			want = append(want, p.Value.Name)
			if p.Value.Name == "format" {
				formats = p.Value.Schema.Value.Enum
			}
		}
		if path != "/v1/write" {
			_, body := r.do(method, path+"?zzz=1", "", nil)
			_, list, _ := strings.Cut(body, "there are ")
			for _, m := range quoted.FindAllStringSubmatch(list, -1) {
				got = append(got, m[1])
			}
		}
		for _, f := range formats {
			_, body := r.do(method, path+"?zzz=1&format="+f.(string), "", nil)
			_, list, _ := strings.Cut(body, ", only ")
			list, _, _ = strings.Cut(list, `"`)
			got = append(got, strings.Split(list, ", ")...)
		}
		slices.Sort(got)
		slices.Sort(want)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s reads %q, and documents %q", path, got, want)
		}
	}
	_, body := r.do("POST", "/v1/write?format=zzz", "", nil)
	for _, f := range doc.Paths.Value("/v1/write").Post.Parameters.GetByInAndName("query", "format").Schema.Value.Enum {
		body = strings.Replace(body, f.(string), "", 1)
	}
	if rest := regexp.MustCompile(`want one of [ ,]*"`); !rest.MatchString(body) {
		t.Errorf("formats that are not described: %s", body)
	}
}
