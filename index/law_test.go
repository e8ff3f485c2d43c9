package index

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"pgregory.net/rapid"

	"github.com/chronodex/chronodex/chunk"
)

var (
	lawNames  = []string{"metric", "host", "my field", "port", "_id", "w", "größe", "AND"}
	lawValues = []string{
		"aws42", "aws4", "aws", "asw42", "web-01", "web-02.example", "HeapMemoryUsage", "heap_memory_usage",
		"java.lang:type=Memory/HeapMemoryUsage/used", "memory usage heap", "8080", "80", "9e3", "-5", "0.5", "a*b?c", "x|y)z",
		"Köln am Rhein", "KÖLN", "köln", "日本語2", "a\xffb", "\xff", "/usr/lib", `back\slash "quoted"`, "line\nbreak", "AND", "~", "p99",
	}
	lawWords = []string{
		"aws42", "aws", "42", "heap", "memory", "usage", "HeapMemoryUsage", "MemoryUsage", "web-01", "java.lang",
		"köln", "rhein", "lib", "80", "quoted", "nothing", "日本語", "p99",
	}
	lawPatterns = []string{
		"aws*", "*42", "*a*", "?", "a?s*", "*", "*e*e*", "web-0?*", "*.*", "K?ln*", "h*u*e", "*l", "80*", "a\\*b*",
		"*ü*", "??", "*?b", "a?b",
	}
	lawRegexps = []string{
		"aws[0-9]+", ".*", ".*heap.*", "(?i)köln", "a|aws", "(aws)?4?2?", "[^a]*", "", "^aws4$", "a.*?2", "[[:upper:]].*",
		`\\/usr\\/.*`, "w.b-0[12]?.*", "(a|b|h).*e{1,2}.*", "a{0}w?.*", `\w+`, "[^\\x00-\\x{10FFFF}]", "(|a)ws4+2",
	}
)

func drawDims(t *rapid.T) chunk.Dimensions {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom(lawNames), 0, 4, rapid.ID).Draw(t, "names")
	var list []chunk.Dimension
	for _, n := range names {
		list = append(list, chunk.Dimension{Name: n, Value: rapid.SampledFrom(lawValues).Draw(t, "value")})
	}
	d, err := chunk.NewDimensions(list...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func drawMatcher(t *rapid.T, values []string) string {
	value := rapid.SampledFrom(values).Draw(t, "value")
	switch rapid.IntRange(0, 5).Draw(t, "matcher") {
	case 0:
		return quote(value)
	case 1:
		return rapid.SampledFrom(lawPatterns).Draw(t, "pattern")
	case 2:
		return "/" + strings.ReplaceAll(rapid.SampledFrom(lawRegexps).Draw(t, "regexp"), `\\/`, `\/`) + "/"
	case 3:
		if s := (&fuzzy{word: value, edits: rapid.IntRange(0, 2).Draw(t, "edits")}).text(false); !strings.Contains(s, "\xff") {
			return s
		}
	case 4:
		return newInterval(
			bound{open: rapid.Bool().Draw(t, "open"), included: rapid.Bool().Draw(t, "included"), value: value},
			bound{included: rapid.Bool().Draw(t, "included"), value: rapid.SampledFrom(values).Draw(t, "high")}).text(false)
	}
	return quote(value)
}

func drawSelector(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	switch {
	case depth > 0 && kind == 0:
		return "(" + drawSelector(t, depth-1) + " AND " + drawSelector(t, depth-1) + ")"
	case depth > 0 && kind == 1:
		return "(" + drawSelector(t, depth-1) + " OR " + drawSelector(t, depth-1) + ")"
	case depth > 0 && kind == 2:
		return "NOT " + drawSelector(t, depth-1)
	case kind <= 5:
		return quoteName(rapid.SampledFrom(lawNames).Draw(t, "name")) + ":" + drawMatcher(t, lawValues)
	}
	word := rapid.SampledFrom(lawWords).Draw(t, "word")
	switch kind {
	case 6:
		return quote(word + " " + rapid.SampledFrom(lawWords).Draw(t, "word"))
	case 7:
		if s := rapid.SampledFrom(lawPatterns).Draw(t, "pattern"); s != "*.*" {
			return s
		}
	case 8:
		return word + fmt.Sprintf("~%d", rapid.IntRange(0, 2).Draw(t, "edits"))
	case 9:
		if s := rapid.SampledFrom(lawRegexps).Draw(t, "regexp"); !strings.Contains(s, "usr") {
			return "/" + s + "/"
		}
	}
	return word
}

// TestSearchIsMatch holds the index to the definition: what Match says of each series.
func TestSearchIsMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := map[uint32]chunk.Dimensions{}
		identity := func(o uint32) (chunk.Dimensions, bool) { d, ok := all[o]; return d, ok }
		options := Options{CacheBytes: rapid.SampledFrom([]int64{0, -1, 5000}).Draw(t, "cache")}
		if rapid.Bool().Draw(t, "identity") {
			options.Identity = identity
		}
		ix, err := Open("", options)
		if err != nil {
			t.Fatal(err)
		}
		defer ix.Close()
		next, gap := uint32(0), rapid.SampledFrom([]int{0, 0, 70000}).Draw(t, "gap")
		for range rapid.IntRange(0, 10).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				if err := ix.Compact(context.Background()); err != nil {
					t.Fatal(err)
				}
			case 1:
				gone := roaring.New()
				for o := range all {
					if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
						gone.Add(o)
						delete(all, o)
					}
				}
				if err := ix.Remove(gone); err != nil {
					t.Fatal(err)
				}
			default:
				var docs []Doc
				for range rapid.IntRange(0, 8).Draw(t, "docs") {
					next += uint32(rapid.IntRange(0, gap).Draw(t, "skip"))
					docs = append(docs, Doc{next, drawDims(t)})
					all[next] = docs[len(docs)-1].Dimensions
					next++
				}
				if err := ix.Add(docs); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 12 {
			text := drawSelector(t, 3)
			f, err := Parse(text)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			checkSearch(t, ix, f, all)
		}
		checkFacets(t, ix, all)
	})
}

