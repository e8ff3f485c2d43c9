package index

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"
)

// asPostings writes bm as a file has it.
func asPostings(t testing.TB, bm *roaring.Bitmap) postings {
	body, err := bm.ToBytes()
	if err != nil {
		t.Fatal(err)
	}
	data := binary.AppendUvarint([]byte{9, 0, 0}, uint64(len(body)))
	p, err := newPostings(append(append(data, body...), "what follows"...), 1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPostings holds what is read in place to what the library reads.
func TestPostings(t *testing.T) {
	const docs = 200000
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		draw := func() *roaring.Bitmap {
			bm := roaring.New()
			bm.Add(uint32(rng.IntN(docs)))
			for range rng.IntN(4) {
				from := rng.IntN(docs)
				switch n := rng.IntN(100000); rng.IntN(3) {
				case 0:
					bm.AddRange(uint64(from), uint64(min(from+n, docs)))
				case 1:
					for v := from; v < min(from+n, docs); v += 1 + rng.IntN(4) {
						bm.Add(uint32(v))
					}
				default:
					for range 100 {
						bm.Add(uint32(rng.IntN(docs)))
					}
				}
			}
			if rng.IntN(2) == 0 {
				bm.RunOptimize()
			}
			return bm
		}
		a, b := draw(), draw()
		pa, pb := asPostings(t, a), asPostings(t, b)
		if got := pa.appendDocs(nil); !slices.Equal(got, a.ToArray()) {
			t.Fatalf("%d documents, want %d", len(got), a.GetCardinality())
		}
		d := newDense(docs)
		if d.add(pa); !d.bitmap().Equals(a) {
			t.Fatal("dense is not the bitmap")
		}
		if got, want := d.count(pb), int(a.AndCardinality(b)); got != want {
			t.Fatalf("%d in both, want %d", got, want)
		}
		if got, want := dense(nil).count(pb), int(b.GetCardinality()); got != want {
			t.Fatalf("%d documents, want %d", got, want)
		}
		if d.add(pb); !d.bitmap().Equals(roaring.Or(a, b)) {
			t.Fatal("union is not the bitmaps'")
		}
	})
}

// FuzzPostings: bytes that nobody wrote may give an error or a panic that the search catches, but
// nothing else.
func FuzzPostings(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 58, 48, 0, 0, 0, 0, 0, 0})
	p := asPostings(f, roaring.BitmapOf(1, 2, 3, 1<<17))
	f.Add(append([]byte{0, 0, 0, byte(len(p.data))}, p.data...))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = func() (err error) {
			defer guard(&err)
			p, err := newPostings(data, 1)
			if err != nil {
				return err
			}
			d := newDense(1000)
			d.add(p)
			d.count(p)
			p.appendDocs(nil)
			_, err = p.bitmap()
			return err
		}()
	})
}
