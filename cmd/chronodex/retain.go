package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// retainCmd drops what is too old.
type retainCmd struct {
	Selector string `help:"Which series." default:"*" placeholder:"SELECTOR"`
	Older    string `required:"" help:"Age from which on observations go, such as 90d, 8w or 36h." placeholder:"AGE"`
	DryRun   bool   `help:"Only say what would go."`
}

// Help is printed behind the flags.
func (*retainCmd) Help() string {
	return `Whole partitions go, 30 days wide where the store was not made with others: those whose last moment is older than the age. A server does this by itself, see retention in its configuration.

Examples:

    chronodex retain --older 400d
    chronodex retain --selector 'db:telegraf rp:raw' --older 30d --dry-run`
}

// Run is called by kong.
func (c *retainCmd) Run(ctx context.Context, s *session) error {
	f, err := parseSelector(c.Selector)
	if err != nil {
		return err
	}
	age, err := query.ParseDuration(c.Older)
	if err == nil && age <= 0 {
		err = errors.New("want an age such as 90d")
	}
	if err != nil {
		return &usageError{fmt.Errorf("--older: %w", err)}
	}
	policies := []shard.Policy{{Filter: f, Age: age}}
	if c.DryRun {
		return s.withStore(func(set *shard.Set) error {
			_, err := c.report(ctx, s, set, policies)
			return err
		})
	}
	return s.withWriter(func(set *shard.Set) error {
		found, err := c.report(ctx, s, set, policies)
		if err != nil || len(found) == 0 {
			return err
		}
		set.SetRetention(policies)
		if err := set.Retain(ctx); err != nil {
			return err
		}
		series, bytes := total(found)
		_, err = fmt.Fprintf(s.out, "%s in %s gone, %s of disk free; compact frees the rest\n",
			count(series, "series"), count(int64(len(found)), "partition"), size(bytes))
		return err
	})
}

// report prints what is too old.
func (c *retainCmd) report(ctx context.Context, s *session, set *shard.Set, policies []shard.Policy) ([]shard.Expiry, error) {
	found, err := set.Expired(ctx, policies)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(s.out, "nothing is that old")
		return nil, err
	}
	for _, e := range found {
		fmt.Fprintf(s.out, "%s to %s: %s", stamp(e.Span.Start), stamp(e.Span.End), count(e.Series, "series"))
		if e.Segments > 0 {
			fmt.Fprintf(s.out, ", %s of %s whole", count(int64(e.Segments), "segment"), size(e.Bytes))
		}
		fmt.Fprintln(s.out)
	}
	if c.DryRun {
		series, _ := total(found)
		_, err = fmt.Fprintf(s.out, "%s in %s would go\n", count(series, "series"), count(int64(len(found)), "partition"))
	}
	return found, err
}

// total adds up; a series counts once for each partition.
func total(found []shard.Expiry) (series, bytes int64) {
	for _, e := range found {
		series, bytes = series+e.Series, bytes+e.Bytes
	}
	return series, bytes
}

// stamp writes a moment.
func stamp(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339) }
