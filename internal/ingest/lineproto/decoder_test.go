package lineproto_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/ingest/lineproto"
)

// flat prints the observations of a batch as a store would keep them: by series in order of time,
// of equal times the last. Series that only their refs tell are looked up in names.
func flat(t testing.TB, b *chunk.Batch, names map[*chunk.Ref]chunk.Dimensions) []string {
	t.Helper()
	series := map[string]*chunk.Samples{}
	for i := range b.Rows {
		r := &b.Rows[i]
		d := r.Dimensions
		if d == nil {
			d = names[r.Ref]
		} else if r.Ref != nil {
			names[r.Ref] = d
		}
		if err := d.Validate(); err != nil || !r.Samples.Valid() || r.Samples.Len() == 0 {
			t.Fatalf("row %d: %v, %+v", i, err, r.Samples)
		}
		k := fmt.Sprint(d, r.Samples.Kind)
		if series[k] == nil {
			series[k] = new(chunk.Samples)
		}
		series[k].Append(r.Samples)
	}
	var lines []string
	for k, s := range series {
		n := s.Normalize()
		for i, at := range n.Times {
			v := ""
			switch n.Kind {
			case chunk.Float64:
				v = fmt.Sprint(math.Float64bits(n.Floats[i]))
			case chunk.Int64:
				v = fmt.Sprint(n.Ints[i])
			case chunk.Bool:
				v = fmt.Sprint(n.Bools[i])
			case chunk.String:
				v = fmt.Sprintf("%q", n.Strings[i])
			}
			lines = append(lines, fmt.Sprintf("%s %d=%s", k, at, v))
		}
	}
	slices.Sort(lines)
	return lines
}

// note does what a store does: it notes how it knows each series.
func note(b *chunk.Batch) {
	for i := range b.Rows {
		if r := &b.Rows[i]; r.Ref != nil {
			r.Ref.Store(uint64(i + 1))
		}
	}
}

// Law: what is read of a text is the same whether its series are known or not, whatever was read
// before, and however little is remembered.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{
		"m,host=a f=1.5,i=-2i,u=3u,b=t,s=\"x\" 7\n",
		"m,a=1,b=2 f=1,g=1 7\nm,b=2,a=1 f=2 7\nm,a=1,b=2 f=3,g=2 7\nm,a=1,b=2 f=4,f=5 7\n",
		`m\ \,\=,t\ =a\,b\=\ \c f\ =1,s="a\"b\\c\d,e =f" 7`,
		"m f=1 1\nm g=1 1\nm f=2 1\nm g=\"\n\" 1\nm f=3 1\nm f=3i 1\nm,x=y f=3i 1\nm,x f=3i 1",
		"a f=1 1\nb f=1 1\na f=2 1\nb f=2 1\n", "#x\n\r\n m f=1e300,g=-0,h=.5,i=123456789012345678901 -1 \r\n",
	} {
		f.Add([]byte(s))
	}
	large, small := lineproto.NewCache(1<<20), lineproto.NewCache(200)
	f.Fuzz(func(t *testing.T, text []byte) {
		o := lineproto.Options{Now: 99, Set: []chunk.Dimension{{Name: "db", Value: "d"}}}
		var want []string
		var refused string
		for i, d := range []*lineproto.Decoder{
			lineproto.NewDecoder(lineproto.NewCache(1 << 20)), lineproto.NewDecoder(large), lineproto.NewDecoder(small),
		} {
			names := map[*chunk.Ref]chunk.Dimensions{}
			for range 3 {
				var b lineproto.Buffer
				result := d.Decode(&b, bytes.Clone(text), o)
				got := flat(t, b.Batch(), names)
				if i == 0 {
					note(b.Batch())
				}
				said := fmt.Sprint(result)
				if want == nil && refused == "" {
					want, refused = got, said
				}
				if !slices.Equal(got, want) || said != refused {
					t.Fatalf("decoder %d:\n%v\n%v\nwant\n%v\n%v", i, strings.Join(got, "\n"), said, strings.Join(want, "\n"), refused)
				}
			}
		}
	})
}

// Law: lines that both take are the same observations as import reads.
func TestDecoderImport(t *testing.T) {
	const text = `m,host=a,region=b f=1.5,i=-2i,u=3u,b=t,s="x y" 7
m\ x,t\ =a\,b\=\ \c f\ =1,s="a\"b\\c\d,e =f" 8
m,host=a,region=b f=2.5,i=-3i,u=3u,b=false,s="x
y" 9
m,host=a,region=b f=1e-7,i=4i
m f=123456789.123456789 -5
`
	var want []string
	_, err := ingest.Decode(context.Background(), "x", strings.NewReader(text), ingest.Options{Format: ingest.Influx, Now: 99, Strict: true},
		func(b *chunk.Batch) error {
			want = append(want, flat(t, b, nil)...)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	var b lineproto.Buffer
	result := lineproto.NewDecoder(lineproto.NewCache(1<<20)).Decode(&b, []byte(text), lineproto.Options{Now: 99})
	if len(result.Refused) > 0 {
		t.Fatal(result.Refused[0])
	}
	if got := flat(t, b.Batch(), map[*chunk.Ref]chunk.Dimensions{}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A buffer is used again, with other series and kinds in its rows.
func TestBufferAgain(t *testing.T) {
	d := lineproto.NewDecoder(lineproto.NewCache(1 << 20))
	var b lineproto.Buffer
	for i := range 50 {
		text := fmt.Sprintf("m%d f=1,g=%di,h=\"x\" 5\nm f=2 6\nm%d f=1,g=%di,h=\"y\" 7\n", i%7, i, i%7, i)
		if i%2 == 0 {
			text = fmt.Sprintf("n h=\"%d\" 5\nn i=1i,b=t 6\n", i) + text
		}
		d.Decode(&b, []byte(text), lineproto.Options{})
		var fresh lineproto.Buffer
		lineproto.NewDecoder(lineproto.NewCache(1<<20)).Decode(&fresh, []byte(text), lineproto.Options{})
		got, want := flat(t, b.Batch(), map[*chunk.Ref]chunk.Dimensions{}), flat(t, fresh.Batch(), map[*chunk.Ref]chunk.Dimensions{})
		if !slices.Equal(got, want) {
			t.Fatalf("%d: got\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		b.Reset()
	}
}
