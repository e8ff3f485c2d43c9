package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/demo"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/render"
)

// demoCmd walks through the store with data of its own.
type demoCmd struct {
	Seed uint64 `help:"Of the data; the same seed makes the same day." default:"1" placeholder:"N"`
	Dir  string `help:"Folder for the data and the store; a new one among the temporary files when not given." placeholder:"DIR"`
}

// Help is printed behind the flags.
func (*demoCmd) Help() string {
	return `Makes a day of a small shop with four incidents, imports it, and shows each command before its output. It needs nothing but this program.

Examples:

    chronodex demo
    chronodex demo --dir ./demo`
}

// A demoStep is a command of the walk, and what is said before it.
type demoStep struct {
	say  string
	args []string
}

// demoWalk is the walk through the data.
func demoWalk() []demoStep {
	day := func(clock string) string { return "2026-03-02T" + clock }
	return []demoStep{
		{"What is there? Dimensions, and in how many series.", []string{"ls"}},
		{"Any word finds a series, wherever it stands: in metrics, hosts, services.", []string{"search", "heap used checkout"}},
		{"Misspelt words, wildcards and expressions do as well.", []string{"search", "service:chekout~ AND host:app-0? AND metric:http.latency.*"}},
		{"The busiest hosts. What the store keeps beside each chunk answers this; nothing is decoded.", []string{"query", "metric:load.1m | max by host | top 5"}},
		{"Which volumes run full?", []string{"query", "metric:disk.used.percent | last by host,mount | top 4"}},
		{
			"Latency of checkout, all instances side by side. One of them is not like the others, from 13:00 on.",
			[]string{"query", "--from", day("06:00"), "--to", day("18:00"), "--format", "plot", "metric:http.latency.p99.ms service:checkout | mean every 10m"},
		},
		{
			"Why? Its heap grows from 09:12 on, until the process is killed at 14:40.",
			[]string{"query", "--from", day("06:00"), "--to", day("18:00"), "--format", "plot", "metric:jvm.heap.used service:checkout host:app-02 | min every 10m | div 1048576"},
		},
		{
			"Rates of counters know that a counter fell to zero when its process started anew. Errors in percent of requests:",
			[]string{
				"query", "--from", day("15:00"), "--to", day("18:00"),
				"(metric:http.errors.total | rate | sum by service every 30m) / (metric:http.requests.total | rate | sum by service every 30m) | mul 100",
			},
		},
		{"What was released just then? Values can be text, too.", []string{"query", "--from", day("16:00"), "--to", day("16:30"), "metric:release service:payments | distinct, first, last by host"}},
		{"How is a query answered, and what does it read?", []string{"explain", "--analyze", "metric:jvm.heap.used | max by service"}},
		{"Programs read JSON, NDJSON or CSV.", []string{"query", "--format", "csv", "metric:queue.depth | p 0.5 0.99 by queue"}},
	}
}

// Run is called by kong.
func (c *demoCmd) Run(ctx context.Context, s *session) error {
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "chronodex-demo-"); err != nil {
			return err
		}
	}
	if s.width == 0 {
		s.width = 100
	}
	text, store := filepath.Join(dir, "text"), filepath.Join(dir, "store")
	start := s.now()
	rows, observations, err := c.write(text)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "A day of a small shop: %s, %s observations, written to %s in %s.\n\n", count(int64(rows), "series"),
		render.Count(int64(observations)), text, took(s.now().Sub(start)))
	fmt.Fprintf(s.out, "    export CHRONODEX_DATA=%s\n", quoteShell(store))
	args := append([]string{"--data", store}, "import", text)
	if err := s.demoStep(ctx, demoStep{"First, data have to get in.", args}); err != nil {
		return err
	}
	for _, step := range demoWalk() {
		step.args = append([]string{"--data", store}, step.args...)
		if err := s.demoStep(ctx, step); err != nil {
			return err
		}
	}
	return c.end(s, store)
}

// write makes the data as files, one a host, as a collector would have left them.
func (c *demoCmd) write(dir string) (series, observations int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, 0, err
	}
	b := demo.Generate(c.Seed)
	byHost := make(map[string][]chunk.BatchRow)
	for _, r := range b.Rows {
		host, _ := r.Dimensions.Get("host")
		byHost[host] = append(byHost[host], r)
	}
	for host, rows := range byHost {
		err = errors.Join(err, writeRows(filepath.Join(dir, host+".ndjson.gz"), rows))
	}
	return len(b.Rows), b.Observations(), err
}

// writeRows writes rows as one file.
func writeRows(path string, rows []chunk.BatchRow) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	packed, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err != nil {
		return err
	}
	w, err := ingest.NewWriter(ingest.NDJSON, packed, nil)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err == nil {
			err = w.Write(chunk.Series{Dimensions: r.Dimensions, Kind: r.Samples.Kind}, r.Samples)
		}
	}
	return errors.Join(err, w.Close(), packed.Close(), buffered.Flush(), file.Close())
}

// demoStep says something, shows a command, and runs it.
func (s *session) demoStep(ctx context.Context, step demoStep) error {
	shown := make([]string, 0, len(step.args))
	for _, a := range step.args[2:] {
		shown = append(shown, quoteShell(a))
	}
	prompt := "$ chronodex " + strings.Join(shown, " ")
	if s.color && s.outTerminal {
		prompt = "\x1b[1m" + prompt + "\x1b[0m"
	}
	fmt.Fprintf(s.out, "\n# %s\n%s\n", step.say, prompt)
	sub := *s
	if code := sub.run(ctx, step.args); code != 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errReported
	}
	return nil
}

// quoteShell writes a word as a shell reads it.
func quoteShell(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,", r)
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// end tells what else there is to find, and how to go on.
func (c *demoCmd) end(s *session, store string) error {
	var b strings.Builder
	b.WriteString("\n# What went wrong on that day, to be found:\n")
	for _, in := range demo.Incidents() {
		clock := func(t int64) string { return time.Unix(0, t).UTC().Format("15:04") }
		fmt.Fprintf(&b, "\n%s–%s  %s: %s\n             chronodex search %s\n", clock(in.Span.Start), clock(in.Span.End), in.Name, in.Story, quoteShell(in.Selector))
	}
	fmt.Fprintf(&b, `
# Go on from here:

    export CHRONODEX_DATA=%s
    chronodex ls metric
    chronodex query --format plot 'metric:queue.depth queue:orders | mean every 10m'
    chronodex query --help              # more examples; docs/query.md is the guide
    chronodex import --help             # your own data
    source <(chronodex completion bash) # words, hosts and metrics at the press of tab
`, quoteShell(store))
	_, err := fmt.Fprint(s.out, b.String())
	return err
}
