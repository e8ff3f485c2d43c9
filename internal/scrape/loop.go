package scrape

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/ingest/promtext"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// tolerance is how late a scrape may be and still have the stamp at which it should have been: equal
// steps take less room. It is at most a hundredth of the interval.
const tolerance = 2 * time.Millisecond

// reports are the series about each scrape, in the order of report.
var reports = [...]string{"up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"}

// A loop scrapes one target again and again.
type loop struct {
	m      *Manager
	t      *target
	client *http.Client
	forced error // why every scrape fails; nil: it need not
	cancel context.CancelFunc
	done   chan struct{}
	status atomic.Pointer[Target]

	// Of the goroutine.
	decoder promtext.Decoder
	cache   map[string]*entry // series by how the target writes them
	orphans map[uint64]chunk.Dimensions
	reports []chunk.Dimensions
	body    []byte
	number  uint64 // of the scrape
	last    int64  // stamp
	counts  counts
}

// An entry is a series of a target.
type entry struct {
	dims    chunk.Dimensions // nil where it is not wanted
	seen    uint64           // number of the last scrape that had it
	tracked bool             // whether it gets a stale marker when it is gone
	live    bool             // whether it is to get one
}

// counts are figures of one scrape.
type counts struct{ scraped, kept, added int }

func newLoop(m *Manager, t *target, client *http.Client) (*loop, error) {
	l := &loop{m: m, t: t, client: client, cache: map[string]*entry{}, done: make(chan struct{})}
	l.decoder = promtext.Decoder{
		Builder: promwrite.Builder{Who: "scrape", Known: &m.known}, Strict: true, IgnoreStamps: !t.job.HonorTimestamps, Series: l.series,
	}
	for _, name := range reports {
		b := labels.NewBuilder(t.labels)
		b.Set(model.MetricNameLabel, name)
		dims, err := l.decoder.Dimensions(b.Labels())
		if err != nil {
			return nil, err
		}
		l.reports = append(l.reports, dims)
	}
	l.status.Store(&Target{Job: t.job.JobName, URL: t.url, Labels: t.labels.Map(), Health: "unknown"})
	return l, nil
}

// run scrapes until ctx is done.
func (l *loop) run(ctx context.Context) {
	defer close(l.done)
	timer := time.NewTimer(l.t.offset(l.m.o.Now()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
	}
	ticker := time.NewTicker(l.t.interval)
	defer ticker.Stop()
	for due := l.m.o.Now().Round(0); ; {
		now := l.m.o.Now().Round(0)
		due = due.Add(now.Sub(due) / l.t.interval * l.t.interval)
		if late := now.Sub(due); late >= 0 && late <= min(tolerance, l.t.interval/100) {
			now = due
		}
		l.scrape(ctx, now)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// scrape scrapes once, and stores what came, with the stamp at unless it has its own.
func (l *loop) scrape(ctx context.Context, at time.Time) {
	start := l.m.o.Now()
	l.number++
	l.last = at.UnixMilli() * int64(time.Millisecond)
	l.counts = counts{}
	err := l.forced
	var media string
	if err == nil {
		media, err = l.fetch(ctx)
	}
	if ctx.Err() != nil {
		return // it was not the target's fault
	}
	d := &l.decoder
	d.Now, d.Stamp = l.last, l.last
	if err == nil {
		err = d.Decode(l.body, media)
	} else {
		d.Reset()
	}
	l.settle(err == nil)
	took := l.m.o.Now().Sub(start)
	l.report(err == nil, took)
	l.store(ctx)
	l.note(at, took, err)
}

// report adds the series about the scrape.
func (l *loop) report(ok bool, took time.Duration) {
	up, c := 0.0, l.counts
	if ok {
		up = 1
	}
	for i, v := range [...]float64{up, took.Seconds(), float64(c.scraped), float64(c.kept), float64(c.added)} {
		l.decoder.AddSample(l.reports[i], l.last, v)
	}
}

// store stores the batch of the decoder. What is begun is ended, though ctx may be.
func (l *loop) store(ctx context.Context) {
	ctx = access.With(context.WithoutCancel(ctx), &access.Identity{Name: "scrape", Rights: access.Write})
	out, err := l.m.o.Gate.Append(ctx, &l.decoder.Batch)
	switch {
	case err != nil:
		l.m.o.Logger.Error("a scrape was not stored", "job", l.t.job.JobName, "target", l.t.url, "error", err)
	case len(out.Refused) > 0:
		l.m.o.Logger.Warn("a part of a scrape was not stored", "job", l.t.job.JobName, "target", l.t.url, "series", len(out.Refused),
			"reason", out.Refused[0].Reason)
	default:
		l.decoder.Stored()
	}
}

// note keeps what is shown of the target, and logs when its health changes.
func (l *loop) note(at time.Time, took time.Duration, err error) {
	before, now := l.status.Load(), *l.status.Load()
	now.LastScrape, now.LastDuration, now.Samples, now.Health, now.LastError = at, took, l.counts.kept, "up", ""
	if err != nil {
		now.Health, now.LastError = "down", err.Error()
	}
	l.status.Store(&now)
	switch {
	case err != nil && before.Health != "down":
		l.m.o.Logger.Warn("a target is down", "job", now.Job, "target", now.URL, "error", err)
	case err == nil && before.Health == "down":
		l.m.o.Logger.Info("a target is up again", "job", now.Job, "target", now.URL)
	}
}

// accept says which expositions are wanted, most of all the first.
func (c *Config) accept() string {
	text := "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
	if c.ScrapeNativeHistograms {
		return promtext.Protobuf + ";proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7," + text
	}
	return text
}

// fetch gets what the target exposes, decompressed, into l.body, and returns its media type.
func (l *loop) fetch(ctx context.Context) (media string, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.t.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.t.url, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", l.t.job.accept())
	req.Header.Set("Accept-Encoding", "identity")
	if l.t.job.EnableCompression {
		req.Header.Set("Accept-Encoding", "gzip")
	}
	req.Header.Set("User-Agent", "chronodex")
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(l.t.timeout.Seconds(), 'f', -1, 64))
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
		return "", fmt.Errorf("the target answered %s", resp.Status)
	}
	body := io.Reader(resp.Body)
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			return "", fmt.Errorf("gzip: %w", err)
		}
		body = z
	}
	limit := int64(l.t.job.BodySizeLimit)
	if l.body, err = appendAll(l.body[:0], io.LimitReader(body, limit+1)); err != nil {
		return "", err
	}
	if int64(len(l.body)) > limit {
		l.body = nil
		return "", fmt.Errorf("the target exposes more than body_size_limit, %d bytes", limit)
	}
	return resp.Header.Get("Content-Type"), nil
}

