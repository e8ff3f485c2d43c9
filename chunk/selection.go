package chunk

import "context"

// A Selection is what one part of a store (one shard) holds of the series that match a selector,
// within a span: a snapshot, which later writes do not change. It is made by package shard and
// read by package query. Its methods are safe for concurrent use; Close ends all of them.
type Selection interface {
	// Len is the number of series.
	Len() int
	// Series returns the identity of series i. Its dimensions are shared: do not modify them.
	Series(i int) Series
	// AppendPieces appends the pieces of series i to dst, in time order; they do not overlap, and
	// each has observations in the span.
	AppendPieces(dst []Piece, i int) []Piece
	// Read returns the observations of piece p within the selection's span: sorted, duplicates and
	// deletions resolved. They may be empty. The columns are valid until the next Read with buf,
	// and must not be modified; pieces of one Group that are read one after another with one buf
	// get the very same Times slice where their stamps are equal. An error that wraps ErrCorrupt
	// names what is lost; the other pieces can still be read.
	Read(ctx context.Context, p Piece, buf *Buffer) (Samples, error)
	// Close releases the snapshot.
	Close() error
}

// A Piece is a run of consecutive observations of one series that is read as one.
type Piece struct {
	Span  Span   // covers its observations within the selection's span
	Stats Stats  // of its observations, where Exact
	Exact bool   // Stats hold and describe exactly what Read would return
	Whole bool   // none of the Rows is a gap (NaN), whether or not Stats hold
	Rows  int    // observations that Read will return, where Exact or Whole; else an upper bound
	Group uint64 // pieces of one group share a block: read them one after another
	Ref   uint64 // for its Selection
}

// A Buffer is the memory that reading needs, used by one goroutine at a time and from read to
// read. The zero value is ready. Who makes a Selection keeps what it likes in State.
type Buffer struct {
	State   any
	Samples Samples
}
