//go:build !race

package shard_test

// slow is by how much tests do less.
const slow = 1
