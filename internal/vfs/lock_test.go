package vfs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/internal/vfs"
)

// TestLockOfAnotherProcess starts this test again as the process that holds the lock.
func TestLockOfAnotherProcess(t *testing.T) {
	if name := os.Getenv("CHRONODEX_TEST_LOCK"); name != "" {
		if _, err := (vfs.OS{}).Lock(name, false); err != nil {
			t.Fatal(err)
		}
		fmt.Println("locked")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent goes
		return
	}
	name := filepath.Join(t.TempDir(), "LOCK")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockOfAnotherProcess$")
	cmd.Env = append(os.Environ(), "CHRONODEX_TEST_LOCK="+name)
	_, err := cmd.StdinPipe() // open as long as the child runs
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line := make([]byte, 100)
	n, err := stdout.Read(line)
	must(t, err)
	if !strings.HasPrefix(string(line[:n]), "locked") {
		t.Fatalf("child says %q", line[:n])
	}
	_, err = vfs.OS{}.Lock(name, true)
	if !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(cmd.Process.Pid)) {
		t.Errorf("while process %d holds it: %v", cmd.Process.Pid, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	lock, err := vfs.OS{}.Lock(name, false) // a dead process holds nothing
	must(t, err)
	must(t, lock.Close())
}
