package keep

import (
	"context"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/backup"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/query"
)

// stream sends a backup. The store keeps the files of it until the client has them.
func (k *Keeper) stream(c *call) error {
	name := "chronodex-" + k.o.Gate.Now().UTC().Format("20060102T150405Z") + ".tar"
	c.w.Header().Set("Content-Type", "application/x-tar")
	c.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	c.w.Header().Set("Cache-Control", "no-store")
	b, err := backup.WriteTar(c.r.Context(), k.o.Gate.Set(), &begins{c}, backup.Options{BytesPerSecond: k.o.BytesPerSecond})
	if err != nil {
		return err
	}
	k.o.Logger.Info("backup sent", "bytes", b.Bytes)
	return nil
}

// begins notes that the answer has begun.
type begins struct{ c *call }

func (b *begins) Write(p []byte) (int, error) {
	b.c.begun = true
	return b.c.w.Write(p)
}

// Restored is the answer to POST /v1/restore.
type Restored struct {
	Backup       string    `json:"backup"`
	Taken        time.Time `json:"taken"`
	Series       int64     `json:"series"`
	Observations int64     `json:"observations"` // written to the store
	Refused      int64     `json:"refused"`      // by the store's limits: rows, that are not written
	Reasons      []string  `json:"reasons,omitempty"`
	Lost         []string  `json:"lost,omitempty"` // what in the backup cannot be read
}

// maxReasons is how many of them an answer has.
const maxReasons = 20

// restore writes what a backup holds of the series that a selector matches, within a span, to the
// running store, as a writer would: what the store has beside it stays, and of two observations
// with one stamp that of the backup counts. To have a store just as it was, one restores the whole
// backup into a new folder instead, and serves that.
func (k *Keeper) restore(c *call) error {
	dir, err := k.folder(c.args.Get("name"))
	if err != nil {
		return err
	}
	f, err := exchange.ParseSelector("selector", c.args.Get("selector"))
	if err != nil {
		return err
	}
	if c.args.Get("selector") == "" {
		return &exchange.ParameterError{Name: "selector", Reason: fmt.Errorf("say which series; * is all")}
	}
	span, err := k.span(c)
	if err != nil {
		return err
	}
	from, b, err := backup.OpenStore(dir, c.args.Get("at"), backup.Options{})
	if err != nil {
		return err
	}
	defer from.Close()
	out := Restored{Backup: b.Name, Taken: b.Taken}
	done, err := backup.Merge(c.r.Context(), from, f, span, func(ctx context.Context, batch *chunk.Batch) error {
		outcome, err := k.o.Gate.Append(ctx, batch)
		out.Observations += outcome.Stored
		out.Refused += int64(len(outcome.Refused))
		for _, r := range outcome.Refused {
			if len(out.Reasons) < maxReasons {
				out.Reasons = append(out.Reasons, r.Reason.Error())
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w (%d observations were written before; to repeat it is safe)", err, out.Observations)
	}
	out.Series = done.Series
	out.Lost = done.Lost[:min(len(done.Lost), maxReasons)]
	k.o.Logger.Info("restored into the running store", "backup", b.Name, "selector", f.String(), "observations", out.Observations)
	return c.json(out)
}

// span returns the span that a request names.
func (k *Keeper) span(c *call) (chunk.Span, error) {
	span, loc := chunk.Always, time.UTC
	if tz := c.args.Get("tz"); tz != "" {
		var err error
		if loc, err = time.LoadLocation(tz); err != nil {
			return span, &exchange.ParameterError{Name: "tz", Reason: err}
		}
	}
	for name, at := range map[string]*int64{"from": &span.Start, "to": &span.End} {
		text := c.args.Get(name)
		if text == "" {
			continue
		}
		t, err := query.ParseTime(text, k.o.Gate.Now(), loc)
		if err != nil {
			return span, &exchange.ParameterError{Name: name, Reason: err}
		}
		*at = t
	}
	return span, nil
}
