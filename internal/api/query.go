package api

import (
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/render"
	"github.com/chronodex/chronodex/query"
)

// nativeForm is the format of results that loses nothing.
const nativeForm = "chronodex"

// mediaTypes are those of the formats of results.
var mediaTypes = map[string]string{
	render.JSON: exchange.JSONType, render.NDJSON: exchange.NDJSONType, render.CSV: exchange.CSVType,
	render.Table: exchange.TextType, render.Plot: exchange.TextType, nativeForm: exchange.ResultType,
}

// query answers a query.
func (a *API) query(c *call) error {
	format, err := c.format()
	if err != nil {
		return err
	}
	unit, err := c.unit()
	if err != nil {
		return err
	}
	q, err := c.question()
	if err != nil {
		return err
	}
	req, err := c.request()
	if err != nil {
		return err
	}
	r, err := a.o.Gate.Query(c.r.Context(), q, req)
	if err != nil {
		return err
	}
	return c.result(r, format, render.Options{Unit: unit, Location: req.Location, End: true})
}

// result writes r.
func (c *call) result(r *query.Result, format string, o render.Options) error {
	c.out.w.Header().Set("Content-Type", mediaTypes[format])
	switch format {
	case nativeForm:
		return exchange.WriteResult(&c.out, r)
	case render.CSV, render.Table, render.Plot: // have no room for them
		for _, text := range r.Warnings {
			c.out.w.Header().Add("Warning", `199 - "`+headerText(text)+`"`)
		}
	}
	return render.Write(&c.out, format, r, o)
}

// headerText makes a text fit for a header between quotes.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}

// format returns the format of the result: that of the parameter, or what the client accepts.
func (c *call) format() (string, error) {
	if c.text("format") != "" {
		return c.oneOf("format", render.JSON, render.NDJSON, render.CSV, render.Table, render.Plot, nativeForm)
	}
	accept := c.r.Header.Values("Accept")
	if len(accept) == 0 {
		return render.JSON, nil
	}
	for one := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		kind, _, err := mime.ParseMediaType(one)
		if err != nil {
			continue
		}
		switch kind {
		case "*/*", "application/*", "application/json":
			return render.JSON, nil
		case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
			return render.NDJSON, nil
		case "text/csv", "application/csv":
			return render.CSV, nil
		case "text/plain", "text/*", "text/html":
			return render.Table, nil
		case exchange.ResultType:
			return nativeForm, nil
		}
	}
	return "", &exchange.Problem{
		Type: exchange.Format, Title: "No such format of answers", Status: http.StatusNotAcceptable,
		Detail: exchange.Text("Accept: " + strings.Join(accept, ",") + ": there are application/json, application/x-ndjson, text/csv, text/plain and " + exchange.ResultType),
	}
}

// explain tells how a query is answered; with analyze, it is answered.
func (a *API) explain(c *call) error {
	analyze, err := c.flag("analyze")
	if err != nil {
		return err
	}
	format, err := c.oneOf("format", render.JSON, render.Table)
	if err != nil {
		return err
	}
	q, err := c.question()
	if err != nil {
		return err
	}
	req, err := c.request()
	if err != nil {
		return err
	}
	out := exchange.Explained{Plan: q.Explain()}
	if analyze {
		plan, r, err := a.o.Gate.Analyze(c.r.Context(), q, req)
		if err != nil {
			return err
		}
		out = exchange.Explained{Plan: plan, Stats: &r.Stats, Warnings: r.Warnings}
	}
	if out.Text = out.Plan.String(); format == render.Table {
		c.out.w.Header().Set("Content-Type", exchange.TextType)
		_, err := io.WriteString(&c.out, out.Text)
		return err
	}
	return c.json(&out)
}
