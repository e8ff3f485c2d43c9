package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/chronodex/chronodex/internal/server"
)

// The secrets of those who ask in the tests.
const (
	readerSecret = "secret-of-reader"
	writerSecret = "secret-of-writer"
	northSecret  = "secret-of-north"
	adminSecret  = "secret-of-admin"
	adaPassword  = "password of ada"
	bobPassword  = "password of bob"
)

// guarded starts a server that has tokens of all kinds, and users.
func guarded(t *testing.T, more string) *running {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hash := func(password string) string {
		h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(h)
	}
	sum := sha256.Sum256([]byte(adminSecret))
	write("writer.token", writerSecret+"\n")
	write("web.yml", fmt.Sprintf("basic_auth_users:\n  ada: %s\n  bob: %s\nhttp_server_config:\n  headers:\n    X-Frame-Options: deny\n", hash(adaPassword), hash(bobPassword)))
	write("c.yaml", fmt.Sprintf(`
listen: {http: "127.0.0.1:0"}
data: %s
web: {config_file: web.yml}
pprof: true
auth:
  tokens:
    - {name: reader, token: %s, rights: [read]}
    - {name: writer, token_file: writer.token, rights: [write]}
    - {name: admin, sha256: %s, rights: [all]}
    - {name: north, token: %s, rights: [read, write], within: "site:north", set: {site: north}}
  users:
    bob: {rights: [read]}
%s`, filepath.Join(dir, "store"), readerSecret, hex.EncodeToString(sum[:]), northSecret, more))
	return runConfig(t, func() (*server.Config, error) {
		return server.Load(server.Sources{File: filepath.Join(dir, "c.yaml")})
	})
}

func bearer(secret string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + secret}
}

func basic(user, password string) map[string]string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return map[string]string{"Authorization": r.Header.Get("Authorization")}
}

// Each route lets in those who have the right that it needs, and nobody else.
func TestWhoMayDoWhat(t *testing.T) {
	r := guarded(t, "")
	type route struct{ method, path, body string }
	open, read, write, admin := route{"GET", "/-/ready", ""}, route{"GET", "/v1/dimensions", ""}, route{"POST", "/write", "m v=1"}, route{"POST", "/-/reload", ""}
	routes := []route{open, {"GET", "/-/healthy", ""}, read, {"GET", "/metrics", ""}, {"GET", "/version", ""}, write, admin, {"GET", "/debug/pprof/cmdline", ""}}
	rank := func(x route) string {
		switch {
		case strings.HasPrefix(x.path, "/-/") && x != admin:
			return "open"
		case x == write:
			return "write"
		case x == admin || strings.HasPrefix(x.path, "/debug"):
			return "admin"
		}
		return "read"
	}
	for _, who := range []struct {
		name   string
		header map[string]string
		may    string // what; of the rest: 401 or 403
		others int
	}{
		{"nobody", nil, "open", 401},
		{"a wrong token", bearer("wrong-token"), "open", 401},
		{"an empty token", bearer(""), "open", 401},
		{"the digest of a token", bearer(fmt.Sprintf("%x", sha256.Sum256([]byte(adminSecret)))), "open", 401},
		{"another scheme", map[string]string{"Authorization": "Digest " + adminSecret}, "open", 401},
		{"reader", bearer(readerSecret), "open read", 403},
		{"reader, scheme in small letters", map[string]string{"Authorization": "bearer " + readerSecret}, "open read", 403},
		{"writer, of a file", bearer(writerSecret), "open write", 403},
		{"writer, as InfluxDB 2", map[string]string{"Authorization": "Token " + writerSecret}, "open write", 403},
		{"writer, as InfluxDB 1 by token", map[string]string{"Authorization": "Token any:" + writerSecret}, "open write", 403},
		{"writer, as password", basic("anybody", writerSecret), "open write", 403},
		{"admin, by its digest", bearer(adminSecret), "open read write admin", 0},
		{"ada, a user with all rights", basic("ada", adaPassword), "open read write admin", 0},
		{"ada with the password of bob", basic("ada", bobPassword), "open", 401},
		{"bob, a user who reads", basic("bob", bobPassword), "open read", 403},
		{"eve, no user", basic("eve", adaPassword), "open", 401},
	} {
		for _, x := range routes {
			want := who.others
			if strings.Contains(who.may, rank(x)) {
				want = http.StatusOK
			}
			status, body := r.do(x.method, x.path, x.body, who.header)
			if status == http.StatusNoContent {
				status = http.StatusOK
			}
			if status != want {
				t.Errorf("%s: %s %s: %d %s, want %d", who.name, x.method, x.path, status, body, want)
			}
		}
	}
	if status, body := r.do("GET", "/metrics", "", bearer(adminSecret)); !strings.Contains(body, `chronodex_auth_refused_total{code="403"}`) {
		t.Errorf("%d: refusals are not counted: %s", status, body)
	}
}

