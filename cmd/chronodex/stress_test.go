package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// stressing has TestStress do as much as docs/limits.md tells of, and takes minutes.
var stressing = flag.Bool("stress", false, "test the limits of the server with the load of docs/limits.md")

// A stress is a server under a load that is too much for it.
type stress struct {
	*served
	client *http.Client
	full   bool // the load of docs/limits.md
	mu     sync.Mutex
	status map[string]int // answers of the scenario, by status
}

// size returns how much of something a scenario does: in docs/limits.md, and every day.
func (s *stress) size(full, small int) int {
	if s.full {
		return full
	}
	return small
}

// note counts an answer.
func (s *stress) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status[what]++
}

// do sends a request, reads the answer, and returns its status; 0 where there is none.
func (s *stress) do(method, path string, header map[string]string, body io.Reader) int {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Error(err)
		return 0
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if z, ok := body.(*zeros); ok {
		req.ContentLength = int64(*z)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.note("cut off")
		return 0
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil && res.StatusCode < 300 {
		s.note("cut off")
		return 0
	}
	s.note(strconv.Itoa(res.StatusCode))
	if res.StatusCode >= 400 && n == 0 {
		s.t.Errorf("%s %s: %s without a word", method, path, res.Status)
	}
	if again := res.Header.Get("Retry-After"); again == "" && (res.StatusCode == 429 || res.StatusCode == 503) {
		s.t.Errorf("%s %s: %s without Retry-After", method, path, res.Status)
	}
	return res.StatusCode
}

// memory returns the most resident memory of the server since the last call, in MiB; 0 where the
// system does not say.
func (s *stress) memory() int {
	dir := fmt.Sprintf("/proc/%d/", s.cmd.Process.Pid)
	text, err := os.ReadFile(dir + "status")
	if err != nil {
		return 0
	}
	_ = os.WriteFile(dir+"clear_refs", []byte("5"), 0o600) // without the right to, it is the most since the start
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb >> 10
		}
	}
	return 0
}

// goroutines returns how many the server has, by its own metrics.
func (s *stress) goroutines() int {
	res, err := s.client.Get(s.url + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return int(n)
		}
	}
	s.t.Error("/metrics has no go_goroutines")
	return 0
}

