package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrCorrupt is wrapped by an error that means: bytes that had been synced are not what was written.
var ErrCorrupt = errors.New("corrupt log")

// ErrTorn is wrapped by an error that means: the last write was cut by a crash, or by damage that
// cannot be told from one.
var ErrTorn = errors.New("torn end of log")

// ErrVersion is wrapped by an error that means: another version of the program wrote this log.
var ErrVersion = errors.New("unknown version of the log")

const (
	fileMagic   = "CHRXLOG\x01"
	fileHeader  = 20
	frameHeader = 28
	kindRecord  = 1
	kindClosed  = 2
	maxSeq      = 1 << 63 // above all numbers of records

	// MaxRecord is the largest length of a record, in bytes.
	MaxRecord = 1 << 26
	maxQueued = 1 << 30 // bytes of one write, which an uint32 can hold
	maxSpare  = 4 << 20 // memory kept from write to write
)

var (
	frameMark  = []byte{0xC7, 'L', 'R'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// A frame is the head of a record in a file.
type frame struct {
	kind   byte
	length uint32
	seq    uint64
	back   uint32
	body   uint32
}

// Damage is a place in a log that cannot be read. It wraps [ErrCorrupt] or [ErrTorn].
type Damage struct {
	File   string // name of the file, with its folder
	Offset int64  // where it begins
	Bytes  int64  // how long it is; 0 where records are missing altogether
	First  uint64 // number of the first record that is lost; 0 if none is known to be
	Last   uint64 // number of the last one
	Reason string
	Torn   bool // ErrTorn, not ErrCorrupt
}

// Error says what is lost, and where.
func (d *Damage) Error() string {
	s := fmt.Sprintf("%s: %s at offset %d, %d bytes", d.File, d.Reason, d.Offset, d.Bytes)
	switch {
	case d.First == 0:
	case d.First == d.Last:
		s += fmt.Sprintf(", record %d is lost", d.First)
	default:
		s += fmt.Sprintf(", records %d to %d are lost", d.First, d.Last)
	}
	return s + ": " + d.Unwrap().Error()
}

// Unwrap returns ErrCorrupt or ErrTorn.
func (d *Damage) Unwrap() error {
	if d.Torn {
		return ErrTorn
	}
	return ErrCorrupt
}

// appendFileHeader appends the head of a file whose first record is first.
func appendFileHeader(dst []byte, first uint64) []byte {
	dst = append(dst, fileMagic...)
	dst = binary.LittleEndian.AppendUint64(dst, first)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[len(dst)-16:], castagnoli))
}

// parseFileHeader returns the number of the first record of a file.
func parseFileHeader(b []byte) (first uint64, err error) {
	if len(b) < fileHeader {
		return 0, errors.New("head of file is cut")
	}
	if crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return 0, errors.New("head of file: wrong checksum")
	}
	if string(b[:7]) != fileMagic[:7] {
		return 0, errors.New("not a log file")
	}
	if b[7] != fileMagic[7] {
		return 0, fmt.Errorf("%w: it has %d, this program reads %d", ErrVersion, b[7], fileMagic[7])
	}
	return binary.LittleEndian.Uint64(b[8:]), nil
}

// appendFrame appends a frame, whose place is not known yet: see placeFrames.
func appendFrame(dst []byte, kind byte, seq uint64, record []byte, body uint32) []byte {
	dst = append(append(dst, frameMark...), kind)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(record)))
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, body)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return append(dst, record...)
}

// placeFrames completes the frames in b, one write, which will be at offset of the file whose
// first record is first.
func placeFrames(b []byte, first uint64, offset int64) {
	for at := 0; at < len(b); {
		head := b[at : at+frameHeader]
		binary.LittleEndian.PutUint32(head[16:], uint32(at))
		binary.LittleEndian.PutUint32(head[24:], frameSum(head, first, offset+int64(at)))
		at += frameHeader + int(binary.LittleEndian.Uint32(head[4:]))
	}
}

// frameSum is the checksum of the head of a frame at its place.
func frameSum(head []byte, first uint64, offset int64) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], first)
	binary.LittleEndian.PutUint64(place[8:], uint64(offset))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, head[:24])
}

// parseFrame reads the head of the frame at offset of the file b, and reports whether there is one.
func parseFrame(b []byte, first uint64, offset int) (frame, bool) {
	if offset < 0 || offset > len(b)-frameHeader {
		return frame{}, false
	}
	head := b[offset : offset+frameHeader]
	if !bytes.Equal(head[:3], frameMark) ||
		frameSum(head, first, int64(offset)) != binary.LittleEndian.Uint32(head[24:]) {
		return frame{}, false
	}
	f := frame{
		kind:   head[3],
		length: binary.LittleEndian.Uint32(head[4:]),
		seq:    binary.LittleEndian.Uint64(head[8:]),
		back:   binary.LittleEndian.Uint32(head[16:]),
		body:   binary.LittleEndian.Uint32(head[20:]),
	}
	return f, f.kind == kindRecord || f.kind == kindClosed
}
