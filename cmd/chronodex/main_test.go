package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"chronodex": main})
}

// TestScripts runs each command as a user would. UPDATE=1 writes what they print into the scripts.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode": exitCode,
			"damage":   damage,
			"cut":      cut,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("CHRONODEX_DATA", "store")
			e.Setenv("NO_COLOR", "1")
			return nil
		},
	})
}

// exitCode runs a command that must end with the code: exitcode 2 chronodex …
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want || neg {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// damage flips a bit in the middle of each segment of a store.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	segments(ts, args[0], func(b []byte) []byte {
		b[len(b)/2] ^= 1
		return b
	})
}

// cut takes the end off each segment of a store.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	segments(ts, args[0], func(b []byte) []byte { return b[:len(b)-1] })
}

// segments changes all segments of a store.
func segments(ts *testscript.TestScript, store string, change func([]byte) []byte) {
	found := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(store), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".seg") && len(e.Name()) != 64 { // or content of a backup
			return err
		}
		found++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, change(b), 0o644)
	}))
	if found == 0 {
		ts.Fatalf("no segment in %s", store)
	}
}
