package receive

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"collectd.org/api"
	"collectd.org/network"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest/collectd"
	"github.com/chronodex/chronodex/shard"
)

const valueList = `{"values":[5],"dstypes":["derive"],"dsnames":["value"],"time":1280959128.123,"interval":10,"host":"a","plugin":"cpu","plugin_instance":"0","type":"cpu","type_instance":"user"}`

func TestCollectdHTTP(t *testing.T) {
	rate := strings.Replace(valueList, "[5]", "[0.5]", 1)
	const dims = `{host="a", metric="cpu", plugin="cpu", plugin_instance="0", type="cpu", type_instance="user"}`
	for name, tc := range map[string]struct {
		target, body string
		status       int
		answer       string
		stored       []string
	}{
		"a list":                    {"/collectd", "[" + valueList + "]", 200, `{"stored":1}`, []string{dims + " int64 1280959128123000000=5"}},
		"at our own endpoint":       {"/v1/write?format=collectd", "[" + valueList + "]", 200, `{"stored":1}`, []string{dims + " int64 1280959128123000000=5"}},
		"nothing":                   {"/collectd", "[]", 200, `{"stored":0}`, nil},
		"rates":                     {"/collectd?rates=true", "[" + rate + "," + valueList + "]", 200, `{"stored":2}`, []string{dims + " float64 1280959128123000000=5"}},
		"rates that nobody expects": {"/collectd", "[" + rate + "," + valueList + "]", 400, `"stored":1,"refused":1,"errors":[{"detail":"value list 1: the derive \"0.5\" is no integer of 64 bits: with StoreRates true, the URL must say ?rates=true"}]}`, []string{dims + " int64 1280959128123000000=5"}},
		"no JSON":                   {"/collectd", "[" + valueList, 400, `"detail":"bad request: not a JSON array of value lists: the array is not closed: malformed JSON"`, nil},
		"a word for rates":          {"/collectd?rates=maybe", "[]", 400, `rates=maybe: want true or false`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, set := newStore(t, Options{})
			w := send(t, r, httptest.NewRequest("POST", tc.target, strings.NewReader(tc.body)))
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.answer) {
				t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, tc.status, tc.answer)
			}
			same(t, "stored", stored(t, set), tc.stored)
		})
	}
}

// listenPackets runs a listener of datagrams on a free port of loopback; see serving.
func listenPackets(t testing.TB, serve func(context.Context, net.PacketConn) error) (port int, stop func()) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, c) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return c.LocalAddr().(*net.UDPAddr).Port, stop
}

func TestCollectdUDP(t *testing.T) {
	r, set := newStore(t, Options{Collectd: CollectdOptions{Users: map[string]string{"alice": "x"}, Security: collectd.SecuritySign}})
	port, stop := listenPackets(t, r.ServeCollectd)
	c, err := net.Dial("udp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, user := range []string{"alice", "bob", ""} {
		b := network.NewBuffer(0)
		if user != "" {
			b.Sign(user, "x")
		}
		if err := b.Write(t.Context(), &api.ValueList{
			Identifier: api.Identifier{Host: "a", Plugin: "load", Type: "load"}, Time: time.Unix(int64(i+1), 0),
			Values: []api.Value{api.Gauge(1), api.Gauge(2), api.Gauge(3)},
		}); err != nil {
			t.Fatal(err)
		}
		data, err := b.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, string(data))
	}
	reach(t, r, func(c ProtocolCount) bool { return c.Stored == 3 && c.Refused == 2 })
	stop()
	same(t, "stored", stored(t, set), []string{
		`{dsname="longterm", host="a", metric="load", plugin="load", type="load"} float64 1000000000=3`,
		`{dsname="midterm", host="a", metric="load", plugin="load", type="load"} float64 1000000000=2`,
		`{dsname="shortterm", host="a", metric="load", plugin="load", type="load"} float64 1000000000=1`,
	})
}

// daemonConf is the configuration of a collectd that writes what it measures to files and to us.
const daemonConf = `
Hostname "real"
FQDNLookup false
Interval 0.2
BaseDir "%[1]s"
PIDFile "%[1]s/pid"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin load
LoadPlugin memory
LoadPlugin cpu
LoadPlugin interface
LoadPlugin csv
LoadPlugin network
LoadPlugin write_http
<Plugin csv>
  DataDir "%[1]s/csv"
  StoreRates false
</Plugin>
<Plugin network>
  <Server "127.0.0.1" "%[2]d">
  </Server>
  <Server "127.0.0.1" "%[3]d">
    SecurityLevel Sign
    Username "alice"
    Password "w0nderl4nd"
  </Server>
  <Server "127.0.0.1" "%[4]d">
    SecurityLevel Encrypt
    Username "alice"
    Password "w0nderl4nd"
  </Server>
</Plugin>
<Plugin write_http>
  <Node "chronodex">
    URL "%[5]s/collectd"
    Format "JSON"
    StoreRates false
  </Node>
</Plugin>
`

