package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/codec"
	"github.com/chronodex/chronodex/internal/client"
	"github.com/chronodex/chronodex/internal/ingest"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/shard"
)

// maxComplaints is how many bad lines are printed.
const maxComplaints = 20

// importGC is how much garbage an import makes, in percent of what lives, before it is collected.
const importGC = 50

// importCmd reads files into the store.
type importCmd struct {
	Paths []string `arg:"" optional:"" name:"path" help:"Files, folders, or - for stdin. .gz and .zst are read as well."`

	Format    string        `help:"One of chronix, csv, influx and ndjson; guessed from name and content when not given." enum:",chronix,csv,influx,ndjson" default:"" placeholder:"FORMAT"`
	Strict    bool          `help:"Stop at the first bad line instead of skipping it."`
	NoCompact bool          `help:"Do not compact the store at the end."`
	Ddc       time.Duration `help:"Let times be off by up to this much, such as 50ms, so that they take less room. They are exact when not given." placeholder:"DURATION"`
	Shards    int           `help:"Parts of a store that is made by this import; one a core when not given." placeholder:"N"`
	Set       []string      `help:"Give every series a dimension. {file} and {dir} in the value are the names of its file and folder." placeholder:"NAME=VALUE" sep:"none"`
	Precision string        `help:"Unit of times that are integers: ns, us, ms or s." enum:",ns,us,ms,s" default:"" placeholder:"UNIT"`
	Quiet     bool          `short:"q" help:"Print nothing but errors."`

	From       string      `help:"Read another store that runs, at this address, such as prometheus+http://host:9090, instead of files." placeholder:"URL" group:"Other stores"`
	FromSource sourceFlags `embed:"" prefix:"from-" group:"Other stores"`

	CSV csvFlags `embed:"" prefix:"csv-" group:"CSV (what is not given is guessed from the header and the first records)"`
}

// csvFlags say what the columns of a CSV file are.
type csvFlags struct {
	Time      string   `help:"Column of the time." placeholder:"COLUMN"`
	Value     []string `help:"Column of values; can be repeated." placeholder:"COLUMN" sep:"none"`
	Dimension []string `help:"Column of a dimension; can be repeated." placeholder:"COLUMN" sep:"none"`
	Kind      string   `help:"Kind of the values: float64, int64, bool or string." enum:",float64,int64,bool,string" default:"" placeholder:"KIND"`
	Layout    string   `help:"Layout of the time: unix, ms, us, ns, rfc3339, or as Go's package time writes it, such as '02.01.2006 15:04'." placeholder:"LAYOUT"`
	Zone      string   `help:"Time zone of times that name none." default:"UTC" placeholder:"ZONE"`
	Delimiter string   `help:"Character between fields." placeholder:"CHAR"`
	NoHeader  bool     `help:"The first line is a record; columns are numbered from 1."`
}

// Help is printed behind the flags.
func (*importCmd) Help() string {
	return `Bad lines, and files that cannot be read, are reported with file, line and reason, and skipped; then the exit code is 4. An import that was interrupted is simply repeated: of two observations with the same series and time the last one counts.

Examples:

    chronodex import metrics/
    chronodex import --csv-time ts --csv-value cpu --csv-value mem --csv-dimension host usage.csv
    chronodex import --csv-layout '02.01.2006 15:04' --csv-zone Europe/Berlin --set site=north plant.csv.gz
    telegraf --test | chronodex import --format influx -
    chronodex import --set series={dir}/{file} nab/data/
    chronodex import --from prometheus+http://localhost:9090 --from-match '{job="node"}' --from-start -30d
    chronodex import --from influxdb+http://localhost:8086 --from-db telegraf --from-state import.state`
}

// options returns what the flags say.
func (c *importCmd) options(s *session) (ingest.Options, error) {
	o := ingest.Options{Format: c.Format, Strict: c.Strict, Now: s.now().UnixNano()}
	for _, text := range c.Set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" || value == "" {
			return o, fmt.Errorf("--set %s: want NAME=VALUE", text)
		}
		o.Set = append(o.Set, chunk.Dimension{Name: name, Value: value})
	}
	o.Precision = units[c.Precision]
	o.CSV = ingest.CSVOptions{
		Time: c.CSV.Time, Values: c.CSV.Value, Dimensions: c.CSV.Dimension, Layout: c.CSV.Layout, NoHeader: c.CSV.NoHeader,
		Kind: map[string]chunk.Kind{"float64": chunk.Float64, "int64": chunk.Int64, "bool": chunk.Bool, "string": chunk.String}[c.CSV.Kind],
	}
	switch d := strings.ReplaceAll(c.CSV.Delimiter, `\t`, "\t"); {
	case len(d) == 1:
		o.CSV.Comma = d[0]
	case len(d) > 1:
		return o, fmt.Errorf("--csv-delimiter %s: want one character", d)
	}
	var err error
	if o.CSV.Location, err = time.LoadLocation(c.CSV.Zone); err != nil {
		return o, fmt.Errorf("--csv-zone: %w", err)
	}
	return o, nil
}

// units are the units of times as integers.
var units = map[string]time.Duration{"ns": 1, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second}

