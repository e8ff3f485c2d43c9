//go:build race

package shard_test

// slow is by how much tests do less, since the race detector is slow.
const slow = 4
