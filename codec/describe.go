package codec

import (
	"fmt"
	"slices"
	"strings"
)

// Describe says in one line how the n rows of c are written, for people who inspect files:
//
//	decimal 10^-2: delta(runs 31(pack 9 bits, bins 7))
//
// A stream is the name of its form, with what else it holds in parentheses, within its prediction.
// Where c is corrupt, the line ends where that shows.
func Describe(c Column, n int) string {
	if n < 0 || n > MaxRows {
		return fmt.Sprintf("corrupt: %d rows", n)
	}
	d := describer{reader: newReader(c.Data)}
	defer d.free()
	switch c.Encoding {
	case encInts:
		if c.Ref != NoRef {
			d.how(c.Ref)
		}
		d.text("ints: ")
		d.stream(n, 0)
	case encDecimal:
		d.decimal(n, c.Ref)
	case encBits:
		d.text("bits: ")
		d.stream(n, 0)
	case encNear:
		d.near(n)
	case encDict, encPlain:
		d.strings(n, c.Encoding)
	default:
		d.text("encoding %d", c.Encoding)
		d.fail()
	}
	if !d.done() {
		d.text(" … corrupt")
	}
	return d.String()
}

// A describer walks over a column as its reader does, and writes down what it sees.
type describer struct {
	strings.Builder
	reader
}

func (d *describer) text(format string, args ...any) { fmt.Fprintf(d, format, args...) }

func (d *describer) decimal(n int, ref Ref) {
	head := d.byte()
	if e := head & exponentBits; e == 0 {
		d.text("integers")
	} else {
		d.text("decimal 10^-%d", e)
	}
	if head&decimalTimes != 0 {
		d.text(" by product")
	}
	if head&decimalRef != 0 {
		d.text(" ")
		d.how(ref)
	}
	if head&decimalOthers != 0 {
		k := d.count(n-1) + 1
		d.text(", but %d others (", k)
		d.stream(k, 0)
		d.text(", ")
		d.stream(k, 0)
		d.text(")")
	}
	d.text(": ")
	d.stream(n, 0)
}

// how writes what a column is encoded against.
func (d *describer) how(ref Ref) {
	k, _ := ref.Index()
	switch how := d.byte(); how {
	case howMinus:
		d.text("minus column %d ", k)
	case howPlus:
		d.text("plus column %d ", k)
	case howTimes:
		d.text("minus times in %d ns ", d.uvarint())
	default:
		d.fail()
	}
}

func (d *describer) strings(n int, how Encoding) {
	words := n
	if how == encDict {
		var count [1]int64
		d.reader.stream(count[:], 0)
		words = int(count[0])
		if words < 0 || words > n {
			d.fail()
			return
		}
		d.text("%d distinct strings, indexes ", words)
		d.stream(n, 0)
		d.text(", ")
	}
	d.text("lengths ")
	d.stream(words, 0)
	how8 := d.byte()
	if d.bad || int(how8) > bytesZstd {
		d.fail()
		return
	}
	d.text(", %d bytes %s", len(d.rest), [...]string{"stored", "by s2", "by zstd"}[how8])
	d.rest = nil
}

// stream describes a stream of n values.
func (d *describer) stream(n, depth int) {
	if n == 0 || d.bad {
		d.text("-")
		return
	}
	if depth > maxDepth || len(d.rest) == 0 {
		d.fail()
		return
	}
	head := d.byte()
	order := int(head >> headOrder)
	d.text("%s", [...]string{"", "delta ", "delta² ", "grid "}[order])
	if order > 0 {
		d.varint()
	}
	if order > 1 {
		d.varint()
	}
	if head&headBase != 0 {
		d.varint()
	}
	if head&headGCD != 0 {
		d.text("%d× ", d.uvarint())
	}
	if order < predictGrid {
		n -= order
	}
	if n > 0 {
		d.form(n, head&formBits, depth)
	}
}

// form describes n latents of a form.
func (d *describer) form(n int, form byte, depth int) {
	size := len(d.rest)
	switch form {
	case formConst:
		d.text("const")
	case formPack:
		w := d.byte()
		d.text("pack %d bits", w)
		d.take(packedLen(n, uint(w)))
	case formPatch:
		d.patched(make([]int64, n), 0, 1)
		d.text("patched %d B", size-len(d.rest))
	case formBins:
		bins := slices.Clone(d.rest)
		d.reader.bins(make([]int64, n), 0, 1)
		k := reader{rest: bins}
		d.text("bins %d %d B", k.uvarint()+1, size-len(d.rest))
	case formSparse, formMask:
		d.uvarint()
		k := 0
		if form == formSparse {
			k = d.count(n)
			d.text("sparse %d (", k)
			d.stream(k, depth+1)
		} else {
			for _, b := range d.take((n + 7) / 8) {
				for ; b > 0; b &= b - 1 {
					k++
				}
			}
			d.text("mask %d (", k)
		}
		d.text(", ")
		d.stream(k, depth+1)
		d.text(")")
	case formRuns:
		k := d.count(n-1) + 1
		d.text("runs %d (", k)
		d.stream(k-1, depth+1)
		d.text(", ")
		d.stream(k, depth+1)
		d.text(")")
	case formDict:
		k := d.count(n-1) + 1
		d.text("dict %d (", k)
		d.stream(k, depth+1)
		d.text(", ")
		d.stream(n, depth+1)
		d.text(")")
	default:
		d.fail()
	}
}

// near describes a column of doubles near a model.
func (d *describer) near(n int) {
	kind, param := d.byte(), d.uvarint()
	switch kind {
	case modelDecimal:
		d.text("near i/10^%d: ", param)
	case modelSingle:
		d.text("near float32 of i/10^%d: ", param)
	case modelPart:
		d.text("near i/%d: ", param)
	default:
		d.fail()
		return
	}
	d.stream(n, 0)
	d.text(", corrections ")
	d.stream(n, 0)
}
