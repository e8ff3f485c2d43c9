// Package bench holds tests and benchmarks of the whole path, from text to answers, on the real data
// set P4 of the Chronix paper: what the original answered is answered, and how fast. It has no code
// of its own, and nothing imports it.
//
// Start at BenchmarkQuery; run it with
//
//	go test ./internal/bench -run '^$' -bench .
package bench