func checkSearch(t *rapid.T, ix *Index, f Filter, all map[uint32]chunk.Dimensions) *roaring.Bitmap {
	found, err := ix.Search(context.Background(), f)
	if err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	for o, d := range all {
		if f.Match(d) != found.Contains(o) {
			t.Fatalf("%v: series %d, %q: found %v, matches %v", f, o, d, found.Contains(o), f.Match(d))
		}
	}
	for _, o := range found.ToArray() {
		if _, ok := all[o]; !ok {
			t.Fatalf("%v: found series %d, which is not there", f, o)
		}
	}
	return found
}

// checkFacets compares Names and Values with a count over all series.
func checkFacets(t *rapid.T, ix *Index, all map[uint32]chunk.Dimensions) {
	f, err := Parse(drawSelector(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	var within *roaring.Bitmap
	if rapid.Bool().Draw(t, "within") {
		within = checkSearch(t, ix, f, all)
	}
	names, values := map[string]int{}, map[string]int{}
	name, prefix := rapid.SampledFrom(lawNames).Draw(t, "name"), rapid.SampledFrom([]string{"", "a", "web"}).Draw(t, "prefix")
	for o, d := range all {
		if within != nil && !within.Contains(o) {
			continue
		}
		for _, p := range d {
			names[p.Name]++
			if p.Name == name && strings.HasPrefix(p.Value, prefix) {
				values[p.Value]++
			}
		}
	}
	limit := rapid.IntRange(0, 3).Draw(t, "limit")
	got, err := ix.Values(context.Background(), name, prefix, within, limit)
	if want := sorted(values, limit); err != nil || !slices.Equal(got, want) {
		t.Fatalf("values of %s from %q: %v, %v; want %v", name, prefix, got, err, want)
	}
	got, err = ix.Names(context.Background(), within)
	if want := sorted(names, 0); err != nil || !slices.Equal(got, want) {
		t.Fatalf("names: %v, %v; want %v", got, err, want)
	}
	if ix.Count() != len(all) {
		t.Fatalf("%d series, want %d", ix.Count(), len(all))
	}
}
