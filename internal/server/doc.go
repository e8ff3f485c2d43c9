// Package server is the store as a service: it reads a configuration, listens, finds out who asks,
// and hands requests on to the packages that speak protocols. It watches over how much comes in at
// once and how slowly, says how it is, and ends without losing what it has acknowledged. It knows
// nothing of series, of queries, or of any protocol's bytes.
//
// Start at [Load] for the configuration, at [New] and [Server.Run] for the rest; routes.go is the
// list of what is served.
package server
