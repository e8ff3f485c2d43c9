package client

import (
	"context"
	"io"
	"net/http"
)

// Backup returns the stream of a backup, to be read to its end and closed. It is whole only where
// its checksums say so: see package backup.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/backup.tar"})
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
