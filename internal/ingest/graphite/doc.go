// Package graphite reads what senders send to a Graphite: lines of plaintext, and pickles. It
// turns them into batches and says what it refused; it knows nothing of connections.
//
// Start at [Decoder].
//
// # Plaintext
//
// A line is a path, a value and a time, apart by blanks or tabs: servers.web1.cpu0.user 42.5 1439400341.
// The time is in seconds, with or without a fraction; -1 or N is the time of arrival. Tags follow
// the path: disk.used;host=web1;mount=/var 42.5 1439400341. A value of NaN says that there is none:
// such a line is nothing, neither stored nor refused, as in Graphite's own carbon.
//
// # Pickle
//
// A frame, whose length the caller has read, is the pickle of a list of (path, (time, value)).
// A pickle is a program; only the instructions that put numbers, strings, tuples and lists together
// are carried out, those of protocols 0 to 5, each in constant time and memory. One that would
// import, call or build anything is refused as a whole, and so is a dictionary.
//
// # Series
//
// The dimension metric is the whole path: its parts are words of the index, so that the free word
// cpu0, metric:servers.*.user and "web1 cpu0" find the series. Each tag is a dimension; one that is
// called metric becomes metric_. [Templates] make dimensions of parts of the path. Values are
// float64, as they are in Graphite.
package graphite
