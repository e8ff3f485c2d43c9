package wal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
)

// A Record is one record of a log.
type Record struct {
	Seq    uint64 // its number
	Data   []byte // aliases the file: valid until the next record, not to be modified
	File   string // the file that holds it, with its folder
	Offset int64  // of its frame in the file
}

// A scan reads the frames of one file, and remembers what a later one tells of earlier damage.
type scan struct {
	name   string
	data   []byte
	first  uint64 // number of the first record
	next   uint64 // number that the next record should have
	write  int    // offset at which the last write that was seen began; the first one begins at 0
	closed bool   // the last frame is a closing one
	lost   bool   // the end of the file is damaged
	open   []*Damage
	synced []*Damage // damage that is known to have been synced
}

// newScan begins a scan. named is the number in the file's name, which serves where the head of
// the file is damaged.
func newScan(name string, data []byte, named uint64) (*scan, error) {
	s := &scan{name: name, data: data, first: named, next: named}
	first, err := parseFileHeader(data)
	switch {
	case errors.Is(err, ErrVersion):
		return nil, fmt.Errorf("%s: %w", name, err)
	case err != nil:
		s.damage(0, min(fileHeader, len(data)), 0, err.Error())
	case first != named:
		s.damage(0, fileHeader, 0, fmt.Sprintf("file holds records from %d on, not what its name says", first))
		s.first, s.next = first, first
	}
	return s, nil
}

// damage notes a damaged place. lost is the number of the record there, 0 if it is not known.
func (s *scan) damage(from, to int, lost uint64, reason string) {
	s.open = append(s.open, &Damage{
		File: s.name, Offset: int64(from), Bytes: int64(to - from), First: lost, Last: lost, Reason: reason, Torn: true,
	})
}

// settle moves the damage that lies before offset to synced: a write that began there had waited
// for the sync of all before it.
func (s *scan) settle(offset int) {
	n := 0
	for n < len(s.open) && s.open[n].Offset < int64(offset) {
		s.open[n].Torn = false
		n++
	}
	s.synced, s.open = append(s.synced, s.open[:n]...), s.open[n:]
}

// followed says that the whole file was synced, and that the record after its last one was next.
func (s *scan) followed(next uint64) {
	if n := len(s.open); n > 0 && s.lost && s.open[n-1].First == 0 && s.next < next {
		s.open[n-1].First, s.open[n-1].Last = s.next, next-1
	}
	s.settle(len(s.data) + 1)
}

// run calls yield for every record, in order, until it returns false.
func (s *scan) run(yield func(Record) bool) {
	for at := min(fileHeader, len(s.data)); at < len(s.data); {
		f, ok := s.frameAt(at)
		if !ok {
			at = s.resync(at)
			continue
		}
		if start := at - int(f.back); start > fileHeader {
			s.write = max(s.write, start)
		}
		s.settle(s.write)
		end := at + frameHeader + int(f.length)
		s.closed = f.kind == kindClosed
		if end > len(s.data) {
			s.damage(at, len(s.data), f.seq, "record is cut")
			s.lost = true
			s.next = f.seq + 1
			return
		}
		body := s.data[at+frameHeader : end]
		switch {
		case s.closed:
			s.next = f.seq
		case crc32.Checksum(body, castagnoli) != f.body:
			s.damage(at, end, f.seq, "record: wrong checksum")
			s.next = f.seq + 1
		default:
			s.next = f.seq + 1
			if !yield(Record{Seq: f.seq, Data: body, File: s.name, Offset: int64(at)}) {
				return
			}
		}
		at = end
	}
}

// frameAt reads the frame at an offset, if there is one that can follow what was read so far.
func (s *scan) frameAt(at int) (frame, bool) {
	f, ok := parseFrame(s.data, s.first, at)
	ok = ok && f.seq >= s.next && f.seq < maxSeq && f.length <= MaxRecord && int(f.back) <= at-fileHeader &&
		(f.kind == kindRecord || f.length == 0)
	return f, ok
}

// resync notes that no frame is at an offset, and returns where the next one is, or the end.
func (s *scan) resync(at int) int {
	to := at + 1
	for ; ; to++ {
		k := bytes.Index(s.data[to:], frameMark)
		if k < 0 {
			s.damage(at, len(s.data), 0, "no record")
			s.closed, s.lost = false, true
			return len(s.data)
		}
		to += k
		if f, ok := s.frameAt(to); ok {
			s.damage(at, to, 0, "no record")
			if d := s.open[len(s.open)-1]; f.seq > s.next {
				d.First, d.Last = s.next, f.seq-1
			}
			return to
		}
	}
}
