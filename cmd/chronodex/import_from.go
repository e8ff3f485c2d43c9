package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/source"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// sourceFlags say what is read of another store.
type sourceFlags struct {
	Kind         string   `help:"One of prometheus, influxdb and victoriametrics, where the address does not begin with it." enum:",prometheus,influxdb,victoriametrics" default:"" placeholder:"KIND"`
	Start        string   `help:"Start of the span to read, included." placeholder:"TIME"`
	End          string   `help:"End of the span, excluded." placeholder:"TIME"`
	Match        []string `help:"Selector of Prometheus, such as '{job=\"node\"}'; of InfluxDB, a measurement or /expression/. Can be repeated." placeholder:"SELECTOR" sep:"none"`
	DB           []string `help:"Database of InfluxDB; all when not given. Can be repeated." placeholder:"NAME" sep:"none"`
	User         string   `help:"User there." placeholder:"NAME"`
	PasswordFile string   `help:"File with the password; CHRONODEX_FROM_PASSWORD holds the password itself." type:"path" placeholder:"FILE"`
	TokenFile    string   `help:"File with a bearer token; CHRONODEX_FROM_TOKEN holds the token itself." type:"path" placeholder:"FILE"`
	Slice        string   `help:"How much time is read at once, such as 6h; a day when not given." placeholder:"DURATION"`
	State        string   `help:"File that remembers what is done, so that an import goes on where it was interrupted." type:"path" placeholder:"FILE"`
	Rate         string   `help:"Read at most this much a second, such as 20MiB." placeholder:"SIZE"`
}

// options returns what the flags say.
func (f *sourceFlags) options(s *session) (o source.Options, err error) {
	o = source.Options{Kind: f.Kind, Match: f.Match, Databases: f.DB, User: f.User, State: f.State, Span: chunk.Always, Now: s.now}
	for _, end := range []struct {
		name, text string
		at         *int64
	}{{"--from-start", f.Start, &o.Span.Start}, {"--from-end", f.End, &o.Span.End}} {
		if end.text == "" {
			continue
		}
		if *end.at, err = query.ParseTime(end.text, s.now(), time.UTC); err != nil {
			return o, fmt.Errorf("%s: %w", end.name, err)
		}
	}
	if o.Span.Empty() {
		return o, fmt.Errorf("--from-start %s is not before --from-end %s", f.Start, f.End)
	}
	if f.Slice != "" {
		if o.Slice, err = query.ParseDuration(f.Slice); err == nil && o.Slice < time.Minute {
			err = errors.New("want at least 1m")
		}
		if err != nil {
			return o, fmt.Errorf("--from-slice %s: %w", f.Slice, err)
		}
	}
	if f.Rate != "" {
		if o.BytesPerSecond, err = parseSize(f.Rate); err != nil {
			return o, fmt.Errorf("--from-rate: %w", err)
		}
	}
	if o.Password, err = secret("CHRONODEX_FROM_PASSWORD", f.PasswordFile); err != nil {
		return o, fmt.Errorf("--from-password-file: %w", err)
	}
	if o.Token, err = secret("CHRONODEX_FROM_TOKEN", f.TokenFile); err != nil {
		return o, fmt.Errorf("--from-token-file: %w", err)
	}
	return o, nil
}

// secret returns what a file holds, or else a variable of the environment.
func secret(variable, file string) (string, error) {
	if file == "" {
		return os.Getenv(variable), nil
	}
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

// fromStore imports from another store.
func (c *importCmd) fromStore(ctx context.Context, s *session, set []chunk.Dimension) error {
	o, err := c.FromSource.options(s)
	if err != nil {
		return &usageError{err}
	}
	bar, start, refused := s.progress("import "), s.now(), int64(0)
	o.URL, o.Set = c.From, set
	o.Warn = func(text string) {
		bar.clear()
		s.complain("%s\n", text)
	}
	o.Progress = func(p source.Progress) { bar.rate(int64(p.Slices), int64(p.Of), p.Observations) }
	var sum source.Summary
	finish := func(err error) {
		bar.clear()
		if !c.Quiet && (err == nil || sum.Slices > 0) {
			n := sum.Observations
			fmt.Fprintf(s.out, "%s from %s of time, %s read: %s, %s\n", count(n, "observation"), count(int64(sum.Slices), "slice"),
				size(sum.Bytes), took(s.now().Sub(start)), perSecond(n, s.now().Sub(start).Seconds()))
			if sum.Skipped > 0 {
				fmt.Fprintf(s.out, "%s had been done before\n", count(int64(sum.Skipped), "slice"))
			}
		}
	}
	if s.server != nil {
		sum, err = source.Import(ctx, o, c.sink(c.toServer(s, bar, &refused)))
		finish(err)
	} else {
		err = c.intoFolder(ctx, s, o, &sum, finish)
	}
	if errors.Is(err, source.ErrKind) {
		return &usageError{err}
	}
	if err == nil && sum.Refused+refused > 0 {
		return errPartial
	}
	return err
}

// intoFolder writes what comes to the store in the folder.
func (c *importCmd) intoFolder(ctx context.Context, s *session, o source.Options, sum *source.Summary, finish func(error)) error {
	set, err := s.openStore(false, shard.Options{Shards: c.Shards, Manual: !c.NoCompact})
	if err != nil {
		return err
	}
	*sum, err = source.Import(ctx, o, c.sink(set.Append))
	finish(err)
	if err == nil && !c.NoCompact {
		bar := s.progress("compact")
		err = set.Compact(ctx, func(done, total int64) { bar.rate(done, total, done) })
		bar.clear()
	}
	return errors.Join(err, set.Close())
}
