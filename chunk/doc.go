// Package chunk is the vocabulary of the store: dimensions, spans, kinds, columns of samples,
// statistics; and the block, the protobuf message in which the chunks of one source are kept.
// It knows nothing of files, indexes or queries.
//
// Start at [Samples] and [Dimensions] for the words, at [AppendBlock] and [Block] for the bytes.
package chunk

import "errors"

// ErrCorrupt is wrapped by every error that means: nothing of this project wrote these bytes, or
// they were changed since.
var ErrCorrupt = errors.New("corrupt")
