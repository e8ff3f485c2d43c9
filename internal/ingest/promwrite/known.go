package promwrite

import (
	"hash/maphash"
	"sync"
)

// maxKnown bounds what a Known remembers, about 10 MB. What is forgotten is written once more.
const maxKnown = 1 << 18

// A Known remembers which metadata and start times the store has, so that they are written when
// they change instead of with every message that repeats them. It forgets when the process ends,
// or when it has become too much, which costs a repetition and nothing else. The zero value is
// ready; it is safe for concurrent use.
type Known struct {
	mu   sync.Mutex
	once sync.Once
	seed maphash.Seed
	seen map[uint64]uint64
}

// Key returns the key of some parts of text.
func (k *Known) Key(parts ...string) uint64 {
	k.once.Do(func() { k.seed = maphash.MakeSeed() })
	var h maphash.Hash
	h.SetSeed(k.seed)
	for _, p := range parts {
		h.WriteString(p)
		h.WriteByte(0xff) // in no UTF-8
	}
	return h.Sum64()
}

// Has returns what is remembered under key, and whether anything is.
func (k *Known) Has(key uint64) (uint64, bool) {
	k.mu.Lock()
	v, ok := k.seen[key]
	k.mu.Unlock()
	return v, ok
}

// Keep remembers all of fresh, by key: what the store has now.
func (k *Known) Keep(fresh map[uint64]uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen == nil || len(k.seen)+len(fresh) > maxKnown {
		k.seen = make(map[uint64]uint64)
	}
	for key, v := range fresh {
		k.seen[key] = v
	}
}
