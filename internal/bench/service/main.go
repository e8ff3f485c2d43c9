// Command service measures a running server, beside others that take the same data: how much server
// time a written observation costs, how large it is on disk, how long questions take, and how much
// memory all of that needs. Each server is started by it with an empty folder, one at a time, and gets
// the same bytes in the same requests and the same questions.
//
//	go build -o chronodex ./cmd/chronodex
//	go run ./internal/bench/service -chronodex ./chronodex [-p4 FOLDER] [-peers victoria-metrics,influxd]
//
// A peer that is not installed is left out, and named. Results go to stdout, as Markdown; progress
// goes to stderr. Start at [run].
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.chronodex, "chronodex", "chronodex", "our program, with its path; empty leaves it out")
	peers := flag.String("peers", "victoria-metrics,influxd", "other servers, of victoria-metrics and influxd")
	flag.StringVar(&o.p4, "p4", "", "folder of the data set P4; without it that load is left out")
	loads := flag.String("loads", "devops,p4,cardinality", "what to write")
	flag.IntVar(&o.hosts, "hosts", 100, "hosts of the DevOps load")
	flag.DurationVar(&o.length, "length", 24*time.Hour, "length of the DevOps load, an observation every 10 s")
	flag.IntVar(&o.series, "series", 500_000, "series of the cardinality load, of ten observations each")
	flag.IntVar(&o.lines, "lines", 5000, "lines a request")
	flag.IntVar(&o.connections, "connections", 4, "requests at once")
	flag.IntVar(&o.runs, "runs", 30, "times that each question is asked")
	flag.StringVar(&o.dir, "dir", "", "folder for the servers' data; empty: a temporary one, removed at the end")
	flag.Parse()
	o.peers, o.loads = strings.Split(*peers, ","), strings.Split(*loads, ",")
	if err := run(ctx, &o); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	chronodex   string
	peers       []string
	p4          string
	loads       []string
	hosts       int
	length      time.Duration
	series      int
	lines       int
	connections int
	runs        int
	dir         string
}

// run measures every load on every server, and prints a table for each.
func run(ctx context.Context, o *options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "service")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	var systems []system
	if o.chronodex != "" {
		systems = append(systems, ours{o.chronodex})
	}
	for _, name := range o.peers {
		s, err := peer(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "left out: %v\n", err)
			continue
		}
		systems = append(systems, s)
	}
	for _, name := range o.loads {
		l, err := makeLoad(ctx, name, o)
		if err != nil {
			return err
		}
		if l == nil {
			fmt.Fprintf(os.Stderr, "left out: load %s\n", name)
			continue
		}
		var results []result
		for _, s := range systems {
			r, err := measure(ctx, s, l, o)
			if err != nil {
				return fmt.Errorf("%s, load %s: %w", s.name(), name, err)
			}
			results = append(results, r)
		}
		report(os.Stdout, l, results)
	}
	return nil
}
