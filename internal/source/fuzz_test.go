package source

import (
	"context"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/chronodex/chronodex/chunk"
)

// checked returns a collector whose sink fails the test unless batches are whole.
func checked(t *testing.T) *collector {
	c := &collector{span: chunk.Always, warn: func(string) {}}
	c.sink = func(_ context.Context, b *chunk.Batch) error {
		for _, r := range b.Rows {
			if err := r.Dimensions.Validate(); err != nil || !r.Samples.Valid() || r.Samples.Len() == 0 {
				t.Fatalf("%v: %v", r.Dimensions, err)
			}
		}
		return nil
	}
	return c
}

// message returns a ChunkedReadResponse of one series with one chunk.
func message(e chunkenc.Encoding, data []byte) []byte {
	bytes := func(dst []byte, n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), b)
	}
	label := bytes(bytes(nil, 1, []byte("__name__")), 2, []byte("a"))
	c := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(e))
	return bytes(nil, 1, bytes(bytes(nil, 1, label), 2, bytes(c, 4, data)))
}

func FuzzChunks(f *testing.F) {
	x := chunkenc.NewXORChunk()
	a, _ := x.Appender()
	for i := range int64(20) {
		a.Append(0, i*15_000, float64(i%7))
	}
	f.Add(message(chunkenc.EncXOR, x.Bytes()))
	h := chunkenc.NewHistogramChunk()
	a, _ = h.Appender()
	for i := range int64(5) {
		one := &histogram.Histogram{
			Schema: 1, Count: uint64(2 + i), Sum: 1.5, PositiveSpans: []histogram.Span{{Offset: 1, Length: 2}}, PositiveBuckets: []int64{1 + i, 0},
		}
		_, _, a, _ = a.AppendHistogram(nil, 0, i*15_000, one, true)
	}
	f.Add(message(chunkenc.EncHistogram, h.Bytes()))
	f.Add(message(chunkenc.EncFloatHistogram, h.Bytes()))
	f.Add(message(chunkenc.EncXOR2, x.Bytes()))
	f.Add(message(chunkenc.EncXOR, []byte{0}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r chunkReader
		c := checked(t)
		if err := r.frame(context.Background(), b, c); err == nil {
			if err := c.flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzVictoriaLine(f *testing.F) {
	f.Add([]byte(`{"metric":{"__name__":"up","job":"a\"}{,"},"values":[1,-0.5,null,"Infinity",+Inf],"timestamps":[0,1,2,3,4]}`))
	f.Add([]byte(`{"metric":{},"values":[],"timestamps":[]}`))
	f.Add([]byte(`{"a":"`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var line victoriaLine
		if line.parse(b) != nil {
			return
		}
		v, c := new(victoria), checked(t)
		if v.line(context.Background(), &line, c) == nil {
			if err := c.flush(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzMatchers(f *testing.F) {
	for _, text := range []string{`up`, `up{job="a"}`, `{a=~"b",c!='d\'e',}`, "{`a b`=`c`}", `{"a b"!~"c"}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ms, err := parseSelector(text)
		if err == nil && len(ms) == 0 {
			t.Fatal("neither a condition nor an error")
		}
	})
}
