package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// OfVersion returns a log file as another version of the format would head it.
func OfVersion(file []byte, version byte) []byte {
	file = append([]byte(nil), file...)
	file[7] = version
	binary.LittleEndian.PutUint32(file[16:], crc32.Checksum(file[:16], castagnoli))
	return file
}
