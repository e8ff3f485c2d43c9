package arrowin

import "encoding/binary"

// A flat reads bytes in FlatBuffers' layout, in which Arrow writes metadata. A position is an index into
// the bytes, and 0 is none. After the first position outside of the bytes it is bad, and what it
// returns means nothing.
type flat struct {
	b   []byte
	bad bool
}

// at returns n bytes at a position, which is not 0.
func (f *flat) at(pos, n int) []byte {
	if pos < 0 || n < 0 || pos > len(f.b)-n {
		f.bad = true
		return make([]byte, 8)[:max(min(n, 8), 0)]
	}
	return f.b[pos : pos+n]
}

func (f *flat) uint16(pos int) int { return int(binary.LittleEndian.Uint16(f.at(pos, 2))) }
func (f *flat) uint32(pos int) int { return int(binary.LittleEndian.Uint32(f.at(pos, 4))) }

// follow returns what the offset at pos points to.
func (f *flat) follow(pos int) int { return pos + f.uint32(pos) }

// field returns the position of a field of a table, or 0 where it has none.
func (f *flat) field(table, slot int) int {
	vtable := table - int(int32(f.uint32(table)))
	if f.bad || f.uint16(vtable) < 6+2*slot {
		return 0
	}
	offset := f.uint16(vtable + 4 + 2*slot)
	if offset == 0 || f.bad {
		return 0
	}
	return table + offset
}

// table returns the table that a field points to, or 0.
func (f *flat) table(table, slot int) int {
	if pos := f.field(table, slot); pos != 0 {
		return f.follow(pos)
	}
	return 0
}

// byte returns the byte at a field, 0 where there is none.
func (f *flat) byte(field int) byte {
	if field == 0 {
		return 0
	}
	return f.at(field, 1)[0]
}

// int64 returns the number at a field, 0 where there is none.
func (f *flat) int64(field int) int64 {
	if field == 0 {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(f.at(field, 8)))
}

// vector returns the first element of what a field points to, and how many there are.
func (f *flat) vector(field int) (first, n int) {
	if field == 0 {
		return 0, 0
	}
	pos := f.follow(field)
	if n = f.uint32(pos); f.bad || n > len(f.b) {
		f.bad = true
		return 0, 0
	}
	return pos + 4, n
}

// text returns the string that a field points to. It aliases the bytes.
func (f *flat) text(field int) []byte {
	first, n := f.vector(field)
	if n == 0 {
		return nil
	}
	return f.at(first, n)
}
