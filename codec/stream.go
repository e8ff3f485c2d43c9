package codec

// Forms of a stream: the low four bits of its head. Numbers are stored, and never reused.
const (
	formConst  = 0 // every latent is 0
	formPack   = 1 // one width for all
	formPatch  = 2 // blocks of 256 with a width each, what does not fit apart
	formSparse = 3 // the commonest latent, gaps to the others, and the others
	formMask   = 4 // the commonest latent, a bit for each value, and the others
	formRuns   = 5 // lengths and values of runs
	formDict   = 6 // distinct values, and an index for each value
	formBins   = 7 // bins by Huffman code, and offsets into them
)

// Further bits of the head of a stream.
const (
	formBits    = 0x0f
	headBase    = 0x10 // a base follows, else it is 0
	headGCD     = 0x20 // a greatest common divisor follows, else it is 1
	headOrder   = 6    // shift of the prediction: 0 none, 1 delta, 2 delta of delta, 3 grid
	predictGrid = 3
)

// stream decodes len(dst) values. Streams of no values take no bytes.
func (r *reader) stream(dst []int64, depth int) {
	if len(dst) == 0 || r.bad {
		return
	}
	order, first, second := r.residuals(dst, depth)
	if r.bad {
		return
	}
	switch order {
	case 1:
		undoDelta(dst, first)
	case 2:
		undoDelta2(dst, first, second)
	case predictGrid:
		for i := range dst {
			dst[i] += first
			first += second
		}
	}
}

// undone decodes what a stream at the top holds before a delta is undone: dst[0] is 0. It returns
// the first value.
func (r *reader) undone(dst []int64) int64 {
	order, first, _ := r.residuals(dst, 0)
	if order != 1 || r.bad {
		r.fail()
		return 0
	}
	dst[0] = 0
	return first
}

// residuals decodes a stream but for its prediction. With a delta, dst[0] is not set, and with a
// delta of deltas dst[1] neither.
func (r *reader) residuals(dst []int64, depth int) (order int, first, second int64) {
	if depth > maxDepth {
		r.fail()
		return 0, 0, 0
	}
	head := r.byte()
	order = int(head >> headOrder)
	if order > 0 {
		first = r.varint()
	}
	if order > 1 {
		second = r.varint()
	}
	base, gcd := int64(0), int64(1)
	if head&headBase != 0 {
		base = r.varint()
	}
	if head&headGCD != 0 {
		gcd = int64(r.uvarint())
	}
	latents := dst
	if order < predictGrid {
		if order > len(dst) {
			r.fail()
			return 0, 0, 0
		}
		latents = dst[order:]
	}
	if len(latents) > 0 {
		r.latents(latents, head&formBits, base, gcd, depth)
	}
	return order, first, second
}

// undoDelta turns differences in dst[1:] into values that begin with first.
func undoDelta(dst []int64, first int64) {
	dst[0] = 0
	for i, d := range dst {
		first += d
		dst[i] = first
	}
}

// undoDelta2 turns differences of differences in dst[2:] into values.
func undoDelta2(dst []int64, first, delta int64) {
	dst[0] = first
	dst[1] = 0
	for i, d := range dst[1:] {
		delta += d
		first += delta
		dst[i+1] = first
	}
}

// latents decodes len(dst) > 0 values base + gcd·u of one form.
func (r *reader) latents(dst []int64, form byte, base, gcd int64, depth int) {
	switch form {
	case formConst:
		fill(dst, base)
	case formPack:
		if w := uint(r.byte()); w <= 64 {
			if src := r.rest; r.take(packedLen(len(dst), w)) != nil || w == 0 {
				unpack(dst, src, w, base, gcd)
			}
		} else {
			r.fail()
		}
	case formPatch:
		r.patched(dst, base, gcd)
	case formSparse, formMask:
		r.sparse(dst, form, base, gcd, depth)
	case formRuns:
		r.runs(dst, base, gcd, depth)
	case formDict:
		r.dict(dst, base, gcd, depth)
	case formBins:
		r.bins(dst, base, gcd)
	default:
		r.fail()
	}
}

const patchBlock = 256

// patched decodes blocks of a width byte, whose high bit says that patches follow: their count
// less one, the width of what they lack, their positions, and that, packed; then the packed low bits.
func (r *reader) patched(dst []int64, base, gcd int64) {
	for len(dst) > 0 && !r.bad {
		block := dst[:min(patchBlock, len(dst))]
		dst = dst[len(block):]
		head := r.byte()
		w := uint(head & 0x7f)
		if w > 64 {
			r.fail()
			return
		}
		var high []int64
		var at []byte
		if head&0x80 != 0 {
			k := int(r.byte()) + 1
			hw := uint(r.byte())
			at = r.take(k)
			src := r.rest
			if hw > 64 || at == nil || r.take(packedLen(k, hw)) == nil {
				r.fail()
				return
			}
			high = r.patches[:(k+7)&^7] // whole groups are faster
			unpack(high, src, hw, 0, 1)
		}
		src := r.rest
		r.take(packedLen(len(block), w))
		if r.bad {
			return
		}
		unpack(block, src, w, base, gcd)
		for i, p := range at {
			if int(p) >= len(block) {
				r.fail()
				return
			}
			block[p] += gcd * (high[i] << w)
		}
	}
}

// sparse decodes the commonest latent and those that differ: where, then what.
func (r *reader) sparse(dst []int64, form byte, base, gcd int64, depth int) {
	fill(dst, base+gcd*int64(r.uvarint()))
	if form == formMask {
		r.masked(dst, base, gcd, depth)
		return
	}
	rows, rest := r.sparseList(len(dst), depth)
	for i, row := range rows {
		dst[row] = base + gcd*rest[i]
	}
}

// sparseList decodes which of n rows differ, and their latents: how many, gaps, latents. The lists
// are good until the next stream of that depth is decoded.
func (r *reader) sparseList(n, depth int) (rows, rest []int64) {
	k := r.count(n)
	rows = grown(&r.lists[depth][0], k)
	rest = grown(&r.lists[depth][1], k)
	r.stream(rows, depth+1)
	r.stream(rest, depth+1)
	if r.bad {
		return nil, nil
	}
	next := uint64(0)
	for i, gap := range rows {
		next += uint64(gap)
		if next >= uint64(n) || uint64(gap) > uint64(n) {
			r.fail()
			return nil, nil
		}
		rows[i] = int64(next)
		next++
	}
	return rows, rest
}
