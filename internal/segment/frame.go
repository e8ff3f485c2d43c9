package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/chronodex/chronodex/chunk"
)

// Sizes and marks of the file's fixed parts.
const (
	version     = 1
	magicHead   = "CHRONODX"
	magicTail   = "XDONORHC"
	headerSize  = 8 + 4 + 4     // magic, version, checksum
	frameHead   = 4 + 1 + 4     // checksum, type, length
	footerSize  = 8 + 4 + 4 + 8 // offset of the index, version, checksum, magic
	maxFrameLen = 1 << 30
)

// A frameType says what is in a frame. The numbers are stored, and never reused.
type frameType uint8

const (
	frameBlock     frameType = 1
	frameDirectory frameType = 2
	frameSeries    frameType = 3
	frameLookup    frameType = 4
	frameIndex     frameType = 5
)

// String is the name of the type in errors and in what Inspect prints.
func (t frameType) String() string {
	switch t {
	case frameBlock:
		return "block"
	case frameDirectory:
		return "directory page"
	case frameSeries:
		return "series page"
	case frameLookup:
		return "lookup page"
	case frameIndex:
		return "index"
	}
	return fmt.Sprintf("frame of type %d", uint8(t))
}

// checksum is the CRC32C (Castagnoli) of b.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// corrupt is an error that wraps [chunk.ErrCorrupt].
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), chunk.ErrCorrupt)
}

// appendHeader appends the header of a file.
func appendHeader(dst []byte) []byte {
	n := len(dst)
	dst = append(dst, magicHead...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[n:]))
}

// parseHeader checks the header of a file.
func parseHeader(b []byte) error {
	switch {
	case len(b) < headerSize || string(b[:8]) != magicHead:
		return corrupt("not a segment: no %q at its head", magicHead)
	case checksum(b[:12]) != binary.LittleEndian.Uint32(b[12:]):
		return corrupt("checksum of the header")
	case binary.LittleEndian.Uint32(b[8:]) != version:
		return corrupt("version %d, known is %d", binary.LittleEndian.Uint32(b[8:]), version)
	}
	return nil
}

// beginFrame appends room for the head of a frame, to which endFrame must be told.
func beginFrame(dst []byte) []byte { return append(dst, make([]byte, frameHead)...) }

// endFrame completes the frame that begins at dst[at] and ends where dst does.
func endFrame(dst []byte, at int, t frameType) {
	f := dst[at:]
	f[4] = byte(t)
	binary.LittleEndian.PutUint32(f[5:], uint32(len(f)-frameHead))
	binary.LittleEndian.PutUint32(f, checksum(f[4:]))
}

// parseFrame returns what is in the frame that fills b.
func parseFrame(b []byte, t frameType) ([]byte, error) {
	switch {
	case len(b) < frameHead:
		return nil, corrupt("%v of %d bytes", t, len(b))
	case checksum(b[4:]) != binary.LittleEndian.Uint32(b):
		return nil, corrupt("checksum of a %v of %d bytes", t, len(b))
	case frameType(b[4]) != t || int(binary.LittleEndian.Uint32(b[5:])) != len(b)-frameHead:
		return nil, corrupt("%v where a %v should be", frameType(b[4]), t)
	}
	return b[frameHead:], nil
}

// appendFooter appends the footer of a file whose index is the frame at offset.
func appendFooter(dst []byte, offset int64) []byte {
	n := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(offset))
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = binary.LittleEndian.AppendUint32(dst, checksum(dst[n:]))
	return append(dst, magicTail...)
}

// parseFooter returns the offset of the index frame in a file of size bytes, of which b are the
// last ones.
func parseFooter(b []byte, size int64) (int64, error) {
	if len(b) < footerSize || string(b[16:]) != magicTail {
		return 0, corrupt("not a whole segment: no %q at its end", magicTail)
	}
	offset := int64(binary.LittleEndian.Uint64(b))
	switch {
	case checksum(b[:12]) != binary.LittleEndian.Uint32(b[12:]):
		return 0, corrupt("checksum of the footer")
	case binary.LittleEndian.Uint32(b[8:]) != version:
		return 0, corrupt("version %d, known is %d", binary.LittleEndian.Uint32(b[8:]), version)
	case offset < headerSize || offset > size-footerSize-frameHead:
		return 0, corrupt("index at %d of %d bytes", offset, size)
	}
	return offset, nil
}
