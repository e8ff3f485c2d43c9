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
	if err := validate(b); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	if err := s.waitForRoom(ctx); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	parts := s.route(b)
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

func validate(b *chunk.Batch) error {
	for i := range b.Rows {
		r := &b.Rows[i]
		if !r.Samples.Valid() {
			return fmt.Errorf("row %d, series %v: columns of different lengths or kinds: %w", i, r.Dimensions, ErrInvalid)
		}
		if i > 0 && sameSlice(r.Dimensions, b.Rows[i-1].Dimensions) {
			continue
		}
		if err := r.Dimensions.Validate(); err != nil {
			return fmt.Errorf("row %d: %w: %w", i, err, ErrInvalid)
		}
	}
	for i := range b.Rows {
		for _, v := range b.Rows[i].Samples.Strings {
			if len(v) > maxStringBytes {
				return fmt.Errorf("row %d, series %v: a string of %d bytes, at most %d: %w",
					i, b.Rows[i].Dimensions, len(v), maxStringBytes, ErrInvalid)
			}
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
	dimensions chunk.Dimensions
	samples    *chunk.Samples
}

// route finds the shard and the ordinal of each row; new series get one. It returns the rows by
// shard.
func (s *Set) route(b *chunk.Batch) [][]routedRow {
	parts := make([][]routedRow, len(s.shards))
	var last *chunk.BatchRow
	shard, o := 0, uint32(0)
	for i := range b.Rows {
		r := &b.Rows[i]
		if r.Samples.Len() == 0 {
			continue
		}
		if last == nil || last.Samples.Kind != r.Samples.Kind || !sameSlice(last.Dimensions, r.Dimensions) {
			shard, o = s.place(r.Dimensions, r.Samples.Kind)
		}
		last = r
		parts[shard] = append(parts[shard], routedRow{o, r.Dimensions, &r.Samples})
	}
	return parts
}

// place returns the shard and the ordinal of a series, see the package comment.
func (s *Set) place(d chunk.Dimensions, k chunk.Kind) (shard int, o uint32) {
	n := uint64(len(s.shards))
	source, h := d.Source(), hashSeries(d, k)
	home := int(source % n)
	if o, ok := s.shards[home].table.find(h, d, k); ok {
		return home, o
	}
	away := int(d.Hash() % n)
	if away != home {
		if o, ok := s.shards[away].table.find(h, d, k); ok {
			return away, o
		}
		if s.shards[home].table.crowded(source, mostPerSource) {
			home = away
		}
	}
	return home, s.shards[home].table.add(h, source, d, k)
}

// append writes rows to the log, and then to the head.
func (s *Shard) append(rows []routedRow) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	head := s.activeHead()
	w := appendRun{shard: s, head: head, enc: encoders.Get().(*rowEncoder)}
	defer encoders.Put(w.enc)
	w.enc.reset()
	for _, r := range rows {
		if err := w.add(r); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	return w.settle()
}

var encoders = sync.Pool{New: func() any { return new(rowEncoder) }}

// An appendRun writes the rows of one batch to one shard, in as many records as it takes.
type appendRun struct {
	shard   *Shard
	head    *head
	enc     *rowEncoder
	rows    []headRow // of the record being built
	tickets []wal.Ticket
	waiting [][]headRow // of the tickets
	grown   int64       // bytes that the head grew
}

// add encodes one row, cut where it is long.
func (w *appendRun) add(r routedRow) error {
	identity := r.dimensions
	if w.head.has(r.ordinal) {
		identity = nil
	}
	for i := 0; i < r.samples.Len(); i += rowsPerRecord {
		part := *r.samples
		if part.Len() > rowsPerRecord {
			part = r.samples.Slice(i, min(i+rowsPerRecord, r.samples.Len()))
		}
		if err := w.addPart(r.ordinal, identity, part); err != nil {
			return err
		}
	}
	return nil
}

func (w *appendRun) addPart(o uint32, identity chunk.Dimensions, part chunk.Samples) error {
	for start := 0; start < part.Len(); {
		end := part.Len()
		if part.Kind == chunk.String {
			end = start
			for size := 0; end < part.Len() && (size < recordBytes || end == start); end++ {
				size += len(part.Strings[end]) + 16
			}
		}
		cut := part
		if start > 0 || end < part.Len() {
			cut = part.Slice(start, end)
		}
		w.enc.add(o, identity, &cut)
		w.rows = append(w.rows, headRow{o, cut})
		start = end
		if len(w.enc.buf) >= recordBytes {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush hands the record over to the log.
func (w *appendRun) flush() error {
	if len(w.rows) == 0 {
		return nil
	}
	ticket, err := w.shard.log.Enqueue(w.enc.record())
	if err != nil {
		return errors.Join(err, w.settle())
	}
	w.tickets = append(w.tickets, ticket)
	w.waiting = append(w.waiting, w.rows)
	w.rows = nil
	w.enc.reset()
	return nil
}

// settle waits until the records are durable and puts their rows into the head, in the order of
// the log, whatever happens to the caller meanwhile.
func (w *appendRun) settle() error {
	for i, t := range w.tickets {
		if err := t.Wait(context.Background()); err != nil {
			return err // the log takes nothing more, so nobody waits for our turn
		}
		w.shard.inTurn(t.Seq, func() { w.grown += w.head.append(w.waiting[i]) })
	}
	w.tickets, w.waiting = nil, nil
	w.shard.set.addHeadBytes(w.grown)
	w.grown = 0
	return nil
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

// addHeadBytes notes that heads grew, and has the largest one sealed where they are full.
func (s *Set) addHeadBytes(n int64) {
	if s.headBytes.Add(n) < s.o.HeadBytes {
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

// waitForRoom waits while heads hold twice the memory they should.
func (s *Set) waitForRoom(ctx context.Context) error {
	for s.headBytes.Load() >= 2*s.o.HeadBytes {
		s.roomMu.Lock()
		room := s.room
		s.roomMu.Unlock()
		if s.headBytes.Load() < 2*s.o.HeadBytes {
			return nil
		}
		for _, sh := range s.shards {
			if err := sh.sealError(); err != nil {
				sh.requestSeal() // for who comes next
				return fmt.Errorf("no memory left, since sealing failed: %w", err)
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
