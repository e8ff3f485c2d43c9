package graphite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ogorek "github.com/kisielk/og-rek"

	"github.com/chronodex/chronodex/internal/ingest/graphite"
)

// The files are what Python 3.11's pickle.dumps made of the same points.
const points = `{metric="servers.web1.cpu0.user"} 1439400341000000000 42.5
{metric="servers.web1.cpu0.user"} 1439400351250000000 43
{metric="disk.used", mount="/var"} 1439400341000000000 1099511627776
CAFE{metric="café 😀"} 1439400341000000000 1
{metric="x"} 1500000000123456789 1000
`

func TestPickle(t *testing.T) {
	for protocol := range 6 {
		frame, err := os.ReadFile(fmt.Sprintf("testdata/points.%d.pickle", protocol))
		if err != nil {
			t.Fatal(err)
		}
		bytesPath := "" // only protocols from 3 on have bytes
		if protocol >= 3 {
			bytesPath = "{metric=\"café\"} 1439400341000000000 -1\n"
		}
		var d graphite.Decoder
		if err := d.Pickle(frame, now); err != nil {
			t.Errorf("protocol %d: %v", protocol, err)
		}
		if got, want := show(&d), strings.Replace(points, "CAFE", bytesPath, 1); got != want {
			t.Errorf("protocol %d:\n%s\nwant\n%s", protocol, got, want)
		}
	}
}

// Every point that og-rek writes, at every protocol it knows, is read as it was.
func TestPickleOfOgorek(t *testing.T) {
	list := []any{
		ogorek.Tuple{"a.b", ogorek.Tuple{int64(1439400341), 1.5}},
		ogorek.Tuple{"it's \"quoted\"\t\\ü", ogorek.Tuple{1439400341.25, int64(-70000)}},
		ogorek.Tuple{strings.Repeat("long", 100), ogorek.Tuple{int64(300), int64(1 << 40)}},
	}
	want := "{metric=\"a.b\"} 1439400341000000000 1.5\n" +
		"{metric=\"it's \\\"quoted\\\"\\t\\\\ü\"} 1439400341250000000 -70000\n" +
		"{metric=\"" + strings.Repeat("long", 100) + "\"} 300000000000 1099511627776\n"
	for protocol := range 5 {
		for _, strict := range []bool{false, true} {
			var b bytes.Buffer
			e := ogorek.NewEncoderWithConfig(&b, &ogorek.EncoderConfig{Protocol: protocol, StrictUnicode: strict})
			if err := e.Encode(list); err != nil {
				t.Fatal(err)
			}
			var d graphite.Decoder
			if err := d.Pickle(b.Bytes(), now); err != nil || show(&d) != want {
				t.Errorf("protocol %d, strict %v: %v\n%s\nwant\n%s", protocol, strict, err, show(&d), want)
			}
		}
	}
}

// What Python 2 wrote: escapes in quotes, longs with an L, numbers of the memo in text.
func TestPickleOfPython2(t *testing.T) {
	var d graphite.Decoder
	frame := "(lp1\n(S'a\\'b\\\\c\\x41'\np2\n(L1439400341L\nF1.5\ntp3\ntp4\na(g2\n(I5\nI01\ntta."
	if err := d.Pickle([]byte(frame), now); err != nil || show(&d) != "{metric=\"a'b\\\\cA\"} 1439400341000000000 1.5\n{metric=\"a'b\\\\cA\"} 5000000000 1\n" {
		t.Errorf("%v\n%s", err, show(&d))
	}
}

