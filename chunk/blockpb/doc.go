// Package blockpb is generated from ../block.proto: the block as Google's protobuf code reads and
// writes it. It copies every column, so the store uses package chunk's own reader and writer
// instead; this one is for tests, and for programs that read our files without our code.
package blockpb
