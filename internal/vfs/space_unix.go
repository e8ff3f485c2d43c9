//go:build linux || darwin || freebsd || dragonfly

package vfs

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// freeOf asks the file system for what is left to those who are not root.
func freeOf(name string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(name, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: name, Err: err}
	}
	return int64(min(uint64(max(0, int64(s.Bavail)))*uint64(s.Bsize), math.MaxInt64)), nil
}

func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
