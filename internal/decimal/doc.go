// Package decimal writes numbers and time stamps as text and reads them back, exactly and fast:
// every float64 bit pattern and every int64 survives the trip. It knows nothing of series, files
// or formats; those who read or write a text format use it so that a number looks the same in all.
//
// Start at [AppendFloat] and [ParseFloat] for numbers, at [Clock] for stamps.
//
// # Floats as text
//
// A float is the shortest decimal that reads back to the same bits; from 1e21 on, and below 1e-6,
// with an exponent. Negative zero is -0, the infinities are +Inf and -Inf. NaN means the bits
// 0x7ff8000000000001, which Go's math.NaN has; any other NaN is written with its bits, as in
// NaN(0x7ff8000000000000).
package decimal
