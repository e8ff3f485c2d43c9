package shard

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/chronodex/chronodex/chunk"
)

// errIdentity means that two files disagree about which series an ordinal names.
var errIdentity = errors.New("ordinal names two series")

// A table maps the series of one shard to their ordinals and back. It lives in memory only: every
// segment and every log holds the identities of its own series, and opening puts them in here. An
// ordinal is never used for another series as long as the shard lives.
//
// It is lean: names and values are interned, a series is a run of pair numbers in one flat slice,
// and lookup is by open addressing with linear probing, so that a series of ten dimensions takes
// about 60 bytes beside the strings that it alone has.
type table struct {
	mu    sync.RWMutex
	next  uint32 // the ordinal of the next new series
	names map[string]uint32
	name  []string

	pairs     []pair
	pairSlots []uint32 // number of a pair + 1, 0 is free; a power of two
	text      strings.Builder

	first   []uint32 // by ordinal: where its pairs begin in members
	count   []uint16 // by ordinal: how many pairs
	kinds   []chunk.Kind
	hashes  []uint32 // by ordinal: the low half of its hash
	sources []uint32 // by ordinal: the number of its source
	members []uint32
	slots   []uint32 // ordinal + 1, 0 is free; a power of two
	size    int      // series in the table

	sourceOf map[uint64]uint32 // hash of a source to its number
	perSrc   []uint32          // by number of a source: its series
}

type pair struct {
	value string
	name  uint32
}

// textBlock is how many bytes of values share one allocation.
const textBlock = 64 << 10

func newTable() *table {
	return &table{names: map[string]uint32{}, sourceOf: map[uint64]uint32{}}
}

// hashSeries is the hash by which the table finds s.
func hashSeries(d chunk.Dimensions, k chunk.Kind) uint64 {
	return d.Hash() ^ uint64(k)*0x9e3779b97f4a7c15
}

// find returns the ordinal of the series with hash h.
func (t *table) find(h uint64, d chunk.Dimensions, k chunk.Kind) (uint32, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.lookup(h, d, k)
}

// is reports whether ordinal o is the series d of kind k.
func (t *table) is(o uint32, d chunk.Dimensions, k chunk.Kind) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int(o) < len(t.kinds) && t.kinds[o] == k && t.same(o, d)
}

func (t *table) lookup(h uint64, d chunk.Dimensions, k chunk.Kind) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint32(len(t.slots) - 1)
	for i := uint32(h) & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return 0, false
		}
		if o := s - 1; t.hashes[o] == uint32(h) && t.kinds[o] == k && t.same(o, d) {
			return o, true
		}
	}
}

func (t *table) same(o uint32, d chunk.Dimensions) bool {
	if int(t.count[o]) != len(d) {
		return false
	}
	for i, m := range t.members[t.first[o]:][:len(d)] {
		p := &t.pairs[m]
		if p.value != d[i].Value || t.name[p.name] != d[i].Name {
			return false
		}
	}
	return true
}

// add returns the ordinal of the series with hash h, which is new where it was not known.
func (t *table) add(h, source uint64, d chunk.Dimensions, k chunk.Kind) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if o, ok := t.lookup(h, d, k); ok {
		return o
	}
	o := t.next
	t.insert(o, h, source, d, k)
	return o
}

// put enters a series whose ordinal a file tells. It is no error if it is there already.
func (t *table) put(o uint32, s chunk.Series) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if int(o) < len(t.kinds) && t.kinds[o] != 0 {
		if t.kinds[o] != s.Kind || !t.same(o, s.Dimensions) {
			return fmt.Errorf("series %d: %v and %v: %w", o, t.dims(nil, o), s.Dimensions, errIdentity)
		}
		return nil
	}
	h := hashSeries(s.Dimensions, s.Kind)
	if other, ok := t.lookup(h, s.Dimensions, s.Kind); ok {
		return fmt.Errorf("series %v has ordinals %d and %d: %w", s.Dimensions, other, o, errIdentity)
	}
	if o > t.next && o-t.next > maxOrdinalGap {
		return fmt.Errorf("series %d, where %d is the next: %w", o, t.next, errIdentity)
	}
	t.insert(o, h, s.Dimensions.Source(), s.Dimensions, s.Kind)
	return nil
}

// maxOrdinalGap bounds what a hostile file can make the table allocate.
const maxOrdinalGap = 1 << 20

// reserve makes every ordinal below next one that is never given to a new series.
func (t *table) reserve(next uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = max(t.next, next)
}

// len is the number of series.
func (t *table) len() int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return int64(t.size)
}

// nextOrdinal is one more than the highest ordinal ever given.
func (t *table) nextOrdinal() uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.next
}

