package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/export"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// page is how many series one answer of a search lists.
const page = 50_000

// errZone says that a zone has no name that the server would know.
var errZone = errors.New("the time zone Local is another one for the server: name it, such as Europe/Berlin")

// span puts a span into the arguments. Text of RFC 3339 cannot be taken for another unit.
func span(args url.Values, s chunk.Span) {
	if s.Start != chunk.Always.Start {
		args.Set("from", time.Unix(0, s.Start).UTC().Format(time.RFC3339Nano))
	}
	if s.End != chunk.Always.End {
		args.Set("to", time.Unix(0, s.End).UTC().Format(time.RFC3339Nano))
	}
}

// question returns the arguments of a query.
func question(q *query.Query, req query.Request) (url.Values, error) {
	args := url.Values{"q": {q.String()}}
	if req.Span != (chunk.Span{}) {
		span(args, req.Span)
	}
	if req.Location == time.Local {
		return nil, errZone
	}
	if req.Location != nil && req.Location != time.UTC {
		args.Set("tz", req.Location.String())
	}
	return args, nil
}

// Query is [gate.Gate.Query], asked of the server: the result is the same to the bit.
func (c *Client) Query(ctx context.Context, q *query.Query, req query.Request) (*query.Result, error) {
	args, err := question(q, req)
	if err != nil {
		return nil, err
	}
	args.Set("format", "chronodex")
	resp, err := c.do(ctx, request{method: http.MethodPost, path: "v1/query", args: args, text: q.String()})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r, err := exchange.ReadResult(resp.Body)
	if err != nil {
		return nil, c.broken(ctx, err)
	}
	return r, nil
}

// Analyze is [gate.Gate.Analyze], asked of the server. The result has no rows, only statistics and
// warnings.
func (c *Client) Analyze(ctx context.Context, q *query.Query, req query.Request) (*query.Plan, *query.Result, error) {
	args, err := question(q, req)
	if err != nil {
		return nil, nil, err
	}
	args.Set("analyze", "true")
	var out exchange.Explained
	if err := c.json(ctx, request{method: http.MethodPost, path: "v1/explain", args: args, text: q.String()}, &out); err != nil {
		return nil, nil, err
	}
	r := &query.Result{Warnings: out.Warnings}
	if out.Stats != nil {
		r.Stats = *out.Stats
	}
	return out.Plan, r, nil
}

// Search is [gate.Gate.Search], asked of the server, page by page.
func (c *Client) Search(ctx context.Context, f index.Filter, limit int) (found []chunk.Series, total int, err error) {
	args := url.Values{"selector": {f.String()}}
	for {
		n := page
		if limit > 0 {
			n = min(n, limit-len(found))
		}
		args.Set("limit", strconv.Itoa(n))
		var out exchange.Found
		if err := c.json(ctx, request{method: http.MethodGet, path: "v1/search", args: args, text: f.String()}, &out); err != nil {
			return nil, 0, err
		}
		for _, s := range out.Series {
			found = append(found, chunk.Series(s))
		}
		total = out.Total
		if out.Cursor == "" || limit > 0 && len(found) >= limit {
			return found, total, nil
		}
		args.Set("cursor", out.Cursor)
	}
}

// Names is [gate.Gate.Names], asked of the server.
func (c *Client) Names(ctx context.Context, f index.Filter) ([]shard.Count, error) {
	var out exchange.Names
	args := url.Values{"selector": {f.String()}}
	err := c.json(ctx, request{method: http.MethodGet, path: "v1/dimensions", args: args, text: f.String()}, &out)
	return exchange.Counts(out.Dimensions), err
}

// Values is [gate.Gate.Values], asked of the server.
func (c *Client) Values(ctx context.Context, f index.Filter, name, prefix string, limit int) ([]shard.Count, error) {
	var out exchange.ValueList
	args := url.Values{"selector": {f.String()}, "prefix": {prefix}, "limit": {strconv.Itoa(limit)}}
	path := "v1/dimensions/" + url.PathEscape(name) + "/values"
	err := c.json(ctx, request{method: http.MethodGet, path: path, args: args, text: f.String()}, &out)
	return exchange.Counts(out.Values), err
}

// Complete is [gate.Gate.Complete], asked of the server.
func (c *Client) Complete(ctx context.Context, prefix string, limit int) ([]index.Completion, error) {
	var out exchange.Completions
	args := url.Values{"prefix": {prefix}, "limit": {strconv.Itoa(limit)}}
	if err := c.json(ctx, request{method: http.MethodGet, path: "v1/complete", args: args}, &out); err != nil {
		return nil, err
	}
	list := make([]index.Completion, len(out.Completions))
	for i, x := range out.Completions {
		list[i] = index.Completion{Kind: x.Kind, Name: string(x.Name), Text: string(x.Text), Count: x.Series}
	}
	return list, nil
}

// Delete is [gate.Gate.Delete], asked of the server.
func (c *Client) Delete(ctx context.Context, f index.Filter, s chunk.Span) (int64, error) {
	args := url.Values{"selector": {f.String()}}
	span(args, s)
	var out exchange.Deleted
	err := c.json(ctx, request{method: http.MethodDelete, path: "v1/series", args: args, text: f.String(), once: true}, &out)
	return out.Series, err
}

// Status returns what the server is, and who it takes us for.
func (c *Client) Status(ctx context.Context) (*exchange.Status, error) {
	var out exchange.Status
	err := c.json(ctx, request{method: http.MethodGet, path: "v1/status"}, &out)
	return &out, err
}

// Export is [export.Write], asked of the server. It returns what damage left out. After an error
// something may have been written.
func (c *Client) Export(ctx context.Context, out io.Writer, req export.Request) (lost []string, err error) {
	args := url.Values{"selector": {req.Filter.String()}, "format": {req.Format}}
	span(args, req.Span)
	resp, err := c.do(ctx, request{method: http.MethodGet, path: "v1/export", args: args, text: req.Filter.String()})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	w := &failing{w: out}
	if _, err := io.Copy(w, resp.Body); err != nil {
		if w.err != nil {
			return nil, w.err
		}
		return nil, c.broken(ctx, err)
	}
	for _, quoted := range resp.Trailer.Values(exchange.LostTrailer) {
		var text exchange.Text
		if err := text.UnmarshalJSON([]byte(quoted)); err != nil {
			return nil, c.broken(ctx, err)
		}
		lost = append(lost, string(text))
	}
	return lost, nil
}

// A failing writer remembers its error, to tell it from those of reading.
type failing struct {
	w   io.Writer
	err error
}

func (f *failing) Write(p []byte) (n int, err error) {
	n, f.err = f.w.Write(p)
	return n, f.err
}
