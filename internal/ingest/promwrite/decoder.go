package promwrite

import (
	"fmt"
	"hash/maphash"
	"math"
	"unicode/utf8"

	"github.com/chronodex/chronodex/chunk"
)

const (
	maxWords   = 1 << 16  // strings that a decoder keeps from message to message
	maxLetters = 16 << 20 // and their bytes
	slots      = 1 << 14  // series that it keeps
	maxMs      = math.MaxInt64 / 1000000

	// Of one message; who sends has a hundredth of it.
	maxSeries  = 1 << 18
	maxOthers  = 1 << 18 // histograms and exemplars
	maxSamples = 1 << 22
	maxStrings = 1 << 19 // distinct ones
)

// A Decoder turns messages into batches, one after another, with the memory it has. It keeps the
// strings and series that come again. The zero value is ready. It is used by one goroutine at a time.
type Decoder struct {
	Builder
	count  int // series in the message
	others int // histograms and exemplars

	words   map[string]uint32
	list    []string // words by their number
	valid   []bool   // whether a word is UTF-8
	letters int
	seeds   [3]maphash.Seed
	slots   []slot

	pairs   []chunk.Dimension // scratch
	one     series            // being decoded
	hist    histogramScratch
	symbols []uint32 // words of a 2.0 message
	refs    []uint64
	key     []byte
}

// A slot keeps a series under the hash of how messages write it. Nobody outside can know the seeds,
// so equal hashes mean equal series.
type slot struct {
	a, b uint64
	dims chunk.Dimensions
}

// reset forgets the last message.
func (d *Decoder) reset() {
	if d.words == nil || len(d.list) > maxWords || d.letters > maxLetters {
		d.words, d.list, d.valid, d.letters = make(map[string]uint32), nil, nil, 0
		d.seeds = [3]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()}
		d.slots = make([]slot, slots)
	}
	d.Reset()
	d.count, d.others = 0, 0
}

// word returns the number of a string.
func (d *Decoder) word(b []byte) uint32 {
	if n, ok := d.words[string(b)]; ok {
		return n
	}
	w, n := string(b), uint32(len(d.list))
	d.words[w] = n
	d.list = append(d.list, w)
	d.valid = append(d.valid, utf8.ValidString(w))
	d.letters += len(w)
	return n
}

// find returns the slot of what key writes, and whether it holds that; if not, the caller fills it.
func (d *Decoder) find(key []byte, seed int) (*slot, bool) {
	a, b := maphash.Bytes(d.seeds[0], key), maphash.Bytes(d.seeds[seed], key)
	s := &d.slots[a%slots]
	if s.a == a && s.b == b && s.dims != nil {
		return s, true
	}
	if t := &d.slots[a%slots^1]; t.a == a && t.b == b && t.dims != nil {
		return t, true
	} else if t.dims == nil {
		s = t
	}
	s.a, s.b, s.dims = a, b, nil
	return s, false
}

// dimensions returns the dimensions of the labels in d.pairs, names and values as they came, which it
// changes. An error says what is wrong with the labels.
func (d *Decoder) dimensions() (chunk.Dimensions, error) {
	if err := checkLabels(d.pairs); err != nil && len(d.Reasons) == maxReasons {
		return nil, err // nobody will read more of it
	} else if err != nil {
		return nil, fmt.Errorf("series %v: %w", chunk.Dimensions(d.pairs), err)
	}
	kept := d.pairs[:0]
	for _, p := range d.pairs {
		if p.Value != "" { // which is the same as no label
			kept = append(kept, chunk.Dimension{Name: DimensionName(p.Name), Value: p.Value})
		}
	}
	sortPairs(kept)
	dims, err := d.Canonical(kept)
	if err != nil {
		return nil, fmt.Errorf("series %.1000v: %w", chunk.Dimensions(kept).String(), err)
	}
	return dims, nil
}

// checkLabels reports what no series may be called in Prometheus.
func checkLabels(pairs []chunk.Dimension) error {
	named := false
	for _, p := range pairs {
		if p.Name == "" {
			return fmt.Errorf("a label without a name, of value %q", p.Value)
		}
		named = named || p.Name == NameLabel && p.Value != ""
	}
	if !named {
		return fmt.Errorf("no metric name: label %s is missing or empty", NameLabel)
	}
	return nil
}

// tooMuch returns an error where a message has more of something than is good for us.
func tooMuch(n, most int, what string) error {
	if n <= most {
		return nil
	}
	return fmt.Errorf("more than %d %s in one message; send smaller ones: %w", most, what, ErrMessage)
}

// stamp returns milliseconds as a stamp, and whether the store can hold it.
func stamp(ms int64) (int64, bool) {
	return ms * 1e6, ms <= maxMs && ms >= -maxMs
}
