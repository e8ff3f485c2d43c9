package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// A result is what was measured of one system with one load.
type result struct {
	system       string
	observations int64
	writeCPU     float64 // seconds, until the last answer
	settleCPU    float64 // and of the server's own work afterwards, as far as it was told from waiting
	wall         time.Duration
	idle, peak   float64 // MiB: before the first request, and at most while writing
	written      int64   // bytes of files right after the last answer
	settled      int64   // and when they are as small as they get
	medians      map[string]time.Duration
	cpu          map[string]float64 // ms of the server for each question, on average
	answers      map[string]int     // bytes of the last answer
}

// measure writes the load to a new server, and asks the questions.
func measure(ctx context.Context, s system, l *load, o *options) (r result, err error) {
	r.system = s.name()
	fmt.Fprintf(os.Stderr, "%s: %s: writing\n", l.title, s.name())
	p, err := launch(ctx, s, filepath.Join(o.dir, s.name()))
	if err != nil {
		return r, err
	}
	defer func() {
		if stopped := p.stop(); err == nil {
			err = stopped
		}
	}()
	if err := p.untilIdle(ctx); err != nil {
		return r, err
	}
	r.idle = p.memory("VmRSS")
	if err := writeAll(ctx, p, l, o, &r); err != nil {
		return r, err
	}
	before := p.cpu()
	if err := p.untilIdle(ctx); err != nil {
		return r, err
	}
	r.settleCPU = p.cpu() - before
	r.peak = p.memory("VmHWM")
	fmt.Fprintf(os.Stderr, "%s: %s: settling\n", l.title, s.name())
	if err := s.settle(ctx, p); err != nil {
		return r, err
	}
	r.settled = p.size()
	if !l.ask {
		return r, nil
	}
	fmt.Fprintf(os.Stderr, "%s: %s: asking\n", l.title, s.name())
	return r, askAll(ctx, p, l, o, &r)
}

// writeAll sends the whole load, several requests at once.
func writeAll(ctx context.Context, p *process, l *load, o *options, r *result) error {
	type request struct {
		body []byte
		n    int
	}
	requests := make(chan request, o.connections)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.connections}}
	cpu, start := p.cpu(), time.Now()
	var n atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(requests)
		return l.write(func(body []byte, n int) error {
			select {
			case requests <- request{body, n}:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	for range o.connections {
		g.Go(func() error {
			for q := range requests {
				if err := post(ctx, client, p.base+p.system.write(), q.body); err != nil {
					return err
				}
				n.Add(int64(q.n))
			}
			return nil
		})
	}
	err := g.Wait()
	r.observations, r.wall, r.writeCPU = n.Load(), time.Since(start), p.cpu()-cpu
	r.written = p.size()
	return err
}

func post(ctx context.Context, client *http.Client, target string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %.300s", resp.Status, text)
	}
	return err
}

// askAll asks each question some times, about other hosts and hours each time, the same ones for
// every system.
func askAll(ctx context.Context, p *process, l *load, o *options, r *result) error {
	r.medians, r.cpu, r.answers = map[string]time.Duration{}, map[string]float64{}, map[string]int{}
	for k, kind := range kinds {
		rng := rand.New(rand.NewPCG(uint64(k), 9))
		var took []time.Duration
		before := p.cpu()
		for i := range o.runs + 1 {
			req, err := p.system.ask(p.base, makeQuestion(rng, kind, l))
			if err != nil {
				return err
			}
			start := time.Now()
			body, err := do(req.WithContext(ctx))
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			if i > 0 { // the first one warms up
				took = append(took, time.Since(start))
			}
			r.answers[kind] = len(body)
		}
		slices.Sort(took)
		r.medians[kind] = took[len(took)/2]
		r.cpu[kind] = 1000 * (p.cpu() - before) / float64(o.runs+1)
	}
	return nil
}

// report prints the tables of a load.
func report(w io.Writer, l *load, results []result) {
	fmt.Fprintf(w, "## %s\n\n%d observations\n\n", l.title, results[0].observations)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(title string, cell func(r *result) string) {
		fmt.Fprintf(t, "| %s\t", title)
		for i := range results {
			fmt.Fprintf(t, "| %s\t", cell(&results[i]))
		}
		fmt.Fprintln(t, "|")
	}
	row("", func(r *result) string { return r.system })
	row("---", func(*result) string { return "---" })
	row("million observations a CPU-second of the server, until the last answer", func(r *result) string {
		return fmt.Sprintf("%.2f", float64(r.observations)/r.writeCPU/1e6)
	})
	row("the same, with what the server did afterwards", func(r *result) string {
		return fmt.Sprintf("%.2f", float64(r.observations)/(r.writeCPU+r.settleCPU)/1e6)
	})
	row("million observations a second, with the client on the same cores", func(r *result) string {
		return fmt.Sprintf("%.2f", float64(r.observations)/r.wall.Seconds()/1e6)
	})
	row("bytes an observation after the last answer, log included", func(r *result) string {
		return fmt.Sprintf("%.2f", float64(r.written)/float64(r.observations))
	})
	row("bytes an observation after compaction", func(r *result) string {
		return fmt.Sprintf("%.3f", float64(r.settled)/float64(r.observations))
	})
	row("MiB resident: idle", func(r *result) string { return fmt.Sprintf("%.0f", r.idle) })
	row("MiB resident: at most while writing", func(r *result) string { return fmt.Sprintf("%.0f", r.peak) })
	if results[0].medians != nil {
		for _, kind := range kinds {
			row("ms "+kind+": median, processor time (bytes)", func(r *result) string {
				return fmt.Sprintf("%.2f, %.2f (%d)", float64(r.medians[kind])/1e6, r.cpu[kind], r.answers[kind])
			})
		}
	}
	t.Flush()
	fmt.Fprintln(w)
}
