package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/internal/export"
)

// exportCmd writes observations as text.
type exportCmd struct {
	Selector string `arg:"" help:"Which series; * is all."`
	Format   string `help:"Output: ${enum}." enum:"csv,ndjson,influx" default:"ndjson"`
	Output   string `short:"o" help:"Write to this file instead of stdout; compressed where it ends in .gz or .zst." placeholder:"FILE"`
	rangeFlags
}

// Help is printed behind the flags.
func (*exportCmd) Help() string {
	return `What is exported imports again to the same series, times and values, to the bit: times are integers of nanoseconds, floats have as many digits as they need, and kinds are kept. InfluxDB has no NaN and no infinities, and refuses the lines that hold them; our import takes them.

Examples:

    chronodex export '*' --output all.ndjson.zst
    chronodex export 'host:app-02' --from 2026-03-02T13:00 --to 2026-03-02T15:00 --format csv
    chronodex export 'service:checkout' --format influx | curl --data-binary @- 'http://localhost:8086/write?db=shop'`
}

// Run is called by kong.
func (c *exportCmd) Run(ctx context.Context, s *session) (err error) {
	f, err := parseSelector(c.Selector)
	if err != nil {
		return err
	}
	span, _, err := c.rangeFlags.parse(s.now())
	if err != nil {
		return err
	}
	out, closeOut, err := c.open(s)
	if err != nil {
		return err
	}
	err = s.ask(0, func(from store) error {
		return c.export(ctx, s, from, out, export.Request{Filter: f, Span: span, Format: c.Format})
	})
	return errors.Join(err, closeOut())
}

// open returns what to write to, and what to call at the end.
func (c *exportCmd) open(s *session) (io.Writer, func() error, error) {
	if c.Output == "" {
		return s.out, func() error { return nil }, nil
	}
	file, err := os.Create(c.Output)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case strings.HasSuffix(c.Output, ".gz"):
		w := gzip.NewWriter(file)
		return w, func() error { return errors.Join(w.Close(), file.Close()) }, nil
	case strings.HasSuffix(c.Output, ".zst"):
		w, err := zstd.NewWriter(file)
		return w, func() error { return errors.Join(w.Close(), file.Close()) }, err
	}
	return file, file.Close, nil
}

// export writes the series of the store, by their dimensions.
func (c *exportCmd) export(ctx context.Context, s *session, from store, out io.Writer, req export.Request) error {
	bar := s.progress("export")
	defer bar.clear()
	lost, err := from.Export(ctx, out, req, export.Observer{
		Warn: func(text string) {
			bar.clear()
			fmt.Fprintf(s.err, "warning: %s\n", text)
		},
		Progress: bar.rate,
	})
	if err == nil && lost {
		return errPartial
	}
	return err
}
