package shard

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// A Policy says how old the observations of some series get.
type Policy struct {
	Filter index.Filter  // of which series; nil means all
	Age    time.Duration // after which they go; 0 or less keeps them forever
}

// SetRetention replaces the policies of the store, while it runs. The first policy that a series
// matches is its own, so exceptions come first and a rule for all comes last; a series that none
// matches has the age of [Options].Retention. Policies are not kept on disk: whoever opens the
// store tells them.
//
// What goes is all that a series has in a partition, when the last stamp of the partition has
// reached the age: so an observation is seen until it is that old, and for up to the width of a
// partition longer. It goes in one step: a selection has all that the series holds in the
// partition or nothing of it, also after a crash. Where all of a segment goes, its file does; of
// other segments the observations are masked by one deletion, and compaction frees their space.
// The store looks for what has to go every minute, unless it is Manual; see [Set.Retain]. What is
// written when it is too old already is seen until then.
func (s *Set) SetRetention(policies []Policy) {
	s.rules.Store(newRules(policies, s.o.Retention))
	for _, sh := range s.shards {
		sh.requestWork()
	}
}

// Retain lets go, at once, of all that the policies do not keep. The store does so by itself, unless
// it is Manual. It reads the directory of the store and not the observations, and asks the index
// once a policy, only when a partition has reached its age.
func (s *Set) Retain(ctx context.Context) error {
	if err := s.usable(); err != nil {
		return fmt.Errorf("retain: %w", err)
	}
	now := s.o.Now()
	if err := s.each(func(sh *Shard) error { return sh.retain(ctx, now) }); err != nil {
		return fmt.Errorf("retain: %w", err)
	}
	return nil
}

// An Expiry is what of one partition policies do not keep.
type Expiry struct {
	Span     chunk.Span // of the partition
	Series   int64      // whose observations there go
	Segments int        // of which nothing stays
	Bytes    int64      // of these segments
}

