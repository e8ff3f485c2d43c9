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

// What a series and a group take in memory, roughly, with the slack of their tables.
const (
	seriesCost = 72
	groupCost  = 64
	memberCost = 6
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
	groups   []group
	slots    []slot // of groups, open addressing; a power of two
	members  []uint32
	refs     []*refBlock
	series   uint32
	seriesOf map[key]uint32 // by identity
}

// A schema is the fields of a line: their names as written and their kinds, in order.
type schema struct {
	fields []field
}

type field struct {
	text string // as written, with the equals sign
	kind chunk.Kind
}

// A group is the series of all lines with one measurement, tags and schema.
type group struct {
	schema uint32
	first  uint32 // of the members
}

type slot struct {
	key   key
	group uint32 // its number + 1; 0 is free
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
	c.used, c.text, c.series = 0, 0, 0
	c.schemas, c.schemaOf = nil, make(map[string]uint32)
	c.groups, c.members, c.refs = nil, nil, nil
	c.slots = make([]slot, 64)
	c.seriesOf = make(map[key]uint32)
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

// find returns the number of the group with key k. The caller holds mu.
func (c *Cache) find(k key) (uint32, bool) {
	mask := uint64(len(c.slots) - 1)
	for i := k[0] & mask; ; i = (i + 1) & mask {
		s := &c.slots[i]
		if s.group == 0 {
			return 0, false
		}
		if s.key == k {
			return s.group - 1, true
		}
	}
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

// add remembers a group, whose series have the keys, and returns its number. Where that is too
// much, all is forgotten; the schema is then another one.
func (c *Cache) add(k key, s uint32, epoch uint32, series []key) (uint32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return 0, false // and the schema with it
	}
	if n, ok := c.find(k); ok {
		return n, true
	}
	if c.used > c.limit {
		c.forget()
		return 0, false
	}
	g := group{schema: s, first: uint32(len(c.members))}
	for _, id := range series {
		n, ok := c.seriesOf[id]
		if !ok {
			n = c.series
			c.series++
			c.seriesOf[id] = n
			c.used += seriesCost
			if n%refBlockLen == 0 {
				c.refs = append(c.refs, new(refBlock))
			}
		}
		c.members = append(c.members, n)
	}
	c.used += groupCost + memberCost*int64(len(series))
	n := uint32(len(c.groups))
	c.groups = append(c.groups, g)
	if len(c.groups)*3 > len(c.slots)*2 {
		c.grow()
	}
	c.place(slot{k, n + 1})
	return n, true
}

func (c *Cache) place(s slot) {
	mask := uint64(len(c.slots) - 1)
	i := s.key[0] & mask
	for c.slots[i].group != 0 {
		i = (i + 1) & mask
	}
	c.slots[i] = s
}

func (c *Cache) grow() {
	old := c.slots
	c.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.group != 0 {
			c.place(s)
		}
	}
}

// ref returns the note of a series. The caller holds mu.
func (c *Cache) ref(series uint32) *chunk.Ref {
	return &c.refs[series/refBlockLen][series%refBlockLen]
}
