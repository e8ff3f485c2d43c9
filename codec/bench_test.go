package codec

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// encoded is one group of columns after encoding.
type encoded struct {
	times  Column
	values []Column
	own    []Column // the times of each column, where they are not shared
}

// encode encodes all groups. Where the times are not shared, each column has its own.
func (d *dataset) encode(p Profile, shared bool) (out []encoded) {
	for i, g := range d.groups {
		e := encoded{values: EncodeFloats(g.values, g.times, p)}
		if !shared {
			for range g.values {
				e.own = append(e.own, EncodeTimes(g.times, p))
			}
		} else if i == 0 || &g.times[0] != &d.groups[i-1].times[0] {
			e.times = EncodeTimes(g.times, p)
		}
		out = append(out, e)
	}
	return out
}

// A decoding decodes whole groups, column by column as a query does: into memory that it uses
// again for each column, but for the columns that others refer to.
type decoding struct {
	times  []int64
	values []float64
	roots  map[int][]float64 // columns that others refer to
	spare  [][]float64
	each   func(column int, values []float64)
}

func (d *decoding) decode(e encoded, n int) (err error) {
	if e.times.Data != nil {
		if d.times, err = DecodeTimes(d.times[:0], e.times, n); err != nil {
			return err
		}
	}
	for k, v := range d.roots {
		d.spare = append(d.spare, v)
		delete(d.roots, k)
	}
	for _, c := range e.own {
		if d.times, err = DecodeTimes(d.times[:0], c, n); err != nil {
			return err
		}
	}
	for i, c := range e.values {
		var ref []float64
		if k, ok := c.Ref.Index(); ok {
			if ref = d.roots[k]; ref == nil {
				if ref, err = DecodeFloats(d.buffer(), e.values[k], n, nil, d.times); err != nil {
					return err
				}
				d.roots[k] = ref
			}
		}
		if d.roots[i] != nil {
			continue
		}
		if d.values, err = DecodeFloats(d.values[:0], c, n, ref, d.times); err != nil {
			return err
		}
		if d.each != nil {
			d.each(i, d.values)
		}
	}
	if d.each != nil {
		for k, v := range d.roots {
			d.each(k, v)
		}
	}
	return nil
}

func (d *decoding) buffer() []float64 {
	if k := len(d.spare); k > 0 {
		b := d.spare[k-1]
		d.spare = d.spare[:k-1]
		return b[:0]
	}
	return nil
}

// check compares what comes back with what went in, and counts bytes; each column is charged two
// bytes for its encoding and reference.
func (d *dataset) check(b *testing.B, all []encoded) (times, values int) {
	for i, e := range all {
		g := d.groups[i]
		seen := 0
		dec := newDecoding()
		dec.each = func(k int, got []float64) {
			seen++
			if !sameBits(got, g.values[k]) {
				b.Fatalf("group %d: other values in column %d", i, k)
			}
		}
		e.times = EncodeTimes(g.times, Fast)
		if err := dec.decode(e, len(g.times)); err != nil || seen < len(g.values) {
			b.Fatalf("group %d: %d columns, %v", i, seen, err)
		}
		if !slices.Equal(dec.times, g.times) {
			b.Fatalf("group %d: other times", i)
		}
		for k := range g.values {
			values += len(e.values[k].Data) + 2
		}
		times += len(all[i].times.Data)
		for _, c := range all[i].own {
			times += len(c.Data)
		}
	}
	return times, values
}

func newDecoding() *decoding { return &decoding{roots: map[int][]float64{}} }

func benchmarkDataset(b *testing.B, load func(testing.TB) *dataset) {
	d := load(b)
	for _, way := range []struct {
		name   string
		p      Profile
		shared bool
	}{{"fast", Fast, true}, {"dense", Dense, true}, {"dense, own times", Dense, false}} {
		name, p := way.name, way.p
		all := d.encode(p, way.shared)
		times, values := d.check(b, all)
		report := func(b *testing.B, cpu time.Duration) {
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N)/float64(d.rows), "cpu-ns/obs")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(d.rows), "ns/obs")
			b.ReportMetric(float64(times+values)/float64(d.rows), "B/obs")
			b.ReportMetric(float64(values)/float64(d.rows), "B/value")
		}
		b.Run("decode/"+name, func(b *testing.B) {
			b.SetBytes(int64(d.rows) * 16)
			dec, cpu := newDecoding(), cpuTime()
			for b.Loop() {
				for i, e := range all {
					if err := dec.decode(e, len(d.groups[i].times)); err != nil {
						b.Fatal(err)
					}
				}
			}
			report(b, cpu)
		})
		b.Run("encode/"+name, func(b *testing.B) {
			b.SetBytes(int64(d.rows) * 16)
			cpu := cpuTime()
			for b.Loop() {
				d.encode(p, way.shared)
			}
			report(b, cpu)
		})
	}
}

// BenchmarkP4 encodes and decodes all of P4: blocks of 100 columns by 8192 rows that share times.
func BenchmarkP4(b *testing.B) { benchmarkDataset(b, loadP4) }

// BenchmarkNAB does the same with series that have nothing to share.
func BenchmarkNAB(b *testing.B) { benchmarkDataset(b, loadNAB) }

// BenchmarkShapes encodes and decodes 8192 rows of each shape of doubles.
func BenchmarkShapes(b *testing.B) {
	const n = 8192
	shapes := floatShapes(rand.New(rand.NewPCG(3, 4)))
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		values := [][]float64{column(n, shapes[name])}
		for p, profile := range []string{"fast", "dense"} {
			c := EncodeFloats(values, nil, Profile(p))[0]
			report := func(b *testing.B) {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/value")
				b.ReportMetric(float64(len(c.Data))/n, "B/value")
			}
			b.Run("decode/"+profile+"/"+name, func(b *testing.B) {
				b.SetBytes(8 * n)
				var dst []float64
				for b.Loop() {
					var err error
					if dst, err = DecodeFloats(dst[:0], c, n, nil, nil); err != nil {
						b.Fatal(err)
					}
				}
				report(b)
			})
			b.Run("encode/"+profile+"/"+name, func(b *testing.B) {
				b.SetBytes(8 * n)
				for b.Loop() {
					EncodeFloats(values, nil, Profile(p))
				}
				report(b)
			})
		}
	}
}
