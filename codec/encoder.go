package codec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/klauspost/compress/huff0"
)

// An encoder holds the memory of encoding.
type encoder struct {
	profile Profile
	budget  int // how many more values may be looked at before nesting ends
	levels  [maxDepth + 1]level
	ints    []int64 // a float column's integers
	other   []int64
	sorted  []uint64
	spare   []uint64
	symbols []byte
	huff    huff0.Scratch
}

// A level holds the lists of one depth of nesting.
type level struct {
	latents []uint64
	deltas  []int64
	gaps    []int64
	rest    []int64
	form    []byte
	trial   []byte
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// A plan is how a list of integers is to become latents: how it is predicted, the least residual
// and the greatest common divisor.
type plan struct {
	order         int
	first, second int64
	base          int64
	gcd           uint64
	width         uint // of the greatest latent
}

// decodeCost says what a nanosecond of decoding a value is worth in bytes of that value: a form
// that takes 2 ns a value longer must save 2·decodeCost bytes a value.
const decodeCost = 1.0 / 32

// binsCost is what it costs, in bytes, to read the table of a Huffman code: 1500 ns.
const binsCost = 1500 * decodeCost

// cost is what a stream of bytes costs whose n values take ns nanoseconds each.
func cost(bytes int, n int, ns float64) float64 { return float64(bytes) + decodeCost*ns*float64(n) }

// stream appends the stream of v, the best one found, to dst.
func (e *encoder) stream(dst []byte, v []int64, depth int) []byte {
	n := len(v)
	if n == 0 {
		return dst
	}
	changes := countChanges(v)
	if changes == 0 {
		return appendHead(dst, formConst, plan{base: v[0], gcd: 1})
	}
	if depth == 0 {
		e.budget = 2048 + 16*n
	}
	e.budget -= n
	leaf := e.leaf(depth)
	start := len(dst)
	best := math.Inf(1)
	if !leaf && changes < n/2 {
		dst = e.runs(dst, v, changes, depth)
		best = cost(len(dst)-start, n, 0.2+4*float64(changes)/float64(n))
	}
	if changes >= n/8 || n < 16 || leaf {
		return e.ordered(dst, start, best, v, depth)
	}
	if top, count := commonest(v); count > n-changes {
		dst, _ = e.sentinel(dst, start, best, v, top, count, depth)
	}
	return dst
}

// leaf reports whether a stream at that depth may not hold others. The budget keeps the time that
// nested trials take linear.
func (e *encoder) leaf(depth int) bool { return depth == maxDepth || e.budget < 0 }

// sentinel tries the sparse form on unpredicted values, since what stands between many times the
// same value, such as −1 for unknown, may be predicted from each other.
func (e *encoder) sentinel(dst []byte, start int, best float64, v []int64, top int64, count, depth int) ([]byte, float64) {
	return e.keep(dst, start, best, depth, func(dst []byte) ([]byte, float64) {
		p := planOf(v, 0)
		u := e.latentsOf(v, &p, depth)
		return e.sparse(dst, u, p, uint64(top-p.base)/p.gcd, count, depth)
	})
}

// interrupted returns the value that seems to interrupt a predictable sequence in v, and its
// count, where an estimate says that the sequence is better without it: in under 80 % of bits.
func (e *encoder) interrupted(v []int64, bits float64, depth int) (top int64, count int) {
	n := float64(len(v))
	top, count = commonest(v)
	if count <= len(v)/16 {
		return 0, 0
	}
	rest := grown(&e.levels[depth].rest, len(v))[:0]
	for _, x := range v {
		if x != top {
			rest = append(rest, x)
		}
	}
	if len(rest) == 0 {
		return 0, 0
	}
	least := math.Inf(1)
	for order := range predictGrid {
		least = min(least, e.estimate(rest, order))
	}
	c := float64(count)
	least += c*math.Log2(n/c) + (n-c)*math.Log2(n/(n-c))
	if least > 0.8*bits {
		return 0, 0
	}
	return top, count
}

// commonest returns a value that a sample of v holds most often and how often it is in v; its
// count is 0 where it is rare.
func commonest(v []int64) (top int64, count int) {
	var sample [64]int64
	n := min(len(v), len(sample))
	for i := range n {
		sample[i] = v[i*len(v)/n]
	}
	slices.Sort(sample[:n])
	run, longest := 0, n/16
	for i, x := range sample[:n] {
		if i > 0 && x != sample[i-1] {
			run = 0
		}
		if run++; run > longest {
			top, longest = x, run
		}
	}
	if longest <= n/16 {
		return 0, 0
	}
	for _, x := range v {
		if x == top {
			count++
		}
	}
	return top, count
}

// keep tries another encoding of what stands behind start in dst, and keeps the better.
func (e *encoder) keep(dst []byte, start int, best float64, depth int, try func([]byte) ([]byte, float64)) ([]byte, float64) {
	l := &e.levels[depth]
	trial, c := try(l.trial[:0])
	l.trial = trial
	if c >= best {
		return dst, best
	}
	return append(dst[:start], trial...), c
}

// ordered tries predictions of all orders that an estimate finds promising, and the prediction of
// what is left without a sentinel.
func (e *encoder) ordered(dst []byte, start int, best float64, v []int64, depth int) []byte {
	var estimates [4]float64
	least := math.Inf(1)
	for order := range estimates {
		estimates[order] = e.estimate(v, order)
		least = min(least, estimates[order])
	}
	if depth <= 1 && len(v) >= 64 && !e.leaf(depth) {
		if top, count := e.interrupted(v, least, depth); count > 0 {
			dst, best = e.sentinel(dst, start, best, v, top, count, depth)
		}
	}
	slack := 1.02
	if len(v) <= 64 {
		slack = 1.3
	}
	for order, bits := range estimates {
		if bits > least*slack {
			continue
		}
		dst, best = e.keep(dst, start, best, depth, func(dst []byte) ([]byte, float64) {
			p := planOf(v, order)
			return e.latents(dst, e.latentsOf(v, &p, depth), p, depth)
		})
	}
	return dst
}

func countChanges(v []int64) int {
	changes, prev := 0, v[0]
	for _, x := range v {
		if x != prev {
			changes++
		}
		prev = x
	}
	return changes
}

// majority returns the value that more than half of v has, if any (Boyer and Moore, 1981), and
// how often it comes.
func majority[T comparable](v []T) (top T, count int) {
	lead := 0
	for _, x := range v {
		switch {
		case x == top:
			lead++
		case lead == 0:
			top, lead = x, 1
		default:
			lead--
		}
	}
	for _, x := range v {
		if x == top {
			count++
		}
	}
	return top, count
}

// planOf fills in what prediction of that order begins with.
func planOf(v []int64, order int) plan {
	p := plan{order: order, gcd: 1, first: v[0]}
	switch order {
	case 2:
		p.second = v[1] - v[0]
	case predictGrid:
		p.second = (v[len(v)-1] - v[0]) / int64(len(v)-1)
	}
	return p
}

// estimate guesses the bits of the residuals of prediction of one order, from at most 1024 of
// them: the entropy of their lengths plus the bits below the highest.
func (e *encoder) estimate(v []int64, order int) float64 {
	n := len(v)
	if order < predictGrid && n <= order || order == predictGrid && n < 4 {
		return math.Inf(1)
	}
	const window = 64
	step := max(window, n/16)
	var hist [65]int
	total := 0
	p := planOf(v, order)
	center := residual(v, &p, n/2)
	for from := 0; from < n; from += step {
		for i := max(from, order%predictGrid); i < min(from+window, n); i++ {
			d := residual(v, &p, i) - center
			hist[bits.Len64(uint64(d<<1)^uint64(d>>63))]++
			total++
		}
	}
	sum := 0.0
	for l, k := range hist {
		if k > 0 {
			sum += float64(k) * (float64(max(l, 1)-1) + math.Log2(float64(total)/float64(k)))
		}
	}
	return (sum + 2) * float64(n) / float64(total)
}

// residual is what prediction leaves of v[i].
func residual(v []int64, p *plan, i int) int64 {
	switch p.order {
	case 0:
		return v[i]
	case 1:
		return v[i] - v[max(i-1, 0)]
	case 2:
		return v[i] - 2*v[max(i-1, 0)] + v[max(i-2, 0)]
	default:
		return v[i] - p.first - int64(i)*p.second
	}
}

// latentsOf computes the latents of v, good until the next call at that depth, and completes p.
func (e *encoder) latentsOf(v []int64, p *plan, depth int) []uint64 {
	l := &e.levels[depth]
	r := grown(&l.deltas, len(v))
	switch p.order {
	case 0:
		copy(r, v)
	case 1:
		for i := 1; i < len(v); i++ {
			r[i] = v[i] - v[i-1]
		}
		r = r[1:]
	case 2:
		for i := 2; i < len(v); i++ {
			r[i] = v[i] - 2*v[i-1] + v[i-2]
		}
		r = r[2:]
	default:
		at := p.first
		for i, x := range v {
			r[i] = x - at
			at += p.second
		}
	}
	p.base, p.gcd = 0, 1
	if len(r) == 0 {
		return nil
	}
	lo, hi := r[0], r[0]
	for _, x := range r {
		lo, hi = min(lo, x), max(hi, x)
	}
	u := grown(&l.latents, len(r))
	g := uint64(0)
	for i, x := range r {
		u[i] = uint64(x - lo)
		if g != 1 {
			g = gcdOf(g, u[i])
		}
	}
	p.base = lo
	if g > 1 {
		p.gcd = g
		for i := range u {
			u[i] /= g
		}
	}
	p.width = uint(bits.Len64(uint64(hi-lo) / p.gcd))
	if lo > 0 && p.gcd == 1 && uint(bits.Len64(uint64(hi))) == p.width { // spare the base
		p.base = 0
		for i := range u {
			u[i] += uint64(lo)
		}
	}
	return u
}

func gcdOf(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func appendHead(dst []byte, form byte, p plan) []byte {
	head := form | byte(p.order)<<headOrder
	if p.base != 0 {
		head |= headBase
	}
	if p.gcd > 1 {
		head |= headGCD
	}
	dst = append(dst, head)
	if p.order > 0 {
		dst = binary.AppendVarint(dst, p.first)
	}
	if p.order > 1 {
		dst = binary.AppendVarint(dst, p.second)
	}
	if p.base != 0 {
		dst = binary.AppendVarint(dst, p.base)
	}
	if p.gcd > 1 {
		dst = binary.AppendUvarint(dst, p.gcd)
	}
	return dst
}
