// Package otlp turns metrics of OpenTelemetry, as its protocol OTLP 1.x carries them in protobuf or
// JSON, into batches. It knows nothing of HTTP, gRPC, compression or stores.
//
// Start at [Decoder]. The generated types of go.opentelemetry.io/proto/otlp are what it reads; before
// they are made of bytes, a walk over the bytes ([Limits]) keeps hostile ones from growing in memory.
//
// # Names
//
// Nothing is renamed to suit another system: the metric http.server.duration has the dimension
// metric="http.server.duration", and the attribute service.name is the dimension service.name. Units are
// not put into names. A scope's name and version are the dimensions otel.scope.name and
// otel.scope.version; schema URLs are not kept.
//
// Attributes of the data point, the scope and the resource are all dimensions. Where two of them have one name,
// that of the data point keeps it, then that of the scope; the other one has the name of its level in
// front, as in resource.host.name, so that nothing is lost and no two sources become one. Our own
// dimensions (metric, le, quantile, temporality) go before all attributes: one that is called le gives
// point.le in a histogram. One that is called metric, with any number of underscores behind it, gets one
// more underscore, as labels of Prometheus do. Of two equal keys in one list, which OTLP forbids, the last one
// counts. An attribute without a value, or with an empty one, is no dimension.
//
// Values are text as the specification has it for other protocols: true, 42, 1.5, NaN, Infinity;
// bytes in base64; arrays and maps as JSON, maps sorted by key.
//
// # What becomes of what
//
//	data point             series (metric=)                        kind     value
//	gauge, sum             NAME                                    int64    as_int
//	                                                               float64  as_double
//	histogram              NAME_bucket, with le                    float64  observations up to le
//	                       NAME_count, NAME_sum, NAME_min, NAME_max  float64
//	exponential histogram  NAME                                    string   native histogram, see promwrite
//	                       NAME_count, NAME_sum, NAME_min, NAME_max  float64
//	summary                NAME, with quantile                     float64
//	                       NAME_count, NAME_sum                    float64
//	exemplars of a point   exemplar_of=NAME instead of metric      string   JSON, see promwrite
//	start time             start_of=NAME instead of metric         int64    Unix nanoseconds
//	description, unit      metadata_of=NAME and nothing else       string   JSON, see promwrite
//
// Cumulative and non-monotonic sums are stored as they come. So are deltas, in series of their own with
// the dimension temporality="delta": adding them up over time is the total, while for cumulative ones it is
// their difference. Nothing is converted, because that needs a memory of every series which a
// restart would lose.
//
// The start time of a cumulative monotonic sum, a histogram or a summary is written when it is not what it was, at the
// stamp of the point that says it, see promwrite.Known; that of an exponential histogram is in
// its value. Start times of deltas are not kept: they are where the point before ended.
//
// A point that says "no recorded value" is Prometheus' stale marker, a NaN with the bits
// 0x7ff0000000000002: in the float64 series of its dimensions, since it does not say whether it would have been an
// integer, and in NAME_count and NAME_sum of histograms and summaries; as a native histogram in exponential ones.
//
// An exponential histogram whose scale is over 8 is merged down to 8, the finest that Prometheus
// knows; one below -4 is refused.
package otlp
