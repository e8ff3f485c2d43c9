package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
)

// Of binning: the least count of latents that it is tried for, the quantiles between which bins
// may end, and the bits that a bin takes in the table and the code.
const (
	minBinned = 48
	maxSlots  = 128
	binBits   = 26
)

// A slot is a range of latents that lie in one bin.
type slot struct {
	low, high uint64
	count     int
}

// What decoding a value of bins takes, in nanoseconds: with offsets, and where each bin is one value.
const (
	offsetCost = 3
	exactCost  = 1.8
)

// bins appends u as bins, or returns nothing where that cannot pay, and the nanoseconds that
// decoding a value takes.
func (e *encoder) bins(dst []byte, u []uint64, p plan) ([]byte, float64) {
	sorted := e.sortedCopy(u, p.width)
	var room, exact [maxSlots + 1]slot
	bins := joinSlots(slotsOf(room[:0], sorted, min(maxSlots, 16+len(u)/16)), len(u))
	if len(bins) < 2 || len(bins) > maxBins {
		return nil, 0
	}
	ns := float64(offsetCost)
	const worth = 8 * decodeCost * (offsetCost - exactCost) // bits of a value
	if each := exactSlots(exact[:0], sorted); each != nil && bitsOf(each, len(u)) <= bitsOf(bins, len(u))+worth*float64(len(u)) {
		bins, ns = each, exactCost
	}
	symbols := grown(&e.symbols, len(u))
	symbolsOf(symbols, u, bins)
	e.huff.Reuse = huff0.ReusePolicyNone
	code, _, err := huff0.Compress4X(symbols, &e.huff)
	if err != nil {
		return nil, 0
	}
	dst = appendHead(dst, formBins, p)
	dst = binary.AppendUvarint(dst, uint64(len(bins)-1))
	last := uint64(0)
	var widths [maxBins]uint
	for i, b := range bins {
		dst = binary.AppendUvarint(dst, b.low-last)
		last = b.low
		widths[i] = uint(bits.Len64(b.high - b.low))
		dst = append(dst, byte(widths[i]))
	}
	dst = binary.AppendUvarint(dst, uint64(len(code)))
	dst = append(dst, code...)
	return appendOffsets(dst, u, symbols, bins, &widths), ns
}

// exactSlots returns a slot for each distinct latent, nil where there are more than maxSlots.
func exactSlots(slots []slot, sorted []uint64) []slot {
	for from := 0; from < len(sorted); {
		if len(slots) == maxSlots {
			return nil
		}
		end := from + 1
		for end < len(sorted) && sorted[end] == sorted[from] {
			end++
		}
		slots = append(slots, slot{sorted[from], sorted[from], end - from})
		from = end
	}
	return slots
}

// bitsOf returns about how many bits n latents in bins take.
func bitsOf(bins []slot, n int) float64 {
	sum, logN := 0.0, math.Log2(float64(n))
	for _, b := range bins {
		sum += binBits + float64(b.count)*(max(1, logN-log2(b.count))+float64(bits.Len64(b.high-b.low)))
	}
	return sum
}

// symbolsOf finds the bin of each latent.
func symbolsOf(symbols []byte, u []uint64, bins []slot) {
	var lows [maxBins]uint64
	for i := range lows {
		lows[i] = math.MaxUint64
	}
	for i, b := range bins {
		lows[i] = b.low
	}
	step := 1 << bits.Len(uint(len(bins)-1)) >> 1
	for i, x := range u {
		at := 0
		for s := step; s > 0; s >>= 1 {
			if t := at + s; t < len(bins) && lows[t&(maxBins-1)] <= x {
				at = t
			}
		}
		symbols[i] = byte(at)
	}
}

func appendOffsets(dst []byte, u []uint64, symbols []byte, bins []slot, widths *[maxBins]uint) []byte {
	var acc uint64
	var have uint
	for i, x := range u {
		s := symbols[i]
		w := widths[s]
		v := x - bins[s].low
		acc |= v << have
		if have += w; have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = v >> (w - have)
		}
	}
	for ; have > 0; have -= min(have, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// sortedCopy returns u sorted, by radix.
func (e *encoder) sortedCopy(u []uint64, width uint) []uint64 {
	a, b := grown(&e.sorted, len(u)), grown(&e.spare, len(u))
	copy(a, u)
	if len(u) < 256 {
		slices.Sort(a)
		return a
	}
	for shift := uint(0); shift < width; shift += 8 {
		var counts [256]int
		for _, x := range a {
			counts[byte(x>>shift)]++
		}
		at := 0
		for i, k := range counts {
			counts[i] = at
			at += k
		}
		for _, x := range a {
			d := byte(x >> shift)
			b[counts[d]] = x
			counts[d]++
		}
		a, b = b, a
	}
	return a
}

// slotsOf cuts sorted latents at quantiles, never between equal ones, into at most limit slots.
func slotsOf(slots []slot, sorted []uint64, limit int) []slot {
	n := len(sorted)
	for from := 0; from < n; {
		left := limit - len(slots)
		end := from + max(1, (n-from+left-1)/left)
		for end < n && sorted[end] == sorted[end-1] {
			end++
		}
		// A long run of equal latents gets a slot of its own.
		if first := firstOf(sorted[from:end]); first > 0 && left > 1 && end-from-first > (end-from)/2 {
			end = from + first
		}
		slots = append(slots, slot{sorted[from], sorted[end-1], end - from})
		from = end
	}
	return slots
}

// firstOf returns where the values equal to the last one begin.
func firstOf(sorted []uint64) int {
	at, _ := slices.BinarySearch(sorted, sorted[len(sorted)-1])
	return at
}

// joinSlots joins neighbouring slots into the bins that take the fewest bits, by dynamic
// programming (as in pcodec's binning), and returns them in slots' memory.
func joinSlots(slots []slot, n int) []slot {
	var best [maxSlots + 2]float64 // bits of the slots before
	var from [maxSlots + 2]int
	logN := math.Log2(float64(n))
	for j := 1; j <= len(slots); j++ {
		best[j] = math.Inf(1)
		count := 0
		high := slots[j-1].high
		for i := j - 1; i >= 0; i-- {
			count += slots[i].count
			c := float64(count)
			code := max(1, logN-log2(count))
			b := best[i] + binBits + c*(code+float64(bits.Len64(high-slots[i].low)))
			if b < best[j] {
				best[j], from[j] = b, i
			}
		}
	}
	var ends [maxSlots + 1]int
	k := 0
	for j := len(slots); j > 0; j = from[j] {
		ends[k] = j
		k++
	}
	at := 0
	for i := range k {
		end := ends[k-1-i]
		s := slot{slots[at].low, slots[end-1].high, 0}
		for _, t := range slots[at:end] {
			s.count += t.count
		}
		slots[i] = s
		at = end
	}
	return slots[:k]
}

// log2 is the binary logarithm of a positive count, to about 1e-4.
func log2(n int) float64 {
	b := math.Float64bits(float64(n))
	e := float64(int(b>>52) - 1023)
	m := math.Float64frombits(b&(1<<52-1)|1023<<52) - 1 // in [0, 1)
	return e + m*(1.4424542+m*(-0.7181452+m*(0.4575485+m*(-0.2779042+m*(0.1225390-m*0.0264914)))))
}
