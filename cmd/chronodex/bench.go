package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// benchCmd measures the whole path on a folder of data.
type benchCmd struct {
	Paths  []string `arg:"" optional:"" name:"path" help:"Files or folders to import."`
	Runs   int      `help:"How often each query is asked; the median counts." default:"15" placeholder:"N"`
	Query  []string `help:"Another query to measure; can be repeated." placeholder:"QUERY" sep:"none"`
	Keep   string   `help:"Make the store in this folder, which must not exist, and keep it." placeholder:"DIR"`
	Shards int      `help:"Parts of the store; one a core when not given." placeholder:"N"`
	Format string   `help:"Output: ${enum}." enum:"table,json" default:"table"`

	Series   int    `help:"Instead of files: this many generated series, as of containers in a cluster, of ten observations each." placeholder:"N"`
	BySeries bool   `help:"With --series: all observations of a series at once, not scrape by scrape."`
	Seed     uint64 `help:"With --series: what to generate." default:"1" placeholder:"N"`
}

// Help is printed behind the flags.
func (*benchCmd) Help() string {
	return `Imports the data into a new store, durably and with compaction, and measures: rates, sizes, queries of all series (warm, the median of some runs), decoding on one core, and a new process that opens the store and answers one query.

Examples:

    chronodex bench metrics/
    chronodex bench --runs 50 --query 'host:app-* | p 0.99 by host every 1m' metrics/
    chronodex bench --series 1000000`
}

