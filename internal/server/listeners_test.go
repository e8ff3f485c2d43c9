package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// To OpenTelemetry's listener one comes in as to HTTP: by TLS, with a token or a password.
func TestGRPCAsksForTokens(t *testing.T) {
	dir := t.TempDir()
	trust := certificate(t, dir)
	file := filepath.Join(dir, "web.yml")
	if err := os.WriteFile(file, []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, map[string]string{
		"web.config_file": file, "listen.otlp_grpc": "127.0.0.1:0",
		"auth.tokens": "[{name: w, token: " + writerSecret + ", rights: [write], set: {site: north}}, {name: r, token: " + readerSecret + ", rights: [read]}]",
	})
	conn, err := grpc.NewClient(r.s.Addr("otlp_grpc").String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: trust})))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := collectorpb.NewMetricsServiceClient(conn)
	point := &metricspb.NumberDataPoint{TimeUnixNano: 1, Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: 1}}
	req := &collectorpb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{
		{Name: "m", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{point}}}},
	}}}}}}
	for authorization, want := range map[string]codes.Code{
		"": codes.Unauthenticated, "Bearer wrong": codes.Unauthenticated, "Bearer " + readerSecret: codes.PermissionDenied,
		"Bearer " + writerSecret: codes.OK, basic("any", writerSecret)["Authorization"]: codes.OK,
	} {
		ctx := t.Context()
		if authorization != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", authorization)
		}
		if _, err := client.Export(ctx, req); status.Code(err) != want {
			t.Errorf("%q: %v, want %v", authorization, err, want)
		}
	}
}

// What listeners without passwords take is written as the token that the configuration names.
func TestListenersWithoutPasswords(t *testing.T) {
	set := map[string]string{
		"auth.tokens":    "[{name: plain, token: secret-of-plain, rights: [write], set: {from: agents}}, {name: r, token: " + readerSecret + ", rights: [read]}]",
		"auth.listeners": "{graphite: plain, opentsdb: plain}",
	}
	for _, name := range []string{"graphite", "graphite_udp", "graphite_pickle", "opentsdb", "collectd"} {
		set["listen."+name] = "127.0.0.1:0"
	}
	r := run(t, set)
	for name, text := range map[string]string{"graphite": "by.graphite 1 1000\n", "opentsdb": "put by.opentsdb 1000 1 a=b\nversion\n"} {
		c, err := net.Dial("tcp", r.s.Addr(name).String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, bufio.NewReader(c)); err != nil { // until it has stored what it read
			t.Fatal(err)
		}
		_ = c.Close()
	}
	udp, err := net.Dial("udp", r.s.Addr("graphite_udp").String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, err := fmt.Fprint(udp, "by.udp 1 1000\n"); err != nil {
		t.Fatal(err)
	}
	for series := 0; series < 3; { // until the datagram has come
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/v1/query?q=*&format=ndjson", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+readerSecret)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%d %s %v", res.StatusCode, body, err)
		}
		series = 0
		for line := range strings.Lines(string(body)) {
			if !strings.Contains(line, `"metric":"by.`) {
				continue
			}
			series++
			if named := !strings.Contains(line, "by.udp"); strings.Contains(line, `"from":"agents"`) != named {
				t.Fatalf("not written as its listener says: %s", line)
			}
		}
	}
}
