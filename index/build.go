package index

import (
	"encoding/binary"
	"slices"

	bleve "github.com/blevesearch/bleve_index_api"

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

// A builder makes Bleve's documents of one batch. A keyword, which is a name and a value, is
// analysed once; the fields that differ for each document are filled when Bleve asks for them, as
// it asks one document after the other.
type builder struct {
	id       bleveID
	words    bleveWords
	keywords map[chunk.Dimension]*keyword
	byWord   map[string]*bleve.TokenFreq
}

func newBuilder() *builder {
	return &builder{
		words:    bleveWords{all: bleve.TokenFrequencies{}},
		keywords: map[chunk.Dimension]*keyword{},
		byWord:   map[string]*bleve.TokenFreq{},
	}
}

// documents returns Bleve's form of docs. It is for one goroutine, and until the next call.
func (b *builder) documents(docs []Doc) []bleve.Document {
	list := make([]bleve.Document, len(docs))
	for i, doc := range docs {
		d := &document{b: b, ordinal: doc.Ordinal, keywords: make([]*keyword, len(doc.Dimensions))}
		for k, pair := range doc.Dimensions {
			d.keywords[k] = b.keyword(pair)
		}
		list[i] = d
	}
	return list
}

func (b *builder) keyword(pair chunk.Dimension) *keyword {
	k := b.keywords[pair]
	if k != nil {
		return k
	}
	k = &keyword{field: valuePrefix + pair.Name, value: pair.Value}
	k.tokens = bleve.TokenFrequencies{k.value: newToken(k.value)}
	for _, w := range Words(pair.Value) {
		token := b.byWord[w]
		if token == nil {
			token = newToken(w)
			b.byWord[w] = token
		}
		k.words = append(k.words, token)
		k.texts = append(k.texts, w)
	}
	b.keywords[pair] = k
	return k
}

// newToken returns a token without frequency or places, which Bleve then does not store.
func newToken(term string) *bleve.TokenFreq { return &bleve.TokenFreq{Term: []byte(term)} }

// document is one series as Bleve sees it.
type document struct {
	b        *builder
	ordinal  uint32
	keywords []*keyword
}

func (d *document) ID() string                                 { return string(docID(d.ordinal)) }
func (d *document) Size() int                                  { return 0 }
func (d *document) VisitComposite(bleve.CompositeFieldVisitor) {}
func (d *document) HasComposite() bool                         { return false }
func (d *document) NumPlainTextBytes() uint64                  { return 0 }
func (d *document) AddIDField()                                {}
func (d *document) StoredFieldsBytes() uint64                  { return 0 }
func (d *document) Indexed() bool                              { return true }

func (d *document) VisitFields(visit bleve.FieldVisitor) {
	d.b.id.ordinal = d.ordinal
	visit(&d.b.id)
	for _, k := range d.keywords {
		visit(k)
	}
	d.b.words.keywords = d.keywords
	visit(&d.b.words)
}

// docID is the id of a series' document: its ordinal, big-endian.
func docID(ordinal uint32) []byte { return binary.BigEndian.AppendUint32(nil, ordinal) }

// unstored is what the fields have in common.
type unstored struct{}

func (unstored) Value() []byte                       { return nil }
func (unstored) ArrayPositions() []uint64            { return nil }
func (unstored) EncodedFieldType() byte              { return 't' }
func (unstored) Analyze()                            {}
func (unstored) Options() bleve.FieldIndexingOptions { return bleve.IndexField | bleve.SkipFreqNorm }
func (unstored) AnalyzedLength() int                 { return 1 }
func (unstored) NumPlainTextBytes() uint64           { return 0 }

// keyword is the field of a dimension: its one term is the whole value.
type keyword struct {
	unstored
	field  string
	value  string
	tokens bleve.TokenFrequencies
	words  []*bleve.TokenFreq // of the value
	texts  []string           // of the words
}

func (k *keyword) Name() string                                     { return k.field }
func (k *keyword) AnalyzedTokenFrequencies() bleve.TokenFrequencies { return k.tokens }

// bleveWords is the field of all words of a document.
type bleveWords struct {
	unstored
	keywords []*keyword
	all      bleve.TokenFrequencies
}

func (w *bleveWords) Name() string { return wordsField }

func (w *bleveWords) AnalyzedTokenFrequencies() bleve.TokenFrequencies {
	clear(w.all)
	for _, k := range w.keywords {
		for i, text := range k.texts {
			w.all[text] = k.words[i]
		}
	}
	return w.all
}

// bleveID is the id, stored and, as nothing searches for it, not indexed.
type bleveID struct {
	unstored
	ordinal uint32
}

func (i *bleveID) Name() string                                     { return idField }
func (i *bleveID) Value() []byte                                    { return docID(i.ordinal) }
func (i *bleveID) AnalyzedTokenFrequencies() bleve.TokenFrequencies { return nil }
func (i *bleveID) Options() bleve.FieldIndexingOptions {
	return bleve.IndexField | bleve.StoreField | bleve.SkipFreqNorm
}

// maxNames bounds the distinct names of a batch: Bleve numbers fields with 16 bits.
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
