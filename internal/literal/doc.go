// Package literal writes numbers, time stamps and strings as text and reads them back, exactly and
// fast: every float64 bit pattern, every int64 and every string of bytes survives the trip. It
// knows nothing of series, files or formats; those who read or write a text format use it, so that
// a number looks the same in all of them.
//
// Start at [AppendFloat] and [ParseFloat] for numbers, at [Clock] for stamps, at [AppendJSON] and
// [ParseJSON] for strings.
//
// # Floats as text
//
// A float is the shortest decimal that reads back to the same bits; from 1e21 on, and below 1e-6,
// with an exponent. Negative zero is -0, the infinities are +Inf and -Inf. NaN means the bits
// 0x7ff8000000000001, which Go's math.NaN has; any other NaN is written with its bits, as in
// NaN(0x7ff8000000000000).
//
// # Strings as JSON
//
// A byte that is not part of valid UTF-8 is written as a lone low surrogate, \udc80 for 0x80 to
// \udcff for 0xff, and read back as that byte (the surrogateescape of Python's PEP 383).
package literal
