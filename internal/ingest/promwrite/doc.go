// Package promwrite turns the messages of Prometheus remote write, versions 1.0 and 2.0, into
// batches, and defines how everything that Prometheus knows beyond floats is kept in the store:
// native histograms, exemplars, metadata, start times. It knows nothing of HTTP, compression or
// stores.
//
// Start at [Decoder] for the messages, at [DimensionName] for names, at [AppendHistogram],
// [AppendExemplars] and [AppendMetadata] for values. The generated types of Prometheus' prompb and
// prompb/io/prometheus/write/v2 are the definition that the tests hold the decoder to.
//
// # What becomes of what
//
//	message          series                                          kind     value
//	sample           labels as dimensions, __name__ as metric        float64  bit for bit, stale markers among them
//	native histogram the same dimensions                             string   see below
//	exemplar         exemplar_of instead of metric                   string   JSON, see AppendExemplars
//	metadata         metadata_of=<metric> and nothing else           string   JSON, see AppendMetadata
//	start timestamp  start_of instead of metric                      int64    Unix nanoseconds
//
// Metadata and start times are written when they are not what was written last, see [Known]: a
// start time at the stamp of the first sample that says it, metadata at the time of its arrival.
//
// # Names
//
// The label __name__ is the dimension metric. A label that is itself called metric, with any number
// of underscores behind it, gets one more: so every label comes back as it was.
//
// # Histograms as strings
//
// Numbers are uvarints u, zigzag varints v as in protocol buffers, and floats f: the uvarint of the
// IEEE 754 bits with their bytes reversed, which is short for round numbers.
//
//	byte  version, 1
//	byte  1 float counts; 2, 4 the counter reset hint; 8 a start time in ms, 16 in ns; 32 custom values
//	v     start time, where one of its bits is set
//	v     schema
//	f     zero threshold
//	u|f   count of the zero bucket
//	u|f   count
//	f     sum, of any bits: a stale marker is a histogram whose sum is 0x7ff0000000000002
//	u     positive spans, then for each: v offset, u length
//	u     positive buckets, then for each: v the difference to the one before, or f its count
//	      the same for negative ones
//	u     custom values, where their bit is set, then for each: f
package promwrite