// parallel calls f for each i < n, so many at a time.
func parallel(n, workers int, f func(i int)) {
	var wg sync.WaitGroup
	work := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range work {
				f(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}

// newSeries writes nothing but series that nobody has seen, by four writers.
func newSeries(s *stress) {
	const perRequest = 5000
	n := s.size(1_000_000, 40_000)
	parallel(n/perRequest, 4, func(i int) {
		var b bytes.Buffer
		for k := range perRequest {
			id := i*perRequest + k
			fmt.Fprintf(&b, "load,host=h%d,container=c%d,id=%d value=%d 1767225600000000000\n", id%100, id%5000, id, id)
		}
		if status := s.do("POST", "/write", nil, &b); status != 204 {
			s.t.Errorf("status %d", status)
		}
	})
}

// observations writes what queries read: a thousand series.
func observations(s *stress) {
	rows := s.size(5000, 500)
	parallel(rows/50, 4, func(i int) {
		var b bytes.Buffer
		for host := range 100 {
			for k := range 50 {
				at := 1767225600 + (i*50+k)*10
				fmt.Fprintf(&b, "cpu,host=h%d a=%d,b=%d,c=%d,d=%d,e=%d,f=%d,g=%d,h=%d,i=%d,j=%d %d000000000\n",
					host, k, host, k*host%91, i%7, k%13, host%5, k%3, host*k%7, k%17, k%23, at)
			}
		}
		if status := s.do("POST", "/write", nil, &b); status != 204 {
			s.t.Errorf("status %d", status)
		}
	})
}

// heavyQueries asks for much, by 200 clients at once.
func heavyQueries(s *stress) {
	texts := []string{
		"measurement:cpu | median by host, field",
		"measurement:cpu | p 0.95 by host every 10m",
		"measurement:cpu",
		"measurement:cpu | mean by host, field every 10m",
	}
	parallel(s.size(1000, 200), 200, func(i int) {
		q := url.Values{"q": {texts[i%len(texts)]}, "format": {"csv"}}
		switch status := s.do("GET", "/v1/query?"+q.Encode(), nil, nil); status {
		case 200, 422, 429, 503:
		default:
			s.t.Errorf("status %d", status)
		}
	})
}

// connect opens a connection and writes text to it; nil where the server does not want it.
func (s *stress) connect(text string) net.Conn {
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.note("not connected")
		return nil
	}
	if _, err := io.WriteString(c, text); err != nil {
		_ = c.Close()
		s.note("not connected")
		return nil
	}
	return c
}

// besides has n connections open that do nothing any more after some text, and holds that others are
// served meanwhile.
func besides(s *stress, n int, text string) {
	var open []net.Conn
	for range n {
		if c := s.connect(text); c != nil {
			open = append(open, c)
		}
	}
	s.alive()
	for _, c := range open {
		_ = c.Close()
	}
}

// alive writes and asks.
func (s *stress) alive() {
	s.t.Helper()
	if status := s.do("POST", "/write", nil, strings.NewReader("alive value=1 1767225600000000000\n")); status != 204 {
		s.t.Errorf("a writer is answered %d", status)
	}
	if status := s.do("GET", "/v1/query?q=metric:alive_value", nil, nil); status != 200 {
		s.t.Errorf("a reader is answered %d", status)
	}
}

// halfOpen leaves connections within their headers.
func halfOpen(s *stress) {
	besides(s, s.size(500, 100), "POST /write HTTP/1.1\r\nHost: x\r\nContent-Le")
}

// slowWriters leave requests within their bodies, each with some memory taken.
func slowWriters(s *stress) {
	head := "POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
	besides(s, s.size(1000, 100), head+strings.Repeat("cpu,host=slow value=1 1767225600000000000\n", 1500))
}

// slowReaders ask for much, and do not read it.
func slowReaders(s *stress) {
	besides(s, s.size(100, 10), "GET /v1/query?q=measurement:cpu&format=csv HTTP/1.1\r\nHost: x\r\n\r\n")
}

// zeros gives so many bytes.
type zeros int

func (z *zeros) Read(p []byte) (int, error) {
	n := min(len(p), int(*z))
	clear(p[:n])
	if *z -= zeros(n); n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// packed returns n zeros in an encoding.
func packed(t *testing.T, encoding string, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "snappy":
		return s2.EncodeSnappy(nil, make([]byte, n))
	case "gzip":
		w = gzip.NewWriter(&b)
	default:
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	in := zeros(n)
	if _, err := io.Copy(w, &in); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bombs sends bodies that become large, to all endpoints at once.
func bombs(s *stress) {
	n := s.size(1<<30, 128<<20)
	for _, encoding := range []string{"gzip", "zstd", "snappy"} {
		bomb := packed(s.t, encoding, min(n, 1<<30))
		header := map[string]string{"Content-Encoding": encoding}
		paths := []string{"/write", "/api/v1/write", "/v1/metrics", "/v1/write?format=ndjson", "/v1/write?format=prometheus", "/api/put"}
		parallel(4*len(paths), 8, func(i int) {
			if status := s.do("POST", paths[i%len(paths)], header, bytes.NewReader(bomb)); status != 0 && (status < 400 || status == 500) {
				s.t.Errorf("%s to %s: status %d", encoding, paths[i%len(paths)], status)
			}
		})
	}
}

// nested sends JSON and protobuf within itself, deep down.
func nested(s *stress) {
	deep := s.size(10_000_000, 1_000_000)
	var proto []byte
	for range 10_000 { // messages within field 1, each of the length of what it holds
		proto = append([]byte{1<<3 | 2, byte(len(proto)&0x7f | 0x80), byte(len(proto) >> 7 & 0x7f)}, proto...)
		if len(proto) > 16_000 {
			break
		}
	}
	bodies := map[string]struct{ kind, body string }{
		"/v1/metrics":             {"application/json", strings.Repeat(`{"resourceMetrics":[`, deep/20)},
		"/v1/metrics?x=arrays":    {"application/json", strings.Repeat("[", deep)},
		"/v1/metrics?x=protobuf":  {"application/x-protobuf", string(proto)},
		"/api/put":                {"application/json", strings.Repeat(`[{"tags":`, deep/9)},
		"/v1/write?format=ndjson": {"application/x-ndjson", strings.Repeat(`{"a":`, deep/5)},
		"/v1/query":               {"application/x-www-form-urlencoded", "q=" + strings.Repeat("(", 60_000)},
		"/api/v1/write":           {"application/x-protobuf", string(s2.EncodeSnappy(nil, proto))},
	}
	for path, b := range bodies {
		header := map[string]string{"Content-Type": b.kind}
		if path == "/api/v1/write" {
			header["Content-Encoding"] = "snappy"
		}
		if status := s.do("POST", path, header, strings.NewReader(b.body)); status >= 500 { // some may be valid, and say nothing
			s.t.Errorf("%s: status %d", path, status)
		}
	}
}

// oversized sends bodies that are larger than is allowed, with their length and without.
func oversized(s *stress) {
	n := s.size(1<<30, 200<<20)
	parallel(16, 8, func(i int) {
		z := zeros(n)
		var body io.Reader = &z
		if i%2 == 0 {
			body = io.MultiReader(&z) // of a length that is not told before
		}
		if status := s.do("POST", "/write", nil, body); status != 0 && status < 400 {
			s.t.Errorf("status %d", status)
		}
	})
}

// TestStress puts more on a server than it can take, in each way that docs/limits.md tells of: it
// answers or refuses, serves others, and its memory is bounded.
func TestStress(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals here")
	}
	if testing.Short() {
		t.Skip("takes long")
	}
	s := &stress{
		served: serve(t, t.TempDir()), full: *stressing,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 5 * time.Minute},
	}
	drained := make(chan struct{})
	go func() { // so that the server never waits for us to read its log
		defer close(drained)
		for s.log.Scan() {
		}
	}()
	before := s.goroutines()
	most := s.size(3000, 1200) // MiB: see docs/limits.md
	for _, scenario := range []struct {
		name string
		run  func(*stress)
	}{
		{"new series", newSeries},
		{"observations", observations},
		{"200 queries at once", heavyQueries},
		{"half-open connections", halfOpen},
		{"slow writers", slowWriters},
		{"slow readers", slowReaders},
		{"bombs", bombs},
		{"nested bodies", nested},
		{"oversized bodies", oversized},
	} {
		s.status = map[string]int{}
		s.memory()
		start := time.Now()
		scenario.run(s)
		took, memory := time.Since(start), s.memory()
		var answers []string
		for status, n := range s.status {
			answers = append(answers, fmt.Sprintf("%s: %d", status, n))
		}
		slices.Sort(answers)
		t.Logf("%-22s %8s %5d MiB  %s", scenario.name, took.Round(time.Millisecond), memory, strings.Join(answers, ", "))
		if memory > most {
			t.Errorf("%s: %d MiB of memory, want at most %d", scenario.name, memory, most)
		}
		s.alive()
	}
	s.client.CloseIdleConnections()
	if after := s.goroutines(); after > before+100 { // connections that were cut off may not have been noticed yet
		t.Errorf("%d goroutines, and %d before", after, before)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-drained
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
