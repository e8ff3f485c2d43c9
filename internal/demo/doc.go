// Package demo makes a day of operational data of a small shop: some hundred series of hosts,
// processes and services, with incidents that are known, so that one can see a store at work without
// having data, and judge a detector by what it finds. The same seed makes the same day. It
// knows nothing of stores and formats.
//
// Start at [Generate] for the data, at [Incidents] for what happens in it.
//
// # The shop
//
// The day is 2026-03-02, a Monday, in UTC. Two data centres (dc) have nine hosts: edge-01 and
// edge-02 run nginx, app-01 to app-04 the services cart, catalog, checkout and payments (JVM
// processes), db-01 and db-02 postgres, queue-01 rabbitmq. Traffic follows the day: little at
// night, most before noon and in the evening. The collector of each host takes all of its series at
// once, every 30 seconds with a jitter of some milliseconds. Counters (total) are of kind int64
// and fall to zero when their process starts anew, events are strings, and up is a bool.
//
// # Incidents
//
// [Incidents] has the spans, the selectors that see them, and the stories. In short: a network blip
// in the night leaves a gap; a leak in one checkout instance fills its heap over hours, until
// collecting garbage takes the time, latency follows, and it is killed; a volume fills up and the
// data base slows down; a bad release of payments fails one request in eight until it is rolled back.
package demo
