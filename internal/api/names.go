package api

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/exchange"
)

// maxPage is the most series that one answer lists.
const maxPage = 100_000

// search finds series.
func (a *API) search(c *call) error {
	f, err := c.selector()
	if err != nil {
		return err
	}
	limit, err := c.count("limit", 100)
	if err != nil {
		return err
	}
	if limit > maxPage {
		return wrong("limit", "at most %d; the cursor of the answer gives the next page", maxPage)
	}
	skip, err := c.count("offset", 0)
	if err != nil {
		return err
	}
	var after *chunk.Series
	if text := c.text("cursor"); text != "" {
		if skip != 0 {
			return wrong("offset", "cannot be given beside cursor")
		}
		if skip, after, err = parseCursor(text); err != nil {
			return err
		}
	}
	var out exchange.Found
	if err := a.page(c, f, &out, position{skip, after, limit}); err != nil {
		return err
	}
	if len(c.args["facet"]) > 0 {
		if out.Facets, err = a.facets(c, f); err != nil {
			return err
		}
	}
	return c.json(&out)
}

// A position is where a page begins and how long it is.
type position struct {
	skip  int           // series before it
	after *chunk.Series // the last one before it, where that is known
	limit int
}

// page fills in the series of a page, their total, and the cursor of the next page.
func (a *API) page(c *call, f index.Filter, out *exchange.Found, p position) error {
	want := p.skip + p.limit
	if want < 0 {
		return wrong("offset", "too large")
	}
	for {
		found, total, err := a.o.Gate.Search(c.r.Context(), f, max(1, want))
		if err != nil {
			return err
		}
		from := min(p.skip, len(found))
		if p.after != nil { // series may have come or gone since
			at, have := slices.BinarySearchFunc(found, *p.after, compareSeries)
			if from = at; have {
				from++
			}
			if len(found) < total && from+p.limit > len(found) {
				want = max(want+p.limit, from+p.limit)
				continue
			}
		}
		to := min(from+p.limit, len(found))
		out.Series, out.Total = make([]exchange.Series, 0, to-from), total
		for _, s := range found[from:to] {
			out.Series = append(out.Series, exchange.Series(s))
		}
		if to < total && to > from {
			out.Cursor = cursor(to, found[to-1])
		}
		return nil
	}
}

// compareSeries is the order of [gate.Gate.Search].
func compareSeries(a, b chunk.Series) int {
	return cmp.Or(a.Dimensions.Compare(b.Dimensions), cmp.Compare(a.Kind, b.Kind))
}

// cursor names a place behind a series.
func cursor(skip int, last chunk.Series) string {
	b := binary.AppendUvarint(nil, uint64(skip))
	b = last.Dimensions.Append(append(b, byte(last.Kind)))
	return base64.RawURLEncoding.EncodeToString(b)
}

// maxSkip bounds what a cursor may say.
const maxSkip = 1 << 40

func parseCursor(text string) (int, *chunk.Series, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	skip, n := binary.Uvarint(b)
	if err != nil || n <= 0 || len(b) <= n || skip > maxSkip {
		return 0, nil, wrong("cursor", "this is not a cursor of an answer")
	}
	last := chunk.Series{Kind: chunk.Kind(b[n])}
	var rest []byte
	if last.Dimensions, rest, err = chunk.ParseDimensions(b[n+1:]); err != nil || len(rest) > 0 || !last.Kind.Valid() {
		return 0, nil, wrong("cursor", "this is not a cursor of an answer")
	}
	return int(skip), &last, nil
}

// facets counts the most frequent values of the dimensions asked for.
func (a *API) facets(c *call, f index.Filter) (map[exchange.Text][]exchange.Value, error) {
	limit, err := c.count("facet_limit", 10)
	if err != nil {
		return nil, err
	}
	out := make(map[exchange.Text][]exchange.Value)
	for _, name := range c.args["facet"] {
		counts, err := a.o.Gate.Values(c.r.Context(), f, name, "", 0)
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(counts, func(a, b index.ValueCount) int { return cmp.Compare(b.Count, a.Count) })
		if limit > 0 {
			counts = counts[:min(limit, len(counts))]
		}
		out[exchange.Text(name)] = exchange.Values(counts)
	}
	return out, nil
}

// names lists dimensions.
func (a *API) names(c *call) error {
	f, err := c.selector()
	if err != nil {
		return err
	}
	counts, err := a.o.Gate.Names(c.r.Context(), f)
	if err != nil {
		return err
	}
	return c.json(&exchange.Names{Dimensions: exchange.Values(counts)})
}

// values lists the values of a dimension.
func (a *API) values(c *call) error {
	f, err := c.selector()
	if err != nil {
		return err
	}
	limit, err := c.count("limit", 100)
	if err != nil {
		return err
	}
	more := limit
	if limit > 0 {
		more++ // one more tells whether there are more
	}
	counts, err := a.o.Gate.Values(c.r.Context(), f, c.r.PathValue("name"), c.text("prefix"), more)
	if err != nil {
		return err
	}
	out := exchange.ValueList{More: limit > 0 && len(counts) > limit}
	if out.More {
		counts = counts[:limit]
	}
	out.Values = exchange.Values(counts)
	return c.json(&out)
}
