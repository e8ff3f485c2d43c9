package wal

import (
	"fmt"
	"iter"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/chronodex/chronodex/internal/vfs"
)

const fileSuffix = ".log"

// A logFile is a file of a log.
type logFile struct {
	name  string // with its folder
	first uint64 // number of its first record, as its name says
}

func fileName(dir string, first uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d%s", first, fileSuffix))
}

// list returns the files of a log, oldest first. Names that are none of a log's are ignored.
func list(fsys vfs.FS, dir string) ([]logFile, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, err
	}
	var files []logFile
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, fileSuffix)
		first, err := strconv.ParseUint(digits, 10, 64)
		if ok && err == nil && len(digits) == 20 && first > 0 {
			files = append(files, logFile{filepath.Join(dir, name), first})
		}
	}
	return files, nil
}

// Replay reads the records of the log in dir that come after the record of number after, oldest
// first, and changes nothing: it may run while another process appends, and then ends somewhere.
// A record is valid until the next one. What cannot be read is yielded as an error of type
// [*Damage], with an empty record, and reading goes on behind it; any other error comes last. If
// the log's owner releases files meanwhile, that one wraps [io/fs.ErrNotExist].
func Replay(fsys vfs.FS, dir string, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		files, err := list(fsys, dir)
		if err != nil {
			yield(Record{}, err)
			return
		}
		r := reader{fsys: fsys, after: after, next: after + 1, yield: yield}
		for i, f := range files {
			following := uint64(0)
			if i+1 < len(files) {
				following = files[i+1].first
			}
			if r.file(f, following); r.done {
				return
			}
		}
	}
}

// A reader reads the files of a log one after another.
type reader struct {
	fsys  vfs.FS
	after uint64 // records up to this one are not wanted
	next  uint64 // number of the record that should come next
	lost  bool   // the end of the last file is damaged, so that its last records are not known
	yield func(Record, error) bool
	done  bool
}

// file reads one file. following is the first record of the next one, 0 if there is none.
func (r *reader) file(lf logFile, following uint64) {
	var data []byte
	if following == 0 { // its writer may cut it, where a write failed
		all, err := readAll(r.fsys, lf.name)
		if err != nil {
			r.error(err)
			return
		}
		data = all
	} else {
		f, err := r.fsys.Open(lf.name)
		if err != nil {
			r.error(err)
			return
		}
		defer f.Close()
		if data, err = f.Map(); err != nil {
			r.error(err)
			return
		}
	}
	s, err := newScan(lf.name, data, lf.first)
	if err != nil {
		r.error(err)
		return
	}
	if s.first > r.next && !r.lost {
		r.error(&Damage{File: lf.name, First: r.next, Last: s.first - 1, Reason: "no file holds what comes before"})
	}
	if r.done {
		return
	}
	s.run(func(rec Record) bool {
		r.damages(s)
		if !r.done && rec.Seq >= r.next {
			r.done = !r.yield(rec, nil)
		}
		return !r.done
	})
	if following > 0 {
		s.followed(following)
	}
	r.damages(s)
	for _, d := range s.open {
		r.error(d)
	}
	r.next, r.lost = max(r.next, s.next), s.lost
}

// damages yields the damage of s that is known to be such.
func (r *reader) damages(s *scan) {
	for _, d := range s.synced {
		r.error(d)
	}
	s.synced = s.synced[:0]
}

// error yields an error, unless it is of records that are not wanted.
func (r *reader) error(err error) {
	d, ok := err.(*Damage)
	if !r.done && (!ok || d.Last == 0 || d.Last > r.after) {
		r.done = !r.yield(Record{}, err)
	}
	r.done = r.done || !ok
}