// A pickle that would do anything but put data together is refused, and nothing of it is stored.
func TestPickleRefuses(t *testing.T) {
	evil, err := filepath.Glob("testdata/evil.*.pickle")
	if err != nil || len(evil) != 4 {
		t.Fatal(evil, err)
	}
	for _, name := range evil {
		frame, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var d graphite.Decoder
		if err := d.Pickle(frame, now); !errors.Is(err, graphite.ErrPickle) || d.Points() > 0 {
			t.Errorf("%s: %v, %d points", name, err, d.Points())
		} else if !strings.Contains(err.Error(), "more than put data together") {
			t.Errorf("%s is refused because: %v", name, err)
		}
	}
	for name, frame := range map[string]string{
		"nothing": "", "no end": "]", "text": "servers.web1 1 2\n", "an integer": "K\x01.", "two results": "K\x01K\x02.",
		"a string beyond the end": "X\xff\xff\xff\x7fabc.", "a huge string": "\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
		"nothing to append to": "a.", "no mark": "t.", "a memo of nothing": "h\x07.", "a mark from the memo": "(q\x00h\x00.",
		"too long": strings.Repeat("N", graphite.MaxFrame+1),
	} {
		var d graphite.Decoder
		if err := d.Pickle([]byte(frame), now); !errors.Is(err, graphite.ErrPickle) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Points that are no points are refused, those beside them are stored.
func TestPickleRefusesPoints(t *testing.T) {
	good := "U\x01aK\x02K\x01\x86\x86"
	for name, bad := range map[string]string{
		"none": "N", "no pair": "U\x01a\x85", "no path": "K\x01K\x02K\x01\x86\x86", "no time": "U\x01bNK\x01\x86\x86",
		"no value": "U\x01bK\x02N\x86\x86", "a word": "U\x01bK\x02U\x01x\x86\x86", "three": "U\x01bK\x02K\x01K\x01\x87\x86",
		"an empty path": "U\x00K\x02K\x01\x86\x86", "itself": "h\x00",
	} {
		var d graphite.Decoder
		err := d.Pickle([]byte("]q\x00("+bad+good+"e."), now)
		n, _ := d.Refused()
		if err != nil || n != 1 || show(&d) != "{metric=\"a\"} 2000000000 1\n" {
			t.Errorf("%s: %v, %d refused:\n%s", name, err, n, show(&d))
		}
	}
}

// A frame cannot make much of little, whatever it says.
func TestPickleMemory(t *testing.T) {
	for name, frame := range map[string]string{
		"marks": strings.Repeat("(", graphite.MaxFrame), "lists": strings.Repeat("]", graphite.MaxFrame), "tuples": strings.Repeat(")", graphite.MaxFrame),
		"a memo": "N" + strings.Repeat("\x94", graphite.MaxFrame-1), "nested": "]" + strings.Repeat("\x94\x85", graphite.MaxFrame/2-1),
		"one point many times": "](" + "U\x01aK\x02K\x01\x86\x86\x94" + strings.Repeat("h\x00", graphite.MaxFrame/2-20) + "e.",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var d graphite.Decoder
		_ = d.Pickle([]byte(frame), now)
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / graphite.MaxFrame; n > 250 {
			t.Errorf("%s: %d bytes were allocated for each byte", name, n)
		}
	}
}

func FuzzPickle(f *testing.F) {
	names, err := filepath.Glob("testdata/*.pickle")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		frame, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var d graphite.Decoder
		if err := d.Pickle(frame, now); err != nil && (!errors.Is(err, graphite.ErrPickle) || d.Points() > 0) {
			t.Fatalf("%v, %d points", err, d.Points())
		}
		validate(t, &d, len(frame))
	})
}

// FuzzPickleRoundTrip writes points with og-rek and reads them.
func FuzzPickleRoundTrip(f *testing.F) {
	f.Add("a.b;c=d", int64(1439400341), 1.5, uint8(2))
	f.Add("ü'\"\\n\n", int64(-5), 0.25, uint8(0))
	f.Fuzz(func(t *testing.T, path string, at int64, v float64, protocol uint8) {
		var b bytes.Buffer
		e := ogorek.NewEncoderWithConfig(&b, &ogorek.EncoderConfig{Protocol: int(protocol % 5)})
		if err := e.Encode([]any{ogorek.Tuple{path, ogorek.Tuple{at, v}}}); err != nil {
			t.Skip(err)
		}
		var d, want graphite.Decoder
		if err := d.Pickle(b.Bytes(), now); err != nil {
			t.Fatalf("%v: %q", err, b.Bytes())
		}
		if strings.ContainsAny(path, " \t\n\r\v\f") || strings.TrimSpace(path) != path || at > 1<<33 || at < -1<<33 {
			return
		}
		want.Lines(fmt.Appendf(nil, "%s %v %d", path, v, at), now, true)
		if show(&d) != show(&want) {
			t.Fatalf("pickle: %s\nline: %s", show(&d), show(&want))
		}
	})
}