// appendAll appends all of r to dst.
func appendAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, make([]byte, max(8<<10, len(dst)))...)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		if dst = dst[:len(dst)+n]; err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return dst, err
		}
	}
}

// series is asked by the decoder which series a line of the exposition is.
func (l *loop) series(text []byte, stamped bool, parse func(*labels.Labels)) (chunk.Dimensions, error) {
	l.counts.scraped++
	e, ok := l.cache[string(text)]
	if !ok {
		var err error
		if e, err = l.meet(parse); err != nil {
			return nil, err
		}
		l.cache[string(text)] = e
	}
	if e.dims == nil || e.seen == l.number && !stamped { // the first one counts
		e.seen = l.number
		return nil, nil
	}
	e.seen, e.tracked = l.number, !stamped || l.t.job.TrackStaleness
	if l.counts.kept++; l.t.job.SampleLimit > 0 && l.counts.kept > l.t.job.SampleLimit {
		return nil, fmt.Errorf("more samples than sample_limit, %d", l.t.job.SampleLimit)
	}
	return e.dims, nil
}

// meet makes an entry of a series that was not there before.
func (l *loop) meet(parse func(*labels.Labels)) (*entry, error) {
	var exposed labels.Labels
	parse(&exposed)
	ls, wanted := l.t.mutate(exposed)
	if !wanted {
		return &entry{}, nil
	}
	if ls.Get(model.MetricNameLabel) == "" {
		return nil, fmt.Errorf("series %v has no name left after metric_relabel_configs", exposed)
	}
	if err := l.t.job.checkLimits(ls); err != nil {
		return nil, err
	}
	dims, err := l.decoder.Dimensions(ls)
	if err != nil {
		return nil, err
	}
	l.counts.added++
	return &entry{dims: dims}, nil
}

// settle adds stale markers for the series that were there and are not, which after a failed scrape
// are all of them, and forgets series that are gone.
func (l *loop) settle(ok bool) {
	for text, e := range l.cache {
		if ok && e.seen == l.number {
			e.live = e.tracked && e.dims != nil
			if e.live && len(l.orphans) > 0 {
				delete(l.orphans, e.dims.Hash())
			}
			continue
		}
		if e.live {
			l.stale(e.dims)
			e.live = false
		}
		if ok || e.seen == l.number { // after a failure, what the store has never seen
			delete(l.cache, text)
		}
	}
	for _, dims := range l.orphans {
		l.stale(dims)
	}
	l.orphans = nil
}

// stale adds a stale marker.
func (l *loop) stale(dims chunk.Dimensions) {
	l.decoder.AddSample(dims, l.last, math.Float64frombits(value.StaleNaN))
}

// live returns the series that await a stale marker, by their hashes. Call it when run has returned.
func (l *loop) live() map[uint64]chunk.Dimensions {
	all := l.orphans
	if all == nil {
		all = map[uint64]chunk.Dimensions{}
	}
	for _, e := range l.cache {
		if e.live {
			all[e.dims.Hash()] = e.dims
		}
	}
	return all
}

// end writes stale markers for all that the target had. Call it when run has returned and the target
// is not scraped any more.
func (l *loop) end() {
	if l.number == 0 {
		return
	}
	l.decoder.Reset()
	l.last = max(l.m.o.Now().UnixMilli()*int64(time.Millisecond), l.last+int64(time.Millisecond))
	for _, dims := range l.live() {
		l.stale(dims)
	}
	for _, dims := range l.reports {
		l.stale(dims)
	}
	l.store(context.Background())
}
