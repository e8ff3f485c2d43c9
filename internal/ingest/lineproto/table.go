package lineproto

// A table numbers keys in the order in which they come. It is open addressing with linear probing;
// keys are never taken out. The zero value is empty.
type table struct {
	keys  []key  // by number
	slots []slot // a power of two
}

type slot struct {
	tag    uint32 // of the key, so that few others are looked at
	number uint32 // + 1; 0 is free
}

func (k key) tag() uint32 { return uint32(k[1]) }

// find returns the number of a key. The guess is looked at first: who sends the same keys in the
// same order again makes one more than the last number a good one, and it is in the cache of the
// processor, where a slot is not.
func (t *table) find(k key, guess uint32) (uint32, bool) {
	if int(guess) < len(t.keys) && t.keys[guess] == k {
		return guess, true
	}
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for i := k[0] & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s.number == 0 {
			return 0, false
		}
		if s.tag == k.tag() && t.keys[s.number-1] == k {
			return s.number - 1, true
		}
	}
}

// put returns the number of a key that is not in the table.
func (t *table) put(k key) uint32 {
	n := uint32(len(t.keys))
	t.keys = append(t.keys, k)
	if len(t.keys)*3 <= len(t.slots)*2 {
		t.place(n)
		return n
	}
	t.slots = make([]slot, max(64, 2*len(t.slots)))
	for i := range t.keys {
		t.place(uint32(i))
	}
	return n
}

func (t *table) place(n uint32) {
	mask := uint64(len(t.slots) - 1)
	i := t.keys[n][0] & mask
	for t.slots[i].number != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = slot{t.keys[n].tag(), n + 1}
}
