package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2"
	_ "github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
	zap "github.com/blevesearch/zapx/v16"
	bolt "go.etcd.io/bbolt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/testseries"
)

// TestBleveFindsTheSame asks Bleve's own index and search.
func TestBleveFindsTheSame(t *testing.T) {
	mapping := bleve.NewIndexMapping()
	mapping.DefaultAnalyzer = "keyword"
	theirs, err := bleve.NewMemOnly(mapping)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	batch := theirs.NewBatch()
	ours := mustOpen(t, "", Options{})
	defer ours.Close()
	addKubernetes(t, ours, 2000)
	ordinal := uint32(0)
	for labels := range testseries.Kubernetes(1, 2000) {
		fields := map[string]any{}
		for _, l := range labels {
			fields[l.Name] = l.Value
		}
		if err := batch.Index(string(binary.BigEndian.AppendUint32(nil, ordinal)), fields); err != nil {
			t.Fatal(err)
		}
		ordinal++
	}
	if err := theirs.Batch(batch); err != nil {
		t.Fatal(err)
	}
	field := func(q blevequery.FieldableQuery, name string) blevequery.Query { q.SetField(name); return q }
	fuzzyQuery := bleve.NewFuzzyQuery("container_memory_rsx")
	for text, q := range map[string]blevequery.Query{
		"metric:container_memory_rss":    field(bleve.NewTermQuery("container_memory_rss"), "metric"),
		"pod:*x*":                        field(bleve.NewWildcardQuery("*x*"), "pod"),
		"metric:container_*_total":       field(bleve.NewWildcardQuery("container_*_total"), "metric"),
		"node:/node-prod-..-[12]-.*[7]/": field(bleve.NewRegexpQuery("node-prod-..-[12]-.*[7]"), "node"),
		"app:s*":                         field(bleve.NewPrefixQuery("s"), "app"),
		"metric:container_memory_rsx~1":  field(fuzzyQuery, "metric"),
		"cluster:staging -container:sidecar": but(
			field(bleve.NewTermQuery("staging"), "cluster"), field(bleve.NewTermQuery("sidecar"), "container")),
		"cluster:staging AND metric:*heap*": bleve.NewConjunctionQuery(
			field(bleve.NewTermQuery("staging"), "cluster"), field(bleve.NewWildcardQuery("*heap*"), "metric")),
	} {
		result, err := theirs.Search(bleve.NewSearchRequestOptions(q, 10000, 0, false))
		if err != nil {
			t.Fatal(err)
		}
		var want []uint32
		for _, hit := range result.Hits {
			want = append(want, binary.BigEndian.Uint32([]byte(hit.ID)))
		}
		slices.Sort(want)
		if got := find(t, ours, text); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %d series, Bleve finds %d", text, len(got), len(want))
		}
	}
}

// bleveCount is what Bleve counts and finds in an index of ours, opened as any program may.
func bleveCount(t testing.TB, dir string) int {
	t.Helper()
	theirs, err := bleve.OpenUsing(dir, map[string]any{"read_only": true, "bolt_timeout": "1s"})
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	n, err := theirs.DocCount()
	if err != nil {
		t.Fatal(err)
	}
	result, err := theirs.Search(bleve.NewSearchRequest(bleve.NewMatchAllQuery()))
	if err != nil || result.Total != n {
		t.Errorf("%d of %d documents found, %v", result.Total, n, err)
	}
	return int(n)
}

// TestBleveSearchesOurFolder has Bleve open a folder of ours, beside the writer and alone, and find
// what we find.
func TestBleveSearchesOurFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "index")
	ours := mustOpen(t, dir, Options{})
	addKubernetes(t, ours, 3000)
	if err := ours.Add([]Doc{{7000, dims("metric", "HeapUsage", "app", "orders-web")}, {9000, dims("app", "web")}}); err != nil {
		t.Fatal(err)
	}
	if err := ours.Remove(roaring.BitmapOf(find(t, ours, "node:*7* pod:*x*")...)); err != nil {
		t.Fatal(err)
	}
	check := func(theirs bleve.Index, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		if n, err := theirs.DocCount(); err != nil || int(n) != ours.Count() {
			t.Errorf("%d documents of %d, %v", n, ours.Count(), err)
		}
		for text, q := range ourQueries() {
			result, err := theirs.Search(bleve.NewSearchRequestOptions(q, 10000, 0, false))
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if got, want := ordinalsOf(result), find(t, ours, text); !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("%s: Bleve finds %d series, we %d", text, len(got), len(want))
			}
		}
		if doc, err := theirs.Document("\x00\x00\x1b\x58"); err != nil || doc == nil {
			t.Errorf("document 7000: %v, %v", doc, err)
		}
	}
	check(bleve.OpenUsing(dir, map[string]any{"read_only": true}))
	copied := filepath.Join(t.TempDir(), "copy")
	copyTo(t, copied, dir)
	check(bleve.Open(copied)) // and may write it
	want := ours.Count()
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	if n := ourCountAll(t, copied); n != want {
		t.Errorf("%d series after Bleve opened it to write, want %d", n, want)
	}
}

func ourCountAll(t testing.TB, dir string) int {
	ix := mustOpen(t, dir, Options{})
	defer ix.Close()
	return len(find(t, ix, "*"))
}

