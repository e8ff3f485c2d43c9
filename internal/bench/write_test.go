//go:build unix

package bench_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/receive"
	"github.com/chronodex/chronodex/shard"
)

// BenchmarkWrite writes line protocol through the endpoint, the gate and the store, without the
// network: what one processor-second takes, log, sync and sealing included. The whole server beside
// others is measured by internal/bench/service.
func BenchmarkWrite(b *testing.B) {
	const lines = 5000
	for name, load := range map[string]func(line func(text string, observations int)){
		"devops": func(line func(string, int)) {
			fields := []string{"user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"}
			for step := range 1000 {
				for host := range 100 {
					var f strings.Builder
					for i, name := range fields {
						fmt.Fprintf(&f, ",usage_%s=%di", name, (step*(i+1)+host*7)%100)
					}
					line(fmt.Sprintf("cpu,hostname=host_%d,region=eu-central-1,datacenter=eu-central-1a,rack=%d,os=Ubuntu15.10,arch=x86,team=SF,service=%d,service_version=1,service_environment=test %s %d",
						host, host%50, host%20, f.String()[1:], 1772409600000000000+int64(step)*10_000_000_000), len(fields))
				}
			}
		},
		"rounds": func(line func(string, int)) { // every minute, each series has one
			for round := range 10 {
				for i := range 100_000 {
					line(cardinalityLine(i, round), 1)
				}
			}
		},
		"series": func(line func(string, int)) { // each series has ten, at once
			for i := range 100_000 {
				for round := range 10 {
					line(cardinalityLine(i, round), 1)
				}
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			var bodies [][]byte
			var body bytes.Buffer
			n, total := 0, 0
			load(func(text string, observations int) {
				body.WriteString(text)
				body.WriteByte('\n')
				total += observations
				if n++; n%lines == 0 {
					bodies = append(bodies, bytes.Clone(body.Bytes()))
					body.Reset()
				}
			})
			b.ResetTimer()
			before := cpuTime(b)
			for range b.N {
				writeBodies(b, bodies)
			}
			b.ReportMetric(float64(total)*float64(b.N)/(cpuTime(b)-before).Seconds()/1e6, "Mobs/cpu-s")
		})
	}
}

func cardinalityLine(i, round int) string {
	return fmt.Sprintf("requests,pod=pod-%d,node=node-%d,namespace=ns-%d total=%d %d", i, i/50, i/5000, round*100+i%100, 1772409600000000000+int64(round)*60_000_000_000)
}

// writeBodies sends bodies to a new store, four at a time, and seals it.
func writeBodies(b *testing.B, bodies [][]byte) {
	set, err := shard.Open(b.TempDir(), shard.Options{HeadBytes: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	for _, r := range receive.New(receive.Options{Gate: gate.New(set, gate.Options{})}).Routes() {
		mux.Handle(strings.TrimSpace(r.Method+" "+r.Pattern), r.Handler)
	}
	work := make(chan []byte)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for body := range work {
				w := httptest.NewRecorder()
				if mux.ServeHTTP(w, httptest.NewRequest("POST", "/write", bytes.NewReader(body))); w.Code != 204 {
					b.Errorf("%d %s", w.Code, w.Body)
				}
			}
		})
	}
	for _, body := range bodies {
		work <- body
	}
	close(work)
	wg.Wait()
	if err := set.Seal(b.Context()); err != nil {
		b.Error(err)
	}
	if err := set.Close(); err != nil {
		b.Error(err)
	}
}

// cpuTime is what this process has taken of processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
