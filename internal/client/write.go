package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/ingest"
)

const (
	bodyBytes = 4 << 20 // of text in a request, about
	sliceRows = 64 << 10
)

// A Refused is what a server did not store of what it was sent.
type Refused struct {
	Stored  int64
	Refused int64    // series and lines
	Reasons []string // of the first ones
}

// Error counts them, and gives the first reason.
func (r *Refused) Error() string {
	text := fmt.Sprintf("the server refused %d of what was sent", r.Refused)
	if len(r.Reasons) > 0 {
		text += ", such as: " + r.Reasons[0]
	}
	return text
}

// Write sends a batch, in as many requests as it takes, and returns how many observations are
// durable there. What is refused for good is an error, [*Refused], behind which the rest is stored.
// Sending the same again does no harm, so that a request that was perhaps not heard is repeated.
func (c *Client) Write(ctx context.Context, b *chunk.Batch) (stored int64, err error) {
	var body bytes.Buffer
	var refused Refused
	send := func() error {
		n, err := c.writeOne(ctx, body.Bytes(), &refused)
		stored += n
		body.Reset()
		return err
	}
	for i := range b.Rows {
		row := &b.Rows[i]
		series := chunk.Series{Dimensions: row.Dimensions, Kind: row.Samples.Kind}
		for from := 0; from < row.Samples.Len(); from += sliceRows {
			w, err := ingest.NewWriter(ingest.NDJSON, &body, nil)
			if err != nil {
				return stored, err
			}
			part := row.Samples.Slice(from, min(from+sliceRows, row.Samples.Len()))
			if err := errors.Join(w.Write(series, part), w.Close()); err != nil {
				return stored, err
			}
			if body.Len() >= bodyBytes {
				if err := send(); err != nil {
					return stored, err
				}
			}
		}
	}
	if body.Len() > 0 {
		if err := send(); err != nil {
			return stored, err
		}
	}
	if refused.Refused > 0 {
		refused.Stored = stored
		return stored, &refused
	}
	return stored, nil
}

// writeOne sends one body.
func (c *Client) writeOne(ctx context.Context, body []byte, refused *Refused) (int64, error) {
	header := map[string]string{"Content-Type": exchange.NDJSONType}
	if !c.local {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return 0, err
		}
		body = z.EncodeAll(body, nil)
		header["Content-Encoding"] = "zstd"
	}
	var out struct{ Stored int64 }
	err := c.json(ctx, request{
		method: http.MethodPost, path: "v1/write", args: url.Values{"format": {ingest.NDJSON}}, body: body, header: header,
	}, &out)
	var partly *exchange.Partly
	if errors.As(err, &partly) && partly.Refused > 0 {
		refused.Refused += partly.Refused
		for _, one := range partly.Errors {
			refused.Reasons = append(refused.Reasons, one.String())
		}
		return partly.Stored, nil
	}
	return out.Stored, err
}
