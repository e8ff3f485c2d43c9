package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// process returns a process of this program, in a folder.
func process(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args, cmd.Dir = append([]string{"chronodex"}, args...), dir
	return cmd
}

// mustRun runs a process that must succeed, and returns what it prints.
func mustRun(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := process(t, dir, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%q: %v\n%s%s", args, err, out, exit.Stderr)
		}
		t.Fatalf("%q: %v", args, err)
	}
	return string(out)
}

// manyLines writes files of line protocol, and returns how many observations they hold.
func manyLines(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	for file := range 8 {
		var b bytes.Buffer
		for i := range 6000 {
			for host := range 5 {
				fmt.Fprintf(&b, "load,host=h%d-%d value=%d.5 %d\n", file, host, i%97, 1772409600000000000+int64(i)*1e9)
				n++
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.lp", file)), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// While one process writes, others read what is acknowledged; a second writer is told why it cannot.
// The first interrupt ends the writer, and what it acknowledged stays.
func TestReadBesideWriter(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupts here")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.lp"), []byte("m v=1 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, "import", "a.lp")
	writer := process(t, dir, "import", "--format", "influx", "-")
	in, err := writer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	writer.Stderr = &errs
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	var block strings.Builder
	for i := range 300_000 { // more than one batch, so that the writer has the store open
		fmt.Fprintf(&block, "m v=%d %d\n", i, i+1)
	}
	if _, err := io.WriteString(in, block.String()); err != nil {
		t.Fatal(err)
	}
	if out := mustRun(t, dir, "query", "--format", "csv", "* | count"); !strings.Contains(out, "field,") && !strings.Contains(out, "value") {
		t.Errorf("a reader beside the writer got %s", out)
	}
	out, err := process(t, dir, "import", "a.lp").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another process writes to this store") {
		t.Errorf("a second writer got %v: %s", err, out)
	}
	if err := writer.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = writer.Wait() // though its stdin is still open
	_ = in.Close()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitCancelled || !strings.Contains(errs.String(), "cancelled") {
		t.Errorf("interrupted: %v: %s", err, errs.String())
	}
	mustRun(t, dir, "check")
}

// What takes too much memory fails with the code of limits, and says so.
func TestLimitOfAQuery(t *testing.T) {
	dir := t.TempDir()
	manyLines(t, dir)
	var out, errs bytes.Buffer
	s := &session{out: &out, err: &errs, now: time.Now}
	data := filepath.Join(dir, "store")
	if code := s.run(context.Background(), []string{"--data", data, "import", "--quiet", dir}); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if code := s.run(context.Background(), []string{"--data", data, "query", "--memory", "1", "*"}); code != exitLimit || !strings.Contains(errs.String(), "limit") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// A command whose context has ended is cancelled.
func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	manyLines(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	s := &session{out: &out, err: &errs, now: time.Now}
	if code := s.run(ctx, []string{"--data", filepath.Join(dir, "store"), "import", dir}); code != exitCancelled {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

// The bar is drawn where a terminal listens, and taken away.
func TestProgressBar(t *testing.T) {
	var errs bytes.Buffer
	clock := time.Unix(0, 0)
	s := &session{err: &errs, now: func() time.Time { clock = clock.Add(time.Second); return clock }, errTerminal: true, width: 60}
	p := s.progress("import")
	p.rate(1, 4, 1000)
	p.rate(4, 4, 5_000_000)
	p.clear()
	want := "\rimport  ██████░░░░░░░░░░░░░░░░░░  25 %  1,000 observations, …"
	if got := errs.String(); !strings.Contains(got, "██████░") || !strings.Contains(got, "100 %") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("got %q, want about %q", got, want)
	}
	s.errTerminal = false
	errs.Reset()
	if s.progress("x").rate(1, 2, 3); errs.Len() > 0 {
		t.Errorf("without a terminal: %q", errs.String())
	}
}
