package receive

import (
	"errors"
	"fmt"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/ingest/arrowin"
)

// ownArrow is the format of Arrow's IPC streams.
func (r *Receiver) ownArrow() ownFormat {
	return ownFormat{
		types: []string{"application/vnd.apache.arrow.stream"}, parameters: []string{"set"},
		read: func(w *ownWrite) error {
			o, err := ownOptions(w.URL.Query())
			if err != nil {
				return fmt.Errorf("%w: %w", errOwn, err)
			}
			text, err := w.stream()
			if err != nil {
				return err
			}
			defer text.Close()
			held := int64(0)
			defer func() { r.o.Gate.Release(held) }()
			var stop error // of the store, not of the stream
			err = arrowin.Decode(text, arrowin.Options{
				Set: o.Set, MaxBytes: r.o.MaxBody,
				Refused: func(row int64, why error) {
					w.refused++
					w.describe(exchange.Refusal{Row: row, Detail: why.Error()})
				},
				Hold: func(n int64) error {
					if stop = r.o.Gate.Hold(n); stop == nil {
						held += n
					}
					return stop
				},
				Emit: func(b *chunk.Batch) error {
					stop = w.append(b)
					return stop
				},
			})
			switch {
			case err == nil || stop != nil:
				return stop
			case w.text.err != nil:
				return w.text.err
			case errors.Is(err, arrowin.ErrFormat):
				return fmt.Errorf("%w: %w", errOwn, err)
			case w.Context().Err() != nil:
				return w.Context().Err()
			}
			return fmt.Errorf("%w: %w", errBody, err)
		},
	}
}
