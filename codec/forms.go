package codec

import (
	"encoding/binary"
	"math/bits"
)

// masked decodes what a mask of len(dst) bits says to differ.
func (r *reader) masked(dst []int64, base, gcd int64, depth int) {
	mask := r.take((len(dst) + 7) / 8)
	if mask == nil {
		return
	}
	k := 0
	for _, b := range mask {
		k += bits.OnesCount8(b)
	}
	if k > len(dst) || len(dst)%8 != 0 && mask[len(mask)-1]>>(len(dst)%8) != 0 {
		r.fail()
		return
	}
	rest := grown(&r.lists[depth][0], k)
	r.stream(rest, depth+1)
	i := 0
	for at := 0; len(mask) > 0; at += 64 {
		word := uint64(0)
		if len(mask) >= 8 {
			word = binary.LittleEndian.Uint64(mask)
			mask = mask[8:]
		} else {
			for j, b := range mask {
				word |= uint64(b) << (8 * j)
			}
			mask = nil
		}
		for ; word != 0; word &= word - 1 {
			dst[at+bits.TrailingZeros64(word)] = base + gcd*rest[i]
			i++
		}
	}
}

// runList decodes the lengths and values of the runs that make n values. The lists are good until
// the next stream of that depth is decoded.
func (r *reader) runList(n, depth int) (lengths, values []int64) {
	k := r.count(n-1) + 1
	lengths = grown(&r.lists[depth][0], k)
	values = grown(&r.lists[depth][1], k)
	r.stream(lengths[:k-1], depth+1)
	r.stream(values, depth+1)
	left := uint64(n)
	for _, l := range lengths[:k-1] {
		if uint64(l) >= left {
			r.fail()
			return nil, nil
		}
		left -= uint64(l) + 1
	}
	if left == 0 {
		r.fail()
	}
	lengths[k-1] = int64(left) - 1
	if r.bad {
		return nil, nil
	}
	return lengths, values
}

// runs decodes runs: how many less one, their lengths less one but the last one's, their values.
func (r *reader) runs(dst []int64, base, gcd int64, depth int) {
	lengths, values := r.runList(len(dst), depth)
	if base != 0 || gcd != 1 {
		for i, v := range values {
			values[i] = base + gcd*v
		}
	}
	spread(dst, lengths, values)
}

// dict decodes distinct values, how many less one, and their indexes.
func (r *reader) dict(dst []int64, base, gcd int64, depth int) {
	k := r.count(len(dst)-1) + 1
	values := grown(&r.lists[depth][0], k)
	r.stream(values, depth+1)
	r.stream(dst, depth+1)
	if r.bad {
		return
	}
	for i, id := range dst {
		if uint64(id) >= uint64(len(values)) {
			r.fail()
			return
		}
		dst[i] = base + gcd*values[id]
	}
}
