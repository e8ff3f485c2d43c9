package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/prometheus/prompb"
)

// A served store is a process of this program that serves one.
type served struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
	log *bufio.Scanner
}

// serve starts a server, and waits until it is ready.
func serve(t *testing.T, dir string, args ...string) *served {
	t.Helper()
	cmd := process(t, dir, append([]string{"--data", "store", "serve", "--listen", "127.0.0.1:0"}, args...)...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, cmd: cmd, log: bufio.NewScanner(errs)}
	s.url = "http://" + s.await("listening")["address"]
	s.await("ready")
	return s
}

// await reads the log up to a message, and returns its attributes that are text.
func (s *served) await(msg string) map[string]string {
	s.t.Helper()
	var seen []string
	for s.log.Scan() {
		var line map[string]any
		if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
			s.t.Fatalf("not a line of a log: %s", s.log.Bytes())
		}
		seen = append(seen, s.log.Text())
		if line["msg"] != msg {
			continue
		}
		out := map[string]string{}
		for k, v := range line {
			out[k], _ = v.(string)
		}
		return out
	}
	s.t.Fatalf("the log has no %q: %s", msg, strings.Join(seen, "\n"))
	return nil
}

// end has the server end in order.
func (s *served) end() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	s.await("stopped")
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("it ended with %v", err)
	}
}

// A sender is a protocol: how a batch of one host is said by it. Stamps are the seconds from first,
// values tell their second and host.
type sender struct {
	path, kind, encoding string
	body                 func(host string, first int) []byte
}

// perBatch is how many observations a batch has.
const perBatch = 40

// sent is the value at a second.
func sent(second int) float64 { return float64(second)*3 + 0.5 }

// each calls line for each observation of a batch.
func each(first int, line func(b *bytes.Buffer, second int)) []byte {
	var b bytes.Buffer
	for second := first; second < first+perBatch; second++ {
		line(&b, second)
	}
	return b.Bytes()
}

// senders are the protocols that answer.
func senders() map[string]sender {
	return map[string]sender{
		"influx": {path: "/write?precision=s", body: func(host string, first int) []byte {
			return each(first, func(b *bytes.Buffer, s int) { fmt.Fprintf(b, "m,host=%s v=%v %d\n", host, sent(s), s) })
		}},
		"ndjson": {path: "/v1/write?format=ndjson", body: func(host string, first int) []byte {
			return each(first, func(b *bytes.Buffer, s int) {
				fmt.Fprintf(b, `{"dimensions":{"host":"%s","metric":"m"},"kind":"float64","times":[%d000000000],"values":[%v]}`+"\n", host, s, sent(s))
			})
		}},
		"opentsdb": {path: "/api/put", body: func(host string, first int) []byte {
			all := each(first, func(b *bytes.Buffer, s int) {
				fmt.Fprintf(b, `,{"metric":"m","timestamp":%d,"value":%v,"tags":{"host":"%s"}}`, s, sent(s), host)
			})
			return append(append([]byte{'['}, all[1:]...), ']')
		}},
		"prometheus": {path: "/v1/write?format=prometheus", body: func(host string, first int) []byte {
			return each(first, func(b *bytes.Buffer, s int) { fmt.Fprintf(b, "m{host=\"%s\"} %v %d000\n", host, sent(s), s) })
		}},
		"otlp": {path: "/v1/metrics", kind: "application/json", body: func(host string, first int) []byte {
			all := each(first, func(b *bytes.Buffer, s int) {
				fmt.Fprintf(b, `,{"timeUnixNano":"%d000000000","asDouble":%v,"attributes":[{"key":"host","value":{"stringValue":"%s"}}]}`, s, sent(s), host)
			})
			return fmt.Appendf(nil, `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[%s]}}]}]}]}`, all[1:])
		}},
		"remote_write": {path: "/api/v1/write", kind: "application/x-protobuf", encoding: "snappy", body: func(host string, first int) []byte {
			one := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "m"}, {Name: "host", Value: host}}}
			for s := first; s < first+perBatch; s++ {
				one.Samples = append(one.Samples, prompb.Sample{Value: sent(s), Timestamp: int64(s) * 1000})
			}
			raw, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{one}}).Marshal()
			if err != nil {
				panic(err)
			}
			return s2.EncodeSnappy(nil, raw)
		}},
	}
}

