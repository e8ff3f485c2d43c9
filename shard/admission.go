package shard

import (
	"fmt"

	"github.com/chronodex/chronodex/chunk"
)

// An Admission says which rows of a batch are stored. Functions that are nil let everything in. They
// are called by one goroutine, in order of the rows.
type Admission struct {
	Row    func(row *chunk.BatchRow) error // of each row; may give it other dimensions; an error refuses it
	Series func(d chunk.Dimensions) error  // of a series that the store does not know yet; an error refuses the row
	Refuse func(row int, reason error)     // is told of each row that is not stored
}

func (a *Admission) refuse(row int, reason error) {
	if a.Refuse != nil {
		a.Refuse(row, reason)
	}
}

// validate says what keeps a batch from being stored as a whole, or nil.
func (s *Set) validate(b *chunk.Batch) error {
	var last *chunk.BatchRow
	for i := range b.Rows {
		row := &b.Rows[i]
		_, noted := s.noted(row)
		if err := validRow(row, last, noted); err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
		last = row
	}
	return nil
}

// validRow says what keeps a row from being stored, where last, which may be nil, is valid. The
// dimensions of a series that is noted need not be looked at.
func validRow(r, last *chunk.BatchRow, noted bool) error {
	if !r.Samples.Valid() {
		return fmt.Errorf("series %v: columns of different lengths or kinds: %w", r.Dimensions, ErrInvalid)
	}
	switch {
	case noted || last != nil && sameSlice(r.Dimensions, last.Dimensions):
	case r.Ref != nil && r.Dimensions == nil:
		return fmt.Errorf("neither dimensions nor a reference to a series: %w", ErrInvalid)
	default:
		if err := r.Dimensions.Validate(); err != nil {
			return fmt.Errorf("%w: %w", err, ErrInvalid)
		}
	}
	for _, v := range r.Samples.Strings {
		if len(v) > maxStringBytes {
			return fmt.Errorf("series %v: a string of %d bytes, at most %d: %w", r.Dimensions, len(v), maxStringBytes, ErrInvalid)
		}
	}
	return nil
}
