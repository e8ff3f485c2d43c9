// Package source reads observations from other stores that run: from Prometheus and what speaks its
// remote read, from InfluxDB 1.x by queries, from VictoriaMetrics by its export. It hands batches to a
// function of the caller, and knows nothing of our store.
//
// Start at [Import]. What is to be read is cut into slices of time, read one after another; a slice
// that was interrupted is read again, and writes the same. So memory is for a part of a slice, and
// an import can be repeated, or go on where its state says it was.
//
// # What becomes of what
//
//	prometheus, victoriametrics   labels as dimensions, __name__ as metric; float64, native
//	                              histograms as package promwrite keeps them
//	influxdb                      the tags, measurement, field, metric = measurement_field; db, and rp
//	                              unless it is autogen or default; float64, int64, bool, string
//
// Prometheus' floats are the same to the bit, stale markers among them. VictoriaMetrics and InfluxDB
// send text: VictoriaMetrics tells one NaN from no other, so a stale marker comes as a plain NaN.
package source

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
)

// The kinds of stores that can be read.
const (
	Prometheus      = "prometheus"
	InfluxDB        = "influxdb"
	VictoriaMetrics = "victoriametrics"
)

// ErrKind means that it is not known what kind of store an address is of.
var ErrKind = errors.New("unknown kind of store")

// Options say what is read. URL is needed, and Kind unless the scheme says it.
type Options struct {
	URL            string            // such as http://host:9090, prometheus+http://host:9090
	Kind           string            // one of the kinds; "" means what the URL's scheme begins with
	Span           chunk.Span        // of stamps; the zero Span is all
	Match          []string          // selectors as the store has them; none is all; see docs/migrate.md
	Databases      []string          // of InfluxDB; none is all but _internal
	User           string            // with Password, for basic authentication; else that of the URL
	Password       string            // likewise
	Token          string            // sent as Authorization: Bearer
	Slice          time.Duration     // of time that is read at once; 0 means a day
	BytesPerSecond int64             // read at most; 0 means no bound
	Set            []chunk.Dimension // given to every series that has none of that name
	State          string            // file that remembers which slices are done; "" is none
	Progress       func(Progress)    // told after each slice and batch; may be nil
	Warn           func(string)      // told what is not as in the source; may be nil

	Client *http.Client                               // nil means one of its own
	Now    func() time.Time                           // nil means time.Now
	Wait   func(context.Context, time.Duration) error // before trying again; nil waits by the clock
}

// Progress is how far an [Import] is.
type Progress struct {
	Slices, Of   int // done, of all; slices are of different sizes
	Observations int64
	Bytes        int64 // read
	At           string
}

// A Summary is what an [Import] has done.
type Summary struct {
	Series       int64 // rows of batches: a series counts once for each part of it
	Observations int64
	Refused      int64 // that cannot be a series or a value here, see Warn
	Bytes        int64
	Slices       int
	Skipped      int // slices that the state says were done before
}

// A Sink takes a batch, which is valid until it returns. What it returns nil for is done: it must be
// durable.
type Sink func(context.Context, *chunk.Batch) error

// A slice is a part of what is to be read.
type slice struct {
	unit string // what of the store: "" for all of it
	span chunk.Span
}

func (s slice) String() string {
	if s.unit == "" {
		return s.span.String()
	}
	return s.unit + " " + s.span.String()
}

// A reader knows one kind of store.
type reader interface {
	// plan returns the slices, in the order in which they are to be read.
	plan(ctx context.Context) ([]slice, error)
	// read gives the observations of a slice to the collector.
	read(ctx context.Context, s slice, c *collector) error
}

// Import reads a store and hands its observations to sink, in batches, slice by slice. It ends with
// the first error of sink or ctx, and with one of the source after several tries; the summary says
// how far it came. To repeat it is safe: the same observations have the same stamps.
func Import(ctx context.Context, o Options, sink Sink) (Summary, error) {
	o = o.withDefaults()
	f, err := newFetcher(&o)
	if err != nil {
		return Summary{}, err
	}
	var r reader
	switch o.Kind {
	case Prometheus:
		r = &prometheus{o: &o, f: f}
	case InfluxDB:
		r = &influx{o: &o, f: f}
	case VictoriaMetrics:
		r = &victoria{o: &o, f: f}
	default:
		return Summary{}, fmt.Errorf("%w %q: want %s, %s or %s", ErrKind, o.Kind, Prometheus, InfluxDB, VictoriaMetrics)
	}
	run := &run{o: &o, f: f, r: r, c: &collector{sink: sink, set: o.Set, warn: o.Warn}}
	err = run.all(ctx)
	run.sum.Series, run.sum.Observations, run.sum.Refused = run.c.rows, run.c.done, run.c.refused
	run.sum.Bytes = f.bytes.Load()
	if err != nil {
		return run.sum, fmt.Errorf("import from %s: %w", f.base.Redacted(), err)
	}
	return run.sum, nil
}

func (o Options) withDefaults() Options {
	if o.Span == (chunk.Span{}) {
		o.Span = chunk.Always
	}
	if o.Slice <= 0 {
		o.Slice = 24 * time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	return o
}

// address returns the URL of the store, and its kind where the scheme says it.
func address(text string) (base *url.URL, kind string, err error) {
	if before, after, ok := strings.Cut(text, "+"); ok && strings.HasPrefix(after, "http") {
		kind, text = before, after
	}
	base, err = url.Parse(text)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, "", fmt.Errorf("%q is no address of a store: want one such as prometheus+http://host:9090", text)
	}
	return base, kind, nil
}
