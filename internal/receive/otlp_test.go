package receive

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/shard"
)

// gauges is a request with a gauge of each name, at stamp 7; its value is 1.
func gauges(names ...string) *collectorpb.ExportMetricsServiceRequest {
	var metrics []*metricspb.Metric
	for _, name := range names {
		p := &metricspb.NumberDataPoint{TimeUnixNano: 7, Value: &metricspb.NumberDataPoint_AsInt{AsInt: 1}}
		metrics = append(metrics, &metricspb.Metric{Name: name, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{p}}}})
	}
	return &collectorpb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: metrics}}}}}
}

func encode(t testing.TB, m proto.Message) string {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// noMetadata leaves out the series that describe metrics.
func noMetadata(lines []string) (out []string) {
	for _, line := range lines {
		if !strings.HasPrefix(line, "{metadata_of=") {
			out = append(out, line)
		}
	}
	return out
}

func TestOTLPOverHTTP(t *testing.T) {
	bad := gauges("good", "bad")
	bad.ResourceMetrics[0].ScopeMetrics[0].Metrics[1].GetGauge().DataPoints[0].TimeUnixNano = 0
	const small = 2000
	for name, tc := range map[string]struct {
		media, body string
		status      int
		answer      string // as JSON
		want        []string
	}{
		"protobuf":        {otlpProtobuf, encode(t, gauges("m")), 200, `{}`, []string{`{metric="m"} int64 7=1`}},
		"JSON":            {otlpJSON + "; charset=utf-8", protojson.Format(gauges("m")), 200, `{}`, []string{`{metric="m"} int64 7=1`}},
		"nothing":         {otlpProtobuf, "", 200, `{}`, nil},
		"nothing as JSON": {otlpJSON, "{}", 200, `{}`, nil},
		"partly bad": {
			otlpJSON, protojson.Format(bad), 200,
			`{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"metric \"bad\": the time 0 ns is none"}}`,
			[]string{`{metric="good"} int64 7=1`},
		},
		"partly bad, in protobuf": {
			otlpProtobuf, encode(t, bad), 200,
			`{"partialSuccess":{"rejectedDataPoints":"1","errorMessage":"metric \"bad\": the time 0 ns is none"}}`,
			[]string{`{metric="good"} int64 7=1`},
		},
		"no protobuf":  {otlpProtobuf, "\xff", 400, `"code":3`, nil},
		"no JSON":      {otlpJSON, "[]", 400, `"code":3`, nil},
		"too large":    {otlpProtobuf, strings.Repeat("x", small+1), 413, `limits.body`, nil},
		"another type": {"text/plain", "x", 415, `metrics come as`, nil},
		"no type":      {"", "x", 415, `metrics come as`, nil},
	} {
		for _, path := range []string{"/v1/metrics", "/api/v1/otlp/v1/metrics", "/opentelemetry/v1/metrics"} {
			t.Run(name+path, func(t *testing.T) {
				r, set := newStore(t, Options{MaxBody: small})
				req := httptest.NewRequest("POST", path, strings.NewReader(tc.body))
				req.Header.Set("Content-Type", tc.media)
				w := send(t, r, req)
				if w.Code != tc.status {
					t.Errorf("status %d, want %d", w.Code, tc.status)
				}
				got := w.Body.String()
				if w.Header().Get("Content-Type") == otlpProtobuf {
					var m proto.Message = new(collectorpb.ExportMetricsServiceResponse)
					if w.Code >= 400 {
						m = new(statuspb.Status)
					}
					if err := proto.Unmarshal(w.Body.Bytes(), m); err != nil {
						t.Fatal(err)
					}
					got = protojson.MarshalOptions{}.Format(m)
				} else if strings.HasPrefix(tc.media, otlpProtobuf) {
					t.Errorf("the answer is %q", w.Header())
				}
				got = strings.NewReplacer(`: `, `:`, `, `, `,`).Replace(got)
				want := strings.NewReplacer(`: `, `:`, `, `, `,`).Replace(tc.answer)
				if w.Code == 200 && got != want || !strings.Contains(got, want) {
					t.Errorf("answer %s\nwant   %s", got, want)
				}
				if diff := cmp.Diff(tc.want, noMetadata(stored(t, set))); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestOTLPCompressed(t *testing.T) {
	r, set := newStore(t, Options{})
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write([]byte(encode(t, gauges("m")))); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("POST", "/v1/metrics", &body)
	req.Header.Set("Content-Type", otlpProtobuf)
	req.Header.Set("Content-Encoding", "gzip")
	if w := send(t, r, req); w.Code != 200 || len(stored(t, set)) != 2 {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	req = httptest.NewRequest("POST", "/v1/metrics", strings.NewReader("x"))
	req.Header.Set("Content-Type", otlpProtobuf)
	req.Header.Set("Content-Encoding", "br")
	if w := send(t, r, req); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("brotli: %d", w.Code)
	}
}

// Metadata is written once, and again when it was not stored.
func TestOTLPMetadata(t *testing.T) {
	r, set := newStore(t, Options{Now: func() time.Time { return time.Unix(0, 100) }})
	req := gauges("m")
	m := req.ResourceMetrics[0].ScopeMetrics[0].Metrics[0]
	m.Description, m.Unit = "How warm.", "Cel"
	for range 2 {
		hr := httptest.NewRequest("POST", "/v1/metrics", strings.NewReader(encode(t, req)))
		hr.Header.Set("Content-Type", otlpProtobuf)
		if w := send(t, r, hr); w.Code != 200 {
			t.Fatal(w.Code)
		}
	}
	want := []string{`{metadata_of="m"} string 100="{\"type\":\"gauge\",\"help\":\"How warm.\",\"unit\":\"Cel\"}"`, `{metric="m"} int64 7=1`}
	if diff := cmp.Diff(want, stored(t, set)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// What the gate refuses of a request is told as that of the decoder is; and where it refuses all of it, so is
// whether to try again.
func TestOTLPRefusedByTheGate(t *testing.T) {
	post := func(r *Receiver, ctx context.Context, names ...string) *httptest.ResponseRecorder { //nolint:revive // reads better
		req := httptest.NewRequestWithContext(ctx, "POST", "/v1/metrics", strings.NewReader(protojson.Format(gauges(names...))))
		req.Header.Set("Content-Type", otlpJSON)
		return send(t, r, req)
	}
	set, err := shard.Open(t.TempDir(), shard.Options{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	r := New(Options{Gate: gate.New(set, gate.Options{Limits: gate.Limits{NewSeries: 3}})})
	w := post(r, t.Context(), "a", "b") // and their metadata
	if w.Code != 200 || len(stored(t, set)) != 3 {
		t.Errorf("one series too many: %d %s, %q", w.Code, w.Body, stored(t, set))
	}
	w = post(r, t.Context(), "c")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"code":8`) {
		t.Errorf("all too many: %d %v %s", w.Code, w.Header(), w.Body)
	}
	reader := access.With(t.Context(), &access.Identity{Name: "reader", Rights: access.Read})
	if w := post(r, reader, "a"); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"code":7`) {
		t.Errorf("a reader: %d %s", w.Code, w.Body)
	}
}

func TestOTLPFailure(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		http  int
		grpc  codes.Code
		retry bool
	}{
		"overload":        {&gate.Overload{After: time.Second}, 429, codes.ResourceExhausted, true},
		"full":            {gate.ErrFull, 503, codes.Unavailable, true},
		"closing":         {gate.ErrClosing, 503, codes.Unavailable, true},
		"invalid":         {gate.ErrInvalid, 400, codes.InvalidArgument, false},
		"forbidden":       {gate.ErrForbidden, 403, codes.PermissionDenied, false},
		"a broken disk":   {errors.New("input/output error"), 503, codes.Unavailable, true},
		"too large":       {errTooLarge, 413, codes.InvalidArgument, false},
		"another charset": {errEncoding, 415, codes.InvalidArgument, false},
	} {
		e := otlpFailure(fmt.Errorf("x: %w", tc.err))
		if e.http != tc.http || e.grpc != tc.grpc || (e.after > 0) != tc.retry || !errors.Is(e, tc.err) {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// serveOTLP runs the gRPC service, and returns a client of it, which is made with the options.
func serveOTLP(t *testing.T, r *Receiver, o GRPCOptions, options ...grpc.DialOption) collectorpb.MetricsServiceClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- r.ServeOTLP(ctx, l, o) }()
	if len(options) == 0 {
		options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	}
	conn, err := grpc.NewClient(l.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("ServeOTLP returned %v", err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return collectorpb.NewMetricsServiceClient(conn)
}

func TestOTLPOverGRPC(t *testing.T) {
	r, set := newStore(t, Options{})
	c := serveOTLP(t, r, GRPCOptions{})
	answer, err := c.Export(t.Context(), gauges("plain"))
	if err != nil || answer.GetPartialSuccess() != nil {
		t.Fatal(answer, err)
	}
	if _, err := c.Export(t.Context(), gauges("zipped"), grpc.UseCompressor(grpcgzip.Name)); err != nil {
		t.Fatal(err)
	}
	for range 2 * mostStreams { // one after another: each gives its place back
		if _, err := c.Export(t.Context(), gauges("plain")); err != nil {
			t.Fatal(err)
		}
	}
	answer, err = c.Export(t.Context(), gauges("good", ""))
	if p := answer.GetPartialSuccess(); err != nil || p.GetRejectedDataPoints() != 1 || !strings.Contains(p.GetErrorMessage(), "no name") {
		t.Error(answer, err)
	}
	want := []string{`{metric="good"} int64 7=1`, `{metric="plain"} int64 7=1`, `{metric="zipped"} int64 7=1`}
	if diff := cmp.Diff(want, noMetadata(stored(t, set))); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestOTLPOverGRPCRefuses(t *testing.T) {
	set, err := shard.Open(t.TempDir(), shard.Options{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	r := New(Options{Gate: gate.New(set, gate.Options{Limits: gate.Limits{NewSeries: 2}}), MaxBody: 5000})
	writer := &access.Identity{Name: "writer", Rights: access.Write, Set: []chunk.Dimension{{Name: "tenant", Value: "a"}}}
	c := serveOTLP(t, r, GRPCOptions{Authenticate: func(authorization string) (*access.Identity, error) {
		switch authorization {
		case "Bearer writer":
			return writer, nil
		case "Bearer reader":
			return &access.Identity{Name: "reader", Rights: access.Read}, nil
		}
		return nil, errors.New("who are you?")
	}})
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprint("metric", i)
	}
	for _, tc := range []struct {
		name, token string
		req         *collectorpb.ExportMetricsServiceRequest
		want        codes.Code
		retry       bool
	}{
		{"nobody", "", gauges("m"), codes.Unauthenticated, false},
		{"somebody who may not", "Bearer reader", gauges("m"), codes.PermissionDenied, false},
		{"somebody who may", "Bearer writer", gauges("m"), codes.OK, false},
		{"too large", "Bearer writer", gauges(many...), codes.ResourceExhausted, false},
		{"too many series", "Bearer writer", gauges("a", "b", "c"), codes.ResourceExhausted, true},
	} {
		ctx := t.Context()
		if tc.token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", tc.token)
		}
		_, err := c.Export(ctx, tc.req)
		retry := false
		for _, d := range status.Convert(err).Details() {
			info, ok := d.(*errdetails.RetryInfo)
			retry = ok && info.GetRetryDelay().AsDuration() > 0
		}
		if status.Code(err) != tc.want || retry != tc.retry {
			t.Errorf("%s: %v, retry %v; want %v, %v", tc.name, err, retry, tc.want, tc.retry)
		}
	}
	if diff := cmp.Diff([]string{`{metric="m", tenant="a"} int64 7=1`}, noMetadata(stored(t, set))[:1]); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// Bytes that are no request are an invalid argument, not an internal error.
func TestOTLPOverGRPCMalformed(t *testing.T) {
	r, _ := newStore(t, Options{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- r.ServeOTLP(ctx, l, GRPCOptions{}) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	out := new(body)
	err = conn.Invoke(t.Context(), "/"+metricsService+"/"+metricsMethod, []byte{0xff}, out, grpc.ForceCodecV2(rawCodec{}))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("error %v", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestOTLPOverTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(nil) // for its certificate
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	r, set := newStore(t, Options{})
	c := serveOTLP(t, r, GRPCOptions{TLS: &tls.Config{Certificates: s.TLS.Certificates}},
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"})))
	if _, err := c.Export(t.Context(), gauges("m")); err != nil {
		t.Fatal(err)
	}
	if got := noMetadata(stored(t, set)); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

// Connections over the limit are closed, and counted.
func TestOTLPConnections(t *testing.T) {
	r, _ := newStore(t, Options{Connections: 1})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counted := &countedListener{Listener: l, r: r}
	defer counted.Close()
	var clients []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		clients = append(clients, conn)
	}
	first, err := counted.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		conn, err := counted.Accept() // turns two away, and takes the next one
		if err != nil {
			close(accepted)
			return
		}
		accepted <- conn
	}()
	for _, conn := range clients[1:] {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection too many was read from")
		}
	}
	if err := errors.Join(first.Close(), first.Close()); err == nil {
		t.Error("closing twice is an error of the connection")
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	second := <-accepted
	defer second.Close()
	if c := r.Counters(); len(c) != 1 || c[0].Connections != 1 || c[0].TurnedAway != 2 {
		t.Errorf("counted %+v", c)
	}
}
