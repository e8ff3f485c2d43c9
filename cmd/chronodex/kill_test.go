package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// A killRun imports files into a store with the real binary, which it kills.
type killRun struct {
	t      *testing.T
	binary string
	data   string
}

// command returns a run of the binary on the store.
func (r *killRun) command(args ...string) *exec.Cmd {
	return exec.Command(r.binary, append([]string{"--data", r.data}, args...)...)
}

// run runs the binary to its end, which must be a good one.
func (r *killRun) run(args ...string) []byte {
	r.t.Helper()
	cmd := r.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.Bytes())
	}
	return out
}

const (
	killFiles = 3
	killRows  = 30_000
	killHosts = 7
)

// killValue is the value of host in row of a file.
func killValue(file, row, host int) float64 {
	return float64((row*7919+host*104729+file)%100_000) / 100
}

// killCSV returns a file: a line a second, a value of each host.
func killCSV(file int) []byte {
	var b bytes.Buffer
	b.WriteString("ts")
	for host := range killHosts {
		fmt.Fprintf(&b, ",host%d", host)
	}
	for row := range killRows {
		fmt.Fprintf(&b, "\n%d", 1_700_000_000+row)
		for host := range killHosts {
			b.WriteByte(',')
			b.WriteString(strconv.FormatFloat(killValue(file, row, host), 'f', -1, 64))
		}
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// importArgs are the arguments of an import of a file, from its path or stdin.
func importArgs(file int, path string) []string {
	args := []string{"import", "--quiet", "--format", "csv", "--csv-time", "ts", "--csv-layout", "unix", "--set", fmt.Sprint("file=", file)}
	for host := range killHosts {
		args = append(args, "--csv-value", fmt.Sprint("host", host))
	}
	return append(args, path)
}

// present exports the store and counts the values of each file, all of which must be true.
func (r *killRun) present() [killFiles]int {
	r.t.Helper()
	var seen [killFiles]int
	lines := csv.NewReader(bytes.NewReader(r.run("export", "*", "--format", "csv")))
	lines.FieldsPerRecord = -1
	var at, value, of, metric int
	for n := 0; ; n++ {
		rec, err := lines.Read()
		if err == io.EOF {
			return seen
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if n == 0 || rec[0] == "time" { // a head
			for i, name := range rec {
				switch name {
				case "time":
					at = i
				case "value":
					value = i
				case "file":
					of = i
				case "metric":
					metric = i
				}
			}
			continue
		}
		stamp, err1 := strconv.ParseInt(rec[at], 10, 64)
		v, err2 := strconv.ParseFloat(rec[value], 64)
		file, err3 := strconv.Atoi(rec[of])
		host, err4 := strconv.Atoi(strings.TrimPrefix(rec[metric], "host"))
		row := int(stamp/1e9) - 1_700_000_000
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil || row < 0 || row >= killRows || stamp%1e9 != 0 ||
			file < 0 || file >= killFiles || v != killValue(file, row, host) {
			r.t.Fatalf("nobody wrote %v", rec)
		}
		seen[file]++
	}
}

// killWhileReading imports a file from stdin, and kills the process behind so many bytes.
func (r *killRun) killWhileReading(file int, content []byte) {
	r.t.Helper()
	cmd := r.command(importArgs(file, "-")...)
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := in.Write(content); err != nil {
		r.t.Fatal(err)
	}
	r.kill(cmd)
}

// killWhileSealing imports a file, and kills the process when it has begun to write a segment.
func (r *killRun) killWhileSealing(file int, path string) {
	r.t.Helper()
	segments := func() int {
		names, err := filepath.Glob(filepath.Join(r.data, "shard-*", "*.seg*"))
		if err != nil {
			r.t.Fatal(err)
		}
		return len(names)
	}
	before := segments()
	cmd := r.command(importArgs(file, path)...)
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	for segments() == before {
		runtime.Gosched()
	}
	r.kill(cmd)
}

func (r *killRun) kill(cmd *exec.Cmd) {
	r.t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		r.t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// TestKill kills imports: files whose import had ended well are whole, of the one that was killed
// nothing is there but what is in it, and it can be imported again.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary")
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(3, 4))
	r := &killRun{t: t, binary: filepath.Join(dir, "chronodex"), data: filepath.Join(dir, "store")}
	if out, err := exec.Command("go", "build", "-o", r.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	const whole = killRows * killHosts
	for file := range killFiles {
		check := func(what string, least int) {
			t.Helper()
			for i, n := range r.present() {
				if i < file && n != whole || i == file && n < least || i > file && n > 0 {
					t.Fatalf("%s file %d: file %d has %d values of %d", what, file, i, n, whole)
				}
			}
		}
		content := killCSV(file)
		path := filepath.Join(dir, "file.csv")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		r.killWhileReading(file, content[:rng.IntN(len(content))])
		if file == 0 {
			r.run(importArgs(file, os.DevNull)...) // the store may not have been made
		}
		check("killed while reading", 0)
		if file%2 == 1 {
			r.killWhileSealing(file, path)
			check("killed while sealing", whole) // which begins when all was stored
		}
		r.run(importArgs(file, path)...)
		check("imported", whole)
	}
	r.run("check")
}
