package lineproto

// A table finds numbers by keys, of which it keeps 96 bits. It is open addressing with linear
// probing; numbers are never taken out. The zero value is empty.
type table struct {
	slots []slot // a power of two
	n     int
}

type slot struct {
	high   uint64
	low    uint32
	number uint32 // + 1; 0 is free
}

func (t *table) find(k key) (uint32, bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for i := k[0] & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.number == 0 {
			return 0, false
		}
		if s.high == k[0] && s.low == uint32(k[1]) {
			return s.number - 1, true
		}
	}
}

// put enters a number under a key that is not in the table.
func (t *table) put(k key, number uint32) {
	if t.n++; t.n*3 > len(t.slots)*2 {
		old := t.slots
		t.slots = make([]slot, max(64, 2*len(old)))
		for _, s := range old {
			if s.number != 0 {
				t.place(s)
			}
		}
	}
	t.place(slot{k[0], uint32(k[1]), number + 1})
}

func (t *table) place(s slot) {
	mask := uint64(len(t.slots) - 1)
	i := s.high & mask
	for t.slots[i].number != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}