// Those who may not come in are told so in the form of the protocol.
func TestHowRefusalsLook(t *testing.T) {
	r := guarded(t, "")
	for _, tc := range []struct {
		method, path string
		header       map[string]string
		status       int
		kind, body   string
	}{
		{"GET", "/v1/search", nil, 401, "application/problem+json", `{"detail":"this needs a token or a password","status":401,"title":"Unauthorized","type":"urn:chronodex:problem:forbidden"}`},
		{"GET", "/v1/search", bearer("wrong"), 401, "application/problem+json", `{"detail":"token or password not known","status":401,"title":"Unauthorized","type":"urn:chronodex:problem:forbidden"}`},
		{"GET", "/v1/search", bearer(writerSecret), 403, "application/problem+json", `{"detail":"writer has not the right to do this","status":403,"title":"Forbidden","type":"urn:chronodex:problem:forbidden"}`},
		{"POST", "/write", nil, 401, "application/json", `{"error":"this needs a token or a password"}`},
		{"POST", "/write", bearer(readerSecret), 403, "application/json", `{"error":"reader has not the right to do this"}`},
		{"POST", "/api/v2/write", bearer("wrong"), 401, "application/json; charset=utf-8", `{"code":"unauthorized","message":"token or password not known"}`},
		{"POST", "/api/v2/write", bearer(readerSecret), 403, "application/json; charset=utf-8", `{"code":"forbidden","message":"reader has not the right to do this"}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, r.url+tc.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range tc.header {
			req.Header.Set(k, v)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 1000)
		n, _ := res.Body.Read(body)
		_ = res.Body.Close()
		if got := strings.TrimSpace(string(body[:n])); res.StatusCode != tc.status || res.Header.Get("Content-Type") != tc.kind || got != tc.body {
			t.Errorf("%s %s: %d %s %s", tc.method, tc.path, res.StatusCode, res.Header.Get("Content-Type"), got)
		}
		if asks := len(res.Header.Values("WWW-Authenticate")); (asks > 0) != (tc.status == 401) {
			t.Errorf("%s %s: %d headers WWW-Authenticate with %d", tc.method, tc.path, asks, tc.status)
		}
		if res.Header.Get("X-Frame-Options") != "deny" {
			t.Errorf("%s: the headers of the web configuration are missing: %v", tc.path, res.Header)
		}
	}
}

// Secrets in URLs are taken where protocols have them there, and elsewhere only when asked for.
func TestSecretsInURLs(t *testing.T) {
	secret := url.QueryEscape(writerSecret)
	for _, tc := range []struct {
		config, path string
		status       int
	}{
		{"", "/write?u=telegraf&p=" + secret, 204},
		{"", "/write?p=" + secret, 204},
		{"", "/write?u=ada&p=" + url.QueryEscape(adaPassword), 204},
		{"", "/write?u=ada&p=wrong", 401},
		{"", "/write?token=" + secret, 401},
		{"", "/v1/write?format=influx&p=" + secret, 401},
		{"  url_token: true", "/write?token=" + secret, 204},
		{"  url_token: true", "/write?token=wrong", 401},
	} {
		r := guarded(t, tc.config)
		if status, body := r.do("POST", tc.path, "m v=1", nil); status != tc.status {
			t.Errorf("%q %s: %d %s, want %d", tc.config, tc.path, status, body, tc.status)
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	}
}

// Who is confined writes and sees only what is within, and its dimensions are given to it.
func TestTenant(t *testing.T) {
	r := guarded(t, "")
	for secret, line := range map[string]string{northSecret: "a,site=south,host=n v=1 1", adminSecret: "a,site=south,host=s v=1 1"} {
		if status, body := r.do("POST", "/write", line, bearer(secret)); status != 204 {
			t.Fatalf("%d %s", status, body)
		}
	}
	for secret, want := range map[string]string{northSecret: "north", adminSecret: "north south", readerSecret: "north south"} {
		status, body := r.do("GET", "/v1/dimensions/site/values", "", bearer(secret))
		for _, site := range []string{"north", "south"} {
			if strings.Contains(body, site) != strings.Contains(want, site) {
				t.Errorf("%s: %d %s, want %s", secret, status, body, want)
			}
		}
	}
}

// What is of the whole store is not for who sees a part of it, whatever their rights.
func TestTenantDoesNotOperate(t *testing.T) {
	const secret = "secret-of-tenant"
	r := run(t, map[string]string{"pprof": "true", "auth.tokens": "[{name: tenant, token: " + secret + ", rights: [all], within: \"site:north\"}]"})
	for _, x := range [][2]string{{"GET", "/metrics"}, {"POST", "/-/reload"}, {"GET", "/debug/pprof/cmdline"}, {"GET", "/v1/backups"}, {"GET", "/v1/backup.tar"}} {
		if status, body := r.do(x[0], x[1], "", bearer(secret)); status != 403 {
			t.Errorf("%v: %d %s", x, status, body)
		}
	}
}

func TestAnonymous(t *testing.T) {
	r := guarded(t, "  anonymous: [read]")
	if status, body := r.get("/v1/dimensions"); status != 200 {
		t.Errorf("reading: %d %s", status, body)
	}
	if status, body := r.do("POST", "/write", "m v=1", nil); status != 401 {
		t.Errorf("writing: %d %s", status, body)
	}
	// Without tokens and users, what is said does not matter: agents that must say something may.
	r = run(t, nil)
	if status, body := r.do("POST", "/write", "m v=1", bearer("anything")); status != 204 {
		t.Errorf("an open server: %d %s", status, body)
	}
	if status, _ := r.do("POST", "/write", "m v=1", map[string]string{"Sec-Fetch-Site": "cross-site"}); status != 403 {
		t.Errorf("a page of another site got %d", status)
	}
}
