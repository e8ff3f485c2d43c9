package query

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
)

// A Selector is one part of what is asked, such as a shard. It is safe for concurrent use. A series
// is in one part only.
type Selector interface {
	// Select returns the series that match f, and their observations within span.
	Select(ctx context.Context, f index.Filter, span chunk.Span) (chunk.Selection, error)
}

// A Request is what a query is asked about.
type Request struct {
	Span     chunk.Span     // of the observations; the zero Span is [chunk.Always]
	Location *time.Location // of the calendar, for windows; nil is UTC
}

// A Result answers a query.
type Result struct {
	Series   []ResultSeries // by dimensions, unless the query sorted them
	Warnings []string       // what the answer leaves out, or rounds, and why
	Stats    Stats
}

// A ResultSeries is one row of a result: observations, values of windows, or a single value. Several
// rows may share a column of stamps; do not modify them.
type ResultSeries struct {
	// Dimensions are those of the series; of a group, the ones that it was grouped by. Where a
	// stage has several results, the dimension "aggregate" names each.
	Dimensions chunk.Dimensions
	// Samples are observations in order of time; of windows, each is stamped at its start. Values
	// keep their kind until a function works with them. Empty where Single.
	Samples chunk.Samples
	Single  bool    // the row is the one Value, without a stamp
	Value   float64 // where Single, and not IsText
	Text    string  // where IsText
	IsText  bool    // the single value is a string
}

// AggregateName is the dimension that names a result where a stage has several.
const AggregateName = "aggregate"

// Stats say what a query had to do.
type Stats struct {
	SeriesSelected  int64         `json:"series"`                 // series that the selectors found
	Chunks          int64         `json:"chunks"`                 // pieces of them that the query was about
	ChunksFromStats int64         `json:"chunks_from_statistics"` // of these, answered from statistics alone
	ChunksDecoded   int64         `json:"chunks_decoded"`         // of these, read
	ChunksCut       int64         `json:"chunks_cut"`             // of the ones read, those that statistics could not describe: cut by the span, not yet sealed, or changed
	ChunksCorrupt   int64         `json:"chunks_corrupt"`         // of these, skipped since they are damaged
	Observations    int64         `json:"observations"`           // in the chunks that were read
	BytesDecoded    int64         `json:"bytes_decoded"`          // of their columns, stamps counted once where they are shared
	PeakBytes       int64         `json:"peak_bytes"`             // the most memory that was reserved at a time
	Duration        time.Duration `json:"duration_ns"`            // where [Options.Clock] is set
}

// add counts o to s.
func (s *Stats) add(o *Stats) {
	s.SeriesSelected += o.SeriesSelected
	s.Chunks += o.Chunks
	s.ChunksFromStats += o.ChunksFromStats
	s.ChunksDecoded += o.ChunksDecoded
	s.ChunksCut += o.ChunksCut
	s.ChunksCorrupt += o.ChunksCorrupt
	s.Observations += o.Observations
	s.BytesDecoded += o.BytesDecoded
	s.PeakBytes = max(s.PeakBytes, o.PeakBytes)
	s.Duration += o.Duration
}

// String prints s in one line, without its duration.
func (s *Stats) String() string {
	return fmt.Sprintf("%d series, %d chunks: %d from statistics, %d decoded (%d cut), %d corrupt; %d observations, %d bytes",
		s.SeriesSelected, s.Chunks, s.ChunksFromStats, s.ChunksDecoded, s.ChunksCut, s.ChunksCorrupt, s.Observations, s.BytesDecoded)
}

// Options bound and watch the work of an [Engine]. The zero value is usable.
type Options struct {
	MemoryLimit     int64            // bytes that one query may reserve; 0 means 1 GiB
	MaxObservations int64            // that one query may read, statistics of chunks aside; 0 means no bound
	MaxBytes        int64            // of columns that one query may decode, as Stats counts them; 0 means no bound
	Workers         int              // goroutines of one query; 0 means one for each processor that Go uses
	Clock           func() time.Time // measures durations; nil: they are 0

	// Reserve, where it is not nil, is asked for n more bytes by all queries, and told of those that
	// are not needed any more by a negative n; its error ends the query. All are given back at the
	// end of the query, when its result is the caller's.
	Reserve func(n int64) error
}

// An Engine answers queries about all of its parts. It is safe for concurrent use.
type Engine struct {
	Parts   []Selector
	Options Options
	Pool    *Pool // what it reads with; nil: of its own

	own Pool
}

// A Pool is memory that queries read with, kept from one to the next. Engines over the same parts, in
// the same order, may share one. The zero value is ready.
type Pool struct {
	workers sync.Pool // of *worker
}

// pool returns the memory that e uses.
func (e *Engine) pool() *Pool {
	if e.Pool != nil {
		return e.Pool
	}
	return &e.own
}
