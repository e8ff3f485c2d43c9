package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A system is a server that can be started.
type system interface {
	name() string
	// command returns what starts it, with its data in dir, listening at address.
	command(dir, address string) (*exec.Cmd, error)
	// ready is the path that answers below 300 when it takes data; write is where it takes them.
	ready() string
	write() string
	// settle brings the data to their smallest form, and waits until they are: it may restart.
	settle(ctx context.Context, p *process) error
	// ask returns the request of a question.
	ask(base string, q *question) (*http.Request, error)
}

// peer returns the system of a name, where its program is installed.
func peer(name string) (system, error) {
	if _, err := exec.LookPath(name); err != nil {
		return nil, err
	}
	switch name {
	case "victoria-metrics":
		return victoria{}, nil
	case "influxd":
		return influx{}, nil
	}
	return nil, fmt.Errorf("%s is not a peer: victoria-metrics, influxd", name)
}

// ours is the system of this project.
type ours struct{ program string }

func (ours) name() string  { return "chronodex" }
func (ours) ready() string { return "/-/ready" }
func (ours) write() string { return "/write" }

func (s ours) command(dir, address string) (*exec.Cmd, error) {
	return exec.Command(s.program, "--data", filepath.Join(dir, "data"), "serve", "--listen", address), nil
}

// settle has the store compacted by the command that does so, while the server is down.
func (s ours) settle(ctx context.Context, p *process) error {
	if err := p.stop(); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, s.program, "--data", filepath.Join(p.dir, "data"), "compact").CombinedOutput()
	if err != nil {
		return fmt.Errorf("compact: %w: %s", err, out)
	}
	return p.start(ctx)
}

// victoria is VictoriaMetrics, a single node.
type victoria struct{}

func (victoria) name() string  { return "VictoriaMetrics" }
func (victoria) ready() string { return "/health" }
func (victoria) write() string { return "/write" }

func (victoria) command(dir, address string) (*exec.Cmd, error) {
	return exec.Command("victoria-metrics", "-storageDataPath", filepath.Join(dir, "data"), "-httpListenAddr", address,
		"-retentionPeriod", "100y", "-loggerLevel", "ERROR", "-search.latencyOffset", "0s", "-search.maxUniqueTimeseries", "1000000"), nil
}

// settle forces the merge of all parts, which a restart completes.
func (victoria) settle(ctx context.Context, p *process) error {
	for _, path := range []string{"/internal/force_flush", "/internal/force_merge"} {
		if err := get(ctx, p.base+path); err != nil {
			return err
		}
	}
	if err := p.untilIdle(ctx); err != nil {
		return err
	}
	return errors.Join(p.stop(), p.start(ctx))
}

// influx is InfluxDB 1.x.
type influx struct{}

func (influx) name() string  { return "InfluxDB" }
func (influx) ready() string { return "/query?q=CREATE+DATABASE+bench" }
func (influx) write() string { return "/write?db=bench" }

func (influx) command(dir, address string) (*exec.Cmd, error) {
	config := filepath.Join(dir, "influxd.conf")
	text := fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = %[1]q
  logging-enabled = false
[data]
  dir = %[2]q
  wal-dir = %[3]q
  query-log-enabled = false
  max-series-per-database = 0
  max-values-per-tag = 0
  index-version = "tsi1"
[http]
  bind-address = %[4]q
  log-enabled = false
  max-row-limit = 0
[logging]
  level = "error"
[monitor]
  store-enabled = false
`, filepath.Join(dir, "meta"), filepath.Join(dir, "data"), filepath.Join(dir, "wal"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return exec.Command("influxd", "-config", config), nil
}

// settle waits for its compactions, of which it cannot be told when.
func (influx) settle(ctx context.Context, p *process) error {
	if err := errors.Join(p.stop(), p.start(ctx)); err != nil { // writes the log to files
		return err
	}
	return p.untilIdle(ctx)
}

// A process is a running server.
type process struct {
	system  system
	dir     string
	address string
	base    string
	cmd     *exec.Cmd
	log     bytes.Buffer
}

// launch starts a server in an empty folder, on a free port.
func launch(ctx context.Context, s system, dir string) (*process, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	p := &process{system: s, dir: dir, address: address, base: "http://" + address}
	return p, p.start(ctx)
}

// start starts the program, and waits until it is ready.
func (p *process) start(ctx context.Context) error {
	cmd, err := p.system.command(p.dir, p.address)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd = cmd
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); ; {
		err := get(ctx, p.base+p.system.ready())
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not get ready: %w\n%s", p.system.name(), err, p.log.String())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stop ends the program, and waits for it.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil && !strings.Contains(err.Error(), "signal: terminated") {
		return fmt.Errorf("%s: %w\n%s", p.system.name(), err, p.log.String())
	}
	return nil
}

// untilIdle waits until the program has done next to nothing for some seconds.
func (p *process) untilIdle(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, quiet := p.cpu(), 0
	for quiet < 5 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		now := p.cpu()
		if quiet++; now-last > 0.02 {
			quiet = 0
		}
		last = now
	}
	return nil
}

// cpu returns the seconds of processor time that the program took.
func (p *process) cpu() float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, _ := strconv.ParseFloat(f[11], 64)
	system, _ := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100
}

// memory returns a line of the program's status, in MiB: VmRSS is what it takes, VmHWM the most that it took.
func (p *process) memory(line string) float64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for text := range strings.Lines(string(data)) {
		if f := strings.Fields(text); len(f) > 1 && f[0] == line+":" {
			kib, _ := strconv.ParseFloat(f[1], 64)
			return kib / 1024
		}
	}
	return 0
}

// size returns the bytes of the server's files.
func (p *process) size() (bytes int64) {
	_ = filepath.WalkDir(p.dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// get asks for a page, and wants a status below 300.
func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	_, err = do(req)
	return err
}

// do sends a request, and returns the body of the answer, whose status must be below 300.
func do(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s: %.300s", req.URL.Path, resp.Status, body)
	}
	return body, err
}
