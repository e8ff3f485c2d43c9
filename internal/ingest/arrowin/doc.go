// Package arrowin turns streams of Apache Arrow's IPC format into batches. It knows nothing of HTTP,
// compression around the stream, or stores.
//
// Start at [Decode]. A stream is a schema, dictionaries and record batches; a column is
//
//	time        timestamps of any unit, with or without a zone, or int64 nanoseconds   the stamp of the row
//	value       utf8                                                                   values of kind string
//	…           int8 to int64, uint8 to uint64                                         values of kind int64
//	…           float16, float32, float64                                              values of kind float64
//	…           bool                                                                   values of kind bool
//	…           utf8, large utf8, or a dictionary of them                              a dimension, called as the column
//	…           null                                                                   nothing
//
// Each value column is a series, for each combination of dimensions; its dimension metric is the name
// of the column, unless there is a dimension column called metric, beside which there may be one
// value column only, whatever it is called. A null, or an empty string, is no dimension; a null
// value is no observation. A row without a time, or with one that nanoseconds since 1970 in 64 bits
// cannot say, is refused, and so is an integer over the range of int64. All other types are an error
// of the whole stream, and so are nested columns.
//
// # What hostile bytes cannot do
//
// The messages of a stream are framed here and not by Arrow's reader, which would allocate what a
// length says before it is there; the metadata is walked before Arrow sees it, because tables may
// point to one another many times over; buffers come out of an allocator with a limit. Buffers compressed
// with LZ4 are read, those with zstd are not, since they may ask for a window of any size: compress the
// body of the request instead.
//
// Arrow reports many malformed messages by panicking, and its arrays are checked when they are
// indexed. So there is one place that recovers, in step, which holds nothing but that; functions of
// the caller are not called inside of it.
package arrowin
