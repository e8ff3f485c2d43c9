package codec

import (
	"encoding/binary"

	"github.com/klauspost/compress/huff0"
)

// maxBins bounds the bins of a stream: a symbol is a byte.
const maxBins = 256

// A bin is a range of latents, for decoding: values base + gcd·u for the u from its lower end on.
type bin struct {
	lower int64 // base + gcd·(least latent)
	mask  uint64
	width uint64
}

// bins decodes the bins, how many less one, each as its distance from the least latent of the one before
// and its width; the length of the symbols' Huffman code (0: there is one bin), that; the offsets.
func (r *reader) bins(dst []int64, base, gcd int64) {
	var table [maxBins]bin
	k := r.count(maxBins-1) + 1
	lower, widest := uint64(0), uint64(0)
	for i := range table[:k] {
		lower += r.uvarint()
		w := uint64(r.byte())
		if w > 64 {
			r.fail()
			return
		}
		mask := uint64(1)<<w - 1
		table[i] = bin{lower: base + gcd*int64(lower), mask: mask, width: w}
		widest = max(widest, w)
	}
	symbols := grown(&r.symbols, len(dst))
	if code := r.take(r.count(len(r.rest))); len(code) > 0 {
		symbols = r.huffman(symbols, code)
	} else {
		fill(symbols, 0)
	}
	if r.bad {
		return
	}
	if widest == 0 {
		lowers(dst, symbols, &table)
		return
	}
	if n := offsets(dst, symbols, &table, widest, gcd, r.padded()); n >= 0 {
		r.take(n)
	} else {
		r.fail()
	}
}

// huffman decodes len(symbols) bytes from a table and four streams of huff0 (Collet's Huff0, as
// in RFC 8878, section 4.2).
func (r *reader) huffman(symbols, code []byte) []byte {
	if r.huff == nil {
		r.huff = &huff0.Scratch{}
	}
	s, data, err := huff0.ReadTable(code, r.huff)
	if err != nil {
		r.fail()
		return nil
	}
	r.huff = s
	out, err := s.Decoder().Decompress4X(symbols[:0:len(symbols)], data)
	if err != nil || len(out) != len(symbols) {
		r.fail()
		return nil
	}
	return out
}

// lowers puts for each symbol the lower end of its bin, for bins of one value each.
func lowers(dst []int64, symbols []byte, table *[maxBins]bin) {
	var lower [maxBins]int64
	for i := range table {
		lower[i] = table[i].lower
	}
	for len(dst) >= 4 && len(symbols) >= 4 {
		d, s := (*[4]int64)(dst), (*[4]byte)(symbols)
		d[0], d[1], d[2], d[3] = lower[s[0]], lower[s[1]], lower[s[2]], lower[s[3]]
		dst, symbols = dst[4:], symbols[4:]
	}
	for i, s := range symbols {
		dst[i] = lower[s]
	}
}

// offsetBlock is after how many values the place among the offsets is checked.
const offsetBlock = 256

// padded returns the rest of the bytes and as many zeros behind them as a block of offsets may read.
func (r *reader) padded() []byte {
	const pad = offsetBlock*8 + 16
	all := grown(&r.packed, len(r.rest)+pad)
	copy(all, r.rest)
	clear(all[len(r.rest):])
	return all[:len(r.rest)+pad]
}

// offsets adds to each symbol's bin its offset, read from bits, behind which lie offsetBlock·8+16
// bytes more. It returns the bytes read, or −1 where there were not enough.
func offsets(dst []int64, symbols []byte, table *[maxBins]bin, widest uint64, gcd int64, bits []byte) int {
	at, limit := uint64(0), uint64(len(bits)-offsetBlock*8-16)*8
	for len(dst) > 0 {
		n := min(offsetBlock, len(dst))
		switch {
		case widest <= 28:
			at = offsetPairs(dst[:n], symbols[:n], table, gcd, bits, at)
		case widest <= 56:
			for i, s := range symbols[:n] {
				b := &table[s]
				x := binary.LittleEndian.Uint64(bits[at>>3:]) >> (at & 7)
				dst[i] = b.lower + gcd*int64(x&b.mask)
				at += b.width
			}
		default:
			for i, s := range symbols[:n] {
				b := &table[s]
				x := binary.LittleEndian.Uint64(bits[at>>3:]) >> (at & 7)
				x |= uint64(bits[at>>3+8]) << (64 - at&7)
				dst[i] = b.lower + gcd*int64(x&b.mask)
				at += b.width
			}
		}
		if at > limit {
			return -1
		}
		dst, symbols = dst[n:], symbols[n:]
	}
	return int(at+7) / 8
}

// offsetPairs is the inner loop of offsets for widths of at most 28 bits, where one word holds two.
func offsetPairs(dst []int64, symbols []byte, table *[maxBins]bin, gcd int64, bits []byte, at uint64) uint64 {
	for len(dst) >= 4 && len(symbols) >= 4 {
		d, s := (*[4]int64)(dst), (*[4]byte)(symbols)
		b0, b1, b2, b3 := &table[s[0]], &table[s[1]], &table[s[2]], &table[s[3]]
		x := binary.LittleEndian.Uint64(bits[at>>3:]) >> (at & 7)
		d[0] = b0.lower + gcd*int64(x&b0.mask)
		d[1] = b1.lower + gcd*int64(x>>(b0.width&63)&b1.mask)
		at += b0.width + b1.width
		x = binary.LittleEndian.Uint64(bits[at>>3:]) >> (at & 7)
		d[2] = b2.lower + gcd*int64(x&b2.mask)
		d[3] = b3.lower + gcd*int64(x>>(b2.width&63)&b3.mask)
		at += b2.width + b3.width
		dst, symbols = dst[4:], symbols[4:]
	}
	for i, s := range symbols {
		b := &table[s]
		x := binary.LittleEndian.Uint64(bits[at>>3:]) >> (at & 7)
		dst[i] = b.lower + gcd*int64(x&b.mask)
		at += b.width
	}
	return at
}
