package chunk

import (
	"fmt"
	"math"
	"time"
)

// A Span is the half-open range of time stamps [Start, End), in Unix nanoseconds. So that every
// stamp can be in some span, an End of [math.MaxInt64] has no end: the last stamp is in it.
type Span struct {
	Start int64
	End   int64
}

// Always is the span of all stamps.
var Always = Span{Start: math.MinInt64, End: math.MaxInt64}

// SpanOf returns the smallest span that holds the stamps first and last, both included.
func SpanOf(first, last int64) Span {
	if last == math.MaxInt64 {
		return Span{Start: first, End: last}
	}
	return Span{Start: first, End: last + 1}
}

// Empty reports whether no stamp is in s.
func (s Span) Empty() bool { return s.Start >= s.End && s.End != math.MaxInt64 }

// Contains reports whether stamp t is in s.
func (s Span) Contains(t int64) bool { return t >= s.Start && (t < s.End || s.End == math.MaxInt64) }

// Covers reports whether every stamp of o is in s.
func (s Span) Covers(o Span) bool { return o.Empty() || s.Start <= o.Start && o.End <= s.End }

// Overlaps reports whether a stamp is in both.
func (s Span) Overlaps(o Span) bool { return !s.Intersect(o).Empty() }

// Intersect returns the stamps in both.
func (s Span) Intersect(o Span) Span {
	r := Span{Start: max(s.Start, o.Start), End: min(s.End, o.End)}
	if r.Start > r.End {
		r.Start = r.End // not the other way: an End of MaxInt64 has no end
	}
	return r
}

// Union returns the smallest span that covers both.
func (s Span) Union(o Span) Span {
	switch {
	case s.Empty():
		return o
	case o.Empty():
		return s
	}
	return Span{Start: min(s.Start, o.Start), End: max(s.End, o.End)}
}

// String prints s as [start, end) in RFC 3339.
func (s Span) String() string {
	if s == Always {
		return "[always)"
	}
	f := func(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339Nano) }
	return fmt.Sprintf("[%s, %s)", f(s.Start), f(s.End))
}
