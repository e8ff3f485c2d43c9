// Package peers compares what Chronodex makes of the data set P4 with what the codecs of other
// stores make of it, their own code, in one run. It is a module of its own, so that the product does
// not depend on them.
//
//	cd internal/bench/peers && CHRONODEX_SHARED=DIR go test -bench . -benchtime 5x -count 3
//
// where DIR is the folder that holds the data set. The size of Chronodex is that of the whole
// segment file, with names, directory, statistics and checksums; that of the others is the payload
// of their chunks only, which flatters them. Each series is read back whole; what does not come back
// bit for bit is counted as altered.
package peers

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/decimal"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/encoding"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/segment"
	"github.com/chronodex/chronodex/internal/testseries"
	"github.com/chronodex/chronodex/internal/vfs"
)

// A series is one series of the data set.
type series struct {
	identity chunk.Series
	samples  chunk.Samples
}

// A codecOf stores all series in memory and reads them back.
type codecOf interface {
	encode(b *testing.B, all []series)
	bytes() int
	// decode calls visit for each run of observations, by series, in order of time.
	decode(b *testing.B, visit func(series int, times []int64, values []float64))
}

func BenchmarkP4(b *testing.B) {
	all := load(b)
	observations := 0
	for i := range all {
		observations += all[i].samples.Len()
	}
	for _, peer := range []struct {
		name  string
		codec codecOf
	}{
		{"chronodex", &chronodex{}},
		{"victoriametrics", &victoria{}},
		{"prometheus", &prometheus{}},
	} {
		per := func(b *testing.B, loops int) float64 {
			return float64(b.Elapsed().Nanoseconds()) / float64(loops) / float64(observations)
		}
		b.Run("encode/"+peer.name, func(b *testing.B) {
			for b.Loop() {
				peer.codec.encode(b, all)
			}
			b.ReportMetric(per(b, b.N), "ns/obs")
			b.ReportMetric(float64(peer.codec.bytes())/float64(observations), "B/obs")
		})
		b.Run("decode/"+peer.name, func(b *testing.B) {
			sum := 0.0
			for b.Loop() {
				peer.codec.decode(b, func(_ int, _ []int64, values []float64) { sum += values[0] })
			}
			b.ReportMetric(per(b, b.N), "ns/obs")
			b.ReportMetric(100*altered(b, peer.codec, all, observations), "%altered")
		})
	}
}

// altered is the share of observations that do not come back bit for bit.
func altered(b *testing.B, c codecOf, all []series, observations int) float64 {
	at := make([]int, len(all))
	same := 0
	c.decode(b, func(k int, times []int64, values []float64) {
		want := &all[k].samples
		for i := range times {
			if j := at[k] + i; j < want.Len() && want.Times[j] == times[i] &&
				math.Float64bits(want.Floats[j]) == math.Float64bits(values[i]) {
				same++
			}
		}
		at[k] += len(times)
	})
	return 1 - float64(same)/float64(observations)
}

