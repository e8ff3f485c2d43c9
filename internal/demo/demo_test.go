package demo_test

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/demo"
)

// day is that of seed 1, which the tests share.
var day = sync.OnceValue(func() *chunk.Batch { return demo.Generate(1) })

func TestSameSeedSameDay(t *testing.T) {
	if !reflect.DeepEqual(day(), demo.Generate(1)) {
		t.Error("seed 1 makes two different days")
	}
	if reflect.DeepEqual(day(), demo.Generate(2)) {
		t.Error("seeds 1 and 2 make the same day")
	}
}

func TestGenerateIsSound(t *testing.T) {
	b := day()
	seen := map[string]bool{}
	for _, r := range b.Rows {
		name := fmt.Sprint(r.Dimensions, r.Samples.Kind)
		if seen[name] || r.Dimensions.Validate() != nil || len(r.Dimensions) < 3 || !r.Samples.Valid() || !r.Samples.Sorted() {
			t.Errorf("%s: twice, or invalid", name)
		}
		seen[name] = true
		if n := r.Samples.Len(); !demo.Span().Contains(r.Samples.Times[0]) || !demo.Span().Contains(r.Samples.Times[n-1]) {
			t.Errorf("%s leaves the day", name)
		}
	}
	if n := len(b.Rows); n < 300 || n > 999 || b.Observations() < 800_000 {
		t.Errorf("%d series, %d observations", n, b.Observations())
	}
}

// find returns the one series that a selector finds.
func find(t *testing.T, b *chunk.Batch, selector string) chunk.Samples {
	t.Helper()
	f, err := index.Parse(selector)
	if err != nil {
		t.Fatal(err)
	}
	var found []chunk.Samples
	for _, r := range b.Rows {
		if f.Match(r.Dimensions) {
			found = append(found, r.Samples)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d series", selector, len(found))
	}
	return found[0]
}

func mean(s chunk.Samples, span chunk.Span) float64 {
	s = s.Clip(span)
	sum := 0.0
	for _, v := range s.Floats {
		sum += v
	}
	return sum / float64(s.Len())
}

func TestIncidents(t *testing.T) {
	b := day()
	for _, in := range demo.Incidents() {
		for _, selector := range []string{in.Selector, in.Cause} {
			f, err := index.Parse(selector)
			if err != nil {
				t.Fatalf("%s: %v", in.Name, err)
			}
			n := 0
			for _, r := range b.Rows {
				if f.Match(r.Dimensions) {
					n++
				}
			}
			if n == 0 {
				t.Errorf("%s: %s finds nothing", in.Name, selector)
			}
		}
	}
	blip, leak, disk, deploy := demo.Incidents()[0].Span, demo.Incidents()[1].Span, demo.Incidents()[2].Span, demo.Incidents()[3].Span
	up := find(t, b, "host:app-04 AND metric:up")
	if gap := up.Clip(blip); gap.Len() != 0 {
		t.Errorf("app-04 is heard of %d times during the blip", gap.Len())
	}
	late := chunk.Span{Start: leak.End - 600e9, End: leak.End}
	after := chunk.Span{Start: leak.End + 600e9, End: leak.End + 4200e9}
	for metric, times := range map[string]float64{"jvm.heap.used": 2, "jvm.gc.pause.ms": 20, "http.latency.p99.ms": 5} {
		s := find(t, b, "host:app-02 AND service:checkout AND metric:"+metric)
		if high, low := mean(s, late), mean(s, after); high < times*low {
			t.Errorf("leak: %s is %v before the end, %v after it", metric, high, low)
		}
	}
	s := find(t, b, `host:db-01 AND mount:"/var" AND metric:disk.used.percent`)
	if full := mean(s, chunk.Span{Start: disk.End - 1800e9, End: disk.End}); full < 99 {
		t.Errorf("/var is %v %% full", full)
	}
	e := find(t, b, "host:app-01 AND service:payments AND metric:http.errors.total")
	e = e.Clip(deploy)
	if n := e.Ints[e.Len()-1]; e.Ints[0] > 100 || n < 1000 {
		t.Errorf("%d errors by the end of the bad release", n)
	}
}
