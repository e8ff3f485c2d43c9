package lineproto

import (
	"bytes"
	"math"

	"github.com/chronodex/chronodex/chunk"
)

// Options say how a text is read. The zero value reads times in nanoseconds, and refuses lines
// without one.
type Options struct {
	Unit int64             // of times, in nanoseconds; 0 means 1; [Guess] tells it by the size of each
	Now  int64             // of lines without a time; 0 means that they are refused
	Set  []chunk.Dimension // given to every series, where no tag has the name; in order of names
	Line int               // how many lines there were before the text
}

// A Result is what became of a text.
type Result struct {
	Bytes   int       // that were read, which are whole lines
	Lines   int       // that they are
	Refused []Refused // the first hundred lines that were refused
	Total   int       // how many there are
}

// maxRows is how many rows a batch has before it is handed over, though text is left: a row takes
// much more memory than the shortest line.
const maxRows = 1 << 15

// Guess is the [Options.Unit] of times that say by their size what they count: below 5 billion
// seconds, then milliseconds, microseconds and nanoseconds, each for a thousand times more.
const Guess = -1

// A Decoder turns texts into batches. It is used by one goroutine at a time.
type Decoder struct {
	c     *Cache
	o     Options
	b     *Buffer
	set   key    // of the dimensions that are set
	epoch uint32 // of the cache, when what follows was learnt

	generation uint32    // grows with each batch, and where rows must not be used any more
	local      []place   // by group
	owner      []ownerOf // by series
	after      []uint32  // by schema: the one that came next the last time
	last       uint32    // schema of the last line
	guess      uint32    // group of the next line

	line    int
	refused []Refused
	more    int

	values  []uint64 // of the line: bits of a float, an integer or a boolean; offset << 32 | length of a string
	fields  []rawField
	text    []byte // names of a schema
	ids     []key
	pairs   []chunk.Dimension
	scratch []byte
}

// A place is where in the batch a group is.
type place struct {
	generation uint32
	opened     uint32
}

// An ownerOf is the group whose rows have the last observations of a series.
type ownerOf struct {
	generation uint32
	group      uint32
}

// NewDecoder returns a decoder that remembers series in c.
func NewDecoder(c *Cache) *Decoder { return &Decoder{c: c} }

// Decode reads text into b, which is empty. Where that makes very many rows, it stops in between:
// the caller goes on with what is left. The result is valid until the next call, and does not alias
// text; b does neither.
func (d *Decoder) Decode(b *Buffer, text []byte, o Options) Result {
	if o.Unit == 0 {
		o.Unit = 1
	}
	d.b, d.o = b, o
	d.refused, d.more, d.line = d.refused[:0], 0, o.Line
	d.set = d.c.hash(chunk.Dimensions(o.Set).Append(nil))
	d.c.mu.RLock()
	d.begin()
	n := 0
	for n < len(text) && len(b.batch.Rows) < maxRows {
		n += d.record(text[n:])
	}
	d.c.mu.RUnlock()
	b.finish()
	d.b = nil
	return Result{Bytes: n, Lines: d.line - o.Line, Refused: d.refused, Total: d.more + len(d.refused)}
}

// begin makes sure that no row made before is used again, and that what was learnt is still so. The
// caller holds the cache.
func (d *Decoder) begin() {
	d.generation++
	if d.epoch == d.c.epoch && d.generation != 0 {
		return
	}
	d.epoch, d.generation = d.c.epoch, 1
	clear(d.local)
	clear(d.owner)
	d.after, d.last = d.after[:0], 0
}

// unlocked runs f without the lock of the cache.
func (d *Decoder) unlocked(f func()) {
	d.c.mu.RUnlock()
	defer func() {
		d.c.mu.RLock()
		if d.epoch != d.c.epoch {
			d.begin()
		}
	}()
	f()
}

// record reads the line at the head of text, and returns how many bytes it is.
func (d *Decoder) record(text []byte) int {
	d.line++
	end := bytes.IndexByte(text, '\n')
	next := end + 1
	if end < 0 {
		end, next = len(text), len(text)
	}
	start := 0
	for start < end && (text[start] == ' ' || text[start] == '\t' || text[start] == '\r') {
		start++
	}
	if start == end || text[start] == '#' {
		return next
	}
	l := line{text: text, start: start, end: end}
	l.space = start + keyEnd(text[start:end])
	l.id = d.c.hash(text[start:l.space]).with(d.set[0])
	l.at = l.space
	for l.at < end && text[l.at] == ' ' {
		l.at++
	}
	err := d.read(&l)
	if err != nil {
		d.refuse(&l, err)
	}
	if l.end == end {
		return next
	}
	d.line += bytes.Count(text[end:l.end], []byte{'\n'}) // in strings
	return min(l.end+1, len(text))
}

// A line is one that is being read.
type line struct {
	text   []byte // of it and of all lines behind it
	start  int    // in text
	space  int    // behind the measurement and the tags
	at     int    // what is read next
	end    int
	id     key // of the measurement and the tags
	schema uint32
}