// load reads P4, its series in the order of sources.
func load(b *testing.B) []series {
	paths, err := filepath.Glob(filepath.Join(testseries.Shared(b, "p4"), "*.csv.gz"))
	if err != nil {
		b.Fatal(err)
	}
	sources, err := ingest.Sources(paths, nil)
	if err != nil {
		b.Fatal(err)
	}
	byName := make(map[string]*series)
	_, err = ingest.Run(context.Background(), sources, ingest.Options{Workers: 1}, func(_ context.Context, batch *chunk.Batch) error {
		for _, row := range batch.Rows {
			s := byName[row.Dimensions.String()]
			if s == nil {
				s = &series{identity: chunk.Series{Dimensions: row.Dimensions, Kind: row.Samples.Kind}}
				byName[row.Dimensions.String()] = s
			}
			s.samples.Append(row.Samples)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	var all []series
	for _, s := range byName {
		s.samples = s.samples.Normalize()
		all = append(all, *s)
	}
	slices.SortFunc(all, func(x, y series) int { return x.identity.Compare(y.identity) })
	return all
}

// chronodex is a compacted segment.
type chronodex struct {
	fs   vfs.FS
	size int
}

func (c *chronodex) encode(b *testing.B, all []series) {
	c.fs = vfs.NewMem()
	w, err := segment.Create(c.fs, "p4.seg", codec.Dense)
	if err != nil {
		b.Fatal(err)
	}
	for from := 0; from < len(all); {
		to := from
		var rows []segment.Row
		for ; to < len(all) && all[to].identity.SameSource(all[from].identity); to++ {
			rows = append(rows, segment.Row{Ordinal: uint32(to), Identity: all[to].identity, Samples: all[to].samples})
		}
		if err := w.AddSource(rows); err != nil {
			b.Fatal(err)
		}
		from = to
	}
	if err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	size, err := c.fs.Size("p4.seg")
	if err != nil {
		b.Fatal(err)
	}
	c.size = int(size)
}

func (c *chronodex) bytes() int { return c.size }

func (c *chronodex) decode(b *testing.B, visit func(int, []int64, []float64)) {
	r, err := segment.Open(c.fs, "p4.seg")
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var metas []segment.Meta
	known, _, _ := r.Len()
	for o := range uint32(known) {
		if metas, err = r.AppendChunks(metas, o, chunk.Always); err != nil {
			b.Fatal(err)
		}
	}
	slices.SortStableFunc(metas, func(x, y segment.Meta) int { return int(x.Block) - int(y.Block) })
	var buf segment.Buffer
	for i := range metas {
		s, err := r.Read(&metas[i], &buf)
		if err != nil {
			b.Fatal(err)
		}
		visit(int(metas[i].Series), s.Times, s.Floats)
	}
}

// victoria is the encoding of blocks of VictoriaMetrics: stamps in ms, values as decimals.
type victoria struct {
	blocks []victoriaBlock
	size   int
}

type victoriaBlock struct {
	series        int
	rows          int
	times, values []byte
	firstTime     int64
	firstValue    int64
	timeType      encoding.MarshalType
	valueType     encoding.MarshalType
	exponent      int16
}

func (c *victoria) encode(_ *testing.B, all []series) {
	const maxRows, precisionBits = 8192, 64
	c.blocks, c.size = nil, 0
	var millis, decimals []int64
	for k := range all {
		for s := all[k].samples; s.Len() > 0; {
			n := min(s.Len(), maxRows)
			part := s.Slice(0, n)
			s = s.Slice(n, s.Len())
			millis = millis[:0]
			for _, t := range part.Times {
				millis = append(millis, t/1e6)
			}
			blk := victoriaBlock{series: k, rows: n}
			decimals, blk.exponent = decimal.AppendFloatToDecimal(decimals[:0], part.Floats)
			blk.times, blk.timeType, blk.firstTime = encoding.MarshalTimestamps(nil, millis, precisionBits)
			blk.values, blk.valueType, blk.firstValue = encoding.MarshalValues(nil, decimals, precisionBits)
			c.size += len(blk.times) + len(blk.values)
			c.blocks = append(c.blocks, blk)
		}
	}
}

func (c *victoria) bytes() int { return c.size }

func (c *victoria) decode(b *testing.B, visit func(int, []int64, []float64)) {
	var times, decimals []int64
	var values []float64
	for i := range c.blocks {
		blk := &c.blocks[i]
		var err error
		if times, err = encoding.UnmarshalTimestamps(times[:0], blk.times, blk.timeType, blk.firstTime, blk.rows); err != nil {
			b.Fatal(err)
		}
		if decimals, err = encoding.UnmarshalValues(decimals[:0], blk.values, blk.valueType, blk.firstValue, blk.rows); err != nil {
			b.Fatal(err)
		}
		values = decimal.AppendDecimalToFloat(values[:0], decimals, blk.exponent)
		for j := range times {
			times[j] *= 1e6
		}
		visit(blk.series, times, values)
	}
}

// prometheus is the XOR chunk of Prometheus, with 120 samples as its head block cuts them.
type prometheus struct {
	chunks []prometheusChunk
	size   int
}

type prometheusChunk struct {
	series int
	chunk  *chunkenc.XORChunk
}

func (c *prometheus) encode(b *testing.B, all []series) {
	c.chunks, c.size = nil, 0
	for k := range all {
		for s := all[k].samples; s.Len() > 0; {
			n := min(s.Len(), 120)
			chk := chunkenc.NewXORChunk()
			app, err := chk.Appender()
			if err != nil {
				b.Fatal(err)
			}
			for i := range n {
				app.Append(0, s.Times[i]/1e6, s.Floats[i])
			}
			c.size += len(chk.Bytes())
			c.chunks = append(c.chunks, prometheusChunk{k, chk})
			s = s.Slice(n, s.Len())
		}
	}
}

func (c *prometheus) bytes() int { return c.size }

func (c *prometheus) decode(b *testing.B, visit func(int, []int64, []float64)) {
	var it chunkenc.Iterator
	var times []int64
	var values []float64
	for i := range c.chunks {
		times, values = times[:0], values[:0]
		it = c.chunks[i].chunk.Iterator(it)
		for it.Next() == chunkenc.ValFloat {
			t, v := it.At()
			times, values = append(times, t*1e6), append(values, v)
		}
		if err := it.Err(); err != nil {
			b.Fatal(err)
		}
		visit(c.chunks[i].series, times, values)
	}
}
