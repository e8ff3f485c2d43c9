// Package exchange is what the server's own HTTP API and its clients say to each other: the shapes of
// answers, the form of errors, and a binary form of results that loses nothing. It knows nothing of
// HTTP beyond the names of media types, and nothing of stores.
//
// Start at [Problem] for errors, at [WriteResult] and [ReadResult] for results, at [Series] for the
// shapes of answers in JSON.
//
// # Text
//
// Dimensions and strings may hold any bytes. In JSON, what is not UTF-8 is written as package literal
// says; [Text] reads and writes that, where encoding/json would lose it.
//
// # The binary form of a result, application/vnd.chronodex.result
//
// A head of eight bytes, "CHRXRES1", then frames, each a letter and what it is followed by. Numbers are
// uvarints, texts are a length and bytes, floats and stamps are eight bytes, little-endian.
//
//	S  a row:      flags (1 single, 2 text); dimensions: count, then name and value of each;
//	               single: the float, or the text
//	               else:   kind, rows; stamps: 0 and as many as rows, or 1: those of the row before;
//	               values: floats and integers of eight bytes, booleans of one, texts
//	W  a warning:  a text
//	E  the end:    the ten statistics, in the order of [query.Stats]
//
// What follows the end is an error, and so is its absence: a result is never short in silence.
package exchange

// Media types of answers.
const (
	ResultType  = "application/vnd.chronodex.result"
	ProblemType = "application/problem+json"
	JSONType    = "application/json"
	NDJSONType  = "application/x-ndjson"
	CSVType     = "text/csv; charset=utf-8"
	TextType    = "text/plain; charset=utf-8"
	EventsType  = "text/event-stream"
)

// LostTrailer is the trailer of an export that tells what damage left out: each value is a JSON
// string.
const LostTrailer = "Chronodex-Lost"
