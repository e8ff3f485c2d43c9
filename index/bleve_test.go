package index

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"slices"
	"testing"

	"github.com/blevesearch/bleve/v2"
	_ "github.com/blevesearch/bleve/v2/analysis/analyzer/keyword"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
	zap "github.com/blevesearch/zapx/v16"

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
	seg, err := (&zap.ZapPlugin{}).Open(filepath.Join(ix.dir, s.entry.File))
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
