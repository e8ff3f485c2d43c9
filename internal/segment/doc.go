// Package segment reads and writes segments: immutable files of chunks with a directory of their
// spans and statistics, and the identities of their series. It knows nothing of shards, logs or
// queries; ordinals of series are numbers that its caller gives.
//
// Start at [Create] for writing, at [Open] for reading.
//
// # Format, version 1
//
// Numbers of fixed size are little endian; checksums are CRC32C (Castagnoli).
//
//	header   "CHRONODX", version (4 bytes), checksum of these 12 bytes
//	frames   each: checksum of the rest of it (4), type (1), length of the payload (4), payload
//	footer   offset of the index (8), version (4), checksum of these 12 bytes, "XDONORHC"
//
// Frames follow each other without gaps, in the order in which they became complete; the last one
// is the index. By type:
//
//	1 block           chunks; see [chunk.Block]
//	2 directory page  what is known of up to 512 chunks without decoding them
//	3 series page     the identities of 1024 series; the last one has the rest
//	4 lookup page     where series are, by ordinal: of 4096; the last one has the rest
//	5 index           types and sizes of all frames, and what the pages are about
//
// Series are in source order ([chunk.Series.Compare]): a series' place is its number in this
// order. The directory is in this order too, a series' chunks by time. A page is made of counts
// (uvarint) and columns: encoding, ref, length (uvarint), and data as package codec defines it.
//
//	directory page   chunks; ordinal, kind, rows, first stamp, width of the span, number of the
//	                 block, number in the block, form of the statistics;
//	                 of chunks with the same statistics as one before them (form 3): its number;
//	                 of constant chunks (form 1): their value;
//	                 of chunks without statistics and without gaps (form 4): nothing;
//	                 of other chunks with statistics (form 2): gaps, FirstTime − first stamp,
//	                 end of the span − LastTime; First, Last, Min, Max, Sum, M2
//	series page      series; kind, count of pairs that the source begins with as the one before
//	                 does, count of further pairs; metric; names, values of the further pairs
//	lookup page      series; ordinals, rising; places
//	index            series, chunks, observations; span; count of frames; types, sizes;
//	                 of directory pages: place of the first chunk's series, chunks, first stamp,
//	                 width of the span; of lookup pages: first ordinal
package segment
