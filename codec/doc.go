// Package codec packs the columns of chunks, times and values, into bytes and back. It knows
// nothing of series, files or queries. Its functions keep no state and are safe for concurrent use.
package codec
