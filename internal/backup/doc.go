// Package backup copies a store, while it works, into a folder of backups or a stream, and back. It
// knows files, names and checksums, and nothing of what is in the files.
//
// Start at [Create] and [Restore]; [WriteTar] and [RestoreTar] do the same with one stream, and
// [OpenStore] reads a backup as a store, in place.
//
// # The folder of backups
//
//	BACKUPS                                a line that names the format and its version
//	LOCK                                   locked by who makes or removes backups
//	20261122T093000.000000000Z.backup …    a backup each, by the moment that it holds
//	files/<SHA-256>                        the contents of their files, each once
//	RESUME                                 contents that a cut backup has copied
//
// A backup is text: the line "chronodex backup 1"; "taken" and the moment in RFC 3339; for each file
// of the store "file", its SHA-256 in hexadecimal, its length in bytes, its mark, and its name; and
// last "sha256" and the SHA-256 of all lines before. The mark of a file that does not change any
// more is the SHA-256 of the checksums in it (see the method Mark of a segment's reader); of another
// file it is "-". A file of the same name, length and mark as in the last backup is the same, and not
// read again: this is what makes a backup incremental. So the content in the backup stays good where
// the store's own file is damaged later. A backup is written last, durably and at once, so that one that was cut is none; what
// it has copied is found by the next one through RESUME, a line "file …" each.
//
// Contents are written beside their place and renamed, and are never changed. They are removed only
// with the last backup that has them.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/chronodex/chronodex/internal/vfs"
)

// Sentinels of what a caller may want to tell apart.
var (
	ErrCorrupt  = errors.New("corrupt backup")      // something of it is not as it was written
	ErrNone     = errors.New("no such backup")      // of that name or moment, or no folder of backups
	ErrNotEmpty = errors.New("folder is not empty") // of backups of somebody else's files, or to restore into
	ErrBusy     = vfs.ErrLocked                     // another backup is being made in this folder
)

// Options say how copying is done. The zero value is usable.
type Options struct {
	FS             vfs.FS                  // where folders live; nil means the operating system
	BytesPerSecond int64                   // read at most; 0 means no bound
	Keep           int                     // backups that stay when a new one was made; 0 means all
	Full           bool                    // read all files of the store, also those that seem to be there already
	Progress       func(done, total int64) // told of bytes that were dealt with; may be nil
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	return o
}

// The names in a folder of backups.
const (
	markerName = "BACKUPS"
	markerText = "chronodex backups 1\n"
	lockName   = "LOCK"
	resumeName = "RESUME"
	filesDir   = "files"
	suffix     = ".backup"
	nameLayout = "20060102T150405.000000000Z"
)

// A Backup is one backup of a folder, or of a stream.
type Backup struct {
	Name   string // in its folder, and sorted by time; "" in a stream
	Taken  time.Time
	Files  int
	Bytes  int64 // of all files
	Copied int64 // of those that were not there before; only told by [Create]
	files  []file
}

// A file is one of a backup.
type file struct {
	sum   string // SHA-256, hexadecimal
	bytes int64
	mark  string
	name  string
}

var nameForm = regexp.MustCompile(`^\d{8}T\d{6}\.\d{9}Z$`)

// List returns the backups in dir, oldest first. Damaged ones are left out, and joined in the error,
// beside the others.
func List(dir string, o Options) ([]Backup, error) {
	o = o.withDefaults()
	if err := marked(o.FS, dir); err != nil {
		return nil, err
	}
	names, err := o.FS.List(dir)
	if err != nil {
		return nil, err
	}
	var out []Backup
	var errs []error
	for _, name := range names {
		if !strings.HasSuffix(name, suffix) || !nameForm.MatchString(strings.TrimSuffix(name, suffix)) {
			continue
		}
		b, err := load(o.FS, dir, strings.TrimSuffix(name, suffix))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, *b)
	}
	return out, errors.Join(errs...)
}

// marked returns nil where dir is a folder of backups.
func marked(fsys vfs.FS, dir string) error {
	text, err := vfs.ReadFile(fsys, path.Join(dir, markerName))
	switch {
	case err != nil && !vfs.Exists(fsys, dir):
		return fmt.Errorf("%s: %w: there is no such folder", dir, ErrNone)
	case err != nil:
		return fmt.Errorf("%s: %w: it is no folder of backups", dir, ErrNone)
	case string(text) != markerText:
		return fmt.Errorf("%s: format %.40q, want %q: %w", path.Join(dir, markerName), text, markerText, ErrCorrupt)
	}
	return nil
}

// Find returns the backup of that name; the latest one where which is "", and where it is a moment,
// in RFC 3339, the latest that had been taken by then.
func Find(dir, which string, o Options) (*Backup, error) {
	all, err := List(dir, o)
	if len(all) == 0 {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, ErrNone), err)
	}
	if which == "" {
		return &all[len(all)-1], nil
	}
	if i := slices.IndexFunc(all, func(b Backup) bool { return b.Name == which }); i >= 0 {
		return &all[i], nil
	}
	at, err := time.Parse(time.RFC3339, which)
	if err != nil {
		return nil, fmt.Errorf("%s: %q: %w: want the name of one, or a moment such as 2026-01-31T12:00:00Z", dir, which, ErrNone)
	}
	for _, b := range slices.Backward(all) {
		if !b.Taken.After(at) {
			return &b, nil
		}
	}
	return nil, fmt.Errorf("%s: by %s: %w: the oldest is of %s", dir, which, ErrNone, all[0].Taken.Format(time.RFC3339))
}

// copyBuffer is how much is copied between two looks at the context.
const copyBuffer = 256 << 10

// copyAll copies src to dst, slowly where that is asked for, and tells step of each piece.
func copyAll(ctx context.Context, dst io.Writer, src io.Reader, p *pace, step func(int64)) (int64, error) {
	buf := make([]byte, copyBuffer)
	total := int64(0)
	for {
		if err := p.wait(ctx, copyBuffer); err != nil {
			return total, err
		}
		n, err := io.ReadFull(src, buf)
		if _, werr := dst.Write(buf[:n]); werr != nil {
			return total, werr
		}
		total += int64(n)
		step(int64(n))
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return total, nil
			}
			return total, err
		}
	}
}
