package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// errOpen is wrapped by the errors of opening a store.
var errOpen = errors.New("open")

// openStore opens the store. With readOnly it takes no lock, so that it can be read while another
// process writes to it.
func (s *session) openStore(readOnly bool, o shard.Options) (*shard.Set, error) {
	o.ReadOnly = readOnly
	o.Logger = slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	set, err := shard.Open(s.data, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errOpen, err)
	}
	return set, nil
}

// withStore opens the store for reading, and closes it behind f.
func (s *session) withStore(f func(*shard.Set) error) error {
	set, err := s.openStore(true, shard.Options{})
	if err != nil {
		return err
	}
	return errors.Join(f(set), set.Close())
}

// withWriter opens the store for writing, and closes it behind f. There must be one.
func (s *session) withWriter(f func(*shard.Set) error) error {
	probe, err := s.openStore(true, shard.Options{})
	if err != nil {
		return err
	}
	if err := probe.Close(); err != nil {
		return err
	}
	set, err := s.openStore(false, shard.Options{Manual: true})
	if err != nil {
		return err
	}
	return errors.Join(f(set), set.Close())
}

// engine returns what answers queries of the store.
func (s *session) engine(set *shard.Set, memory int64) *query.Engine {
	e := &query.Engine{Options: query.Options{MemoryLimit: memory, Clock: s.now}}
	for _, part := range set.Parts() {
		e.Parts = append(e.Parts, part)
	}
	return e
}

// parseSelector reads a selector; an empty one selects all.
func parseSelector(text string) (index.Filter, error) {
	return exchange.ParseSelector("selector", text)
}

// rangeFlags choose a span of time.
type rangeFlags struct {
	From string `help:"Start of the span, included: RFC 3339, a date, Unix s, ms, us or ns, now-6h, -6h, NOW/DAY." placeholder:"TIME"`
	To   string `help:"End of the span, excluded." placeholder:"TIME"`
	Tz   string `help:"Time zone of dates, windows and output, such as Europe/Berlin." default:"UTC" placeholder:"ZONE"`
}

// parse returns the span and the zone.
func (f *rangeFlags) parse(now time.Time) (span chunk.Span, loc *time.Location, err error) {
	span = chunk.Always
	if loc, err = time.LoadLocation(f.Tz); err != nil {
		return span, nil, &usageError{fmt.Errorf("--tz: %w", err)}
	}
	for _, end := range []struct {
		name, text string
		at         *int64
	}{{"--from", f.From, &span.Start}, {"--to", f.To, &span.End}} {
		if end.text == "" {
			continue
		}
		if *end.at, err = query.ParseTime(end.text, now, loc); err != nil {
			return span, nil, &usageError{fmt.Errorf("%s: %w", end.name, err)}
		}
	}
	if f.From != "" && f.To != "" && span.Start >= span.End {
		return span, nil, &usageError{fmt.Errorf("--from %s is not before --to %s", f.From, f.To)}
	}
	return span, loc, nil
}

// diskUsage returns the bytes of the files in a folder.
func diskUsage(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that is gone takes no room
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
