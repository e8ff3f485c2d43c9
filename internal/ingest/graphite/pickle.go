package graphite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/chronodex/chronodex/internal/ingest/gather"
	"github.com/chronodex/chronodex/internal/literal"
)

// MaxFrame is the longest pickle that is read, in bytes, as in Graphite's own carbon.
const MaxFrame = 1 << 20

// What is wrong with a pickle.
var (
	ErrPickle = errors.New("not a pickle of a list of (path, (time, value))")
	ErrPoint  = errors.New("not (path, (time, value))")
)

// Pickle reads one frame, without its length. now is the time of points without one, in Unix
// nanoseconds. Bad points are refused one by one; on error, which wraps [ErrPickle], nothing of
// the frame is in the batch. It keeps nothing of frame, and uses at most some 100 bytes for each of
// its bytes while it reads.
func (d *Decoder) Pickle(frame []byte, now int64) error {
	if len(frame) > MaxFrame {
		return fmt.Errorf("%d bytes, at most %d: %w", len(frame), MaxFrame, ErrPickle)
	}
	p := &d.pickle
	top, err := p.run(frame)
	defer p.reset()
	if err != nil {
		return err
	}
	points, ok := p.items(top)
	if !ok {
		return ErrPickle
	}
	for i, point := range points {
		if path, err := d.addPoint(point, now); err != nil {
			d.Refuse(i+1, path, err)
		}
	}
	return nil
}

// addPoint adds (path, (time, value)).
func (d *Decoder) addPoint(point item, now int64) (path []byte, err error) {
	p := &d.pickle
	pair, ok := p.items(point)
	if !ok || len(pair) != 2 {
		return nil, ErrPoint
	}
	if path, ok = p.text(pair[0]); !ok || len(path) == 0 || len(path) > MaxLine {
		return nil, fmt.Errorf("the path is no string, or too long: %w", ErrPoint)
	}
	if pair, ok = p.items(pair[1]); !ok || len(pair) != 2 {
		return path, ErrPoint
	}
	t, ok := p.stamp(pair[0], now)
	if !ok {
		return path, fmt.Errorf("the time is no number of seconds: %w", ErrPoint)
	}
	v, ok := p.number(pair[1])
	if !ok {
		return path, fmt.Errorf("the value is no number: %w", ErrPoint)
	}
	return path, d.add(path, t, v)
}

// An item is a value that a pickle has put together so far.
type item struct {
	kind  byte
	at, n uint32 // text, made, tuple: where it is and how long; list: the number of it
	bits  uint64 // integer, float
}

// The kinds of items.
const (
	none    = iota
	mark    // where the items of a tuple or of a list begin
	integer // an int64
	float   // the bits of a float64
	text    // bytes of the frame
	made    // bytes of pickle.bytes, where escapes were resolved
	tuple   // items of pickle.tuples
	list    // one of pickle.lists
)

// A pickle is the machine that carries a pickle out. See Python's pickletools.py for the meaning
// of each instruction.
type pickle struct {
	frame  []byte
	at     int
	stack  []item
	memo   map[uint32]item
	tuples []item
	lists  [][]item
	bytes  []byte
}

// maxKept is how many items a pickle keeps memory for.
const maxKept = 1 << 16

// reset lets go of the frame and of all items.
func (p *pickle) reset() {
	if cap(p.stack)+cap(p.tuples) > maxKept || len(p.lists) > maxKept || len(p.memo) > maxKept || cap(p.bytes) > maxKept {
		*p = pickle{}
	}
	clear(p.memo)
	clear(p.lists)
	*p = pickle{stack: p.stack[:0], memo: p.memo, tuples: p.tuples[:0], lists: p.lists[:0], bytes: p.bytes[:0]}
}

// items returns the items of a tuple or list.
func (p *pickle) items(x item) ([]item, bool) {
	switch x.kind {
	case tuple:
		return p.tuples[x.at : x.at+x.n], true
	case list:
		return p.lists[x.at], true
	}
	return nil, false
}

func (p *pickle) text(x item) ([]byte, bool) {
	switch x.kind {
	case text:
		return p.frame[x.at : x.at+x.n], true
	case made:
		return p.bytes[x.at : x.at+x.n], true
	}
	return nil, false
}

// number returns a value as Python's float does: strings are read.
func (p *pickle) number(x item) (float64, bool) {
	switch x.kind {
	case integer:
		return float64(int64(x.bits)), true
	case float:
		return math.Float64frombits(x.bits), true
	}
	if b, ok := p.text(x); ok {
		return literal.ParseFloat(bytes.TrimSpace(b))
	}
	return 0, false
}

func (p *pickle) stamp(x item, now int64) (int64, bool) {
	if b, ok := p.text(x); ok {
		return parseTime(bytes.TrimSpace(b), now)
	}
	v, ok := p.number(x)
	if ok && v == -1 {
		return now, true
	}
	t, fits := gather.SecondsOf(v)
	return t, ok && fits
}

// run carries out the pickle and returns what it leaves.
func (p *pickle) run(frame []byte) (item, error) {
	p.frame = frame
	for p.at < len(p.frame) {
		at, op := p.at, p.frame[p.at]
		p.at++
		if op == '.' {
			if len(p.stack) != 1 {
				break
			}
			return p.stack[0], nil
		}
		if err := p.step(op); err != nil {
			return item{}, fmt.Errorf("instruction %q at byte %d: %w", op, at, err)
		}
	}
	return item{}, fmt.Errorf("it does not end: %w", ErrPickle)
}

// What can be wrong with an instruction.
var (
	errOperand = fmt.Errorf("bad operand: %w", ErrPickle)
	errStack   = fmt.Errorf("nothing to work on, or too much: %w", ErrPickle)
	errForeign = fmt.Errorf("it does more than put data together, which is refused: %w", ErrPickle)
)

// step carries out one instruction.
func (p *pickle) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := p.take(1)
		return err
	case 0x95: // FRAME
		_, err := p.take(8)
		return err
	case '(':
		return p.push(item{kind: mark})
	case 'N':
		return p.push(item{kind: none})
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return p.push(item{kind: integer, bits: uint64(0x89 - op)})
	case 'K', 'M', 'J', 'I', 'L', 0x8a:
		return p.integer(op)
	case 'G', 'F':
		return p.float(op)
	case 'S', 'V':
		return p.quoted(op)
	case 'U', 'C', 0x8c: // SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE
		return p.counted(1)
	case 'T', 'B', 'X': // BINSTRING, BINBYTES, BINUNICODE
		return p.counted(4)
	case 0x8d, 0x8e: // BINUNICODE8, BINBYTES8
		return p.counted(8)
	case 'p', 'q', 'r', 0x94:
		return p.put(op)
	case 'g', 'h', 'j':
		return p.get(op)
	case ')', 't', 0x85, 0x86, 0x87:
		return p.tuple(op)
	case ']', 'l', 'a', 'e':
		return p.list(op)
	}
	return errForeign
}

// push puts x on the stack. No sender has more there, or in the memo, than an item for each two
// bytes: so a pickle cannot make much of little.
func (p *pickle) push(x item) error {
	if len(p.stack) > len(p.frame)/2 {
		return errStack
	}
	p.stack = append(p.stack, x)
	return nil
}

// take returns the next n bytes.
func (p *pickle) take(n int) ([]byte, error) {
	if n < 0 || n > len(p.frame)-p.at {
		return nil, errOperand
	}
	p.at += n
	return p.frame[p.at-n : p.at], nil
}

// takeLine returns the rest of the line.
func (p *pickle) takeLine() ([]byte, error) {
	n := bytes.IndexByte(p.frame[p.at:], '\n')
	if n < 0 {
		return nil, errOperand
	}
	b, err := p.take(n + 1)
	return bytes.TrimSuffix(b[:n], []byte{'\r'}), err
}

// little returns the next n bytes, at most 8, as a number, lowest byte first.
func (p *pickle) little(n int) (uint64, error) {
	b, err := p.take(n)
	if err != nil {
		return 0, err
	}
	var full [8]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint64(full[:]), nil
}

// integer reads BININT1, BININT2, BININT, INT, LONG or LONG1.
func (p *pickle) integer(op byte) error {
	var v uint64
	var err error
	switch op {
	case 'K':
		v, err = p.little(1)
	case 'M':
		v, err = p.little(2)
	case 'J':
		v, err = p.little(4)
		v = uint64(int64(int32(v)))
	case 0x8a:
		var n uint64
		if n, err = p.little(1); err != nil || n > 8 {
			return errOperand
		}
		if v, err = p.little(int(n)); n > 0 {
			shift := 64 - 8*n
			v = uint64(int64(v<<shift) >> shift)
		}
	default:
		var b []byte
		b, err = p.takeLine()
		n, ok := literal.ParseInt(bytes.TrimSuffix(b, []byte{'L'}))
		if v = uint64(n); !ok {
			return errOperand
		}
	}
	if err != nil {
		return err
	}
	return p.push(item{kind: integer, bits: v})
}

// float reads BINFLOAT or FLOAT.
func (p *pickle) float(op byte) error {
	if op == 'G' {
		b, err := p.take(8)
		if err != nil {
			return err
		}
		return p.push(item{kind: float, bits: binary.BigEndian.Uint64(b)})
	}
	b, err := p.takeLine()
	v, ok := literal.ParseFloat(b)
	if err != nil || !ok {
		return errOperand
	}
	return p.push(item{kind: float, bits: math.Float64bits(v)})
}

// counted reads a string whose length stands before it in size bytes.
func (p *pickle) counted(size int) error {
	n, err := p.little(size)
	if err != nil || n > uint64(len(p.frame)) {
		return errOperand
	}
	at := p.at
	if _, err := p.take(int(n)); err != nil {
		return err
	}
	return p.push(item{kind: text, at: uint32(at), n: uint32(n)})
}

// quoted reads STRING, as Python 2 prints it in quotes, or UNICODE, whose escapes are \uXXXX and
// \UXXXXXXXX and whose other bytes are Latin-1.
func (p *pickle) quoted(op byte) error {
	b, err := p.takeLine()
	if err != nil {
		return err
	}
	at := len(p.bytes)
	if op == 'V' {
		var latin []byte
		for _, c := range b {
			latin = utf8.AppendRune(latin, rune(c))
		}
		p.bytes = unescape(p.bytes, latin, "uU")
		return p.push(item{kind: made, at: uint32(at), n: uint32(len(p.bytes) - at)})
	}
	if len(b) < 2 || b[0] != b[len(b)-1] || b[0] != '\'' && b[0] != '"' {
		return errOperand
	}
	p.bytes = unescape(p.bytes, b[1:len(b)-1], `abfnrtvx\'"`)
	return p.push(item{kind: made, at: uint32(at), n: uint32(len(p.bytes) - at)})
}

// unescape appends b to dst, the escapes that begin with one of letters resolved; any other
// backslash is itself. The result is at most as long.
func unescape(dst, b []byte, letters string) []byte {
	for len(b) > 0 {
		k := bytes.IndexByte(b, '\\')
		if k < 0 || k == len(b)-1 {
			break
		}
		dst, b = append(dst, b[:k]...), b[k:]
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[b[1]]
		if bytes.IndexByte([]byte(letters), b[1]) < 0 || len(b) < 2+digits {
			dst, b = append(dst, b[0]), b[1:]
			continue
		}
		if digits == 0 {
			dst, b = append(dst, plain(b[1])), b[2:]
			continue
		}
		v, err := strconv.ParseUint(string(b[2:2+digits]), 16, 32)
		switch {
		case err != nil:
			dst, b = append(dst, b[0]), b[1:]
			continue
		case digits == 2:
			dst = append(dst, byte(v))
		default:
			dst = utf8.AppendRune(dst, rune(min(v, utf8.MaxRune+1)))
		}
		b = b[2+digits:]
	}
	return append(dst, b...)
}

// plain returns what a backslash and c mean.
func plain(c byte) byte {
	if i := bytes.IndexByte([]byte("abfnrtv"), c); i >= 0 {
		return "\a\b\f\n\r\t\v"[i]
	}
	return c
}

// index reads where PUT and GET keep an item.
func (p *pickle) index(op byte) (uint32, error) {
	switch op {
	case 'q', 'h':
		v, err := p.little(1)
		return uint32(v), err
	case 'r', 'j':
		v, err := p.little(4)
		return uint32(v), err
	}
	b, err := p.takeLine()
	v, ok := literal.ParseInt(b)
	if err != nil || !ok || v < 0 || v > math.MaxUint32 {
		return 0, errOperand
	}
	return uint32(v), nil
}

// put reads PUT, BINPUT, LONG_BINPUT or MEMOIZE.
func (p *pickle) put(op byte) error {
	i := uint32(len(p.memo))
	if op != 0x94 {
		var err error
		if i, err = p.index(op); err != nil {
			return err
		}
	}
	if len(p.stack) == 0 || len(p.memo) > len(p.frame)/2 {
		return errStack
	}
	if p.memo == nil {
		p.memo = make(map[uint32]item)
	}
	p.memo[i] = p.stack[len(p.stack)-1]
	return nil
}

// get reads GET, BINGET or LONG_BINGET.
func (p *pickle) get(op byte) error {
	i, err := p.index(op)
	if err != nil {
		return err
	}
	x, ok := p.memo[i]
	if !ok || x.kind == mark {
		return errStack
	}
	return p.push(x)
}

// sinceMark takes the items since the last mark, and the mark, off the stack. They are valid until
// the next push.
func (p *pickle) sinceMark() ([]item, bool) {
	for i := len(p.stack) - 1; i >= 0; i-- {
		if p.stack[i].kind == mark {
			items := p.stack[i+1:]
			p.stack = p.stack[:i]
			return items, true
		}
	}
	return nil, false
}

// tuple reads EMPTY_TUPLE, TUPLE, TUPLE1, TUPLE2 or TUPLE3.
func (p *pickle) tuple(op byte) error {
	var items []item
	switch op {
	case ')':
	case 't':
		var ok bool
		if items, ok = p.sinceMark(); !ok {
			return errStack
		}
	default:
		n := int(op) - 0x84
		if n > len(p.stack) {
			return errStack
		}
		items = p.stack[len(p.stack)-n:]
		p.stack = p.stack[:len(p.stack)-n]
	}
	at := len(p.tuples)
	p.tuples = append(p.tuples, items...)
	return p.push(item{kind: tuple, at: uint32(at), n: uint32(len(items))})
}

// list reads EMPTY_LIST, LIST, APPEND or APPENDS.
func (p *pickle) list(op byte) error {
	var items []item
	switch op {
	case 'l', 'e':
		var ok bool
		if items, ok = p.sinceMark(); !ok {
			return errStack
		}
	case 'a':
		if len(p.stack) == 0 {
			return errStack
		}
		items = p.stack[len(p.stack)-1:]
		p.stack = p.stack[:len(p.stack)-1]
	}
	if op == ']' || op == 'l' {
		p.lists = append(p.lists, append([]item(nil), items...))
		return p.push(item{kind: list, at: uint32(len(p.lists) - 1)})
	}
	if len(p.stack) == 0 || p.stack[len(p.stack)-1].kind != list {
		return errStack
	}
	l := &p.lists[p.stack[len(p.stack)-1].at]
	*l = append(*l, items...)
	return nil
}
