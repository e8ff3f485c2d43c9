package shard

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/wal"
)

// Append stores a batch. When it returns nil, all of it is durable and visible. Where the batch
// cannot be stored at all, the error wraps [ErrInvalid] and nothing was stored; after any other
// error it may be stored in part. The batch is copied. Rows of one series are in order: of equal
// stamps the later row wins. Waits, for as long as ctx lasts, where sealing does not keep up.
func (s *Set) Append(ctx context.Context, b *chunk.Batch) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if err := s.validate(b); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return s.append(ctx, b, nil)
}

// AppendRows stores the rows of a batch that adm and the store let in, and tells of the
// others, each with its reason: one that cannot be stored has one that wraps [ErrInvalid]. All else
// is as with [Set.Append].
func (s *Set) AppendRows(ctx context.Context, b *chunk.Batch, adm *Admission) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return s.append(ctx, b, adm)
}

func (s *Set) append(ctx context.Context, b *chunk.Batch, adm *Admission) error {
	if err := s.waitForRoom(ctx); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	s.writing.RLock()
	defer s.writing.RUnlock()
	r := s.route(b, adm)
	defer r.release()
	parts := r.parts
	var wg sync.WaitGroup
	errs := make([]error, len(parts))
	alone := 0
	for i, rows := range parts {
		if len(rows) > 0 {
			alone++
			if alone > 1 {
				wg.Go(func() { errs[i] = s.shards[i].append(rows) })
			}
		}
	}
	for i, rows := range parts {
		if len(rows) > 0 { // the first part is this goroutine's
			errs[i] = s.shards[i].append(rows)
			break
		}
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("append: shard %d: %w", i, err)
		}
	}
	return nil
}

func sameSlice(a, b chunk.Dimensions) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// A routedRow is a row of a batch on its way to its shard.
type routedRow struct {
	ordinal    uint32
	dimensions chunk.Dimensions // nil where the batch names the series by its ref only
	samples    *chunk.Samples
	inHead     bool
}

// A router is the memory for routing batches, used by one goroutine at a time.
type router struct {
	parts [][]routedRow // by shard
	next  []uint32      // by shard: the ordinal after that of its last row
}

var routers = sync.Pool{New: func() any { return new(router) }}

// release gives the memory back, and keeps nothing of the batch alive.
func (r *router) release() {
	for i := range r.parts {
		clear(r.parts[i])
		r.parts[i] = r.parts[i][:0]
	}
	routers.Put(r)
}

// route finds the shard and the ordinal of each row; new series get one. It returns the rows by
// shard. With an admission, it asks that; without, the rows are valid.
func (s *Set) route(b *chunk.Batch, adm *Admission) *router {
	r := routers.Get().(*router)
	if len(r.parts) != len(s.shards) {
		r.parts, r.next = make([][]routedRow, len(s.shards)), make([]uint32, len(s.shards))
	}
	clear(r.next)
	p := placement{next: r.next}
	for i := range b.Rows {
		if err := s.routeRow(r, &p, &b.Rows[i], adm); err != nil {
			adm.refuse(i, err)
		}
	}
	return r
}

// routeRow enters one row into r. An error is that of the admission, or says that the row is not
// valid, which only the admission asks.
func (s *Set) routeRow(r *router, p *placement, row *chunk.BatchRow, adm *Admission) error {
	at, noted := s.noted(row)
	own := true // the dimensions are those that the ref notes
	if adm != nil {
		if adm.Row != nil {
			if row.Dimensions == nil && noted {
				s.identify(row)
			}
			before := row.Dimensions
			if err := adm.Row(row); err != nil {
				return err
			}
			own = sameSlice(before, row.Dimensions)
			noted = noted && own
		}
		if err := validRow(row, p.last, noted); err != nil {
			return err
		}
	}
	if row.Samples.Len() == 0 {
		return nil
	}
	if !noted {
		if last := p.last; last == nil || last.Samples.Kind != row.Samples.Kind || !sameSlice(last.Dimensions, row.Dimensions) {
			if err := s.place(p, row.Dimensions, row.Samples.Kind, adm); err != nil {
				return err
			}
			r.next[p.shard] = p.ordinal + 1
		}
		p.last, at = row, p.address
		if row.Ref != nil && own {
			at.note(row.Ref, row.Samples.Kind)
		}
	}
	r.parts[at.shard] = append(r.parts[at.shard], routedRow{ordinal: at.ordinal, dimensions: row.Dimensions, samples: &row.Samples})
	return nil
}

