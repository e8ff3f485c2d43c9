package shard

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/internal/wal"
)

// lossName is the file of a shard that remembers which records of its log were lost. Opening for
// writing mends the log, and sealing lets go of it, so that nothing else would know of the loss
// any more. It has the form of a manifest, with one loss a line. Whoever has seen to it removes the
// file.
const lossName = "LOST"

const lossFormat = "chronodex losses 1"

// damagedSuffix is behind the name of a file of the log that was kept as it was found.
const damagedSuffix = ".damaged"

const repairLoss = "none; write again what was written then, and remove the file"

// errLost is wrapped by what lossName tells.
var errLost = errors.New("lost earlier")

// lossError is one line of lossName.
type lossError struct{ file, text string }

func (e *lossError) Error() string { return fmt.Sprintf("%s: %s: %v", e.file, e.text, errLost) }
func (e *lossError) Unwrap() error { return errLost }

// readLosses returns the lines of the file of losses; none where there is no such file.
func (s *Shard) readLosses() ([]string, error) {
	lines, err := readManifestFile(s.o.FS, path.Join(s.dir, lossName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return lines[1:], nil
}

// noteLosses takes note of what was lost before the store was opened.
func (s *Shard) noteLosses() error {
	lines, err := s.readLosses()
	if err != nil && !errors.Is(err, ErrManifest) {
		return err
	}
	file := path.Join(s.dir, lossName)
	if err != nil {
		s.noteDamage(&lossError{file, "records of the log; which ones cannot be read any more"})
	}
	for _, line := range lines {
		s.noteDamage(&lossError{file, line})
	}
	return nil
}

// keepLoss makes a loss of the log, found on opening for writing, outlast the log. The damaged file
// is kept beside it.
func (s *Shard) keepLoss(loss error) error {
	var d *wal.Damage
	if errors.As(loss, &d) {
		if d.First == 0 {
			return nil // no record is lost
		}
		if err := s.keepDamaged(d.File); err != nil {
			return err
		}
	}
	lines, err := s.readLosses()
	if err != nil && !errors.Is(err, ErrManifest) {
		return err
	}
	line := strings.Join(strings.Fields(loss.Error()), " ")
	if slices.Contains(lines, line) {
		return nil
	}
	text := lossFormat + "\n" + strings.Join(append(lines, line), "\n") + "\n"
	return vfs.WriteFile(s.o.FS, path.Join(s.dir, lossName), withChecksum([]byte(text)))
}

func (s *Shard) keepDamaged(name string) error {
	if !vfs.Exists(s.o.FS, name) || vfs.Exists(s.o.FS, name+damagedSuffix) {
		return nil
	}
	data, err := vfs.ReadFile(s.o.FS, name)
	if err != nil {
		return err
	}
	return vfs.WriteFile(s.o.FS, name+damagedSuffix, data)
}
