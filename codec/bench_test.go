package codec

import (
	"math"
	"slices"
	"testing"
)

// encoded is one group of columns after encoding.
type encoded struct {
	times  Column
	values []Column
}

func (d *dataset) encode(p Profile) (out []encoded) {
	for i, g := range d.groups {
		e := encoded{values: EncodeFloats(g.values, g.times, p)}
		if i == 0 || &g.times[0] != &d.groups[i-1].times[0] {
			e.times = EncodeTimes(g.times, p)
		}
		out = append(out, e)
	}
	return out
}

// A decoding decodes whole groups into columns that it uses again.
type decoding struct {
	times  []int64
	values [][]float64
}

func (d *decoding) decode(e encoded, n int) (err error) {
	if e.times.Data != nil {
		if d.times, err = DecodeTimes(d.times[:0], e.times, n); err != nil {
			return err
		}
	}
	for len(d.values) < len(e.values) {
		d.values = append(d.values, nil)
	}
	for _, refs := range []bool{false, true} {
		for i, c := range e.values {
			k, isRef := c.Ref.Index()
			if isRef != refs {
				continue
			}
			var ref []float64
			if isRef {
				ref = d.values[k]
			}
			if d.values[i], err = DecodeFloats(d.values[i][:0], c, n, ref, d.times); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *dataset) check(b *testing.B, all []encoded) (times, values int) {
	var dec decoding
	for i, e := range all {
		g := d.groups[i]
		if err := dec.decode(e, len(g.times)); err != nil {
			b.Fatal(err)
		}
		if !slices.Equal(dec.times, g.times) {
			b.Fatalf("group %d: other times", i)
		}
		for k := range g.values {
			if !slices.EqualFunc(dec.values[k], g.values[k], func(x, y float64) bool {
				return math.Float64bits(x) == math.Float64bits(y)
			}) {
				b.Fatalf("group %d: other values in column %d", i, k)
			}
			values += len(e.values[k].Data) + 2
		}
		times += len(e.times.Data)
	}
	return times, values
}

func benchmarkDataset(b *testing.B, load func(testing.TB) *dataset) {
	d := load(b)
	for name, p := range map[string]Profile{"fast": Fast, "dense": Dense} {
		all := d.encode(p)
		times, values := d.check(b, all)
		report := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(d.rows), "ns/obs")
			b.ReportMetric(float64(times+values)/float64(d.rows), "B/obs")
			b.ReportMetric(float64(values)/float64(d.rows), "B/value")
		}
		b.Run("decode/"+name, func(b *testing.B) {
			b.SetBytes(int64(d.rows) * 16)
			var dec decoding
			for b.Loop() {
				for i, e := range all {
					if err := dec.decode(e, len(d.groups[i].times)); err != nil {
						b.Fatal(err)
					}
				}
			}
			report(b)
		})
		b.Run("encode/"+name, func(b *testing.B) {
			b.SetBytes(int64(d.rows) * 16)
			for b.Loop() {
				d.encode(p)
			}
			report(b)
		})
	}
}

// BenchmarkP4 encodes and decodes all of P4: blocks of 100 columns by 8192 rows that share times.
func BenchmarkP4(b *testing.B) { benchmarkDataset(b, loadP4) }

// BenchmarkNAB does the same with series that have nothing to share.
func BenchmarkNAB(b *testing.B) { benchmarkDataset(b, loadNAB) }
