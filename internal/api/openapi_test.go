package api_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/chronodex/chronodex/internal/api"
)

// calls has a request of each documented operation, and of what can go wrong in it.
var calls = map[string][]struct {
	path, kind, body string
	status           int
}{
	"search": {
		{"/v1/search?selector=metric:cpu&limit=1&facet=host&facet=metric&facet_limit=1", "", "", 200},
		{"/v1/search?offset=1", "", "", 200},
		{"/v1/search?selector=host:(a", "", "", 400},
		{"/v1/search?cursor=x", "", "", 400},
	},
	"dimensions": {{"/v1/dimensions?selector=host:a", "", "", 200}, {"/v1/dimensions?selector=(", "", "", 400}},
	"values":     {{"/v1/dimensions/host/values?prefix=a&limit=1&selector=metric:cpu", "", "", 200}, {"/v1/dimensions/host/values?limit=-1", "", "", 400}},
	"complete":   {{"/v1/complete?prefix=c&limit=5", "", "", 200}, {"/v1/complete?limit=x", "", "", 400}},
	"functions":  {{"/v1/functions", "", "", 200}, {"/v1/functions?kind=filter", "", "", 200}, {"/v1/functions?kind=x", "", "", 400}},
	"query": {
		{"/v1/query?q=*", "", "", 200},
		{"/v1/query?q=*%7Ccount&time=ms", "", "", 200},
		{"/v1/query?q=*&format=ndjson&from=-2h&to=now", "", "", 200},
		{"/v1/query?q=*&format=csv&tz=Europe/Berlin", "", "", 200},
		{"/v1/query?q=*&format=table", "", "", 200},
		{"/v1/query?q=*&format=chronodex", "", "", 200},
		{"/v1/query?q=metric:cpu+%7C+meen", "", "", 400},
		{"/v1/query?q=*&tz=x", "", "", 400},
	},
	"queryByPost": {
		{"/v1/query", "application/x-www-form-urlencoded", "q=*&time=s", 200},
		{"/v1/query", "application/json", `{"q":"metric:cpu | mean","from":"-2h"}`, 200},
		{"/v1/query?time=ns", "text/plain", "metric:version | last", 200},
		{"/v1/query", "application/json", `{"q":{}}`, 400},
		{"/v1/query", "application/json", `{"q":"a","q":"b"}`, 400},
		{"/v1/query?tz=UTC", "application/json", `{"q":"a","tz":"UTC"}`, 400},
		{"/v1/query", "application/xml", `<q/>`, 415},
	},
	"explain":       {{"/v1/explain?q=*&analyze=true", "", "", 200}, {"/v1/explain?q=*&format=table", "", "", 200}, {"/v1/explain?q=*&analyze=x", "", "", 400}},
	"explainByPost": {{"/v1/explain", "application/json", `{"q":"* | count","analyze":true}`, 200}, {"/v1/explain", "text/plain", "* | (", 400}},
	"tail":          {{"/v1/tail?q=*&tz=UTC&time=ms", "", "", 200}, {"/v1/tail?q=*&every=100ms&from=-1h", "", "", 200}, {"/v1/tail?q=*&from=-1h", "", "", 400}},
	"export": {
		{"/v1/export?selector=*", "", "", 200},
		{"/v1/export?selector=*&format=csv&from=-2h&to=now&tz=UTC", "", "", 200},
		{"/v1/export?selector=*&format=influx", "", "", 200},
		{"/v1/export?selector=", "", "", 400},
	},
	"status":       {{"/v1/status", "", "", 200}, {"/v1/status?x=y", "", "", 400}},
	"openapiYAML":  {{"/v1/openapi.yaml", "", "", 200}},
	"openapiJSON":  {{"/v1/openapi.json", "", "", 200}},
	"deleteSeries": {{"/v1/series?selector=host:b&from=-2h&to=now&tz=UTC", "", "", 200}, {"/v1/series?selector=", "", "", 400}},
}

// TestDocument holds the document to the handlers of this package: each operation is requested, and
// its answer is as the document says; there is an operation for each route; each parameter is read,
// and each parameter that is read is described. Package server does so with the routes of others.
func TestDocument(t *testing.T) {
	s := newServer(t, api.Options{Version: "test"}, nil)
	_, text := get(t, s, "/v1/openapi.yaml")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, text = get(t, s, "/v1/openapi.json")
	if _, err := openapi3.NewLoader().LoadFromData([]byte(text)); err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: s.URL}}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"application/x-ndjson", "application/yaml", "text/event-stream", "application/vnd.chronodex.result"} {
		openapi3filter.RegisterBodyDecoder(kind, func(r io.Reader, _ http.Header, _ *openapi3.SchemaRef, _ openapi3filter.EncodingFn) (any, error) {
			b, err := io.ReadAll(r)
			return string(b), err
		})
	}
	own, done := map[string]bool{}, map[string]bool{}
	for _, r := range api.New(api.Options{}).Routes() {
		own[r.Method+" "+r.Pattern] = r.Pattern != "/v1/"
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !own[method+" "+path] {
				continue
			}
			if len(calls[op.OperationID]) == 0 {
				t.Errorf("%s %s: no call in this test", method, path)
			}
			if op.OperationID != "deleteSeries" {
				document(t, s.URL, router, method, op.OperationID)
			}
			done[method+" "+path] = true
			compareParameters(t, s.URL, method, path, op)
		}
	}
	document(t, s.URL, router, "DELETE", "deleteSeries") // behind those that need the data
	for route, known := range own {
		if known && !done[route] {
			t.Errorf("%s is not documented", route)
		}
	}
}

// document makes the calls of an operation, and validates the answers.
func document(t *testing.T, base string, router routers.Router, method, operation string) {
	t.Helper()
	for _, c := range calls[operation] {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, method, base+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.kind != "" {
			req.Header.Set("Content-Type", c.kind)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := resp.Body
		if operation == "tail" && resp.StatusCode == http.StatusOK { // it has no end
			body = io.NopCloser(strings.NewReader("retry: 1000\n\n"))
		}
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, c.path, err)
		}
		in := &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
			Status:                 resp.StatusCode, Header: resp.Header, Body: body,
			Options: &openapi3filter.Options{IncludeResponseStatus: true},
		}
		if err := openapi3filter.ValidateResponse(ctx, in); err != nil || resp.StatusCode != c.status {
			t.Errorf("%s %s: status %d, want %d: %v", method, c.path, resp.StatusCode, c.status, err)
		}
		cancel()
		_ = resp.Body.Close()
	}
}

// compareParameters asks with a parameter that there is not: the answer names those that there are.
func compareParameters(t *testing.T, base, method, path string, op *openapi3.Operation) {
	t.Helper()
	var want []string
	for _, p := range op.Parameters {
		if p.Value.In == "query" {
			want = append(want, p.Value.Name)
		}
		if p.Value.Description == "" {
			t.Errorf("%s %s: parameter %s has no description", method, path, p.Value.Name)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, base+strings.ReplaceAll(path, "{name}", "x")+"?zzzzzzzzzzzz=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(body), "there is no such parameter; there are ")
	list, _, _ = strings.Cut(list, `"`)
	got := strings.Split(list, ", ")
	if len(want) == 0 && strings.Contains(string(body), "it takes none") {
		return
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s %s reads %q, and documents %q: %s", method, path, got, want, body)
	}
}
