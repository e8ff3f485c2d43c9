// Package wal is the log of a shard: what was appended to it is durable when Append returns, and
// is read again after a crash. One sync of the disk serves all writers that wait at that moment.
// It knows nothing of what is in a record.
//
// Start at [Open] and [Log.Append]; [Replay] reads a log without touching it.
//
// # Format of the log, version 1
//
// A log is a folder of files, each named by the number of its first record in 20 decimal digits,
// with the ending ".log". Records are numbered from 1, without gaps but where a crash tore some. All integers are little
// endian, all checksums CRC-32C (Castagnoli).
//
//	file    = header frame*
//	header  = "CHRXLOG" version:u8=1 | first:u64 | crc:u32                         20 bytes
//	frame   = 0xC7 'L' 'R' kind:u8 | length:u32 | seq:u64 | back:u32 | body:u32 | crc:u32 | record
//	          28 bytes and the length bytes of the record
//
//	first   number of the file's first record
//	kind    1: a record. 2: the log was closed here; length is 0, seq that of the next record
//	back    bytes from the start of the write that this frame was part of to the frame
//	body    checksum of the record
//	crc     in the header, of the 16 bytes before it; in a frame, of first:u64, the frame's offset
//	        in the file:u64, and the 24 bytes before it
//
// A frame's own checksum covers its length, so a damaged record does not hide the next one; and it
// covers its place, so that no bytes from elsewhere, such as those of a record that holds a log,
// pass for a frame. Where a frame's head is damaged, the next one is looked for byte by byte.
//
// The writer writes all waiting records with one write, syncs the file, and only then begins the
// next write. So a damaged place before the start of a later write (which back tells), or in a file
// that is followed by another, had been synced: the disk lost it, and that is reported as
// [ErrCorrupt]. A damaged place in the very last write was never acknowledged, if the machine
// stopped while it was written: that is [ErrTorn]. Whole records of that write are kept.
//
// A write that fails has its records refused, and their numbers go to the next ones. What it left
// in the file has to go before: it is cut off, where only the write failed; after a sync that
// failed, which no later sync makes up for, the file is written anew without it, and with a closing
// frame, under its name.
//
// On opening for writing, a log that was not closed gets its last write written anew, without what
// is torn, and a closing frame; so every byte that is relied on has been synced. Then a new file is
// begun with the first record.
package wal