// Expired returns what policies would let go of now, by partition, oldest first; the policies of the
// store itself where they are nil. It changes nothing.
func (s *Set) Expired(ctx context.Context, policies []Policy) ([]Expiry, error) {
	if s.closed.Load() {
		return nil, fmt.Errorf("expired: %w", ErrClosed)
	}
	r, now := s.rules.Load(), s.o.Now()
	if policies != nil {
		r = newRules(policies, 0)
	}
	var mu sync.Mutex
	found := map[int64]Expiry{}
	err := s.each(func(sh *Shard) error {
		v := sh.acquire()
		defer sh.releaseVersion(v)
		parts, err := sh.expiring(ctx, r, v, now)
		mu.Lock()
		defer mu.Unlock()
		for _, p := range parts {
			e := found[p.partition]
			e.Span = partitionSpan(p.partition, s.width)
			e.Series += int64(p.series.GetCardinality())
			for _, g := range p.whole {
				e.Segments++
				e.Bytes += g.entry.bytes
			}
			found[p.partition] = e
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("expired: %w", err)
	}
	var out []Expiry
	for _, e := range found {
		if e.Series > 0 || e.Segments > 0 {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Expiry) int {
		if a.Span.Start < b.Span.Start {
			return -1
		}
		return 1
	})
	return out, nil
}

// Rules are policies of which the last one matches all series. They do not change; another set of
// them is known by its address.
type rules struct{ list []Policy }

func newRules(policies []Policy, rest time.Duration) *rules {
	r := new(rules)
	for _, p := range policies {
		if p.Filter == nil || p.Filter.String() == index.All().String() {
			r.list = append(r.list, Policy{Age: p.Age})
			return r
		}
		r.list = append(r.list, p)
	}
	r.list = append(r.list, Policy{Age: rest})
	return r
}

// horizon returns the stamp that something kept for age must have reached.
func horizon(now time.Time, age time.Duration) int64 {
	at := now.UnixNano()
	if age <= 0 || at < math.MinInt64+int64(age) {
		return math.MinInt64
	}
	return at - int64(age)
}

// latest returns the stamp from which on no policy lets go of anything.
func (r *rules) latest(now time.Time) int64 {
	at := int64(math.MinInt64)
	for _, p := range r.list {
		at = max(at, horizon(now, p.Age))
	}
	return at
}

// due reports whether policy i does not keep observations up to end, excluded.
func (r *rules) due(i int, end int64, now time.Time) bool {
	return r.list[i].Age > 0 && end <= horizon(now, r.list[i].Age)
}

// countDue returns how many policies are due. That tells which ones: those of the least ages.
func (r *rules) countDue(end int64, now time.Time) (n int) {
	for i := range r.list {
		if r.due(i, end, now) {
			n++
		}
	}
	return n
}

// A retained mark says which policies a segment has seen.
type retained struct {
	rules *rules
	due   int
}

func (m *retained) is(r *rules, due int) bool { return m != nil && *m == retained{r, due} }

// An expiringPart is a partition some of whose series have reached their age.
type expiringPart struct {
	partition int64
	due       int             // policies
	heads     *roaring.Bitmap // series that heads have there
	segments  []*segmentFile
	series    *roaring.Bitmap // that have to go
	whole     []*segmentFile  // of which nothing stays
	masked    *roaring.Bitmap // of series, those that a deletion has to take
}

// retain masks first what goes of segments and heads that stay, by one durable deletion for each
// partition, and then drops segments: so nothing that was overwritten is seen again in between.
func (s *Shard) retain(ctx context.Context, now time.Time) error {
	r := s.set.rules.Load()
	if r.latest(now) == math.MinInt64 {
		return nil
	}
	s.compacting.Lock()
	defer s.compacting.Unlock()
	v := s.acquire()
	defer s.releaseVersion(v)
	parts, err := s.expiring(ctx, r, v, now)
	if err != nil || len(parts) == 0 {
		return err
	}
	var gone []*segmentFile
	for _, p := range parts {
		if gone = append(gone, p.whole...); p.masked.IsEmpty() {
			continue
		}
		span := partitionSpan(p.partition, s.set.width)
		if err := s.logDeletion(ctx, span, p.masked); err != nil {
			return fmt.Errorf("shard %d: %w", s.number, err)
		}
		s.logger.Info("series have reached their age", "partition", span.String(), "series", p.masked.GetCardinality())
	}
	if err := s.drop(ctx, gone); err != nil {
		return err
	}
	for _, p := range parts {
		for _, g := range p.segments {
			g.retained.Store(&retained{r, p.due})
		}
	}
	return nil
}

// drop removes segments at once. The caller holds compacting.
func (s *Shard) drop(ctx context.Context, gone []*segmentFile) error {
	if len(gone) == 0 {
		return nil
	}
	err := s.edit(func(_ *manifest, v *version) {
		v.segments = slices.DeleteFunc(v.segments, func(g *segmentFile) bool { return slices.Contains(gone, g) })
	})
	if err != nil {
		return fmt.Errorf("shard %d: %w", s.number, err)
	}
	for _, g := range gone {
		g.obsolete.Store(true)
		s.logger.Info("segment dropped, all in it has reached its age", "file", g.path, "span", g.span.String())
	}
	s.updateIndex(ctx)
	return nil
}

// expiring finds the partitions with something that has reached its age since the last time.
func (s *Shard) expiring(ctx context.Context, r *rules, v *version, now time.Time) ([]*expiringPart, error) {
	parts := map[int64]*expiringPart{}
	part := func(n int64) *expiringPart {
		p := parts[n]
		if p == nil {
			p = &expiringPart{partition: n, heads: roaring.New(), due: r.countDue(partitionSpan(n, s.set.width).End, now)}
			parts[n] = p
		}
		return p
	}
	look := map[int64]bool{}
	for _, g := range v.segments {
		p := part(g.entry.partition)
		p.segments = append(p.segments, g)
		if p.due > 0 && !g.retained.Load().is(r, p.due) {
			look[p.partition] = true
		}
	}
	before := partitionSpan(partitionOf(r.latest(now), s.set.width), s.set.width).Start
	for _, h := range v.heads() {
		for n, series := range h.partitions(s.set.width, before) {
			p := part(n)
			if h == v.sealing {
				series = v.visible(series, v.sealSeq, partitionSpan(n, s.set.width))
			}
			p.heads.Or(series)
			look[n] = look[n] || p.due > 0 && !series.IsEmpty()
		}
	}
	owners := owners{shard: s, rules: r, v: v}
	var out []*expiringPart
	for n := range look {
		p := parts[n]
		if err := owners.choose(ctx, p, now); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *expiringPart) int {
		if a.partition < b.partition {
			return -1
		}
		return 1
	})
	return out, nil
}

// visible returns those of series that deletions after seq do not remove from the whole of span.
func (v *version) visible(series *roaring.Bitmap, seq uint64, span chunk.Span) *roaring.Bitmap {
	for i := range v.deletions {
		if d := &v.deletions[i]; d.seq > seq && d.span.Covers(span) {
			series = roaring.AndNot(series, d.series)
		}
	}
	return series
}

// owners tell which series are whose: matches has for each policy the series that its selector
// finds, looked up when they are first asked for.
type owners struct {
	shard   *Shard
	rules   *rules
	v       *version
	matches []*roaring.Bitmap
}

// of returns the series that the selector of policy i finds, among those with observations.
func (w *owners) of(ctx context.Context, i int) (*roaring.Bitmap, error) {
	for len(w.matches) <= i {
		found, err := w.shard.match(ctx, w.v, w.rules.list[len(w.matches)].Filter, chunk.Always)
		if err != nil {
			return nil, err
		}
		w.matches = append(w.matches, found)
	}
	return w.matches[i], nil
}

// choose says what of a partition goes, and how.
func (w *owners) choose(ctx context.Context, p *expiringPart, now time.Time) error {
	span := partitionSpan(p.partition, w.shard.set.width)
	seen := make([]*roaring.Bitmap, len(p.segments))
	rest := p.heads.Clone()
	for i, g := range p.segments {
		seen[i] = w.v.visible(g.has, g.seen(), g.span)
		rest.Or(seen[i])
	}
	last := len(w.rules.list) - 1
	all := p.due == last+1
	p.series, p.masked = roaring.New(), roaring.New()
	if all {
		p.series, rest = rest, nil
	}
	for i := 0; rest != nil && i <= last; i++ {
		mine := rest
		if i < last {
			found, err := w.of(ctx, i)
			if err != nil {
				return err
			}
			mine = roaring.And(rest, found)
		}
		if w.rules.due(i, span.End, now) {
			p.series.Or(mine)
		}
		rest = roaring.AndNot(rest, mine)
	}
	p.masked.Or(roaring.And(p.heads, p.series))
	for i, g := range p.segments {
		// Who owns the series of a segment that cannot be read is not known, unless all must go.
		if all || g.err == nil && roaring.AndNot(seen[i], p.series).IsEmpty() {
			p.whole = append(p.whole, g)
			continue
		}
		p.masked.Or(roaring.And(seen[i], p.series))
	}
	return nil
}