// send sends one batch, and reports whether it was acknowledged: not where the server is gone.
func (w *sender) send(t *testing.T, url, host string, first int) bool {
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+w.path, bytes.NewReader(w.body(host, first)))
	if err != nil {
		t.Error(err)
		return false
	}
	req.Header.Set("Content-Type", w.kind)
	if w.encoding != "" {
		req.Header.Set("Content-Encoding", w.encoding)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false // it was killed
	}
	answer, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		t.Errorf("%s: %d %s %v", w.path, res.StatusCode, answer, err)
		return false
	}
	return true
}

// found reads the whole store, in which all values must be true, and returns the seconds of each
// host.
func found(t *testing.T, dir string) map[string]map[int]bool {
	t.Helper()
	all := map[string]map[int]bool{}
	lines := bufio.NewScanner(strings.NewReader(mustRun(t, dir, "--data", "store", "export", "host:*", "--format", "ndjson")))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var x struct {
			Dimensions map[string]string
			Times      []int64
			Values     []float64
		}
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			t.Fatal(err)
		}
		host := x.Dimensions["host"]
		if all[host] == nil {
			all[host] = map[int]bool{}
		}
		for i, at := range x.Times {
			second := int(at / 1e9)
			if x.Values[i] != sent(second) {
				t.Fatalf("%s has %v at %d, nobody sent that", host, x.Values[i], second)
			}
			all[host][second] = true
		}
	}
	return all
}

// killing is how long TestKillServer goes on at least.
var killing = flag.Duration("killing", 0, "how long to go on killing servers, at least")

// TestKillServer kills the server while senders of each protocol write to it, again and again: what
// was acknowledged is there.
func TestKillServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals here")
	}
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(5, 6))
	acknowledged := map[string][]int{} // of each host, the first seconds of batches
	var mu sync.Mutex
	start := time.Now()
	for round := 0; round < rounds || time.Since(start) < *killing; round++ {
		s := serve(t, dir, "--set", "store.head_bytes=1MiB") // so that it seals and compacts meanwhile
		var acks atomic.Int64
		deadly := 50 + rng.Int64N(400)
		var writers sync.WaitGroup
		for name, w := range senders() {
			writers.Go(func() {
				for i := 0; ; i++ {
					first := 1_000_000 + (round*100_000+i)*perBatch
					if !w.send(t, s.url, name, first) {
						return
					}
					mu.Lock()
					acknowledged[name] = append(acknowledged[name], first)
					mu.Unlock()
					if acks.Add(1) == deadly {
						_ = s.cmd.Process.Kill()
					}
				}
			})
		}
		writers.Wait()
		_ = s.cmd.Wait() // it was killed
		n := 0
		there := found(t, dir)
		for host, batches := range acknowledged {
			for _, first := range batches {
				for second := first; second < first+perBatch; second++ {
					if n++; !there[host][second] {
						t.Fatalf("round %d: %s was acknowledged second %d, which is not there", round, host, second)
					}
				}
			}
		}
		t.Logf("killed behind %d answers: all %d acknowledged observations are there", deadly, n)
	}
	mustRun(t, dir, "--data", "store", "check")
	s := serve(t, dir)
	s.end()
}

// TestServerTellsSystemd holds that a unit is ready when the store is open, and told to stop when it
// does.
func TestServerTellsSystemd(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no systemd here")
	}
	dir, err := os.MkdirTemp("", "cdx") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := filepath.Join(dir, "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	told := func() string {
		b := make([]byte, 100)
		n, err := systemd.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	s := serve(t, dir)
	if got := told(); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	if got := mustRun(t, dir, "serve", "--listen", strings.TrimPrefix(s.url, "http://"), "--probe"); got != "" {
		t.Errorf("the probe said %q", got)
	}
	s.end()
	if got := told(); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
	if err := process(t, dir, "serve", "--listen", strings.TrimPrefix(s.url, "http://"), "--probe").Run(); err == nil {
		t.Error("the probe finds a server that has ended")
	}
}

// TestSignalsOfServer holds that SIGHUP reloads, SIGTERM ends with exit code 0, and a store is served
// by one process.
func TestSignalsOfServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no signals here")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "c.yaml")
	write := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("log: {level: debug}\n")
	s := serve(t, dir, "--config", "c.yaml")
	if out, err := process(t, dir, "--data", "store", "serve", "--listen", "127.0.0.1:0").CombinedOutput(); err == nil || !strings.Contains(string(out), "another process") {
		t.Errorf("a second server: %v %s", err, out)
	}
	for text, msg := range map[string]string{
		"log: {level: loud}\n":   "the configuration was not reloaded: the one before goes on",
		"log: {level: info}\n":   "the configuration was reloaded",
		"limits: {queries: 2}\n": "the configuration was reloaded",
	} {
		write(text)
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s.await(msg)
	}
	s.end()
}
