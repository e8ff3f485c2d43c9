package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/chronodex/chronodex/internal/server"
)

// Whatever a file says, it is a configuration or there is a reason why not.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile(filepath.Join("..", "..", "packaging", "chronodex.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add("listen: {http: \":1\"}\nlimits: {body: 1MiB, query_time: 1m30s}\nretention: [{selector: a, age: 1d}]")
	f.Add("retention: &a [*a]\nauth: {tokens: [{name: a, sha256: \"00\"}], users: {a: {}}}")
	f.Add("a: &a [*b]\nb: &b [*a]\n? {}\n: {}\nscrape: [{job_name: a}]")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Load(server.Sources{File: file}); err == nil {
			return
		} else if err.Error() == "" {
			t.Fatalf("no reason for %q", text)
		}
	})
}

// Whatever somebody says to be, they come in only with a secret.
func FuzzCredentials(f *testing.F) {
	c, err := server.Load(server.Sources{Flags: map[string]string{
		"listen.http": "127.0.0.1:0", "data": f.TempDir(), "auth.url_token": "true",
		"auth.tokens": "[{name: a, token: " + adminSecret + ", rights: [all]}]",
	}})
	if err != nil {
		f.Fatal(err)
	}
	s, err := server.New(server.Options{Config: c})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Add("Bearer "+adminSecret, "")
	f.Add("Basic YTpi", "u=a&p=b")
	f.Add("Token a:b", "token="+adminSecret)
	f.Add("bearer", "%")
	f.Fuzz(func(t *testing.T, header, query string) {
		r := httptest.NewRequest("GET", "/version", nil)
		r.Header.Set("Authorization", header)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		values, _ := url.ParseQuery(query)
		knows := header == "" && values.Get("token") == adminSecret || server.SecretIn(header) == adminSecret
		if (w.Code == http.StatusOK) != knows || !knows && w.Code != http.StatusUnauthorized {
			t.Fatalf("%q %q: %d", header, query, w.Code)
		}
	})
}