func ordinalsOf(result *bleve.SearchResult) (list []uint32) {
	for _, hit := range result.Hits {
		list = append(list, binary.BigEndian.Uint32([]byte(hit.ID)))
	}
	slices.Sort(list)
	return list
}

// ourQueries are selectors, and the same as queries of Bleve's for our fields.
func ourQueries() map[string]blevequery.Query {
	field := func(q blevequery.FieldableQuery, name string) blevequery.Query { q.SetField(name); return q }
	return map[string]blevequery.Query{
		"*":                              bleve.NewMatchAllQuery(),
		"metric:container_memory_rss":    field(bleve.NewTermQuery("container_memory_rss"), ".metric"),
		"metric:HeapUsage":               field(bleve.NewTermQuery("HeapUsage"), ".metric"),
		"app:orders*":                    field(bleve.NewPrefixQuery("orders"), ".app"),
		"pod:*x*":                        field(bleve.NewWildcardQuery("*x*"), ".pod"),
		"node:/node-prod-..-[12]-.*[8]/": field(bleve.NewRegexpQuery("node-prod-..-[12]-.*[8]"), ".node"),
		"metric:container_memory_rsx~1":  field(bleve.NewFuzzyQuery("container_memory_rsx"), ".metric"),
		"app:orders-web":                 field(bleve.NewMatchQuery("orders-web"), ".app"), // with the analyzer of the mapping
		"heap memory":                    bleve.NewQueryStringQuery("+heap +memory"),
		"cluster:staging AND metric:*heap*": bleve.NewConjunctionQuery(
			field(bleve.NewTermQuery("staging"), ".cluster"), field(bleve.NewWildcardQuery("*heap*"), ".metric")),
		"cluster:staging -container:sidecar": but(
			field(bleve.NewTermQuery("staging"), ".cluster"), field(bleve.NewTermQuery("sidecar"), ".container")),
	}
}

// TestEmptyBolt holds the beginning of a root to bbolt's.
func TestEmptyBolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bolt")
	db, err := bolt.Open(path, 0o666, &bolt.Options{PageSize: rootPageSize})
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if want, err := os.ReadFile(path); err != nil || !bytes.Equal(emptyBolt(), want) {
		t.Errorf("%x\nwant %x, %v", emptyBolt(), want, err)
	}
}

// TestRoot holds the root to its promises: small, and the same for the same segments.
func TestRoot(t *testing.T) {
	var segments []manifestSegment
	for i := range uint64(3 * mergeFan) {
		segments = append(segments, manifestSegment{manifestFile: manifestFile{File: segmentName(90 + 30*i)}, Deleted: make([]byte, 20)})
	}
	dir := t.TempDir()
	var first []byte
	for i := range 3 {
		path := filepath.Join(dir, rootName)
		if err := writeRoot(path, segments, false); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = data
		}
		if len(data) > 16<<10 || !bytes.Equal(data, first) {
			t.Errorf("%d bytes, the same as at first: %v", len(data), bytes.Equal(data, first))
		}
	}
	if err := writeRoot(filepath.Join(dir, rootName), segments[:1], true); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, rootName)); err != nil || info.Size() > 10<<10 {
		t.Errorf("a root of one segment: %v, %v", info.Size(), err)
	}
}

// but is what must, and must not.
func but(must, not blevequery.Query) blevequery.Query {
	q := bleve.NewBooleanQuery()
	q.AddMust(must)
	q.AddMustNot(not)
	return q
}

// TestBleveReadsOurFiles reads a packed file through Bleve's segment interface.
func TestBleveReadsOurFiles(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	defer ix.Close()
	addKubernetes(t, ix, 5000)
	if err := ix.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := ix.current.segments[0]
	seg, err := (&zap.ZapPlugin{}).Open(storePath(ix.dir, s.entry.File))
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	want := map[chunk.Dimension][]uint64{}
	doc := uint64(0)
	for labels := range testseries.Kubernetes(1, 5000) {
		for _, l := range labels {
			want[chunk.Dimension(l)] = append(want[chunk.Dimension(l)], doc)
		}
		doc++
	}
	if seg.Count() != doc || len(seg.Fields()) != 10 {
		t.Fatalf("%d documents with fields %q", seg.Count(), seg.Fields())
	}
	for num := range doc {
		if id, err := seg.DocID(num); err != nil || binary.BigEndian.Uint32(id) != uint32(num) {
			t.Fatalf("document %d has id %x, %v", num, id, err)
		}
		visit := func(field string, _ byte, _ []byte, _ []uint64) bool { return field == idField }
		if err := seg.VisitStoredFields(num, visit); err != nil {
			t.Fatal(err)
		}
	}
	for term, docs := range want {
		dict, err := seg.Dictionary(valuePrefix + term.Name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := dict.PostingsList([]byte(term.Value), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint64
		it := list.Iterator(false, false, false, nil)
		for p, err := it.Next(); p != nil; p, err = it.Next() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p.Number())
		}
		if !slices.Equal(got, docs) {
			t.Fatalf("%v: %d documents, want %d", term, len(got), len(docs))
		}
	}
}
