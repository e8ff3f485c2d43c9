package codec

import "encoding/binary"

//go:generate go run ./internal/genunpack

// packedLen is the count of bytes of n values of w bits.
func packedLen(n int, w uint) int { return (n*int(w) + 7) / 8 }

// appendPacked appends the low w bits of each value, the first value in the lowest bits.
func appendPacked(dst []byte, values []uint64, w uint) []byte {
	if w == 0 {
		return dst
	}
	var acc uint64 // bits not yet written
	var have uint  // how many
	for _, v := range values {
		acc |= v << have
		if have+w < 64 {
			have += w
			continue
		}
		dst = binary.LittleEndian.AppendUint64(dst, acc)
		acc = v >> (64 - have) // 0 where have is 0: Go shifts by 64 to nothing
		have = have + w - 64
	}
	for ; have > 0; have -= min(have, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// unpack fills dst with base + gcd·u for the values u of w bits at the front of src, which may go
// on behind them, and which is long enough.
func unpack(dst []int64, src []byte, w uint, base, gcd int64) {
	if w == 0 {
		fill(dst, base)
		return
	}
	n := unpackers[w](dst, src, base, gcd)
	dst = dst[n:]
	if len(dst) == 0 {
		return
	}
	// What is left is under 8 values, or lies too near the end to be loaded in words.
	src = src[n/8*int(w):]
	if need := packedLen(len(dst), w) + 16; len(src) < need {
		var pad [168]byte
		copy(pad[:], src)
		src = pad[:]
	}
	mask := uint64(1)<<w - 1
	for i := range dst {
		bit := uint(i) * w
		x := binary.LittleEndian.Uint64(src[bit/8:]) >> (bit % 8)
		if bit%8+w > 64 {
			x |= uint64(src[bit/8+8]) << (64 - bit%8)
		}
		dst[i] = base + gcd*int64(x&mask)
	}
}

// fillBlock is how many values fill copies at a time: what it copies stays in the nearest cache.
const fillBlock = 256

// fill sets all of dst to v.
func fill[T any](dst []T, v T) {
	head := dst[:min(len(dst), 16)]
	for i := range head {
		head[i] = v
	}
	k := len(head)
	for k < min(len(dst), fillBlock) {
		k += copy(dst[k:min(len(dst), fillBlock)], dst[:k])
	}
	for k < len(dst) {
		k += copy(dst[k:], dst[:fillBlock])
	}
}
