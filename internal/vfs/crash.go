package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sectorBytes is what a disk writes as one.
const sectorBytes = 512

// Crash returns what the disk holds if the power fails now, one of many possibilities, chosen by
// rng: all of it durable, nothing locked. m goes on as if nothing had happened.
func (m *Mem) Crash(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	entries := m.survivors(rng)
	var copyNode func(n *node) *node
	copied := map[*node]*node{}
	copyNode = func(n *node) *node {
		if c := copied[n]; c != nil {
			return c
		}
		if !n.dir {
			data := n.crash(rng)
			copied[n] = &node{data: data, synced: data, cut: -1}
			return copied[n]
		}
		c := newDir()
		copied[n] = c
		have := entries(n)
		for _, name := range slices.Sorted(maps.Keys(have)) {
			child := copyNode(have[name])
			c.now[name], c.durable[name] = child, child
		}
		return c
	}
	return &Mem{root: copyNode(m.root), locks: map[string]int{}}
}

// Clone returns an exact copy of m, as another process finds the files after the one that wrote
// them was killed: nothing is lost, nothing is locked, and all of it is durable.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	var copyNode func(n *node) *node
	copyNode = func(n *node) *node {
		if !n.dir {
			data := slices.Clip(n.data)
			return &node{data: data, synced: data, cut: -1}
		}
		c := newDir()
		for name, child := range n.now {
			child = copyNode(child)
			c.now[name], c.durable[name] = child, child
		}
		return c
	}
	return &Mem{root: copyNode(m.root), locks: map[string]int{}}
}

// survivors chooses which pending changes of names are kept, and returns the entries that a folder
// then has. A change is kept only with all earlier ones of the same file, so that no file gets two
// names; now and then the kept ones are a prefix, as those of a journal are.
func (m *Mem) survivors(rng *rand.Rand) func(*node) map[string]*node {
	keep := make([]bool, len(m.pending))
	switch rng.IntN(4) {
	case 0: // nothing
	case 1: // a prefix
		for i := range rng.IntN(len(m.pending) + 1) {
			keep[i] = true
		}
	default:
		for i := range keep {
			keep[i] = rng.IntN(2) == 0
		}
	}
	moved := map[*node]bool{}
	for i := len(keep) - 1; i >= 0; i-- {
		n := m.pending[i].edits[0].node
		keep[i] = keep[i] || n != nil && moved[n]
		moved[n] = moved[n] || keep[i]
	}
	after := map[*node]map[string]*node{}
	entries := func(d *node) map[string]*node {
		if after[d] == nil {
			after[d] = maps.Clone(d.durable)
		}
		return after[d]
	}
	for i, op := range m.pending {
		if keep[i] {
			for _, e := range op.edits {
				e.apply(entries(e.dir))
			}
		}
	}
	return entries
}

// crash chooses what remains of the bytes of a file.
func (n *node) crash(rng *rand.Rand) []byte {
	stable := n.stable()
	data := slices.Clip(n.data)
	switch {
	case stable == len(n.synced) && stable == len(n.data): // nothing is at stake
	case rng.IntN(4) == 0:
		data = slices.Clip(n.synced)
	case rng.IntN(3) > 0:
		data = n.mix(stable, rng)
	}
	for _, r := range n.doubt {
		if end := min(int(r[1]), len(data)); int(r[0]) < end && rng.IntN(2) == 0 {
			data = slices.Clone(data)
			spoil(data[r[0]:end], rng)
		}
	}
	return data
}

// mix makes a file of any length that it may have had, each sector after the first stable bytes
// being old, new, empty or spoilt.
func (n *node) mix(stable int, rng *rand.Rand) []byte {
	shortest, longest := min(stable, len(n.data)), max(len(n.synced), len(n.data))
	data := make([]byte, shortest+rng.IntN(longest-shortest+1))
	copy(data, n.synced[:min(stable, len(n.synced))])
	for from := shortest; from < len(data); {
		to := min(len(data), (from/sectorBytes+1)*sectorBytes)
		sector := data[from:to]
		switch rng.IntN(6) {
		case 0: // empty
		case 1:
			if from < len(n.synced) {
				copy(sector, n.synced[from:])
			}
		case 2:
			copyAt(sector, n.data, from)
			spoil(sector, rng)
		default:
			copyAt(sector, n.data, from)
		}
		from = to
	}
	return data
}

func copyAt(dst, src []byte, from int) {
	if from < len(src) {
		copy(dst, src[from:])
	}
}

// spoil flips one bit, or writes noise from some byte on.
func spoil(b []byte, rng *rand.Rand) {
	i := rng.IntN(len(b))
	if rng.IntN(2) == 0 {
		b[i] ^= 1 << rng.IntN(8)
		return
	}
	for ; i < len(b); i++ {
		b[i] = byte(rng.Uint32())
	}
}