// A placement is the place of a series, and what helps to find the next one.
type placement struct {
	address
	last *chunk.BatchRow // that has it
	next []uint32        // by shard: the ordinal after that of the last row
}

// place makes p the shard and the ordinal of a series, see the package comment. Who scrapes sends
// its series in one order again and again, so it is tried first whether the series is the one that
// comes next in the shard that the last one was in. An error is that of the admission, about a
// series that is new; p is as it was then.
func (s *Set) place(p *placement, d chunk.Dimensions, k chunk.Kind, adm *Admission) error {
	if o := p.next[p.shard]; s.shards[p.shard].table.is(o, d, k) {
		p.ordinal = o
		return nil
	}
	n := uint64(len(s.shards))
	source := d.Source()
	home := int(source % n)
	if o := p.next[home]; home != p.shard && s.shards[home].table.is(o, d, k) {
		p.shard, p.ordinal = home, o
		return nil
	}
	h := hashSeries(d, k)
	if o, ok := s.shards[home].table.find(h, d, k); ok {
		p.shard, p.ordinal = home, o
		return nil
	}
	away := int(d.Hash() % n)
	if away != home {
		if o, ok := s.shards[away].table.find(h, d, k); ok {
			p.shard, p.ordinal = away, o
			return nil
		}
		if s.shards[home].table.crowded(source, mostPerSource) {
			home = away
		}
	}
	if adm != nil && adm.Series != nil {
		if err := adm.Series(d); err != nil {
			return err
		}
	}
	p.shard, p.ordinal = home, s.shards[home].table.add(h, source, d, k)
	return nil
}

// append writes rows to the log, and then to the head.
func (s *Shard) append(rows []routedRow) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	w := appendRuns.Get().(*appendRun)
	defer w.release()
	w.shard, w.head = s, s.activeHead()
	w.enc.reset()
	w.head.mark(rows)
	for i := range rows {
		if err := w.add(&rows[i]); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.settle()
}

var appendRuns = sync.Pool{New: func() any { return new(appendRun) }}

// An appendRun writes the rows of one batch to one shard, in as many records as it takes.
type appendRun struct {
	shard   *Shard
	head    *head
	enc     rowEncoder
	rows    []headRow // of all records
	cut     int       // so many of them are in records that were handed over
	tickets []ticket
	grown   int64 // bytes that the head grew
	dims    chunk.Dimensions
}

// A ticket is a record that was handed over, and the rows in it.
type ticket struct {
	wal.Ticket
	from, to int
}

// release gives the memory back, and keeps nothing of the batch alive.
func (w *appendRun) release() {
	clear(w.rows)
	w.enc.reset()
	clear(w.dims)
	*w = appendRun{enc: w.enc, rows: w.rows[:0], tickets: w.tickets[:0], dims: w.dims[:0]}
	appendRuns.Put(w)
}

// add encodes one row, cut where it is long.
func (w *appendRun) add(r *routedRow) error {
	var identity chunk.Dimensions
	if !r.inHead {
		if identity = r.dimensions; identity == nil {
			w.dims = w.shard.table.appendDims(w.dims[:0], r.ordinal)
			if identity = w.dims; identity == nil {
				identity = chunk.Dimensions{} // a series without dimensions has an identity, too
			}
		}
	}
	n := r.samples.Len()
	if n <= rowsPerRecord && r.samples.Kind != chunk.String {
		return w.put(r.ordinal, identity, r.samples)
	}
	for i := 0; i < n; i += rowsPerRecord {
		if err := w.addPart(r.ordinal, identity, r.samples.Slice(i, min(i+rowsPerRecord, n))); err != nil {
			return err
		}
	}
	return nil
}

