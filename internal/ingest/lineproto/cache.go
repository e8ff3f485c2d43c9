package lineproto

import (
	"hash/maphash"
	"sync"

	"github.com/chronodex/chronodex/chunk"
)

// Limits of what a cache remembers, before it forgets all and begins anew.
const (
	maxSchemas     = 1 << 15
	maxSchemaBytes = 4 << 20
	maxGroupFields = 1 << 12 // of a line whose group is remembered
)

// What a series, a group and a field of one take in memory, roughly, with the slack of their tables
// and what two decoders note about them.
const (
	seriesCost = 56
	groupCost  = 52
	memberCost = 5
)

// A key is a hash by two seeds that nobody can know: what has equal keys is taken to be equal.
type key [2]uint64

// A Cache remembers series from request to request, for all decoders that share it. It is bounded,
// and safe for concurrent use.
type Cache struct {
	limit int64
	seeds [2]maphash.Seed

	mu       sync.RWMutex
	epoch    uint32 // grows when all is forgotten
	used     int64  // bytes, roughly
	schemas  []*schema
	schemaOf map[string]uint32 // by the fields as a schema has them
	text     int               // bytes of the schemas
	groups   []uint32          // by number: the first of its members
	members  []uint32          // series
	refs     []*refBlock
	groupOf  table // by measurement, tags and schema
	seriesOf table // by identity
}

// A schema is the fields of a line: their names as written and their kinds, in order.
type schema struct {
	fields []field
}

type field struct {
	text string // as written, with the equals sign
	kind chunk.Kind
}

const refBlockLen = 512

// refs do not move, since rows point to them.
type refBlock [refBlockLen]chunk.Ref

// NewCache returns a cache that takes about as many bytes as limit says.
func NewCache(limit int64) *Cache {
	c := &Cache{limit: limit, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	c.forget()
	return c
}

// forget begins anew. The caller holds mu, or is alone.
func (c *Cache) forget() {
	c.epoch++
	c.used, c.text = 0, 0
	c.schemas, c.schemaOf = nil, make(map[string]uint32)
	c.groups, c.members, c.refs = nil, nil, nil
	c.groupOf, c.seriesOf = table{}, table{}
}

func (c *Cache) hash(b []byte) key {
	return key{maphash.Bytes(c.seeds[0], b), maphash.Bytes(c.seeds[1], b)}
}

// with returns the key of what has the key k and another part n.
func (k key) with(n uint64) key {
	return key{mix(k[0] ^ n*0x9e3779b97f4a7c15), mix(k[1] + n*0xbf58476d1ce4e5b9)}
}

func mix(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}

// learn remembers the schema of fields, which text names.
func (c *Cache) learn(text []byte, fields []rawField) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.schemaOf[string(text)]; ok {
		return
	}
	if len(c.schemas) >= maxSchemas || c.text+len(text) > maxSchemaBytes {
		c.forget()
	}
	s := &schema{fields: make([]field, len(fields))}
	for i, f := range fields {
		s.fields[i] = field{text: string(f.key) + "=", kind: f.kind}
	}
	c.schemaOf[string(text)] = uint32(len(c.schemas))
	c.schemas = append(c.schemas, s)
	c.text += len(text)
}

// add remembers a group, whose series have the identities, and returns its number. Where that is
// too much, or all was forgotten since epoch, it is not remembered.
func (c *Cache) add(k key, epoch uint32, identities []key) (uint32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return 0, false // and the schema with it
	}
	if n, ok := c.groupOf.find(k, 0); ok {
		return n, true
	}
	if c.used > c.limit {
		c.forget()
		return 0, false
	}
	n := c.groupOf.put(k)
	c.groups = append(c.groups, uint32(len(c.members)))
	for _, id := range identities {
		m, ok := c.seriesOf.find(id, 0)
		if !ok {
			m = c.seriesOf.put(id)
			c.used += seriesCost
			if m%refBlockLen == 0 {
				c.refs = append(c.refs, new(refBlock))
			}
		}
		c.members = append(c.members, m)
	}
	c.used += groupCost + memberCost*int64(len(identities))
	return n, true
}

// membersOf returns the n series of a group. The caller holds mu.
func (c *Cache) membersOf(group uint32, n int) []uint32 { return c.members[c.groups[group]:][:n] }

// ref returns the note of a series. The caller holds mu.
func (c *Cache) ref(series uint32) *chunk.Ref {
	return &c.refs[series/refBlockLen][series%refBlockLen]
}
