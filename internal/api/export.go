package api

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/export"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest"
)

// maxWarnings is how many texts the trailer of an export holds.
const maxWarnings = 100

// export streams observations as text that import reads back to the bit. What damage left out is
// told behind the text, in the trailer [exchange.LostTrailer].
func (a *API) export(c *call) error {
	format, err := c.oneOf("format", ingest.NDJSON, ingest.CSV, ingest.Influx)
	if err != nil {
		return err
	}
	if c.text("selector") == "" {
		return wrong("selector", "say which series; * is all")
	}
	f, err := c.selector()
	if err != nil {
		return err
	}
	req, err := c.request()
	if err != nil {
		return err
	}
	ctx := c.r.Context()
	if who := access.From(ctx); !who.Rights.Has(access.Read) { // parts would be none, and that no error
		return fmt.Errorf("%q may not read: %w", who.Name, gate.ErrForbidden)
	}
	if a.exports != nil {
		select {
		case a.exports <- struct{}{}:
			defer func() { <-a.exports }()
		default:
			return &gate.Overload{What: "exports at once", Limit: int64(cap(a.exports)), Name: "limits.exports", After: 10 * time.Second}
		}
	}
	h := c.out.w.Header()
	h.Set("Content-Type", map[string]string{
		ingest.NDJSON: exchange.NDJSONType, ingest.CSV: exchange.CSVType, ingest.Influx: exchange.TextType,
	}[format])
	h.Set("Trailer", exchange.LostTrailer)
	var lost []string
	_, err = export.Write(ctx, &c.out, a.o.Gate.Parts(ctx), export.Request{Filter: f, Span: req.Span, Format: format}, export.Observer{
		Warn: func(text string) {
			if len(lost) < maxWarnings {
				lost = append(lost, text)
			}
		},
	})
	if err != nil {
		return err
	}
	if err := c.out.goOn(); err != nil { // trailers need an answer without a length
		return err
	}
	for _, text := range lost {
		quoted, err := json.Marshal(text)
		if err != nil {
			return err
		}
		h.Add(exchange.LostTrailer, string(quoted))
	}
	return nil
}

// goOn sends what has gathered as part of an answer that goes on.
func (a *answer) goOn() error {
	if a.begun {
		return nil
	}
	return a.begin(true)
}
