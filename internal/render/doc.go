// Package render writes results of queries: as JSON, NDJSON and CSV for programs, as a table and a
// plot for people. It knows nothing of stores, and nothing of terminals but their width and
// whether they show colours, which it is told.
//
// Start at [Write]. What programs read is written as it is gathered, whole and exact: floats with
// the shortest digits that read back to the same bits. What people read is shortened, and says so:
// table and plot are not to be parsed.
//
// # JSON
//
//	{"result":[
//	{"dimensions":{"host":"a"},"times":["2015-08-12T17:25:40.964Z"],"values":[1.5]},
//	{"dimensions":{"host":"b"},"value":2}
//	],"warnings":[],"stats":{…}}
//
// A row has times and values, or one value. Times are RFC 3339 with as many decimals as they need,
// in the zone asked for, or integers of the unit asked for, rounded down. NaN and the infinities
// are the strings "NaN", "+Inf" and "-Inf"; integers beyond 2^53 either way are strings. NDJSON is
// a row a line, with the kind of its values, and neither warnings nor statistics, unless it ends with
// {"end":{"warnings":[],"stats":{…}}}; package ingest reads it, and passes over the end. CSV is a record an observation: the time, where there are times; a column for each
// dimension; the value.
package render
