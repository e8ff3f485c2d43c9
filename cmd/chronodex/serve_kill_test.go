package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
)

// killing is how long TestKillServer goes on.
var killing = flag.Duration("killing", 12*time.Second, "how long to go on killing servers")

// A killPoint is what a request of one writer stores: rows of one series.
type killPoint struct {
	writer, number int
}

const (
	pointRows   = 20
	pointEpoch  = 1_767_225_600_000 // ms
	serveWriter = 4
)

// at returns the stamp, in ms, and the value of a row.
func (p killPoint) at(row int) (ms int64, value float64) {
	n := p.number*pointRows + row
	return pointEpoch + int64(n), float64((n*7919+p.writer)%10_007) / 4
}

// A killProtocol writes points, and knows how the store calls them.
type killProtocol struct {
	metric string // the dimension
	path   string
	header map[string]string
	body   func(p killPoint) []byte
}

// lines makes a body of a line a row: the format gets the writer, the stamp in ms and the value.
func lines(format, head, between, tail string) func(killPoint) []byte {
	return func(p killPoint) []byte {
		b := []byte(head)
		for row := range pointRows {
			if row > 0 {
				b = append(b, between...)
			}
			ms, v := p.at(row)
			b = fmt.Appendf(b, format, p.writer, ms, strconv.FormatFloat(v, 'f', -1, 64))
		}
		return append(b, tail...)
	}
}

// killProtocols are those that acknowledge what they are sent.
var killProtocols = []killProtocol{
	{
		metric: "kill_influx_value", path: "/write?precision=ms",
		body: lines("kill_influx,writer=%d value=%[3]s %[2]d", "", "\n", "\n"),
	},
	{
		metric: "kill_remote", path: "/api/v1/write",
		header: map[string]string{"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"},
		body:   remoteWrite,
	},
	{
		metric: "kill_otlp", path: "/v1/metrics", header: map[string]string{"Content-Type": "application/json"},
		body: lines(`{"timeUnixNano":"%[2]d000000","asDouble":%[3]s,"attributes":[{"key":"writer","value":{"stringValue":"%[1]d"}}]}`,
			`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"kill_otlp","gauge":{"dataPoints":[`, ",", `]}}]}]}]}`),
	},
	{
		metric: "kill_own", path: "/v1/write?format=ndjson", header: map[string]string{"Content-Type": "application/x-ndjson"},
		body: lines(`{"dimensions":{"metric":"kill_own","writer":"%d"},"kind":"float64","times":[%d000000],"values":[%s]}`, "", "\n", "\n"),
	},
	{
		metric: "kill_opentsdb", path: "/api/put", header: map[string]string{"Content-Type": "application/json"},
		body: lines(`{"metric":"kill_opentsdb","timestamp":%[2]d,"value":%[3]s,"tags":{"writer":"%[1]d"}}`, "[", ",", "]"),
	},
	{
		metric: "kill_text", path: "/v1/write?format=prometheus",
		body: lines(`kill_text{writer="%d"} %[3]s %[2]d`, "# TYPE kill_text gauge\n", "\n", "\n"),
	},
}

// remoteWrite is a request of version 1 of remote write.
func remoteWrite(p killPoint) []byte {
	field := func(dst []byte, number byte, content []byte) []byte {
		return append(binary.AppendUvarint(append(dst, number<<3|2), uint64(len(content))), content...)
	}
	var series []byte
	for _, pair := range [][2]string{{"__name__", "kill_remote"}, {"writer", strconv.Itoa(p.writer)}} {
		series = field(series, 1, field(field(nil, 1, []byte(pair[0])), 2, []byte(pair[1])))
	}
	for row := range pointRows {
		ms, v := p.at(row)
		sample := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(v))
		series = field(series, 2, binary.AppendUvarint(append(sample, 2<<3), uint64(ms)))
	}
	return s2.EncodeSnappy(nil, field(nil, 1, series))
}

// A killServer is a server that is started and killed again and again over one store.
type killServer struct {
	killRun
	next  [serveWriter]int // number of each writer's next request
	mu    sync.Mutex
	acked map[string]map[killPoint]bool // by metric; guarded by mu
	n     int                           // requests acknowledged; guarded by mu
}

// start starts the server, and returns it and its address when it takes requests.
func (k *killServer) start() (*exec.Cmd, string) {
	k.t.Helper()
	cmd := k.command("serve", "--listen", "127.0.0.1:0", "--set", "store.head_bytes=1MiB", "--set", "self.interval=0s")
	errs, err := cmd.StderrPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	log, address := bufio.NewScanner(errs), ""
	var all strings.Builder
	for log.Scan() {
		var line struct{ Msg, Listener, Address string }
		_ = json.Unmarshal(log.Bytes(), &line) // what is no JSON is not what we look for
		fmt.Fprintln(&all, log.Text())
		if line.Msg == "listening" && line.Listener == "http" {
			address = line.Address
		}
		if line.Msg == "ready" && address != "" {
			go func() { _, _ = io.Copy(io.Discard, errs) }() // so that it never waits for us
			return cmd, "http://" + address
		}
	}
	_ = cmd.Wait()
	k.t.Fatalf("the server ended:\n%s", all.String())
	return nil, ""
}

