// Package collectd reads what a collectd sends: the datagrams of its plugin network, and the JSON of
// its plugin write_http. It turns value lists into batches and says what it refused; it knows
// nothing of sockets and requests.
//
// Start at [Decoder].
//
// # Series
//
// Each value of a value list is an observation of a series with the dimensions host, plugin,
// plugin_instance, type and type_instance, where they are not empty, and dsname where the list has
// several values. The dimension metric is the plugin and the type with an underscore between
// them, or one of them where they are equal, as in collectd's own write_prometheus: cpu_percent,
// interface_if_octets, load. Gauges are float64, and one that is NaN is none; derives, counters and
// absolutes are int64. Meta data and intervals are not kept.
//
// # Datagrams
//
// A datagram is parts: a type and a length in two bytes each, highest first, and content. Host,
// plugin, instances, type and time hold until they are changed; a part of values, with a kind and
// eight bytes for each, makes a value list of them
// (https://github.com/collectd/collectd/wiki/Binary-protocol). Datagrams do not name
// their values: [Types] do, and else there are numbers from 0. A part that signs (HMAC-SHA-256)
// covers what follows it; one that is encrypted (AES-256 in OFB mode, with a SHA-1 of the text)
// contains parts.
//
// # JSON
//
// An array of objects with values, dstypes, dsnames, time, host, plugin, plugin_instance, type and
// type_instance. A value of null is none. With StoreRates true, collectd sends rates and
// calls them derives all the same; whoever reads has to know that, so that a series does not change
// its kind with each whole number.
package collectd
