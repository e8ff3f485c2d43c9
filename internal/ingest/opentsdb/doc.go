// Package opentsdb reads data points as senders send them to an OpenTSDB: the JSON of /api/put and
// lines of telnet. It turns them into batches and says what it refused, in OpenTSDB's words; it
// knows nothing of connections and requests.
//
// Start at [Decoder].
//
// # JSON
//
// A point, or an array of them:
//
//	{"metric": "sys.cpu.nice", "timestamp": 1346846400, "value": 18, "tags": {"host": "web01"}}
//
// Timestamp and value are numbers or strings. A body that is no JSON is refused as a whole; a bad
// point alone.
//
// # Telnet
//
// A line is a command. put sys.cpu.nice 1346846400 18 host=web01 cpu=0 is a point; version, help
// and exit are what they say.
//
// # Series
//
// The dimension metric is the metric, and each tag is a dimension; a tag that is called metric
// becomes metric_. Other than in OpenTSDB, a point needs no tags, and names have any character.
// Values are float64, integers too, since OpenTSDB lets one series have both; those beyond 2^53 are
// rounded. Times are seconds, or milliseconds where they do not fit into 32 bits; seconds may have
// a fraction.
package opentsdb
