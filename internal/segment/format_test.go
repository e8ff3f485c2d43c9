package segment_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/cockroachdb/datadriven"
)

const formatPage = "../../docs/format.md"

// example is the segment of docs/format.md.
func example(t testing.TB, fs vfs.FS) {
	times := make([]int64, 5)
	for i := range times {
		times[i] = 1_704_067_200_000_000_000 + int64(i)*1e9
	}
	row := func(ordinal uint32, metric string, values ...float64) segment.Row {
		return segment.Row{
			Ordinal: ordinal, Identity: series(t, chunk.Float64, "host", "a", "metric", metric),
			Samples: chunk.Samples{Kind: chunk.Float64, Times: times, Floats: values},
		}
	}
	write(t, fs, "example", [][]segment.Row{{row(7, "cpu", 1, 2, 3, 4, 5), row(3, "ram", 8, 8, 8, 8, 8)}}, codec.Fast)
}

// The bytes of the example in docs/format.md are those that we write. Run with -rewrite to print
// them anew, and read the difference.
func TestFormatExample(t *testing.T) {
	fs := vfs.NewMem()
	example(t, fs)
	data, err := vfs.ReadFile(fs, "example")
	if err != nil {
		t.Fatal(err)
	}
	d := &dump{rest: data}
	d.file()
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(page), "```example\n")
	had, tail, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("no example in " + formatPage)
	}
	if had == d.out.String() {
		return
	}
	if f := flag.Lookup("rewrite"); f == nil || f.Value.String() != "true" {
		t.Fatalf("the example in %s is\n%s\nbut the file is\n%s", formatPage, had, d.out.String())
	}
	if err := os.WriteFile(formatPage, []byte(head+"```example\n"+d.out.String()+"```\n"+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A dump prints the bytes of a file beside what they mean. It knows the format from docs/format.md
// alone, and calls nothing of what it describes but the checks of a few fields.
type dump struct {
	out  bytes.Buffer
	rest []byte
	at   int
}

// take prints the next n bytes.
func (d *dump) take(n int, format string, args ...any) []byte {
	b := d.rest[:n]
	words := fmt.Sprintf(format, args...)
	for i := 0; i == 0 || i < n; i += 12 {
		line := fmt.Sprintf("%4d  %-36s  %s", d.at+i, strings.TrimSpace(fmt.Sprintf("% x", b[i:min(i+12, n)])), words)
		fmt.Fprintln(&d.out, strings.TrimSpace(line))
		words = ""
	}
	d.rest, d.at = d.rest[n:], d.at+n
	return b
}

func (d *dump) title(format string, args ...any) { fmt.Fprintf(&d.out, "\n"+format+"\n", args...) }

func (d *dump) uvarint(format string) int {
	v, n := binary.Uvarint(d.rest)
	d.take(n, format, v)
	return int(v)
}

func (d *dump) varint(format string) {
	v, n := binary.Varint(d.rest)
	d.take(n, format, v)
}

// column prints a column of a page.
func (d *dump) column(what string) {
	encoding, a := binary.Uvarint(d.rest)
	ref, b := binary.Uvarint(d.rest[a:])
	size, c := binary.Uvarint(d.rest[a+b:])
	words := fmt.Sprintf("%s: encoding %d, ref %d, %d bytes", what, encoding, ref, size)
	d.take(a+b+c+int(size), "%s", words)
}

func (d *dump) columns(names ...string) {
	for _, n := range names {
		d.column(n)
	}
}

func (d *dump) file() {
	fmt.Fprintf(&d.out, "header\n")
	d.take(8, "%q", d.rest[:8])
	d.take(4, "version %d", binary.LittleEndian.Uint32(d.rest))
	d.take(4, "checksum")
	for len(d.rest) > 24 {
		kind, size := d.rest[4], int(binary.LittleEndian.Uint32(d.rest[5:]))
		d.title("%s", [...]string{1: "block", 2: "directory page", 3: "series page", 4: "lookup page", 5: "index"}[kind])
		d.take(4, "checksum")
		d.take(1, "type %d", kind)
		d.take(4, "%d bytes", size)
		end := d.at + size
		switch kind {
		case 1:
			d.message(end, "Block")
		case 2:
			d.uvarint("%d chunks")
			d.columns("ordinal", "kind", "rows", "first stamp", "width of the span", "block", "number in the block", "statistics")
		case 3:
			d.uvarint("%d series")
			d.columns("kind", "pairs as before", "pairs that follow", "metric", "names", "values")
		case 4:
			d.uvarint("%d series")
			d.columns("ordinals", "places")
		case 5:
			d.uvarint("%d series")
			d.uvarint("%d chunks")
			d.uvarint("%d observations")
			d.varint("span from %d")
			d.varint("to %d")
			d.uvarint("%d frames")
			d.columns("types", "sizes", "directory pages: place", "chunks", "first stamp", "width of the span", "lookup pages: first ordinal")
		}
	}
	d.title("footer")
	d.take(8, "index at %d", binary.LittleEndian.Uint64(d.rest))
	d.take(4, "version %d", binary.LittleEndian.Uint32(d.rest))
	d.take(4, "checksum")
	d.take(8, "%q", d.rest)
}

// messages are the names of the fields of block.proto.
var messages = map[string][]string{
	"Block":  {1: "version", 2: "times", 3: "groups"},
	"Group":  {1: "time", 2: "offset", 3: "rows", 4: "kind", 5: "series", 6: "column", 7: "columns"},
	"Column": {1: "encoding", 2: "ref", 3: "rows", 4: "data"},
}

// message prints a message up to end.
func (d *dump) message(end int, name string) {
	for d.at < end {
		tag, n := binary.Uvarint(d.rest) // the field's number, and three bits of its type: 0 is a varint
		field := messages[name][tag>>3]
		v, k := binary.Uvarint(d.rest[n:])
		switch {
		case tag&7 == 0:
			d.take(n+k, "%s.%s %d", name, field, v)
		case field == "times" || field == "columns":
			d.take(n+k, "%s.%s, %d bytes", name, field, v)
			d.message(d.at+int(v), "Column")
		case field == "groups":
			d.take(n+k, "%s.%s, %d bytes", name, field, v)
			d.message(d.at+int(v), "Group")
		default:
			d.take(n+k+int(v), "%s.%s, %d bytes", name, field, v)
		}
	}
}

// What inspect prints, in testdata/inspect. Run with -rewrite, and read the difference.
func TestInspect(t *testing.T) {
	datadriven.RunTest(t, "testdata/inspect", func(t *testing.T, d *datadriven.TestData) string {
		fs := vfs.NewMem()
		name := d.CmdArgs[0].Key
		switch name {
		case "example":
			example(t, fs)
		case "sources":
			write(t, fs, name, sources(t, 11, 3, 400), codec.Dense)
		}
		data, err := vfs.ReadFile(fs, name)
		if err != nil {
			t.Fatal(err)
		}
		if d.HasArg("flip") {
			var at int
			d.ScanArgs(t, "flip", &at)
			data[at] ^= 1
		}
		if d.HasArg("cut") {
			data = data[:len(data)-1]
		}
		if err := vfs.WriteFile(fs, name, data); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := segment.Inspect(&out, fs, name, d.HasArg("verbose")); err != nil {
			return err.Error()
		}
		if d.HasArg("mask") {
			return masked(out.String())
		}
		return out.String()
	})
}

// masked replaces the numbers that depend on how well package codec encodes, and drops the totals.
func masked(text string) string {
	text, _, _ = strings.Cut(text, "\n\n")
	text = regexp.MustCompile(`bytes: .*`).ReplaceAllString(text, "bytes: …")
	text = regexp.MustCompile(`[+]?\d+ +([+]\d+|bytes|of values|others)`).ReplaceAllString(text, "# $1")
	return regexp.MustCompile(`[+]\d+ +|(index at) \d+`).ReplaceAllString(text, "$1 # ")
}
