package codec

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// latents appends the latents u in the form that costs least.
func (e *encoder) latents(dst []byte, u []uint64, p plan, depth int) ([]byte, float64) {
	n := len(u)
	if p.width == 0 {
		return appendHead(dst, formConst, p), 0
	}
	e.budget -= n
	start := len(dst)
	patch := patchedLen(u)
	pack := packedLen(n, p.width) + 1
	extra := 0.4 * float64(min(p.order, 2))
	var best float64
	if cost(pack, n, 0.4) <= cost(patch, n, 0.6) {
		dst = append(appendHead(dst, formPack, p), byte(p.width))
		dst = appendPacked(dst, u, p.width)
		best = cost(len(dst)-start, n, 0.4+extra)
	} else {
		dst = appendPatched(appendHead(dst, formPatch, p), u)
		best = cost(len(dst)-start, n, 0.6+extra)
	}
	if e.profile == Dense && n >= minBinned {
		trial, ns := e.bins(e.levels[depth].form[:0], u, p)
		e.levels[depth].form = trial
		if c := cost(len(trial), n, ns+extra) + binsCost; len(trial) > 0 && c < best {
			dst, best = append(dst[:start], trial...), c
		}
	}
	if e.leaf(depth) {
		return dst, best
	}
	if top, count := majority(u); count > n/2 {
		trial, c := e.sparse(nil, u, p, top, count, depth)
		if c += cost(0, n, extra); c < best {
			dst, best = append(dst[:start], trial...), c
		}
	} else if values := distinct(u); values != nil && bits.Len(uint(len(values)-1)) < int(p.width) {
		trial := e.dict(nil, u, values, p, depth)
		if c := cost(len(trial), n, 1+extra); c < best {
			dst, best = append(dst[:start], trial...), c
		}
	}
	return dst, best
}

// patchWidths returns the width and the count of patches that make a block of latents smallest,
// the width of what the patches add, and the bytes of that.
func patchWidths(u []uint64) (w, k, high uint, size int) {
	var hist [65]int
	for _, x := range u {
		hist[bits.Len64(x)]++
	}
	top := uint(64)
	for hist[top] == 0 {
		top--
	}
	w, size = top, 1+packedLen(len(u), top)
	over := 0
	for t := int(top) - 1; t >= 0; t-- {
		over += hist[t+1]
		h := top - uint(t)
		s := 3 + over + packedLen(over, h) + packedLen(len(u), uint(t))
		if over <= patchBlock && s < size {
			w, k, high, size = uint(t), uint(over), h, s
		}
	}
	return w, k, high, size
}

func patchedLen(u []uint64) int {
	total := 0
	for block := range slices.Chunk(u, patchBlock) {
		_, _, _, size := patchWidths(block)
		total += size
	}
	return total
}

func appendPatched(dst []byte, u []uint64) []byte {
	var low [patchBlock]uint64
	for block := range slices.Chunk(u, patchBlock) {
		w, k, high, _ := patchWidths(block)
		if k == 0 {
			dst = appendPacked(append(dst, byte(w)), block, w)
			continue
		}
		dst = append(dst, byte(w)|0x80, byte(k-1), byte(high))
		var rest []uint64
		for i, x := range block {
			if x>>w != 0 {
				dst = append(dst, byte(i))
				rest = append(rest, x>>w)
			}
			low[i] = x & (1<<w - 1)
		}
		dst = appendPacked(dst, rest, high)
		dst = appendPacked(dst, low[:len(block)], w)
	}
	return dst
}

// runs appends v as runs, of which there are changes+1.
func (e *encoder) runs(dst []byte, v []int64, changes, depth int) []byte {
	l := &e.levels[depth]
	lengths := grown(&l.gaps, changes+1)[:0]
	values := grown(&l.rest, changes+1)[:0]
	from := 0
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] {
			lengths = append(lengths, int64(i-from-1))
			values = append(values, v[from])
			from = i
		}
	}
	values = append(values, v[from])
	dst = append(dst, formRuns)
	dst = binary.AppendUvarint(dst, uint64(changes))
	dst = e.stream(dst, lengths, depth+1)
	return e.stream(dst, values, depth+1)
}

// sparse appends u as its top latent and the others.
func (e *encoder) sparse(dst []byte, u []uint64, p plan, top uint64, count, depth int) ([]byte, float64) {
	l := &e.levels[depth]
	start, n := len(dst), len(u)
	k := n - count
	gaps := grown(&l.gaps, k)[:0]
	rest := grown(&l.rest, k)[:0]
	last := 0
	for i, x := range u {
		if x != top {
			gaps = append(gaps, int64(i-last))
			rest = append(rest, int64(x))
			last = i + 1
		}
	}
	dst = binary.AppendUvarint(appendHead(dst, formSparse, p), top)
	at := len(dst)
	dst = binary.AppendUvarint(dst, uint64(k))
	dst = e.stream(dst, gaps, depth+1)
	if len(dst)-at > (n+7)/8 {
		dst[start] += formMask - formSparse
		dst = appendMask(dst[:at], u, top)
	}
	dst = e.stream(dst, rest, depth+1)
	return dst, cost(len(dst)-start, n, 0.1+3*float64(k)/float64(n))
}

// appendMask appends a bit for each latent, set where it is not top.
func appendMask(dst []byte, u []uint64, top uint64) []byte {
	for part := range slices.Chunk(u, 8) {
		b := byte(0)
		for i, x := range part {
			if x != top {
				b |= 1 << i
			}
		}
		dst = append(dst, b)
	}
	return dst
}

// maxDict is the greatest count of distinct latents that a dictionary is tried for.
const maxDict = 256

// distinct returns the sorted distinct latents of u, or nil where a dictionary cannot pay.
func distinct(u []uint64) []uint64 {
	limit := min(maxDict, len(u)/4)
	var table [1024]uint64 // open addressing; 0 is empty, so latents are kept plus one
	values := make([]uint64, 0, limit)
	for _, x := range u {
		for h := (x + 1) * 0x9e3779b97f4a7c15 >> 54; ; h = (h + 1) % 1024 {
			if table[h] == x+1 && x != 1<<64-1 {
				break
			}
			if table[h] == 0 {
				if len(values) == limit || x == 1<<64-1 {
					return nil
				}
				table[h] = x + 1
				values = append(values, x)
				break
			}
		}
	}
	slices.Sort(values)
	return values
}

// dict appends u as indexes into values.
func (e *encoder) dict(dst []byte, u, values []uint64, p plan, depth int) []byte {
	l := &e.levels[depth]
	list := grown(&l.gaps, len(values))
	for i, x := range values {
		list[i] = int64(x)
	}
	ids := grown(&l.rest, len(u))
	for i, x := range u {
		at, _ := slices.BinarySearch(values, x)
		ids[i] = int64(at)
	}
	dst = appendHead(dst, formDict, p)
	dst = binary.AppendUvarint(dst, uint64(len(values)-1))
	dst = e.stream(dst, list, depth+1)
	return e.stream(dst, ids, depth+1)
}
