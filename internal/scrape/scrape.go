// Package scrape gets the metrics of targets over HTTP, as Prometheus does, and stores them: so a
// small site needs no Prometheus beside the store. It has its configuration, in part, and its habits:
// the series up and scrape_…, stale markers where a series or a target goes away, stamps at equal
// steps. It knows nothing of how targets are found but from lists in its configuration and in files.
//
// Start at [Parse] for the configuration, at [Manager] for the work.
package scrape

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/config"

	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/promwrite"
)

// Options configure a [Manager].
type Options struct {
	Gate   *gate.Gate
	Now    func() time.Time // stamps; nil means time.Now
	Logger *slog.Logger     // nil means that nothing is logged
}

// A Manager scrapes the targets of the jobs that it was given. It is safe for concurrent use.
type Manager struct {
	o         Options
	known     promwrite.Known
	transport http.RoundTripper // in place of what a job's configuration says, for tests

	mu    sync.Mutex // held while targets are exchanged
	ctx   context.Context
	jobs  []*job
	loops map[string]*loop // by the identity of the target and its job
	wg    sync.WaitGroup
}

// A job is a Config in use.
type job struct {
	config Config
	client *http.Client
	files  fileMemory
}

// A Target is what is known of a target.
type Target struct {
	Job          string
	URL          string
	Labels       map[string]string
	Health       string // up, down, or unknown before the first scrape
	LastScrape   time.Time
	LastDuration time.Duration
	LastError    string // why it is down
	Samples      int    // of the last scrape, after relabeling
}

// New returns a manager without targets.
func New(o Options) *Manager {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Manager{o: o, loops: map[string]*loop{}}
}

// Apply replaces the jobs. Targets that are there before and after go on; the series of those that
// are gone get stale markers. An error means that nothing has changed.
func (m *Manager) Apply(configs []Config) error {
	configs = slices.Clone(configs)
	if err := check(configs); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	jobs := make([]*job, len(configs))
	for i := range configs {
		at := slices.IndexFunc(m.jobs, func(j *job) bool { return reflect.DeepEqual(j.config, configs[i]) })
		if at >= 0 {
			jobs[i] = m.jobs[at]
			continue
		}
		client, err := m.newClient(&configs[i])
		if err != nil {
			return fmt.Errorf("scrape: job %q: %w", configs[i].JobName, err)
		}
		jobs[i] = &job{config: configs[i], client: client, files: fileMemory{}}
	}
	old := m.jobs
	m.jobs = jobs
	m.sync()
	for _, j := range old {
		if !slices.Contains(jobs, j) {
			j.client.CloseIdleConnections()
		}
	}
	return nil
}

func (m *Manager) newClient(c *Config) (*http.Client, error) {
	if m.transport != nil {
		return &http.Client{Transport: m.transport}, nil
	}
	return config.NewClientFromConfig(c.HTTP, c.JobName)
}

// Run scrapes until ctx is done, and returns nil when all that was begun is stored. It is called
// once, before or after Apply.
func (m *Manager) Run(ctx context.Context) error {
	m.mu.Lock()
	m.ctx = ctx
	for _, l := range m.loops {
		m.start(l)
	}
	m.mu.Unlock()
	timer := time.NewTimer(m.refreshInterval())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			m.mu.Lock() // no loop is started from here on
			m.mu.Unlock()
			m.wg.Wait()
			return nil
		case <-timer.C:
			m.mu.Lock()
			if ctx.Err() == nil {
				m.sync()
			}
			m.mu.Unlock()
			timer.Reset(m.refreshInterval())
		}
	}
}

// refreshInterval returns when files are to be read again.
func (m *Manager) refreshInterval() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	least := time.Minute
	for _, j := range m.jobs {
		for _, f := range j.config.FileConfigs {
			least = min(least, time.Duration(f.RefreshInterval))
		}
	}
	return least
}

// start starts a loop, where the manager runs.
func (m *Manager) start(l *loop) {
	if m.ctx == nil || m.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(m.ctx)
	l.cancel = cancel
	m.wg.Go(func() { l.run(ctx) })
}

// sync makes the loops those of the targets that there are. The mutex is held.
func (m *Manager) sync() {
	wanted := map[string]*loop{}
	var fresh []*loop
	for _, j := range m.jobs {
		targets, err := j.targets()
		if err != nil {
			m.o.Logger.Error("some targets are not scraped", "job", j.config.JobName, "error", err)
		}
		limit := j.config.TargetLimit
		for _, t := range targets {
			key := j.config.JobName + "\x00" + t.identity()
			if wanted[key] != nil {
				continue // named twice
			}
			var forced error
			if limit > 0 && len(targets) > limit {
				forced = fmt.Errorf("the job has %d targets, target_limit is %d", len(targets), limit)
			}
			if l := m.loops[key]; l != nil && l.same(t, forced) {
				wanted[key] = l
				continue
			}
			l, err := newLoop(m, t, j.client)
			if err != nil {
				m.o.Logger.Error("a target is not scraped", "job", j.config.JobName, "target", t.url, "error", err)
				continue
			}
			l.forced = forced
			wanted[key] = l
			fresh = append(fresh, l)
		}
	}
	m.exchange(wanted)
	for _, l := range fresh {
		m.start(l)
	}
}

// same reports whether the loop scrapes just what t is.
func (l *loop) same(t *target, forced error) bool {
	return l.t.job == t.job && l.t.interval == t.interval && l.t.timeout == t.timeout && (l.forced == nil) == (forced == nil)
}

// exchange stops loops that are not wanted. Whoever takes a place takes over its series.
func (m *Manager) exchange(wanted map[string]*loop) {
	var gone []string
	for key, l := range m.loops {
		if wanted[key] != l {
			gone = append(gone, key)
			if l.cancel != nil {
				l.cancel()
			}
		}
	}
	for _, key := range gone {
		l := m.loops[key]
		if l.cancel == nil {
			continue // it never ran
		}
		<-l.done
		switch heir := wanted[key]; {
		case m.ctx.Err() != nil: // the server goes down, and the targets do not
		case heir != nil:
			heir.orphans = l.live()
		default:
			l.end()
		}
	}
	m.loops = wanted
}

// targets returns the targets of a job. The error says which are left out, and why.
func (j *job) targets() (out []*target, err error) {
	groups := slices.Clone(j.config.StaticConfigs)
	for _, f := range j.config.FileConfigs {
		more, readErr := j.files.read(f)
		groups, err = append(groups, more...), errors.Join(err, readErr)
	}
	for _, g := range groups {
		for _, address := range g.Targets {
			t, targetErr := newTarget(&j.config, address, g.Labels)
			if targetErr != nil {
				err = errors.Join(err, fmt.Errorf("target %s: %w", address, targetErr))
			} else if t != nil {
				out = append(out, t)
			}
		}
	}
	return out, err
}

// Targets returns the targets, sorted by job and URL.
func (m *Manager) Targets() []Target {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Target, 0, len(m.loops))
	for _, l := range m.loops {
		out = append(out, *l.status.Load())
	}
	slices.SortFunc(out, func(a, b Target) int {
		return 2*strings.Compare(a.Job, b.Job) + strings.Compare(a.URL, b.URL)
	})
	return out
}
