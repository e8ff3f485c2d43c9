package analytics

// Points are two columns of equal length: stamps, Unix nanoseconds, rising, and values.
type Points struct {
	Times  []int64
	Values []float64
}

// A Transform maps one series to one, in pieces: it is made for one series, which it is given from
// the first observation to the last. It is used by one goroutine at a time.
type Transform interface {
	// Apply appends to dst what the next observations of the series become, and returns it. dst
	// may be the head of src, as in src.Head(), since what is made of an observation is written
	// over none that is still to be read.
	Apply(dst, src Points) Points
}

// Head returns the empty points at the head of the columns of p, to be appended to in place.
func (p Points) Head() Points { return Points{Times: p.Times[:0], Values: p.Values[:0]} }