// A benchRow is one line of the report.
type benchRow struct {
	What   string  `json:"what"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Detail string  `json:"detail,omitempty"`
}

// A bench is one run of the command.
type bench struct {
	c            *benchCmd
	s            *session
	rows         []benchRow
	observations int64
}

func (b *bench) add(what string, value float64, unit, detail string, args ...any) {
	b.rows = append(b.rows, benchRow{what, value, unit, fmt.Sprintf(detail, args...)})
}

// Run is called by kong.
func (c *benchCmd) Run(ctx context.Context, s *session) (err error) {
	if (c.Series > 0) == (len(c.Paths) > 0) {
		return &usageError{errors.New("say what to import: files, or --series")}
	}
	dir := c.Keep
	if dir == "" {
		temp, err := os.MkdirTemp("", "chronodex-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		dir = filepath.Join(temp, "store")
	} else if _, err := os.Stat(dir); err == nil {
		return &usageError{fmt.Errorf("--keep %s: there is something", dir)}
	}
	s.data = dir
	b := &bench{c: c, s: s}
	steps := []func(context.Context) error{b.load, b.ask, b.decode, b.start}
	if c.Series > 0 {
		steps = []func(context.Context) error{b.scrape, b.sizes, b.find, b.start}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return b.print()
}

// load imports the data.
func (b *bench) load(ctx context.Context) error {
	sources, err := ingest.Sources(b.c.Paths, b.s.in)
	if err != nil {
		return err
	}
	set, err := b.s.openStore(false, shard.Options{Shards: b.c.Shards, Manual: true})
	if err != nil {
		return err
	}
	bar := b.s.progress("import ")
	start := time.Now()
	sum, err := ingest.Run(ctx, sources, ingest.Options{Progress: func(p ingest.Progress) { bar.rate(p.Bytes, p.TotalBytes, p.Observations) }}, set.Append)
	bar.clear()
	imported := time.Since(start)
	if err != nil {
		return errors.Join(err, set.Close())
	}
	bar = b.s.progress("compact")
	start = time.Now()
	err = set.Compact(ctx, func(done, total int64) { bar.rate(done, total, done) })
	bar.clear()
	compacted := time.Since(start)
	st := set.Stats()
	if err := errors.Join(err, set.Close()); err != nil {
		return err
	}
	n := sum.Observations
	if n == 0 {
		return errors.New("the data hold no observations")
	}
	b.observations = n
	b.add("import, durable", float64(n)/imported.Seconds(), "observations/s", "%s of %s from %s, %s skipped", count(n, "observation"),
		count(st.Series, "series"), count(int64(sum.Files), "file"), count(sum.Skipped, "bad line"))
	b.add("import and compaction", float64(n)/(imported+compacted).Seconds(), "observations/s", "compaction took %s", took(compacted))
	b.add("memory during import", float64(peakMemory()), "bytes", "resident, at most")
	b.add("segments", float64(st.SegmentBytes)/float64(n), "bytes/observation", "%s in %s", size(st.SegmentBytes), count(int64(st.Segments), "segment"))
	all := diskUsage(b.s.data)
	b.add("whole folder", float64(all)/float64(n), "bytes/observation", "%s; the text is %s, %.1f bytes/observation", size(all), size(sum.Text),
		float64(sum.Text)/float64(n))
	return nil
}

// ask measures queries.
func (b *bench) ask(ctx context.Context) error {
	return b.s.withStore(func(set *shard.Set) error {
		queries := []string{
			"* | count, sum, min, max, mean", "* | stddev", "* | p 0.99",
			"process:EKG-Collector | mean every 1m", "* | mean by group every 1m", "*",
		}
		engine := b.s.engine(set, 0)
		for _, text := range append(queries, b.c.Query...) {
			q, err := query.Parse(text)
			if err != nil {
				return err
			}
			times := make([]time.Duration, 0, b.c.Runs)
			var r *query.Result
			debug.FreeOSMemory()
			for i := range max(1, b.c.Runs) + 2 { // two to warm up
				start := time.Now()
				if r, err = engine.Run(ctx, q, query.Request{}); err != nil {
					return err
				}
				if i >= 2 {
					times = append(times, time.Since(start))
				}
			}
			if len(r.Series) == 0 {
				continue
			}
			slices.Sort(times)
			b.add(text, times[len(times)/2].Seconds()*1000, "ms", "%s; best %s; %s decoded", count(int64(len(r.Series)), "row"), took(times[0]),
				count(r.Stats.ChunksDecoded, "chunk"))
		}
		return nil
	})
}

// decode reads all columns on one core.
func (b *bench) decode(ctx context.Context) error {
	return b.s.withStore(func(set *shard.Set) error {
		best, rows := time.Duration(1<<62), int64(0)
		for range 5 {
			rows = 0
			start := time.Now()
			for _, part := range set.Parts() {
				n, err := readAll(ctx, part)
				if err != nil {
					return err
				}
				rows += n
			}
			best = min(best, time.Since(start))
		}
		b.add("decode to columns, one core", float64(best.Nanoseconds())/float64(rows), "ns/observation", "%s, best of 5", count(rows, "observation"))
		return nil
	})
}

// readAll reads all columns of a part with one buffer, block after block.
func readAll(ctx context.Context, part query.Selector) (rows int64, err error) {
	sel, err := part.Select(ctx, index.All(), chunk.Always)
	if err != nil {
		return 0, err
	}
	defer sel.Close()
	var pieces []chunk.Piece
	for i := range sel.Len() {
		pieces = sel.AppendPieces(pieces, i)
	}
	slices.SortStableFunc(pieces, func(a, b chunk.Piece) int {
		switch {
		case a.Group < b.Group:
			return -1
		case a.Group > b.Group:
			return 1
		}
		return 0
	})
	var buf chunk.Buffer
	for _, p := range pieces {
		x, err := sel.Read(ctx, p, &buf)
		if err != nil {
			return rows, err
		}
		rows += int64(x.Len())
	}
	return rows, nil
}

// resident is how query --stats tells its memory.
var resident = regexp.MustCompile(`(\d+) bytes resident`)

// start measures a new process that opens the store and answers a query.
func (b *bench) start(ctx context.Context) error {
	self, err := exec.LookPath(os.Args[0])
	if err != nil {
		return err
	}
	text := "* | count, max"
	if b.c.Series > 0 {
		text = "app:orders-web AND metric:container_threads | count, max"
	}
	var times []time.Duration
	var memory int64
	for range max(1, min(b.c.Runs, 9)) {
		cmd := exec.CommandContext(ctx, self, "--data", b.s.data, "query", "--stats", "--format", "json", text)
		var told strings.Builder
		cmd.Stderr = &told
		start := time.Now()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("open in a new process: %w: %s", err, told.String())
		}
		times = append(times, time.Since(start))
		if m := resident.FindStringSubmatch(told.String()); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			memory = max(memory, n)
		}
	}
	slices.Sort(times)
	b.add("new process: open, one query", times[len(times)/2].Seconds()*1000, "ms", "best %s", took(times[0]))
	b.add("memory of that process", float64(memory), "bytes", "resident, at most")
	return nil
}

// print writes the report.
func (b *bench) print() error {
	if b.c.Format == "json" {
		return printJSON(b.s, map[string]any{"cores": runtime.GOMAXPROCS(0), "go": runtime.Version(), "version": buildVersion(), "rows": b.rows})
	}
	fmt.Fprintf(b.s.out, "chronodex %s, %s, %s, %s\n\n", buildVersion(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH, count(int64(runtime.GOMAXPROCS(0)), "core"))
	g := render.Grid{Heads: []string{"what", "result", "unit", "detail"}, Right: []bool{false, true, false, false}}
	for _, r := range b.rows {
		value, unit := fmt.Sprintf("%.3g", r.Value), r.Unit
		switch {
		case r.Unit == "bytes":
			value, unit, _ = strings.Cut(size(int64(r.Value)), " ")
		case r.Value >= 1000:
			value = render.Count(int64(r.Value))
		}
		g.Rows = append(g.Rows, []string{r.What, value, unit, r.Detail})
	}
	return g.Write(b.s.out, max(b.s.tableWidth(), 160))
}
