package vfs

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// freeOf asks the file system for what is left to this user.
func freeOf(name string) (int64, error) {
	p, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &free, nil, nil); err != nil {
		return 0, &os.PathError{Op: "free", Path: name, Err: err}
	}
	return int64(min(free, math.MaxInt64)), nil
}

func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
