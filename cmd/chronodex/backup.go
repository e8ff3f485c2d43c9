package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/chronodex/chronodex/internal/backup"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// backupCmd copies the store.
type backupCmd struct {
	Dir string `arg:"" optional:"" help:"Folder of backups; it is made where it is missing."`

	To     string `help:"Write one stream to this file instead; - is stdout." placeholder:"FILE.tar"`
	Keep   int    `help:"Remove all but so many backups of the folder, the newest, when this one was made." placeholder:"N"`
	Full   bool   `help:"Read all files of the store, also those that the last backup has."`
	Rate   string `help:"Read at most this much a second, such as 20MiB." placeholder:"SIZE"`
	List   bool   `help:"Only list the backups of the folder."`
	Verify bool   `help:"Only read all backups of the folder, and verify every checksum."`
	Format string `help:"Output: ${enum}." enum:"table,json" default:"table"`
	Quiet  bool   `short:"q" help:"Print nothing but errors."`
}

// Help is printed behind the flags.
func (*backupCmd) Help() string {
	return `A backup holds what was acknowledged before it began. Of a second one in the same folder only what is new is copied; each can be restored, and removed, by itself. One that was interrupted is none, and the next one goes on.

A server that has the store open makes its backups itself, by POST /v1/backup; or it sends one as a stream, with --server and --to.

Examples:

    chronodex backup /mnt/backups/metrics --keep 14
    chronodex backup /mnt/backups/metrics --list
    chronodex backup --server http://localhost:9428 --to metrics.tar
    chronodex backup --to - | zstd | ssh elsewhere 'cat > metrics.tar.zst'`
}

// Run is called by kong.
func (c *backupCmd) Run(ctx context.Context, s *session) error {
	if (c.Dir == "") == (c.To == "") {
		return &usageError{errors.New("want either a folder of backups or --to FILE.tar")}
	}
	if c.Keep < 0 {
		return &usageError{fmt.Errorf("--keep %d: want a count from 1", c.Keep)}
	}
	o := backup.Options{Keep: c.Keep, Full: c.Full}
	if c.Rate != "" {
		var err error
		if o.BytesPerSecond, err = parseSize(c.Rate); err != nil {
			return &usageError{fmt.Errorf("--rate: %w", err)}
		}
	}
	if s.server != nil {
		return c.fetch(ctx, s)
	}
	switch {
	case c.Verify:
		return c.verify(ctx, s, o)
	case c.List:
		return c.list(s, o)
	case c.To != "":
		return s.withWriter(func(set *shard.Set) error { return c.stream(ctx, s, set, o) })
	}
	return s.withWriter(func(set *shard.Set) error {
		bar, start := s.progress("backup "), s.now()
		o.Progress = func(done, total int64) { bar.show(done, total, size(done)) }
		b, err := backup.Create(ctx, set, c.Dir, o)
		bar.clear()
		if err != nil || c.Quiet {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s: %s in %s, of which %s were copied, in %s\n",
			filepath.Join(c.Dir, b.Name), size(b.Bytes), count(int64(b.Files), "file"), size(b.Copied), took(s.now().Sub(start)))
		return err
	})
}

