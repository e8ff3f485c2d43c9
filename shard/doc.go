// Package shard is the store: it keeps observations, and never loses an acknowledged one.
//
// A [Set] is a folder of shards, opened and locked as one. A [Shard] holds a part of all series:
// the series of one source meet in one shard, so that they share their time columns there. Each
// shard is
//
//   - a log (internal/wal), to which every batch and every deletion is written and synced before
//     it is acknowledged;
//   - a head, the batches since the last seal, in columns in memory, rebuilt from the log;
//   - segments (internal/segment), immutable files, each of one partition of time;
//   - a manifest, which says which segments there are, from where on the log counts, and what was
//     deleted but is still in segments; it is replaced as a whole, so that a crash at any instant
//     leaves the old state or the new one, never neither;
//   - an index (package index), derived from the segments and rebuilt where it is missing or
//     damaged.
//
// # Order
//
// The log numbers its records. Whatever a shard holds has such a sequence number: a segment that
// of the last record in it, a deletion that of its own record. Of two observations with one stamp
// that of the higher number wins; a deletion takes what has a lower number than it.
//
// # Routing
//
// A new series belongs to the shard with the number Source() mod N, N being fixed when the folder
// is created. Once that shard has 16,384 series of that source, further ones belong to the shard
// Hash() mod N. A series that is known in one of these two stays there.
//
// The package knows nothing of the query language's stages, of protocols, or of how files of
// segments look inside. Start at [Open], then read [Set.Append] and [Shard.Select].
package shard
