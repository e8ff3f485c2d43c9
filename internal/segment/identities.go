package segment

import (
	"errors"
	"iter"
)

// Identities yields all series, without their chunks, in source order, at the cost of neither the
// directory nor the blocks. A page that cannot be read is an error, and the series that it is not
// about come nevertheless.
func (r *Reader) Identities() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ordinals, known, err := r.ordinals()
		if err != nil && !yield(Entry{}, err) {
			return
		}
		for n, frame := range r.index.seriesPages {
			p, err := page(r, frame, parseSeries)
			if err != nil {
				if !yield(Entry{}, err) {
					return
				}
				continue
			}
			for i, s := range *p {
				place := n*pageSeries + i
				if place >= len(ordinals) || !known[place] {
					continue
				}
				if !yield(Entry{Series: ordinals[place], Identity: s}, nil) {
					return
				}
			}
		}
	}
}

// ordinals returns the ordinal of every place, and whether it is known.
func (r *Reader) ordinals() (ordinals []uint32, known []bool, err error) {
	ordinals, known = make([]uint32, r.index.series), make([]bool, r.index.series)
	var errs []error
	for _, l := range r.index.lookups {
		p, err := page(r, l.frame, parseLookups)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for i, o := range p.ordinals {
			if place := p.places[i]; place < int64(len(ordinals)) {
				ordinals[place], known[place] = uint32(o), true
			}
		}
	}
	return ordinals, known, errors.Join(errs...)
}