// stream writes the store as one file, which has its name only when it is whole.
func (c *backupCmd) stream(ctx context.Context, s *session, set *shard.Set, o backup.Options) error {
	bar, start := s.progress("backup "), s.now()
	o.Progress = func(done, total int64) { bar.show(done, total, size(done)) }
	if c.To == "-" {
		_, err := backup.WriteTar(ctx, set, s.out, o)
		bar.clear()
		return err
	}
	b, err := writeWhole(c.To, func(f *os.File) (*backup.Backup, error) { return backup.WriteTar(ctx, set, f, o) })
	bar.clear()
	if err != nil || c.Quiet {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s in %s, in %s\n", c.To, size(b.Bytes), count(int64(b.Files), "file"), took(s.now().Sub(start)))
	return err
}

// fetch has a server send its store, and verifies what comes.
func (c *backupCmd) fetch(ctx context.Context, s *session) error {
	if c.To == "" || c.List || c.Verify || c.Rate != "" {
		return &usageError{errors.New("a server keeps its backups in a folder of its own (POST /v1/backup); here it sends one: name a file by --to")}
	}
	bar, start := s.progress("backup "), s.now()
	r, err := s.server.Backup(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	n := int64(0)
	check := func(w io.Writer) (*backup.Backup, error) {
		return backup.CheckTar(io.TeeReader(r, io.MultiWriter(w, counter(func(k int) {
			n += int64(k)
			bar.show(n, 0, size(n))
		}))))
	}
	if c.To == "-" {
		_, err := check(s.out)
		bar.clear()
		return err
	}
	b, err := writeWhole(c.To, func(f *os.File) (*backup.Backup, error) { return check(f) })
	bar.clear()
	if err != nil || c.Quiet {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s in %s, in %s\n", c.To, size(b.Bytes), count(int64(b.Files), "file"), took(s.now().Sub(start)))
	return err
}

// A counter is told how much is written.
type counter func(int)

// Write counts p.
func (c counter) Write(p []byte) (int, error) {
	c(len(p))
	return len(p), nil
}

// writeWhole makes a file that has its name only when write has written all of it.
func writeWhole[T any](name string, write func(*os.File) (T, error)) (out T, err error) {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.tmp")
	if err != nil {
		return out, err
	}
	if out, err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return out, errors.Join(err, os.Remove(f.Name()))
	}
	return out, nil
}

// list prints the backups of a folder.
func (c *backupCmd) list(s *session, o backup.Options) error {
	all, err := backup.List(c.Dir, o)
	if err != nil && all == nil {
		return err
	}
	if c.Format == "json" {
		list := []map[string]any{}
		for _, b := range all {
			list = append(list, map[string]any{"name": b.Name, "taken": b.Taken, "files": b.Files, "bytes": b.Bytes})
		}
		return errors.Join(err, printJSON(s, map[string]any{"backups": list}))
	}
	for _, b := range all {
		fmt.Fprintf(s.out, "%s  %s  %s in %s\n", b.Name, b.Taken.Format(time.RFC3339), size(b.Bytes), count(int64(b.Files), "file"))
	}
	if len(all) == 0 {
		fmt.Fprintf(s.out, "%s: no backups yet\n", c.Dir)
	}
	return err
}

// verify reads all backups of a folder.
func (c *backupCmd) verify(ctx context.Context, s *session, o backup.Options) error {
	bar := s.progress("verify ")
	o.Progress = func(done, total int64) { bar.show(done, total, size(done)) }
	findings := []string{}
	err := backup.Verify(ctx, c.Dir, o, func(f backup.Finding) { findings = append(findings, f.String()) })
	bar.clear()
	if err != nil {
		return err
	}
	if c.Format == "json" {
		err = printJSON(s, map[string]any{"findings": findings})
	} else {
		for _, f := range findings {
			fmt.Fprintln(s.out, f)
		}
	}
	if len(findings) > 0 {
		s.complain("%s: %s\n", c.Dir, count(int64(len(findings)), "finding"))
		return errReported
	}
	if c.Format == "table" && !c.Quiet {
		all, err := backup.List(c.Dir, o)
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s: %s, nothing is damaged\n", c.Dir, count(int64(len(all)), "backup"))
	}
	return err
}

// restoreCmd makes a store of a backup.
type restoreCmd struct {
	Dir string `arg:"" optional:"" help:"Folder of backups."`

	At      string `help:"Name of the backup, or a time: the latest that had been taken by then. The latest of all when not given." placeholder:"TIME"`
	FromTar string `help:"Read one stream from this file instead; - is stdin." placeholder:"FILE.tar"`
	Rate    string `help:"Read at most this much a second, such as 20MiB." placeholder:"SIZE"`
	Quiet   bool   `short:"q" help:"Print nothing but errors."`
}

// Help is printed behind the flags.
func (*restoreCmd) Help() string {
	return `The store is made in the folder that --data names, which must be new or empty: nothing is ever written over. Checksums are verified before and after; where one is wrong, there is no store.

Examples:

    chronodex restore /mnt/backups/metrics --data /srv/restored
    chronodex restore /mnt/backups/metrics --at 2026-01-31T12:00:00Z --data /srv/restored
    zstd -dc metrics.tar.zst | chronodex restore --from-tar - --data /srv/restored`
}

// Run is called by kong.
func (c *restoreCmd) Run(ctx context.Context, s *session) error {
	if (c.Dir == "") == (c.FromTar == "") {
		return &usageError{errors.New("want either a folder of backups or --from-tar FILE.tar")}
	}
	var o backup.Options
	if c.Rate != "" {
		var err error
		if o.BytesPerSecond, err = parseSize(c.Rate); err != nil {
			return &usageError{fmt.Errorf("--rate: %w", err)}
		}
	}
	bar, start := s.progress("restore "), s.now()
	o.Progress = func(done, total int64) { bar.show(done, total, size(done)) }
	b, err := c.restore(ctx, s, o)
	bar.clear()
	if err != nil {
		return err
	}
	set, err := s.openStore(false, shard.Options{Manual: true}) // makes the index
	if err != nil {
		return err
	}
	st := set.Stats()
	if err := set.Close(); err != nil || c.Quiet {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: %s of %s, %s in %s, in %s\n", s.data, count(st.Series, "series"),
		b.Taken.Format(time.RFC3339), size(b.Bytes), count(int64(b.Files), "file"), took(s.now().Sub(start)))
	return err
}

func (c *restoreCmd) restore(ctx context.Context, s *session, o backup.Options) (*backup.Backup, error) {
	if c.FromTar == "-" {
		return backup.RestoreTar(ctx, s.in, s.data, o)
	}
	if c.FromTar != "" {
		f, err := os.Open(c.FromTar)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return backup.RestoreTar(ctx, f, s.data, o)
	}
	which := c.At
	if _, err := backup.Find(c.Dir, which, o); errors.Is(err, backup.ErrNone) && which != "" {
		at, terr := query.ParseTime(which, s.now(), time.UTC)
		if terr != nil {
			return nil, err
		}
		which = time.Unix(0, at).UTC().Format(time.RFC3339Nano)
	}
	return backup.Restore(ctx, c.Dir, which, s.data, o)
}
