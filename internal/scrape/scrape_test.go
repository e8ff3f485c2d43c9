package scrape

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/vfs"
	"github.com/chronodex/chronodex/shard"
)

// stored prints the series whose metric has one of the prefixes, a line each: stamps in ms from the
// first second of the test on, S for a stale marker.
func stored(t *testing.T, set *shard.Set, epoch time.Time, prefixes ...string) (lines []string) {
	t.Helper()
	for _, part := range set.Parts() {
		sel, err := part.Select(context.Background(), index.All(), chunk.Always)
		if err != nil {
			t.Fatal(err)
		}
		var buf chunk.Buffer
		for i := range sel.Len() {
			d := sel.Series(i).Dimensions
			name, _ := d.Get(chunk.MetricName)
			if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
				continue
			}
			line := d.String()
			for _, p := range sel.AppendPieces(nil, i) {
				x, err := sel.Read(context.Background(), p, &buf)
				if err != nil {
					t.Fatal(err)
				}
				for k, at := range x.Times {
					ms := at/1e6 - epoch.UnixMilli()
					switch {
					case x.Kind == chunk.String:
						line += fmt.Sprintf(" %d=%q", ms, x.Strings[k])
					case math.Float64bits(x.Floats[k]) == 0x7ff0000000000002:
						line += fmt.Sprintf(" %d=S", ms)
					default:
						line += fmt.Sprintf(" %d=%v", ms, x.Floats[k])
					}
				}
			}
			lines = append(lines, line)
		}
		if err := sel.Close(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(lines)
	return lines
}

// An exporter is a target without a network: it answers with one page after another, the last one
// again and again. An empty page is a refusal.
type exporter struct {
	mu    sync.Mutex
	pages []string
	asked []string
}

func (e *exporter) RoundTrip(req *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, req.URL.String())
	page := e.pages[0]
	if len(e.pages) > 1 {
		e.pages = e.pages[1:]
	}
	resp := &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{"Content-Type": {"text/plain; version=0.0.4"}}, Request: req}
	if page == "" {
		resp.StatusCode, resp.Status = 500, "500 Internal Server Error"
	}
	resp.Body = io.NopCloser(strings.NewReader(page))
	return resp, nil
}

// A site is a manager in time that does not pass by itself.
type site struct {
	*Manager
	set   *shard.Set
	epoch time.Time // of the first scrape
	log   bytes.Buffer
}