// TestCollectdDaemon runs a real collectd, which writes the same to its own files, by write_http,
// and by network in three levels of security; and compares all of it.
func TestCollectdDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for seconds")
	}
	program, err := exec.LookPath("collectd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/collectd"); err != nil {
			t.Skip("there is no collectd (Debian: collectd-core)")
		}
	}
	users := map[string]string{"alice": "w0nderl4nd"}
	var receivers []*Receiver
	var sets []*shard.Set
	var ports []int
	var stops []func()
	for _, o := range []CollectdOptions{{}, {Users: users, Security: collectd.SecuritySign}, {Users: users, Security: collectd.SecurityEncrypt}} {
		r, set := newStore(t, Options{Collectd: o})
		port, stop := listenPackets(t, r.ServeCollectd)
		receivers, sets, ports, stops = append(receivers, r), append(sets, set), append(ports, port), append(stops, stop)
	}
	r, set := newStore(t, Options{})
	receivers, sets = append(receivers, r), append(sets, set)
	mux := http.NewServeMux()
	for _, route := range r.Routes() {
		mux.Handle(strings.TrimSpace(route.Method+" "+route.Pattern), route.Handler)
	}
	web := httptest.NewServer(mux)
	defer web.Close()

	dir := t.TempDir()
	conf := filepath.Join(dir, "collectd.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, daemonConf, dir, ports[0], ports[1], ports[2], web.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	daemon := exec.Command(program, "-f", "-C", conf)
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	limit, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for receivers[0].counter("collectd").stored.Load() < 500 { // datagrams arrive many times a second
		select {
		case err := <-ended:
			if strings.Contains(log.String(), "dlopen") || strings.Contains(log.String(), "Could not find plugin") {
				t.Skipf("collectd lacks a plugin, or a library of it (Debian: libyajl2): %s", &log)
			}
			t.Fatalf("collectd has ended: %v\n%s", err, &log)
		case <-limit.Done():
			_ = daemon.Process.Kill()
			t.Fatalf("collectd sends nothing: %+v", receivers[0].Counters())
		case <-time.After(10 * time.Millisecond):
		}
	}
	_ = daemon.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Fatalf("collectd: %v\n%s", err, &log)
	}
	files := filesOfCollectd(t, filepath.Join(dir, "csv"))
	for i, name := range []string{"network", "network, signed", "network, encrypted", "write_http"} {
		want, got := files, asCollectdWrites(t, sets[i])
		if name == "write_http" {
			want = oncePerMillisecond(files, got)
		}
		for len(got) < len(want) && limit.Err() == nil { // what is still in the socket
			<-time.After(10 * time.Millisecond)
			got = asCollectdWrites(t, sets[i])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d observations, collectd's own files have %d", name, len(got), len(want))
			for _, line := range got {
				if _, ok := slices.BinarySearch(want, line); !ok {
					t.Errorf("only stored: %s", line)
				}
			}
			for _, line := range want {
				if _, ok := slices.BinarySearch(got, line); !ok {
					t.Errorf("only in files: %s", line)
				}
			}
		}
		for _, c := range receivers[i].Counters() {
			if c.Refused+c.Dropped > 0 {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
	t.Logf("%d observations, each by four ways", len(files))
	for _, stop := range stops {
		stop()
	}
}

// oncePerMillisecond returns the sorted lines with one of those that differ in nothing but their
// value: where there are several, the one that is in got. A collectd that was kept from running
// reads twice in a millisecond, which is as exact as write_http's times are; and which of the two
// it sends last is not said.
func oncePerMillisecond(lines, got []string) []string {
	var out []string
	for _, line := range lines {
		stamp, _, _ := strings.Cut(line, "=")
		if n := len(out); n == 0 || !strings.HasPrefix(out[n-1], stamp+"=") {
			out = append(out, line)
		} else if _, ok := slices.BinarySearch(got, line); ok {
			out[n-1] = line
		}
	}
	return out
}

// filesOfCollectd returns what collectd's plugin csv wrote, sorted: an observation a line, without
// those that are NaN.
func filesOfCollectd(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "real/*/*"))
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	var lines []string
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(file).ReadAll()
		_ = file.Close()
		if err != nil {
			t.Fatal(err)
		}
		date := len("-2006-01-02")
		series, _ := filepath.Rel(dir, name[:len(name)-date])
		for _, record := range records[1:] {
			for i, value := range record[1:] {
				if value != "nan" {
					lines = append(lines, fmt.Sprintf("%s %s %s=%s", series, records[0][i+1], record[0], value))
				}
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// asCollectdWrites returns all of a store as filesOfCollectd does.
func asCollectdWrites(t *testing.T, set *shard.Set) []string {
	t.Helper()
	var lines []string
	for _, part := range set.Parts() {
		sel, err := part.Select(t.Context(), index.All(), chunk.Always)
		if err != nil {
			t.Fatal(err)
		}
		var buf chunk.Buffer
		for i := range sel.Len() {
			get := func(prefix, name, without string) string {
				if v, ok := sel.Series(i).Dimensions.Get(name); ok {
					return prefix + v
				}
				return without
			}
			series := get("", "host", "") + "/" + get("", "plugin", "") + get("-", "plugin_instance", "") + "/" +
				get("", "type", "") + get("-", "type_instance", "") + " " + get("", "dsname", "value")
			for _, p := range sel.AppendPieces(nil, i) {
				x, err := sel.Read(t.Context(), p, &buf)
				if err != nil {
					t.Fatal(err)
				}
				for k, at := range x.Times {
					value := ""
					if x.Kind == chunk.Int64 {
						value = strconv.FormatInt(x.Ints[k], 10)
					} else {
						value = fmt.Sprintf("%f", x.Floats[k])
					}
					lines = append(lines, fmt.Sprintf("%s %.3f=%s", series, float64(at)/1e9, value))
				}
			}
		}
		if err := sel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(lines)
	return lines
}
