package codec

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// How a column is encoded against its reference. Numbers are stored, and never reused. Against
// the times, the byte is followed by what a unit of the column is in nanoseconds.
const (
	howMinus = 0 // the stream holds x − y
	howPlus  = 1 // the stream holds x + y
	howTimes = 2 // the stream holds x − ⌊t/unit⌋
)

// A member is an integer column of a group: of integers, or of decimals with the same exponent.
type member struct {
	ints    []int64
	scale   byte   // columns of different scales are no siblings
	prefix  []byte // what stands before how in a column that has a reference
	column  Column // as it stands alone, then as it is best encoded
	changes int
	ok      bool    // may refer and be referred to
	root    bool    // is referred to
	rows    []int32 // the sample of rows at which candidates are compared
	alone   float64 // cost of the changes at these rows, in bits
}

// A candidate is a way to encode column x against column y (times where y is −1).
type candidate struct {
	x, y  int
	how   byte
	unit  int64
	saves float64 // estimated, in bytes
}

// Of the search for siblings: columns of fewer bytes are left alone, a column is compared at that
// many rows, and that many candidates of a column are looked at closely.
const (
	minSibling    = 24
	siblingSample = 64
	maxCandidates = 3
)

// siblings looks for columns that are smaller against another one, or the times, and replaces
// their encoding. References are one deep: what is referred to stands alone.
func (e *encoder) siblings(members []member, times []int64) {
	var all []candidate
	for x := range members {
		m := &members[x]
		if m.changes = 0; m.ok {
			m.changes = countChanges(m.ints)
		}
		m.ok = m.ok && m.changes > 0
	}
	for x := range members {
		if m := &members[x]; m.ok && len(m.column.Data) >= minSibling {
			m.sample()
			all = append(all, e.candidates(members, x, times)...)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.saves, a.saves) })
	for _, c := range all {
		x := &members[c.x]
		if x.root || x.column.Ref != NoRef || c.y >= 0 && members[c.y].column.Ref != NoRef {
			continue
		}
		if e.against(x, c, members, times) && c.y >= 0 {
			members[c.y].root = true
		}
	}
}

// against encodes x as c says, and keeps that where it costs less.
func (e *encoder) against(x *member, c candidate, members []member, times []int64) bool {
	rest := grown(&e.other, len(x.ints))
	residuals(rest, x.ints, c, members, times)
	if len(x.prefix) > 0 && !siblingRange(rest) {
		return false
	}
	data := append(slices.Clone(x.prefix), c.how)
	ref, ns := RefTimes, 2.0
	if c.how == howTimes {
		data = binary.AppendUvarint(data, uint64(c.unit))
	} else {
		ref, ns = RefColumn(c.y), 1.0
	}
	data = e.stream(data, rest, 0)
	n := len(rest)
	if cost(len(data)+1, n, ns) >= cost(len(x.column.Data), n, 0) {
		return false
	}
	x.column = Column{Encoding: x.column.Encoding, Ref: ref, Data: slices.Clip(data)}
	return true
}

// residuals sets dst to what remains of x against c's reference.
func residuals(dst, x []int64, c candidate, members []member, times []int64) {
	switch c.how {
	case howMinus:
		for i, y := range members[c.y].ints {
			dst[i] = x[i] - y
		}
	case howPlus:
		for i, y := range members[c.y].ints {
			dst[i] = x[i] + y
		}
	default:
		for i, t := range times {
			dst[i] = x[i] - floorDiv(t, c.unit)
		}
	}
}

// floorDiv returns ⌊a/b⌋ for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// sample chooses rows: short windows where the column changes often, else its changes.
func (m *member) sample() {
	n := len(m.ints)
	if m.changes > n/8 {
		const window = 8
		step := max(window, n/(siblingSample/window))
		for from := 1; from < n; from += step {
			for i := from; i < min(from+window, n); i++ {
				m.rows = append(m.rows, int32(i))
			}
		}
	} else {
		every, k := (m.changes+siblingSample-1)/siblingSample, 0
		for i := 1; i < n; i++ {
			if m.ints[i] != m.ints[i-1] {
				if k%every == 0 {
					m.rows = append(m.rows, int32(i))
				}
				k++
			}
		}
	}
	for _, p := range m.rows {
		m.alone += changeBits(m.ints[p] - m.ints[p-1])
	}
}

// changeBits is about what a change of d takes.
func changeBits(d int64) float64 {
	return float64(bits.Len64(uint64(d<<1) ^ uint64(d>>63)))
}

// positionBits is about what it takes to say where a rare change is.
const positionBits = 7

// candidates returns the most promising references of column x.
func (e *encoder) candidates(members []member, x int, times []int64) []candidate {
	var found []candidate
	m := &members[x]
	size := float64(len(m.column.Data))
	rare := m.changes <= len(m.ints)/8
	part := float64(m.changes) / float64(len(m.rows))
	if !rare {
		part = float64(len(m.ints)) / float64(len(m.rows))
	}
	for y := range members {
		o := &members[y]
		if y == x || !o.ok || o.scale != m.scale || len(o.ints) != len(m.ints) || rare && o.changes > 2*m.changes {
			continue
		}
		minus, plus, shared, same := compare(m, o)
		how := byte(howMinus)
		if plus < minus {
			minus, how = plus, howPlus
		}
		alone, pair := m.alone*part, minus*part
		if rare {
			alone += positionBits * float64(m.changes)
			extra := max(0, float64(o.changes)-part*float64(shared))
			pair += positionBits*(float64(m.changes)-part*float64(same)+extra) + extra*8
		}
		if saves := size * (1 - pair/alone); pair < 0.9*alone {
			found = append(found, candidate{x: x, y: y, how: how, saves: saves})
		}
	}
	slices.SortFunc(found, func(a, b candidate) int { return cmp.Compare(b.saves, a.saves) })
	if unit := unitOf(m.ints, times); unit > 0 {
		found = slices.Insert(found, 0, candidate{x: x, y: -1, how: howTimes, unit: unit, saves: size * 0.95})
	}
	return found[:min(len(found), maxCandidates)]
}

// compare returns the bits of the changes of x−y and x+y at the sample of x, at how many of these
// rows y changes, and at how many it changes as x does, up to the sign.
func compare(x, y *member) (minus, plus float64, shared, same int) {
	var m, p int
	for _, row := range x.rows {
		dx, dy := x.ints[row]-x.ints[row-1], y.ints[row]-y.ints[row-1]
		a, b := dx-dy, dx+dy
		m += bits.Len64(uint64(a<<1) ^ uint64(a>>63))
		p += bits.Len64(uint64(b<<1) ^ uint64(b>>63))
		if dy != 0 {
			shared++
			if a == 0 || b == 0 {
				same++
			}
		}
	}
	return float64(m), float64(p), shared, same
}

// unitOf returns how many nanoseconds a unit of x is where x goes with the times, else 0.
func unitOf(x, times []int64) int64 {
	n := len(x)
	if len(times) != n || n < 8 {
		return 0
	}
	dt, dx := float64(times[n-1])-float64(times[0]), float64(x[n-1])-float64(x[0])
	half := float64(x[n/2]) - float64(x[0])
	if dx <= 0 || dt <= 0 || half < dx/4 || half > dx*3/4 {
		return 0
	}
	for unit := int64(1); unit <= 1e9; unit *= 1000 {
		if r := dt / dx / float64(unit); r > 0.95 && r < 1.05 {
			return unit
		}
	}
	return 0
}