// Run is called by kong.
func (c *importCmd) Run(ctx context.Context, s *session) error {
	o, err := c.options(s)
	if err != nil {
		return &usageError{err}
	}
	switch {
	case c.From != "" && len(c.Paths) > 0:
		return &usageError{errors.New("want either files or --from URL")}
	case c.From != "":
		return c.fromStore(ctx, s, o.Set)
	case len(c.Paths) == 0:
		return &usageError{errors.New("want files, folders or -, or --from URL")}
	}
	sources, err := ingest.Sources(c.Paths, s.in)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(importGC)) // of a million series: 620 MB instead of 740, in 3 % more time
	}
	bar := s.progress("import ")
	complaints := 0
	o.Skipped = func(e *ingest.LineError) {
		if complaints++; complaints <= maxComplaints && !c.Strict {
			bar.clear()
			s.complain("skipped %v\n", e)
		}
	}
	o.Progress = func(p ingest.Progress) { bar.rate(p.Bytes, p.TotalBytes, p.Observations) }
	if s.server != nil {
		return c.send(ctx, s, sources, o, bar)
	}
	set, err := s.openStore(false, shard.Options{Shards: c.Shards, Manual: !c.NoCompact})
	if err != nil {
		return err
	}
	if has := set.Stats().Shards; c.Shards != 0 && c.Shards != has {
		err := fmt.Errorf("%s has %d shards, not %d: their number is fixed when a store is made", s.data, has, c.Shards)
		return errors.Join(err, set.Close())
	}
	start := s.now()
	sum, err := ingest.Run(ctx, sources, o, c.sink(set.Append))
	bar.clear()
	durations := []time.Duration{s.now().Sub(start)}
	if err == nil && !c.NoCompact {
		bar = s.progress("compact")
		err = set.Compact(ctx, func(done, total int64) { bar.rate(done, total, done) })
		bar.clear()
		if err == nil {
			durations = append(durations, s.now().Sub(start))
		}
	}
	stats := set.Stats()
	err = errors.Join(err, set.Close())
	if !c.Quiet {
		c.summary(s, sum, stats, durations)
	}
	if err != nil {
		return err
	}
	if sum.Skipped > 0 || sum.Failed > 0 {
		return errPartial
	}
	return nil
}

// toServer returns what sends batches to the server, and counts what that refuses.
func (c *importCmd) toServer(s *session, bar *progress, refused *int64) func(context.Context, *chunk.Batch) error {
	return func(ctx context.Context, b *chunk.Batch) error {
		_, err := s.server.Write(ctx, b)
		if r := (*client.Refused)(nil); errors.As(err, &r) && !c.Strict {
			*refused += r.Refused
			bar.clear()
			for _, reason := range r.Reasons {
				s.complain("refused %s\n", reason)
			}
			return nil
		}
		return err
	}
}

// send reads the sources here, and has the server store what is in them.
func (c *importCmd) send(ctx context.Context, s *session, sources []ingest.Source, o ingest.Options, bar *progress) error {
	if c.Shards != 0 {
		return &usageError{errors.New("--shards: the server has a store already, whose number of shards is fixed")}
	}
	start, refused := s.now(), int64(0)
	sum, err := ingest.Run(ctx, sources, o, c.sink(c.toServer(s, bar, &refused)))
	bar.clear()
	if !c.Quiet {
		c.read(s, sum, s.now().Sub(start))
		if refused > 0 {
			fmt.Fprintf(s.out, "%s refused by the server\n", count(refused, "series"))
		}
	}
	if err == nil && (sum.Skipped > 0 || sum.Failed > 0 || refused > 0) {
		return errPartial
	}
	return err
}

// sink returns what takes the batches.
func (c *importCmd) sink(store func(context.Context, *chunk.Batch) error) func(context.Context, *chunk.Batch) error {
	if c.Ddc <= 0 {
		return store
	}
	var times []int64
	return func(ctx context.Context, b *chunk.Batch) error {
		for i := range b.Rows {
			if x := &b.Rows[i].Samples; x.Sorted() {
				times = quantize(times[:0], x.Times, int64(c.Ddc))
				copy(x.Times, times)
			}
		}
		return store(ctx, b)
	}
}

// quantize is codec.QuantizeTimes, but leaves the last stamp exact, as the first one is: so the
// stamps of the next batch come behind those of this one.
func quantize(dst, times []int64, within int64) []int64 {
	dst = codec.QuantizeTimes(dst, times, within)
	n := len(times) - 1
	for i := n; i >= 0 && (i == n || dst[i] >= dst[i+1]); i-- {
		dst[i] = times[i]
	}
	return dst
}

// summary prints what was read, and what the store has become: durations are that of reading and,
// where the store was compacted, that of all.
func (c *importCmd) summary(s *session, sum ingest.Summary, st shard.Stats, durations []time.Duration) {
	c.read(s, sum, durations[0])
	line := fmt.Sprintf("%s: %s, %s on disk", s.data, count(st.Series, "series"), size(diskUsage(s.data)))
	if len(durations) > 1 {
		line += fmt.Sprintf(" after compaction, in %s altogether", took(durations[1]))
	}
	fmt.Fprintln(s.out, line)
}

// read prints what was read, in which time.
func (c *importCmd) read(s *session, sum ingest.Summary, d time.Duration) {
	n := sum.Observations
	fmt.Fprintf(s.out, "%s from %s in %s: %s, %s of text\n", count(n, "observation"), count(int64(sum.Files), "file"),
		took(d), perSecond(n, d.Seconds()), size(sum.Text))
	if sum.Skipped > 0 {
		fmt.Fprintf(s.out, "%s skipped\n", count(sum.Skipped, "bad line"))
	}
	if sum.Failed > 0 {
		fmt.Fprintf(s.out, "%s could not be read to the end\n", count(int64(sum.Failed), "file"))
	}
}

// count writes a number with its noun.
func count(n int64, noun string) string {
	if n != 1 && !strings.HasSuffix(noun, "s") {
		noun += "s"
	}
	return render.Count(n) + " " + noun
}
