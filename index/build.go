package index

import (
	"cmp"
	"maps"
	"slices"

	"github.com/chronodex/chronodex/chunk"
)

// Names of Bleve's fields: that of a dimension has a prefix, so that none of the others can be one.
const (
	idField     = "_id"
	wordsField  = "w"
	valuePrefix = "."
)

// A Doc is one series on its way into the index.
type Doc struct {
	Ordinal    uint32           // names the series in its shard, now and for ever
	Dimensions chunk.Dimensions // read during the call only
}

// A batch is the source of the file of some new documents. A keyword, which is a name and a value,
// is analysed once.
type batch struct {
	keywords map[chunk.Dimension]*keyword
	words    map[string]*termDocs
	byField  map[string][]*termDocs
	current  []*termDocs // what is left of a field
}

// A keyword is the one term of a dimension's field, and the words of it.
type keyword struct {
	termDocs
	words []*termDocs
}

// termDocs is a term, and the documents that have it, in order.
type termDocs struct {
	term string
	docs []uint32
}

// newBatch numbers docs as they are.
func newBatch(docs []Doc) *batch {
	b := &batch{
		keywords: map[chunk.Dimension]*keyword{}, words: map[string]*termDocs{}, byField: map[string][]*termDocs{},
	}
	for i, doc := range docs {
		for _, pair := range doc.Dimensions {
			k := b.keyword(pair)
			k.docs = append(k.docs, uint32(i))
			for _, w := range k.words {
				if n := len(w.docs); n == 0 || w.docs[n-1] != uint32(i) {
					w.docs = append(w.docs, uint32(i))
				}
			}
		}
	}
	for _, list := range b.byField {
		slices.SortFunc(list, func(a, b *termDocs) int { return cmp.Compare(a.term, b.term) })
	}
	return b
}

func (b *batch) keyword(pair chunk.Dimension) *keyword {
	k := b.keywords[pair]
	if k != nil {
		return k
	}
	k = &keyword{termDocs: termDocs{term: pair.Value}}
	b.keywords[pair] = k
	field := valuePrefix + pair.Name
	b.byField[field] = append(b.byField[field], &k.termDocs)
	for _, text := range Words(pair.Value) {
		w := b.words[text]
		if w == nil {
			w = &termDocs{term: text}
			b.words[text] = w
			b.byField[wordsField] = append(b.byField[wordsField], w)
		}
		k.words = append(k.words, w)
	}
	return k
}

func (b *batch) fields() []string { return slices.Collect(maps.Keys(b.byField)) }

func (b *batch) open(field string) error {
	b.current = b.byField[field]
	return nil
}

func (b *batch) next() (term []byte, docs []uint32, err error) {
	if len(b.current) == 0 {
		return nil, nil, nil
	}
	t := b.current[0]
	b.current = b.current[1:]
	return []byte(t.term), t.docs, nil
}

// maxNames bounds the distinct names in a file: Bleve numbers fields with 16 bits.
const maxNames = 50000

// countNames returns how many distinct names docs have.
func countNames(docs []Doc) int {
	names := map[string]struct{}{}
	for _, d := range docs {
		for _, p := range d.Dimensions {
			names[p.Name] = struct{}{}
		}
	}
	return len(names)
}

// sortDocs returns docs by their ordinals, each once.
func sortDocs(docs []Doc) []Doc {
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b Doc) int { return int(int64(a.Ordinal) - int64(b.Ordinal)) })
	return slices.CompactFunc(docs, func(a, b Doc) bool { return a.Ordinal == b.Ordinal })
}
