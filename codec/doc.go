// Package codec packs the columns of chunks, times and values, into bytes and back. It knows
// nothing of series, files or queries, nor how many rows a column has: who keeps a column keeps
// that too. Functions append to a slice of the caller, keep no state, and are safe for concurrent
// use. Start with [EncodeFloats] and [DecodeFloats]; [Describe] shows what became of a column.
//
// All but [QuantizeTimes] is lossless: any int64 in any order, any bits of a float64 (NaN
// payloads, −0, infinities), any string of bytes.
//
// # Choice
//
// An encoder takes the smallest of several forms, where a nanosecond of decoding a value counts
// as 1/32 byte of that value: so no form is taken that saves less than 1 byte in 32 values for
// each nanosecond that it adds. Decoding a value costs 0.2 ns (constant) to 4 ns (Huffman code,
// then a delta), 6 ns for doubles near a model. What is tried for a column is bounded by a
// multiple of its rows. [Fast] tries no Huffman codes and no siblings; the decoder is the same.
//
// # Format
//
// A [Column] is an encoding number, a reference, and data. Numbers of encodings, forms and all
// else are stored and never reused; new ones are added at the end. A uvarint and a (zigzag) varint
// are those of encoding/binary; packed values of w bits stand in a little-endian bit stream, the
// first in the lowest bits, filled up with zeros to a byte.
//
//	encoding      data
//	2 integers    [how] stream
//	3 decimals    head byte, [how], [exceptions], stream; value = i / 10^e, e = bits 0–4 of head
//	4 bits        stream of the doubles' bits, in the order of the numbers (negative ones flipped)
//	5 near        kind byte, parameter uvarint, stream i, stream c; value = model(i) moved by c places
//	              kind 0: i / 10^parameter, 1: that as float32, 2: i / parameter
//	6 dictionary  stream of 1 (count), stream of n indexes, strings
//	7 plain       strings
//
// Encoding 2 serves times, int64 and bool (0 and 1). In the head of decimals, bit 5 says that
// i is multiplied by the double nearest to 10^−e instead, bit 6 that exceptions follow (count − 1
// uvarint, stream of the gaps between their rows, stream of their ordered bits), bit 7 that the
// column has a reference. Strings are a stream of their lengths, a byte (0 stored, 1 s2, 2 zstd)
// and the bytes of all of them, compressed so.
//
// A column with a reference ([RefTimes], [RefColumn]) says how: a byte, and what its stream holds
// of the value x, the other column's value y and the time t:
//
//	0   x − y
//	1   x + y
//	2   unit uvarint; x − ⌊t / unit⌋
//
// A column that is referred to has no reference. Decimals refer to decimals of the same exponent:
// x and y are the integers before division.
//
// # Streams
//
// A stream is a list of n integers, in two's complement that wraps, where n is known from
// outside. The stream of no integers takes no bytes.
//
//	+------+----------------+-----------------+---------------+---------------+--------------+
//	| head | [first varint] | [second varint] | [base varint] | [gcd uvarint] | form's bytes |
//	+------+----------------+-----------------+---------------+---------------+--------------+
//
//	head bits 0–3   form of the latents u; residuals are r = base + gcd·u
//	head bit 4      base is there, else it is 0
//	head bit 5      gcd is there, else it is 1
//	head bits 6–7   0: values are r
//	                1: delta; v₀ = first, vᵢ = vᵢ₋₁ + r; n − 1 latents
//	                2: delta of delta; v₀ = first, v₁ = v₀ + second, vᵢ − vᵢ₋₁ = vᵢ₋₁ − vᵢ₋₂ + r; n − 2 latents
//	                3: grid; vᵢ = first + i·second + rᵢ (date-delta compaction with its residual)
//
//	form        bytes
//	0 constant  none: all u are 0
//	1 packed    width byte; packed u
//	2 patched   for each 256 u: byte of width w, plus 128 where patches follow: k − 1, width h, k rows
//	            (a byte each), k packed values u>>w; then the packed low w bits
//	            (PFOR of Zukowski et al., ICDE 2006)
//	3 sparse    top uvarint; k uvarint; stream of k gaps; stream of k other latents. All but those are top;
//	            a gap is how many top stand before
//	4 mask      top uvarint; n bits, set where u is not top; stream of the others
//	5 runs      k − 1 uvarint; stream of k − 1 lengths less one; stream of k latents. The last run goes to the end
//	6 dict      k − 1 uvarint; stream of k distinct latents; stream of n indexes
//	7 bins      k − 1 uvarint; k bins: uvarint distance of the lower end from the last bin's, width byte;
//	            length uvarint of the code of n bin numbers; that code: table and four streams of
//	            Huff0 (RFC 8878, section 4.2), none where there is one bin; packed offsets, each of its bin's width
//
// The bins are chosen by dynamic programming over 128 quantiles, as in pcodec (Loncaric, 2024);
// the decimals checked bit for bit follow ALP (Afroozeh et al., SIGMOD 2023). Streams nest at
// most 6 deep.
package codec
