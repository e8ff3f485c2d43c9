//go:build !(linux || darwin || freebsd || dragonfly || windows)

package vfs

import (
	"errors"
	"syscall"
)

func freeOf(string) (int64, error) { return 0, errors.ErrUnsupported }

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }
