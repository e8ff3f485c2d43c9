package analytics

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// ErrUnknown is wrapped by the error of [Lookup]; ErrArguments by that of [Spec.New] and its like.
var (
	ErrUnknown   = errors.New("unknown function")
	ErrArguments = errors.New("wrong arguments")
)

// Kind is what a function makes out of what.
type Kind uint8

// The kinds of functions.
const (
	Transforming Kind = 1 // each series becomes a series
	Aggregating  Kind = 2 // many observations become numbers: of a series, of a group, of a window
	Filtering    Kind = 3 // fewer series, fewer observations, or in another order
)

// String returns the word for k that documentation uses.
func (k Kind) String() string {
	switch k {
	case Transforming:
		return "transform"
	case Aggregating:
		return "aggregate"
	case Filtering:
		return "filter"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// StatsUse is how far a function can be answered from the statistics of chunks.
type StatsUse uint8

// How far statistics suffice.
const (
	StatsNever    StatsUse = 0 // always decode
	StatsConstant StatsUse = 1 // where all values of the chunk are equal
	StatsAlways   StatsUse = 2
)

// String returns what s means, as part of a sentence.
func (s StatsUse) String() string {
	switch s {
	case StatsAlways:
		return "answered from chunk statistics"
	case StatsConstant:
		return "answered from chunk statistics where a chunk is constant, else decodes"
	}
	return "decodes"
}

// An Arg is one argument of a function, as text gives it and as documentation shows it. Its value is
// a number; where it has Words it is one of these, and counts as its place among them.
type Arg struct {
	Name     string
	Unit     string   // such as "seconds", empty where a number is only a number
	Doc      string   // one line
	Words    []string // the words it may be; nil where it is a number
	Optional bool
	Default  float64 // where Optional
	Min, Max float64 // range of the number, both included; without limits where both are 0
	Whole    bool    // the number must be whole
	Many     bool    // it is the last one and may be repeated
}

// A Spec is a function in the catalogue.
type Spec struct {
	Name    string
	Aliases []string
	Kind    Kind
	Args    []Arg
	Options string // words after the arguments, such as "[by AGGREGATE]"; query reads them
	Short   string // one line, no full stop
	Doc     string // Markdown; what it does, and at the edges
	Formula string
	Source  string   // paper or standard; may be empty
	Example string   // a query
	Stats   StatsUse // of an aggregate

	// PerSeries says that the function looks at the order of the observations of one series, so
	// that series cannot be grouped before it: `rate every 5m | sum by host`, not `rate by host`.
	PerSeries bool
	// Windows says that the function is an aggregate with `every`, and a transform without.
	Windows bool
	// Whole says that its transform must be given the whole series in one piece.
	Whole bool
	// Strings says that the aggregate is defined for values of kind string, too.
	Strings bool

	aggregate func(args []float64) Aggregate
	transform func(args []float64) Transform
	strings   func(n int) StringStates
}

// Aggregates reports whether [Spec.New] makes an aggregate, with `every` at least.
func (s *Spec) Aggregates() bool { return s.aggregate != nil }

// Transforms reports whether [Spec.NewTransform] makes a transform of one series.
func (s *Spec) Transforms() bool { return s.transform != nil }

// New returns the aggregate of s with these arguments; missing ones take their defaults. Its errors
// wrap [ErrArguments].
func (s *Spec) New(args ...float64) (Aggregate, error) {
	if s.aggregate == nil {
		return nil, fmt.Errorf("%s is a %v, not an aggregate: %w", s.Name, s.Kind, ErrArguments)
	}
	args, err := s.bind(args)
	if err != nil {
		return nil, err
	}
	return s.aggregate(args), nil
}

// NewTransform returns a transform of one series, with these arguments; missing ones take their
// defaults. Its errors wrap [ErrArguments].
func (s *Spec) NewTransform(args ...float64) (Transform, error) {
	if s.transform == nil {
		return nil, fmt.Errorf("%s does not map a series to a series: %w", s.Name, ErrArguments)
	}
	args, err := s.bind(args)
	if err != nil {
		return nil, err
	}
	return s.transform(args), nil
}

// NewStringStates returns n empty states for string values. Its error wraps [ErrArguments].
func (s *Spec) NewStringStates(n int) (StringStates, error) {
	if s.strings == nil {
		return nil, fmt.Errorf("%s is not defined for strings: %w", s.Name, ErrArguments)
	}
	return s.strings(n), nil
}

// bind checks args against s.Args and returns them with defaults filled in.
func (s *Spec) bind(args []float64) ([]float64, error) {
	out := slices.Clone(args)
	for k, a := range s.Args {
		if k < len(out) {
			continue
		}
		if !a.Optional {
			return nil, fmt.Errorf("%s wants %s: %w", s.Name, s.Usage(), ErrArguments)
		}
		if !a.Many {
			out = append(out, a.Default)
		}
	}
	for k, v := range out {
		if k >= len(s.Args) && (len(s.Args) == 0 || !s.Args[len(s.Args)-1].Many) {
			return nil, fmt.Errorf("%s takes %d arguments, not %d: %w", s.Name, len(s.Args), len(out), ErrArguments)
		}
		if err := s.Args[min(k, len(s.Args)-1)].check(v); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return out, nil
}

// check reports why v cannot be the value of a.
func (a *Arg) check(v float64) error {
	lo, hi := a.Min, a.Max
	switch {
	case a.Words != nil:
		lo, hi = 0, float64(len(a.Words)-1)
	case lo == 0 && hi == 0:
		return nil
	}
	if !(v >= lo && v <= hi) {
		return fmt.Errorf("%s is %v, outside of %v to %v: %w", a.Name, v, lo, hi, ErrArguments)
	}
	if (a.Whole || a.Words != nil) && v != math.Trunc(v) {
		return fmt.Errorf("%s is %v, not a whole number: %w", a.Name, v, ErrArguments)
	}
	return nil
}

// Word returns the value that stands for the word w in place of a, and whether it is one of them.
func (a *Arg) Word(w string) (float64, bool) {
	i := slices.Index(a.Words, w)
	return float64(i), i >= 0
}

// Usage returns the name of s with its arguments, such as "p q [q …]".
func (s *Spec) Usage() string {
	b := []string{s.Name}
	for _, a := range s.Args {
		name := a.Name
		if len(a.Words) > 0 {
			name = strings.Join(a.Words, "|")
		}
		switch {
		case a.Many && a.Optional:
			name = "[" + name + " …]"
		case a.Many:
			name += " [" + name + " …]"
		case a.Optional:
			name = "[" + name + "]"
		}
		b = append(b, name)
	}
	if s.Options != "" {
		b = append(b, s.Options)
	}
	return strings.Join(b, " ")
}

// Catalogue returns all functions, by kind and then in the order in which they are best read. The
// slice is the caller's.
func Catalogue() []Spec { return slices.Clone(known().specs) }

// A catalogue is all functions, and the place of each by its names.
type catalogue struct {
	specs  []Spec
	byName map[string]int
}

// known is the catalogue; it never changes.
var known = sync.OnceValue(func() catalogue {
	c := catalogue{
		specs:  slices.Concat(aggregateSpecs(), positionSpecs(), stepSpecs(), transformSpecs(), filterSpecs()),
		byName: make(map[string]int),
	}
	for i, s := range c.specs {
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			c.byName[name] = i
		}
	}
	return c
})

// Lookup returns the function with that name or alias. Its error wraps [ErrUnknown] and names the
// nearest one.
func Lookup(name string) (Spec, error) {
	c := known()
	if i, ok := c.byName[name]; ok {
		return c.specs[i], nil
	}
	if near := Nearest(name); near != "" {
		return Spec{}, fmt.Errorf("%w %q, did you mean %q?", ErrUnknown, name, near)
	}
	return Spec{}, fmt.Errorf("%w %q", ErrUnknown, name)
}

// Nearest returns the function name or alias that is most like name, or "" where none is.
func Nearest(name string) string {
	best, cost := "", min(len(name), len(name)/3+2) // about a third of the letters wrong, never all
	low := strings.ToLower(name)
	for _, s := range known().specs {
		for _, n := range append([]string{s.Name}, s.Aliases...) {
			if d := distance(low, n); d < cost {
				best, cost = n, d
			}
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour to make
// b out of a (optimal string alignment; Damerau 1964).
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j]+cost, prev[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], prev2[j-1]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
