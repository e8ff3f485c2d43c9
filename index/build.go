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

	last    []*keyword // of the document before, by place: the next one often has the same
	scratch []word
	room    struct { // many share an allocation
		keywords []keyword
		terms    []termDocs
		lists    []*termDocs
		docs     []uint32
	}
}

// roomLen is how many share an allocation.
const roomLen = 1 << 10

// take returns n elements of room, for which it makes more where there are too few.
func take[T any](room *[]T, n int) []T {
	if len(*room) < n {
		*room = make([]T, max(n, roomLen))
	}
	out := (*room)[:n:n]
	*room = (*room)[n:]
	return out
}

// A keyword is the one term of a dimension's field, and the words of it.
type keyword struct {
	termDocs
	name  string
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
		keywords: make(map[chunk.Dimension]*keyword, len(docs)), words: make(map[string]*termDocs, len(docs)),
		byField: map[string][]*termDocs{},
	}
	for i, doc := range docs {
		for place, pair := range doc.Dimensions {
			k := b.keywordAt(place, pair)
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

// keywordAt returns the keyword of the pair at a place of a document.
func (b *batch) keywordAt(place int, pair chunk.Dimension) *keyword {
	if place == len(b.last) {
		b.last = append(b.last, nil)
	}
	if k := b.last[place]; k != nil && k.term == pair.Value && k.name == pair.Name {
		return k
	}
	k := b.keywords[pair]
	if k == nil {
		k = b.keyword(pair)
		b.keywords[pair] = k
	}
	b.last[place] = k
	return k
}

// keyword returns a new keyword.
func (b *batch) keyword(pair chunk.Dimension) *keyword {
	k := &take(&b.room.keywords, 1)[0]
	k.name, k.term, k.docs = pair.Name, pair.Value, take(&b.room.docs, 1)[:0]
	field := valuePrefix + pair.Name
	b.byField[field] = append(b.byField[field], &k.termDocs)
	b.scratch = appendWords(b.scratch[:0], pair.Value)
	k.words = take(&b.room.lists, len(b.scratch))[:0]
	for _, text := range b.scratch {
		w := b.words[text.text]
		if w == nil {
			w = &take(&b.room.terms, 1)[0]
			w.term, w.docs = text.text, take(&b.room.docs, 1)[:0]
			b.words[text.text] = w
			b.byField[wordsField] = append(b.byField[wordsField], w)
		}
		if !slices.Contains(k.words, w) {
			k.words = append(k.words, w)
		}
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