// read reads a line behind its tags, and adds it to the batch.
func (d *Decoder) read(l *line) error {
	switch {
	case l.space == l.start || l.text[l.start] == ',':
		return errNoMeasurement
	case l.at == l.end:
		return errNoFields
	}
	if int(d.last) < len(d.after) {
		if l.schema = d.after[d.last]; int(l.schema) < len(d.c.schemas) && d.expect(l, d.c.schemas[l.schema]) {
			return d.add(l)
		}
	}
	if err := d.readFields(l); err != nil {
		return err
	}
	for {
		s, ok := d.c.schemaOf[string(d.text)]
		if ok {
			l.schema = s
			return d.add(l)
		}
		d.unlocked(func() { d.c.learn(d.text, d.fields) })
	}
}

// keyEnd returns the index of the first space that no backslash escapes, or the length of line.
func keyEnd(line []byte) int {
	k := bytes.IndexByte(line, ' ')
	if k < 0 {
		return len(line)
	}
	if bytes.IndexByte(line[:k], '\\') < 0 {
		return k
	}
	return scan(line, ' ')
}

// scan returns the index in b of the first stop that no backslash escapes, or the length of b.
func scan(b []byte, stop byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case stop:
			return i
		case '\\':
			i++
		}
	}
	return len(b)
}

// add adds a line whose fields were read to the batch.
func (d *Decoder) add(l *line) error {
	t, err := d.stamp(l.text[l.at:l.end])
	if err != nil {
		return err
	}
	s := d.c.schemas[l.schema]
	d.follow(l.schema)
	k := l.id.with(uint64(l.schema))
	g, ok := d.c.groupOf.find(k, d.guess)
	d.guess = g + 1
	var at int
	if ok && int(g) < len(d.local) && d.local[g].generation == d.generation {
		at = int(d.local[g].opened)
	} else if at, err = d.open(l, s, k, g, ok); err != nil {
		return err
	}
	d.b.times[at] = append(d.b.times[at], t)
	rows := d.b.batch.Rows[d.b.opened[at].first:][:len(s.fields)]
	for i := range rows {
		x, v := &rows[i].Samples, d.values[i]
		switch s.fields[i].kind {
		case chunk.Float64:
			x.Floats = append(x.Floats, math.Float64frombits(v))
		case chunk.Int64:
			x.Ints = append(x.Ints, int64(v))
		case chunk.Bool:
			x.Bools = append(x.Bools, v != 0)
		case chunk.String:
			x.Strings = append(x.Strings, string(d.b.strings[v>>32:][:uint32(v)]))
		}
	}
	return nil
}

// follow notes that a line has the schema, for the line after the next one of the same.
func (d *Decoder) follow(s uint32) {
	for len(d.after) <= int(max(s, d.last)) {
		d.after = append(d.after, uint32(len(d.after)))
	}
	d.after[d.last] = s
	d.last = s
}

// open adds rows for a group that has none in the batch yet, or none that may be used any more. The
// group is g, if it is known.
func (d *Decoder) open(l *line, s *schema, k key, g uint32, known bool) (int, error) {
	var dims []chunk.Dimensions
	if !known || !d.noted(g, len(s.fields)) {
		var err error
		if dims, err = d.dimensions(l.text[l.start:l.space], s); err != nil {
			return 0, err
		}
	}
	if !known && len(s.fields) <= maxGroupFields {
		d.ids = d.ids[:0]
		for i, x := range dims {
			d.scratch = append(x.Append(d.scratch[:0]), byte(s.fields[i].kind))
			d.ids = append(d.ids, d.c.hash(d.scratch))
		}
		epoch := d.epoch
		d.unlocked(func() { g, known = d.c.add(k, epoch, d.ids) })
		known = known && epoch == d.epoch
	}
	at := d.b.open(len(s.fields), d.line)
	rows := d.b.batch.Rows[d.b.opened[at].first:]
	for i := range rows {
		rows[i].Samples.Kind = s.fields[i].kind
		if dims != nil {
			rows[i].Dimensions = dims[i]
		}
	}
	if !known {
		d.generation++ // nothing that is open knows whether it has a series of this line
		return at, nil
	}
	for int(g) >= len(d.local) {
		d.local = append(d.local, place{})
	}
	d.local[g] = place{d.generation, uint32(at)}
	for i, m := range d.c.membersOf(g, len(s.fields)) {
		rows[i].Ref = d.c.ref(m)
		d.own(m, g)
	}
	return at, nil
}

// noted reports whether the store knows all series of a group.
func (d *Decoder) noted(g uint32, n int) bool {
	for _, m := range d.c.membersOf(g, n) {
		if d.c.ref(m).Load() == 0 {
			return false
		}
	}
	return true
}

// own makes group g the one that has the last observations of a series. Another group that had them
// gets new rows at its next line, behind those of g.
func (d *Decoder) own(series, g uint32) {
	for int(series) >= len(d.owner) {
		d.owner = append(d.owner, ownerOf{})
	}
	if o := &d.owner[series]; o.generation == d.generation && o.group != g {
		d.local[o.group].generation = 0
	}
	d.owner[series] = ownerOf{d.generation, g}
}