func (t *table) insert(o uint32, h, source uint64, d chunk.Dimensions, k chunk.Kind) {
	t.growColumns(int(o) + 1)
	t.next = max(t.next, o+1)
	t.first[o], t.count[o] = uint32(len(t.members)), uint16(len(d))
	t.kinds[o], t.hashes[o] = k, uint32(h)
	for _, p := range d {
		t.members = append(t.members, t.intern(p))
	}
	n, ok := t.sourceOf[source]
	if !ok {
		n = uint32(len(t.perSrc))
		t.sourceOf[source] = n
		t.perSrc = append(t.perSrc, 0)
	}
	t.sources[o] = n
	t.perSrc[n]++
	if t.size++; t.size*4 > len(t.slots)*3 {
		t.rehash()
		return
	}
	place(t.slots, uint32(h), o)
}

func (t *table) growColumns(n int) {
	if n <= len(t.kinds) {
		return
	}
	more := n - len(t.kinds)
	t.first = append(t.first, make([]uint32, more)...)
	t.count = append(t.count, make([]uint16, more)...)
	t.kinds = append(t.kinds, make([]chunk.Kind, more)...)
	t.hashes = append(t.hashes, make([]uint32, more)...)
	t.sources = append(t.sources, make([]uint32, more)...)
}

func (t *table) rehash() {
	t.slots = make([]uint32, max(16, 2*len(t.slots)))
	for o, k := range t.kinds {
		if k != 0 {
			place(t.slots, t.hashes[o], uint32(o))
		}
	}
}

// place enters number n under hash h where there is room.
func place(slots []uint32, h, n uint32) {
	mask := uint32(len(slots) - 1)
	i := h & mask
	for slots[i] != 0 {
		i = (i + 1) & mask
	}
	slots[i] = n + 1
}

func pairHash(name uint32, value string) uint32 {
	return uint32(xxhash.Sum64String(value)) ^ name*0x9e3779b9
}

// intern returns the number of a pair of name and value.
func (t *table) intern(d chunk.Dimension) uint32 {
	name, ok := t.names[d.Name]
	if !ok {
		name = uint32(len(t.name))
		s := strings.Clone(d.Name)
		t.names[s] = name
		t.name = append(t.name, s)
	}
	h := pairHash(name, d.Value)
	if len(t.pairSlots) > 0 {
		mask := uint32(len(t.pairSlots) - 1)
		for i := h & mask; t.pairSlots[i] != 0; i = (i + 1) & mask {
			if p := &t.pairs[t.pairSlots[i]-1]; p.name == name && p.value == d.Value {
				return t.pairSlots[i] - 1
			}
		}
	}
	n := uint32(len(t.pairs))
	t.pairs = append(t.pairs, pair{value: t.keep(d.Value), name: name})
	if len(t.pairs)*4 > len(t.pairSlots)*3 {
		t.pairSlots = make([]uint32, max(16, 2*len(t.pairSlots)))
		for i, p := range t.pairs {
			place(t.pairSlots, pairHash(p.name, p.value), uint32(i))
		}
		return n
	}
	place(t.pairSlots, h, n)
	return n
}

// keep returns a copy of s that shares its allocation with others.
func (t *table) keep(s string) string {
	if len(s) > textBlock/16 {
		return strings.Clone(s)
	}
	if t.text.Cap()-t.text.Len() < len(s) {
		t.text = strings.Builder{}
		t.text.Grow(textBlock)
	}
	at := t.text.Len()
	t.text.WriteString(s)
	return t.text.String()[at:]
}

// series returns the identity of ordinal o, in a new slice.
func (t *table) series(o uint32) chunk.Series {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(o) >= len(t.kinds) || t.kinds[o] == 0 {
		return chunk.Series{}
	}
	return chunk.Series{Dimensions: t.dims(make(chunk.Dimensions, 0, t.count[o]), o), Kind: t.kinds[o]}
}

// identity returns the dimensions of ordinal o, and whether there is such a series.
func (t *table) identity(o uint32) (chunk.Dimensions, bool) {
	s := t.series(o)
	return s.Dimensions, s.Kind != 0
}

// kind returns the kind of ordinal o, 0 where there is no such series.
func (t *table) kind(o uint32) chunk.Kind {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(o) >= len(t.kinds) {
		return 0
	}
	return t.kinds[o]
}

// source returns the number of the source of ordinal o: equal for series of one source.
func (t *table) source(o uint32) uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sources[o]
}

// appendDims appends the dimensions of ordinal o to dst.
func (t *table) appendDims(dst chunk.Dimensions, o uint32) chunk.Dimensions {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if int(o) >= len(t.kinds) || t.kinds[o] == 0 {
		return dst
	}
	return t.dims(dst, o)
}

func (t *table) dims(dst chunk.Dimensions, o uint32) chunk.Dimensions {
	for _, m := range t.members[t.first[o]:][:t.count[o]] {
		p := &t.pairs[m]
		dst = append(dst, chunk.Dimension{Name: t.name[p.name], Value: p.value})
	}
	return dst
}

// crowded reports whether the source with hash h has so many series here that new ones of it are
// spread over all shards.
func (t *table) crowded(h uint64, most uint32) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, ok := t.sourceOf[h]
	return ok && t.perSrc[n] >= most
}