// addPart encodes a part of a row, cut where its strings are large.
func (w *appendRun) addPart(o uint32, identity chunk.Dimensions, part chunk.Samples) error {
	for start := 0; start < part.Len(); {
		end := part.Len()
		if part.Kind == chunk.String {
			end = start
			for size := 0; end < part.Len() && (size < recordBytes || end == start); end++ {
				size += len(part.Strings[end]) + 16
			}
		}
		cut := part.Slice(start, end)
		if err := w.put(o, identity, &cut); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// put encodes samples that fit a record.
func (w *appendRun) put(o uint32, identity chunk.Dimensions, s *chunk.Samples) error {
	w.enc.add(o, identity, s)
	w.rows = append(w.rows, headRow{o, s})
	if len(w.enc.buf) >= recordBytes {
		return w.flush()
	}
	return nil
}

// flush hands the record over to the log.
func (w *appendRun) flush() error {
	if len(w.rows) == w.cut {
		return nil
	}
	t, err := w.shard.log.Enqueue(w.enc.record())
	if err != nil {
		return errors.Join(err, w.settle())
	}
	w.tickets = append(w.tickets, ticket{t, w.cut, len(w.rows)})
	w.cut = len(w.rows)
	w.enc.reset()
	return nil
}

// settle waits until the records are durable and puts their rows into the head, in the order of
// the log, whatever happens to the caller meanwhile. Records behind one that could not be written
// may be durable all the same, and others wait for their turn behind them.
func (w *appendRun) settle() error {
	var failed error
	for _, t := range w.tickets {
		if err := t.Wait(context.Background()); err != nil {
			failed = errors.Join(failed, err)
			continue // its number goes to another record
		}
		w.shard.inTurn(t.Seq, func() { w.grown += w.head.append(w.rows[t.from:t.to]) })
	}
	w.tickets = w.tickets[:0]
	w.shard.set.addHeadBytes(w.grown)
	w.grown = 0
	return failed
}

// inTurn runs f when all records before seq have been applied.
func (s *Shard) inTurn(seq uint64, f func()) {
	s.turnMu.Lock()
	defer s.turnMu.Unlock()
	for s.applied+1 != seq {
		s.turn.Wait()
	}
	f()
	s.applied = seq
	s.turn.Broadcast()
}

// sparseHeads is how many times as much memory heads may take that have few observations of each of
// very many series: sealed sooner they make tiny chunks, which take longer to write, and then to
// merge, than all else that is done for an observation.
const sparseHeads = 3

// fullAt returns the memory at which heads are full.
func (s *Set) fullAt() int64 {
	for _, sh := range s.shards {
		sh.mu.Lock()
		active, sealing := sh.cur.active, sh.cur.sealing
		sh.mu.Unlock()
		if !active.sparse() || sealing != nil && !sealing.sparse() {
			return s.o.HeadBytes
		}
	}
	return sparseHeads * s.o.HeadBytes
}

// hasRoom reports whether heads may grow: they hold less than HeadBytes beyond what makes them full.
func (s *Set) hasRoom() bool {
	bytes := s.headBytes.Load()
	return bytes < 2*s.o.HeadBytes || bytes < s.o.HeadBytes+s.fullAt()
}

// addHeadBytes notes that heads grew, and has the largest one sealed where they are full.
func (s *Set) addHeadBytes(n int64) {
	if bytes := s.headBytes.Add(n); bytes < s.o.HeadBytes || bytes < s.fullAt() {
		return
	}
	var largest *Shard
	most := int64(0)
	for _, sh := range s.shards {
		if sh.busy.Load() {
			continue
		}
		if _, bytes := sh.activeHead().size(); bytes > most {
			most, largest = bytes, sh
		}
	}
	if largest != nil {
		largest.requestSeal()
	}
}

// waitForRoom waits while heads hold much more memory than they should. Where sealing has failed before, as
// on a full disk, it is tried once more.
func (s *Set) waitForRoom(ctx context.Context) error {
	for tried := false; !s.hasRoom(); tried = true {
		s.roomMu.Lock()
		room := s.room
		s.roomMu.Unlock()
		if s.hasRoom() {
			return nil
		}
		for _, sh := range s.shards {
			err := sh.sealError()
			if err != nil && tried {
				return fmt.Errorf("no memory left, since sealing failed: %w", err)
			}
			if err != nil {
				sh.sealAgain()
			}
		}
		s.addHeadBytes(0)
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.ctx.Done():
			return ErrClosed
		}
	}
	return nil
}

// madeRoom wakes who waits for room.
func (s *Set) madeRoom() {
	s.roomMu.Lock()
	defer s.roomMu.Unlock()
	close(s.room)
	s.room = make(chan struct{})
}
