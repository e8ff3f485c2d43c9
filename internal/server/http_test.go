package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/server"
	"github.com/chronodex/chronodex/shard"
)

// dial connects to the server.
func (r *running) dial() net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Clients that are too slow are left; their connections do not stay.
func TestSlowClients(t *testing.T) {
	r := runConfig(t, flags(t, nil), func(s *server.Server) { s.Impatient(100 * time.Millisecond) })
	for name, sends := range map[string]string{
		"nothing":                    "",
		"half a head":                "GET / HTTP/1.1\r\nHost:",
		"a head without a body":      "POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
		"half a body":                "POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nm v=1",
		"half a body in chunks":      "POST /write HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nm v=1",
		"a body that nobody reads":   "GET /-/ready HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nm",
		"no request after the first": "GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			if _, err := io.WriteString(c, sends); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(c) // until the server closes it
			if err != nil && !strings.Contains(err.Error(), "reset") {
				t.Errorf("%v after %q", err, answer)
			}
			if strings.Contains(string(answer), " 204 ") {
				t.Errorf("answered %q", answer)
			}
		})
	}
	if status, _ := r.get("/-/ready"); status != 200 {
		t.Errorf("ready: %d", status)
	}
}

// A client that does not read its answer does not hold the server.
func TestClientThatDoesNotRead(t *testing.T) {
	r := runConfig(t, flags(t, nil), func(s *server.Server) { s.Impatient(300 * time.Millisecond) })
	var lines strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&lines, "m,host=h%d v=%d %d\n", i%10, i, i)
	}
	if status, body := r.do("POST", "/write", lines.String(), nil); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	c := r.dial()
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, strings.Repeat("GET /v1/query?q=*&format=ndjson HTTP/1.1\r\nHost: a\r\n\r\n", 20)); err != nil {
		t.Fatal(err)
	}
	if err := r.end(); err != nil { // which waits for requests that have begun
		t.Error(err)
	}
}

func TestTooManyConnections(t *testing.T) {
	r := run(t, map[string]string{"limits.connections": "3"})
	held := []net.Conn{r.dial(), r.dial(), r.dial()}
	for _, c := range held { // each is known to the server once it has answered
		if _, err := io.WriteString(c, "GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%v, %v", res, err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(r.dial()), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "limits.connections") {
		t.Errorf("%v: %s", res, body)
	}
}

// Before the store is open, the server tells how far that is.
func TestBeforeTheStoreIsOpen(t *testing.T) {
	c, err := flags(t, nil)()
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Options{Config: c, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/-/healthy": {200, "healthy"},
		"/-/ready":   {503, `"replayed":0,"status":503`},
		"/metrics":   {200, "chronodex_ready 0"},
		"/write":     {503, "the store is being opened"},
		"/v1/query":  {503, "the store is being opened"},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.says) || (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// What was begun when the server is told to end comes to its end, and is there afterwards.
func TestShutdownLosesNothing(t *testing.T) {
	dir := t.TempDir()
	r := run(t, map[string]string{"data": dir})
	c := r.dial()
	line := "m,host=a v=1 1"
	if _, err := fmt.Fprintf(c, "POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", len(line), line[:5]); err != nil {
		t.Fatal(err)
	}
	r.s.WaitRequests(1)
	ended := make(chan error)
	go func() { ended <- r.end() }()
	<-r.s.Done()
	if _, err := io.WriteString(c, line[5:]); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 204 {
		t.Fatalf("the request that had begun: %v, %v", res, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://")); err == nil {
		t.Error("it listens after its end")
	}
	set, err := shard.Open(dir, shard.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = set.Close() }()
	if _, n, err := set.Search(context.Background(), index.All(), 0); n != 1 || err != nil {
		t.Errorf("%d series, %v", n, err)
	}
}

// A request that does not come to its end is cut off.
func TestShutdownIsNotEndless(t *testing.T) {
	r := run(t, map[string]string{"shutdown_timeout": "50ms"})
	c := r.dial()
	if _, err := io.WriteString(c, "POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nm v"); err != nil {
		t.Fatal(err)
	}
	r.s.WaitRequests(1)
	if err := r.end(); err != nil {
		t.Error(err)
	}
}

// certificate writes a certificate for localhost, and returns what trusts it.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return pool
}

// TLS is spoken as the web configuration says, with a certificate that may be replaced.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	trust := certificate(t, dir)
	for _, tc := range []struct {
		config string
		major  int
	}{{"", 2}, {"http_server_config: {http2: false}\n", 1}} {
		file := filepath.Join(dir, "web.yml")
		if err := os.WriteFile(file, []byte(tc.config+"tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		r := run(t, map[string]string{"web.config_file": file})
		ask := func(trust *x509.CertPool) (*http.Response, error) {
			tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true}
			defer tr.CloseIdleConnections()
			res, err := (&http.Client{Transport: tr}).Get("https" + strings.TrimPrefix(r.url, "http") + "/-/ready")
			if err == nil {
				_ = res.Body.Close()
			}
			return res, err
		}
		if res, err := ask(trust); err != nil || res.StatusCode != 200 || res.ProtoMajor != tc.major {
			t.Errorf("%v, %v; want HTTP %d", res, err, tc.major)
		}
		if res, err := http.Get(r.url + "/-/ready"); err != nil || res.StatusCode != 400 {
			t.Errorf("without TLS: %v, %v", res, err)
		}
		old := trust
		trust = certificate(t, dir)
		if res, err := ask(trust); err != nil || res.StatusCode != 200 {
			t.Errorf("with another certificate: %v, %v", res, err)
		}
		if _, err := ask(old); err == nil {
			t.Error("the old certificate is still used")
		}
		if err := r.end(); err != nil {
			t.Error(err)
		}
	}
}