// watch runs jobs against an exporter for n intervals of ten seconds after the first scrape, with an
// act before some of them, and calls check when the manager has come to its end.
func watch(t *testing.T, e *exporter, jobs string, n int, acts map[int]func(*site), check func(*testing.T, *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		set, err := shard.Open("store", shard.Options{FS: vfs.NewMem(), Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		s := &site{set: set}
		s.Manager = New(Options{Gate: gate.New(set, gate.Options{}), Logger: slog.New(slog.NewTextHandler(&s.log, nil))})
		s.transport = e
		s.apply(t, jobs)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		for l := range s.each() {
			s.epoch = time.Now().Add(l.t.offset(time.Now()))
		}
		time.Sleep(time.Until(s.epoch))
		for i := range n {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if act := acts[i]; act != nil {
				act(s)
			}
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		check(t, s)
		if err := set.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// each yields the loops.
func (s *site) each() func(func(*loop) bool) {
	return func(yield func(*loop) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, l := range s.loops {
			if !yield(l) {
				return
			}
		}
	}
}

func (s *site) apply(t *testing.T, jobs string) {
	t.Helper()
	configs, err := Parse([]byte(jobs))
	if err == nil {
		err = s.Apply(configs)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const oneJob = `[{job_name: j, scrape_interval: 10s, static_configs: [{targets: ["a:1"], labels: {site: s}}]`

// TestScrape: what is in the store after some scrapes.
func TestScrape(t *testing.T) {
	const target = `instance="a:1", job="j", metric=`
	for name, tc := range map[string]struct {
		pages []string
		job   string // beyond oneJob
		n     int
		show  []string
		want  []string
	}{
		"values, and what is said of the scrapes": {
			[]string{"m{x=\"1\"} 1\nn 5\n", "m{x=\"1\"} 2\nn 6\no 7\n"},
			"", 1,
			[]string{"m", "n", "o", "up", "scrape_samples", "scrape_series"},
			[]string{
				`{` + target + `"m", site="s", x="1"} 0=1 10000=2`, `{` + target + `"n", site="s"} 0=5 10000=6`, `{` + target + `"o", site="s"} 10000=7`,
				`{` + target + `"scrape_samples_post_metric_relabeling", site="s"} 0=2 10000=3`,
				`{` + target + `"scrape_samples_scraped", site="s"} 0=2 10000=3`, `{` + target + `"scrape_series_added", site="s"} 0=2 10000=1`,
				`{` + target + `"up", site="s"} 0=1 10000=1`,
			},
		},
		"a series goes, and comes again": {
			[]string{"m 1\nn 1\n", "m 2\n", "m 3\n", "m 4\nn 4\n"},
			"", 3,
			[]string{"m", "n", "up"},
			[]string{
				`{` + target + `"m", site="s"} 0=1 10000=2 20000=3 30000=4`, `{` + target + `"n", site="s"} 0=1 10000=S 30000=4`,
				`{` + target + `"up", site="s"} 0=1 10000=1 20000=1 30000=1`,
			},
		},
		"the target fails, and comes again": {
			[]string{"m 1\n", "", "", "m 4\n"},
			"", 3,
			[]string{"m", "up", "scrape_samples_scraped"},
			[]string{
				`{` + target + `"m", site="s"} 0=1 10000=S 30000=4`, `{` + target + `"scrape_samples_scraped", site="s"} 0=1 10000=0 20000=0 30000=1`,
				`{` + target + `"up", site="s"} 0=1 10000=0 20000=0 30000=1`,
			},
		},
		"one bad line fails the scrape": {
			[]string{"m 1\n", "n 2\nm{ 2\n", "m 3\n"},
			"", 2,
			[]string{"m", "n", "up"},
			[]string{`{` + target + `"m", site="s"} 0=1 10000=S 20000=3`, `{` + target + `"up", site="s"} 0=1 10000=0 20000=1`},
		},
		"more than sample_limit": {
			[]string{"m 1\n", "m 2\nn 2\n"},
			", sample_limit: 1", 1,
			[]string{"m", "n", "up", "scrape_samples_scraped"},
			[]string{
				`{` + target + `"m", site="s"} 0=1 10000=S`, `{` + target + `"scrape_samples_scraped", site="s"} 0=1 10000=2`,
				`{` + target + `"up", site="s"} 0=1 10000=0`,
			},
		},
		"more than body_size_limit": {
			[]string{"m 1\n", "m 22222\n"},
			", body_size_limit: 4B", 1,
			[]string{"m", "up"},
			[]string{`{` + target + `"m", site="s"} 0=1 10000=S`, `{` + target + `"up", site="s"} 0=1 10000=0`},
		},
		"more than label_limit": {
			[]string{"m 1\n", "m{x=\"1\"} 2\n"},
			", label_limit: 4", 1,
			[]string{"m", "up"},
			[]string{`{` + target + `"m", site="s"} 0=1 10000=S`, `{` + target + `"up", site="s"} 0=1 10000=0`},
		},
		"a longer value than label_value_length_limit": {
			[]string{"m{x=\"1234567\"} 2\n"}, ", label_value_length_limit: 6", 0, []string{"m", "up"}, []string{`{` + target + `"up", site="s"} 0=0`},
		},
		"times of their own are honored, and not ended": {
			[]string{"m 1 946684800000\n", "n 1\n"}, "", 1, []string{"m"}, []string{`{` + target + `"m", site="s"} OWN=1`},
		},
		"times of their own are ended when that is asked for": {
			[]string{"m 1 946684800000\n", "n 1\n"}, ", track_timestamps_staleness: true", 1, []string{"m"}, []string{`{` + target + `"m", site="s"} OWN=1 10000=S`},
		},
		"times of their own are not honored": {
			[]string{"m 1 946684800000\n", "n 1\n"}, ", honor_timestamps: false", 1, []string{"m"}, []string{`{` + target + `"m", site="s"} 0=1 10000=S`},
		},
		"labels of the target's": {
			[]string{"m{job=\"x\",exported_job=\"y\",site=\"\"} 1\n"},
			"", 0,
			[]string{"m"},
			[]string{`{exported_exported_job="x", exported_job="y", ` + target + `"m", site="s"} 0=1`},
		},
		"labels of the target's are honored": {
			[]string{"m{job=\"x\"} 1\n"}, ", honor_labels: true", 0, []string{"m"}, []string{`{instance="a:1", job="x", metric="m", site="s"} 0=1`},
		},
		"relabeled": {
			[]string{"m{x=\"1\"} 1\nn 1\no 1\n"},
			", metric_relabel_configs: [{source_labels: [__name__], regex: o, action: drop}, {source_labels: [__name__], regex: n, target_label: __name__, replacement: p}]",
			0,
			[]string{"m", "n", "o", "p", "scrape_samples"},
			[]string{
				`{` + target + `"m", site="s", x="1"} 0=1`, `{` + target + `"p", site="s"} 0=1`,
				`{` + target + `"scrape_samples_post_metric_relabeling", site="s"} 0=2`, `{` + target + `"scrape_samples_scraped", site="s"} 0=3`,
			},
		},
		"one series twice: the first counts": {
			[]string{"m 1\nm 2\n"}, "", 0, []string{"m"}, []string{`{` + target + `"m", site="s"} 0=1`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			watch(t, &exporter{pages: tc.pages}, oneJob+tc.job+"}]", tc.n, nil, func(t *testing.T, s *site) {
				own := strconv.FormatInt(946684800000-s.epoch.UnixMilli(), 10)
				for i, line := range tc.want {
					tc.want[i] = strings.ReplaceAll(line, "OWN", own)
				}
				if diff := cmp.Diff(tc.want, stored(t, s.set, s.epoch, tc.show...)); diff != "" {
					t.Errorf("stored (-want +got):\n%s\n%s", diff, s.log.String())
				}
			})
		})
	}
}

// TestApply: targets come and go while others are scraped.
func TestApply(t *testing.T) {
	e := &exporter{pages: []string{"m 1\nn 1\n"}}
	const job = `[{job_name: j, scrape_interval: 10s%s, static_configs: [{targets: [%s]}]}]`
	acts := map[int]func(*site){
		0: func(s *site) { s.apply(t, fmt.Sprintf(job, "", `"a:1"`)) },                     // nothing changes
		1: func(s *site) { s.apply(t, fmt.Sprintf(job, `, scrape_timeout: 5s`, `"a:1"`)) }, // another loop, the same series
		2: func(s *site) {
			s.apply(t, fmt.Sprintf(job, `, metric_relabel_configs: [{source_labels: [__name__], regex: n, action: drop}]`, `"a:1"`))
		},
		4: func(s *site) { s.apply(t, "[]") },
	}
	watch(t, e, fmt.Sprintf(job, "", `"a:1"`), 6, acts, func(t *testing.T, s *site) {
		want := []string{
			`{instance="a:1", job="j", metric="m"} 0=1 10000=1 20000=1 30000=1 40000=1 45000=S`,
			`{instance="a:1", job="j", metric="n"} 0=1 10000=1 20000=1 30000=S`,
			`{instance="a:1", job="j", metric="up"} 0=1 10000=1 20000=1 30000=1 40000=1 45000=S`,
		}
		if diff := cmp.Diff(want, stored(t, s.set, s.epoch, "m", "n", "up")); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if got := s.Targets(); len(got) != 0 {
			t.Errorf("targets are %v", got)
		}
	})
}

func TestTargets(t *testing.T) {
	e := &exporter{pages: []string{"m 1\n", ""}}
	watch(t, e, oneJob+", target_limit: 1}]", 1, nil, func(t *testing.T, s *site) {
		got := s.Targets()
		if len(got) != 1 || got[0].Health != "down" || got[0].LastError != "the target answered 500 Internal Server Error" ||
			got[0].URL != "http://a:1/metrics" || !got[0].LastScrape.Equal(s.epoch.Add(10*time.Second)) {
			t.Errorf("got %+v", got)
		}
		if log := s.log.String(); strings.Count(log, "a target is down") != 1 {
			t.Errorf("logged %s", log)
		}
	})
	two := strings.Replace(oneJob, `"a:1"`, `"a:1", "b:1"`, 1)
	watch(t, &exporter{pages: []string{"m 1\n"}}, two+", target_limit: 1}]", 1, nil, func(t *testing.T, s *site) {
		for _, target := range s.Targets() {
			if target.LastError != "the job has 2 targets, target_limit is 1" {
				t.Errorf("got %+v", target)
			}
		}
	})
}