// write writes as one writer, all protocols in turn, until the server is gone.
func (k *killServer) write(url string, writer int, acked func()) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		p := killPoint{writer, k.next[writer]}
		k.next[writer]++
		protocol := &killProtocols[(p.number+writer)%len(killProtocols)]
		req, err := http.NewRequest(http.MethodPost, url+protocol.path, bytes.NewReader(protocol.body(p)))
		if err != nil {
			k.t.Error(err)
			return
		}
		for name, v := range protocol.header {
			req.Header.Set(name, v)
		}
		resp, err := client.Do(req)
		if err != nil {
			return // it was killed
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			k.t.Errorf("%s: %s: %s", protocol.path, resp.Status, text)
			return
		}
		if err != nil {
			return // the answer had begun, but an acknowledgement is a whole one
		}
		k.mu.Lock()
		k.acked[protocol.metric][p] = true
		k.n++
		k.mu.Unlock()
		acked()
	}
}

// round has all writers write until so many requests are acknowledged, and kills the server.
func (k *killServer) round(requests int) {
	k.t.Helper()
	cmd, url := k.start()
	var done sync.Once
	enough := make(chan struct{})
	target := k.n + requests
	var wg sync.WaitGroup
	for w := range serveWriter {
		wg.Go(func() {
			k.write(url, w, func() {
				k.mu.Lock()
				defer k.mu.Unlock()
				if k.n >= target {
					done.Do(func() { close(enough) })
				}
			})
		})
	}
	failed := make(chan struct{})
	go func() {
		wg.Wait()
		close(failed)
	}()
	select {
	case <-enough:
	case <-failed:
	}
	k.kill(cmd)
	wg.Wait()
}

// verify exports the store: all that was acknowledged is there, and nothing that nobody wrote.
func (k *killServer) verify() {
	k.t.Helper()
	found := map[string]map[killPoint]int{}
	rows := csv.NewReader(bytes.NewReader(k.run("export", "metric:kill_*", "--format", "csv")))
	rows.FieldsPerRecord = -1
	column := map[string]int{}
	for {
		rec, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			k.t.Fatal(err)
		}
		if rec[0] == "time" {
			clear(column)
			for i, name := range rec {
				column[name] = i
			}
			continue
		}
		stamp, err1 := strconv.ParseInt(rec[column["time"]], 10, 64)
		value, err2 := strconv.ParseFloat(rec[column["value"]], 64)
		writer, err3 := strconv.Atoi(rec[column["writer"]])
		n := int(stamp/1e6 - pointEpoch)
		p, metric := killPoint{writer, n / pointRows}, rec[column["metric"]]
		if _, want := p.at(n % pointRows); err1 != nil || err2 != nil || err3 != nil || n < 0 || value != want {
			k.t.Fatalf("nobody wrote %v", rec)
		}
		if found[metric] == nil {
			found[metric] = map[killPoint]int{}
		}
		found[metric][p]++
	}
	for metric, points := range k.acked {
		for p := range points {
			if found[metric][p] != pointRows {
				k.t.Errorf("%s: of request %d of writer %d, which was acknowledged, %d of %d rows are there", metric, p.number, p.writer, found[metric][p], pointRows)
			}
		}
	}
}

// TestKillServer kills a server under four writers, again and again: what it acknowledged by any
// protocol is there when it is started again.
func TestKillServer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(5, 6))
	k := &killServer{
		killRun: killRun{t: t, binary: filepath.Join(dir, "chronodex"), data: filepath.Join(dir, "store")},
		acked:   map[string]map[killPoint]bool{},
	}
	for _, p := range killProtocols {
		k.acked[p.metric] = map[killPoint]bool{}
	}
	if out, err := exec.Command("go", "build", "-o", k.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	rounds := 0
	for start := time.Now(); rounds < 3 || time.Since(start) < *killing && !t.Failed(); rounds++ {
		k.round(50 + rng.IntN(1500))
		k.verify()
	}
	k.run("check")
	for metric, points := range k.acked {
		if len(points) == 0 {
			t.Errorf("%s: nothing was ever acknowledged", metric)
		}
	}
	t.Logf("%d kills, %d acknowledged requests of %d rows", rounds, k.n, pointRows)
}
