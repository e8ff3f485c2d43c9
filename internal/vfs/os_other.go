//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package vfs

import (
	"errors"
	"os"
)

// lockFile fails: a store whose second process would not be noticed is not opened.
func lockFile(*os.File, bool) error { return errors.ErrUnsupported }

func alive(int) bool { return false }

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
