package index

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/blevesearch/vellum"
)

// A merger is the source of the file that replaces others: what is not deleted of segments, in the
// order of the ordinals.
type merger struct {
	parts []mergePart
	list  []uint32
	term  []byte
}

// A mergePart is a segment on its way into a file.
type mergePart struct {
	segment
	offset  uint32   // of its documents in the new file, where none is dropped and they stay together
	numbers []uint32 // of its documents in the new file otherwise; dropped ones have the number dropped
	it      vellum.Iterator
	term    []byte
	pointer uint64
}

const dropped = math.MaxUint32

// newMerger decides which number each document gets, and returns the ordinals in that order.
func newMerger(segments []segment) (*merger, []uint32) {
	m := &merger{}
	type place struct{ ordinal, part, doc uint32 }
	var places []place
	together := true
	for i, s := range segments {
		for doc := range s.entry.Documents {
			if s.deleted == nil || !s.deleted.Contains(doc) {
				places = append(places, place{s.ordinal(doc), uint32(i), doc})
			}
		}
		together = together && s.deleted == nil
		m.parts = append(m.parts, mergePart{segment: s})
	}
	byOrdinal := func(a, b place) int { return cmp.Compare(a.ordinal, b.ordinal) }
	if !slices.IsSortedFunc(places, byOrdinal) {
		slices.SortFunc(places, byOrdinal)
		together = false
	}
	ordinals := make([]uint32, len(places))
	next := uint32(0)
	for i := range m.parts {
		part := &m.parts[i]
		if part.offset = next; together {
			next += part.entry.Documents
			continue
		}
		part.numbers = make([]uint32, part.entry.Documents)
		for doc := range part.numbers {
			part.numbers[doc] = dropped
		}
	}
	for n, at := range places {
		ordinals[n] = at.ordinal
		if !together {
			m.parts[at.part].numbers[at.doc] = uint32(n)
		}
	}
	return m, ordinals
}

func (m *merger) fields() (names []string) {
	for _, part := range m.parts {
		for _, name := range part.zap.Fields() {
			if name != idField {
				names = append(names, name)
			}
		}
	}
	return names
}

func (m *merger) open(field string) error {
	for i := range m.parts {
		part := &m.parts[i]
		part.it, part.term = nil, nil
		d, err := part.dict(field)
		if err != nil {
			return err
		}
		if d == nil {
			continue
		}
		it, err := d.Iterator(nil, nil)
		if err := part.at(it, err); err != nil {
			return err
		}
	}
	return nil
}

// at notes the term that the iterator is at.
func (part *mergePart) at(it vellum.Iterator, err error) error {
	part.it, part.term = it, nil
	if err == nil {
		part.term, part.pointer = it.Current()
	} else if !errors.Is(err, vellum.ErrIteratorDone) {
		return fmt.Errorf("dictionary: %w: %w", err, ErrDamaged)
	}
	return nil
}

func (m *merger) next() (term []byte, docs []uint32, err error) {
	least := -1
	for i := range m.parts {
		if t := m.parts[i].term; t != nil && (least < 0 || bytes.Compare(t, m.parts[least].term) < 0) {
			least = i
		}
	}
	if least < 0 {
		return nil, nil, nil
	}
	m.term, m.list = append(m.term[:0], m.parts[least].term...), m.list[:0]
	for i := least; i < len(m.parts); i++ {
		part := &m.parts[i]
		if part.term == nil || !bytes.Equal(part.term, m.term) {
			continue
		}
		p, err := newPostings(part.data, part.pointer)
		if err != nil {
			return nil, nil, err
		}
		from := len(m.list)
		m.list = p.appendDocs(m.list)
		part.renumber(m.list[from:])
		if err := part.at(part.it, part.it.Next()); err != nil {
			return nil, nil, err
		}
	}
	if !slices.IsSorted(m.list) {
		slices.Sort(m.list)
	}
	if n := len(m.list); n > 0 && m.list[n-1] == dropped {
		i, _ := slices.BinarySearch(m.list, dropped)
		m.list = m.list[:i]
	}
	return m.term, m.list, nil
}

// renumber replaces documents of the part by their new numbers.
func (part *mergePart) renumber(docs []uint32) {
	for i, doc := range docs {
		if part.numbers != nil {
			docs[i] = part.numbers[doc]
		} else {
			docs[i] = doc + part.offset
		}
	}
}
