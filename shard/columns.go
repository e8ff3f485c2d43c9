package shard

import "github.com/chronodex/chronodex/chunk"

// Columns are what the head holds of one series with many observations, in order of arrival.
type columns struct {
	ordinal uint32
	kind    chunk.Kind
	rising  int   // so many first rows have strictly rising stamps
	low     int64 // the extreme stamps
	high    int64
	times   []int64
	floats  []float64
	other   *otherColumns // of the other kinds
}

type otherColumns struct {
	ints    []int64
	bools   []bool
	strings []string
}

func newColumns(o uint32, k chunk.Kind) *columns {
	c := &columns{ordinal: o, kind: k}
	if k != chunk.Float64 {
		c.other = new(otherColumns)
	}
	return c
}

// ownColumns returns columns that are made of s, which is sorted and nobody else's.
func ownColumns(o uint32, s *chunk.Samples) *columns {
	c := newColumns(o, s.Kind)
	c.noteOrder(s.Times)
	c.times, c.floats = s.Times, s.Floats
	if c.other != nil {
		*c.other = otherColumns{s.Ints, s.Bools, s.Strings}
	}
	return c
}

// append adds the samples and returns the bytes they take.
func (c *columns) append(s *chunk.Samples) int64 {
	if s.Len() == 0 {
		return 0
	}
	bytes := int64(s.Len()) * columnRowBytes
	c.noteOrder(s.Times)
	c.times = append(c.times, s.Times...)
	if c.kind == chunk.Float64 {
		c.floats = append(c.floats, s.Floats...)
		return bytes
	}
	c.other.ints = append(c.other.ints, s.Ints...)
	c.other.bools = append(c.other.bools, s.Bools...)
	c.other.strings = append(c.other.strings, s.Strings...)
	for _, v := range s.Strings {
		bytes += int64(len(v)) + 8
	}
	return bytes
}

// noteOrder takes note of the order of stamps that come next.
func (c *columns) noteOrder(times []int64) {
	n := len(c.times)
	if n == 0 {
		c.low, c.high = times[0], times[0]
	}
	if c.rising == n {
		i := 0
		if n == 0 || times[0] > c.times[n-1] {
			for i = 1; i < len(times) && times[i] > times[i-1]; i++ {
			}
		}
		c.rising += i
		if i == len(times) {
			c.high = times[i-1]
			return
		}
	}
	for _, t := range times {
		c.low, c.high = min(c.low, t), max(c.high, t)
	}
}

// samples returns the first n rows; they alias those of c and do not change.
func (c *columns) samples(n int) chunk.Samples {
	s := chunk.Samples{Kind: c.kind, Times: c.times[:n:n]}
	switch c.kind {
	case chunk.Float64:
		s.Floats = c.floats[:n:n]
	case chunk.Int64:
		s.Ints = c.other.ints[:n:n]
	case chunk.Bool:
		s.Bools = c.other.bools[:n:n]
	case chunk.String:
		s.Strings = c.other.strings[:n:n]
	}
	return s
}
