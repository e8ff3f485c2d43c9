package query

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/chronodex/chronodex/chunk"
)

// TestRun runs the sessions in testdata/run. Commands:
//
//	load [parts=N] [rows=N]     a line a series: NAME=VALUE… [kind]: SECOND=VALUE…; chunks of rows rows
//	hourly from= to= tz=        a series of ones, one an hour: NAME=VALUE…
//	run [from= to= tz=] [memory=BYTES] [stamps]   a query; stamps are printed as seconds, or on the wall
//	analyze                     as run, but prints the plan
func TestRun(t *testing.T) {
	datadriven.Walk(t, "testdata/run", func(t *testing.T, path string) {
		e := &Engine{}
		var series []fakeSeries
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			parts, rows := 2, 3
			d.MaybeScanArgs(t, "parts", &parts)
			d.MaybeScanArgs(t, "rows", &rows)
			switch d.Cmd {
			case "load":
				series = nil
				for line := range strings.Lines(d.Input) {
					series = append(series, parseSeries(t, strings.TrimSpace(line)))
				}
				e = engineOver(fakeStore(series, parts, rows, nil))
				return ""
			case "hourly":
				series = append(series, hourly(t, d))
				e = engineOver(fakeStore(series, parts, rows, nil))
				return ""
			}
			q, err := Parse(d.Input)
			if err != nil {
				return err.Error() + "\n"
			}
			req := request(t, d)
			d.MaybeScanArgs(t, "memory", &e.Options.MemoryLimit)
			defer func() { e.Options.MemoryLimit = 0 }()
			plan, out, err := e.Analyze(context.Background(), q, req)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			if d.Cmd == "analyze" {
				return plan.String()
			}
			return printResult(out, req, d.HasArg("stamps"))
		})
	})
}

func request(t *testing.T, d *datadriven.TestData) Request {
	var from, to, tz string
	d.MaybeScanArgs(t, "from", &from)
	d.MaybeScanArgs(t, "to", &to)
	d.MaybeScanArgs(t, "tz", &tz)
	loc, err := time.LoadLocation(tz)
	if err != nil {
		t.Skip("no time zones here:", err)
	}
	req := Request{Span: chunk.Always, Location: loc}
	for text, at := range map[string]*int64{from: &req.Span.Start, to: &req.Span.End} {
		if text == "" {
			continue
		}
		if *at, err = ParseTime(text, time.Time{}, loc); err != nil {
			t.Fatal(err)
		}
	}
	return req
}

// printResult prints a row a line.
func printResult(r *Result, req Request, wall bool) string {
	var b strings.Builder
	for _, s := range r.Series {
		fmt.Fprintf(&b, "%v", s.Dimensions)
		switch {
		case s.IsText:
			fmt.Fprintf(&b, " %q", s.Text)
		case s.Single:
			fmt.Fprintf(&b, " %v", s.Value)
		default:
			if s.Samples.Kind != chunk.Float64 {
				fmt.Fprintf(&b, " (%v)", s.Samples.Kind)
			}
			b.WriteByte(':')
		}
		for i, t := range s.Samples.Times {
			stamp := strconv.FormatFloat(float64(t)/1e9, 'f', -1, 64)
			if wall {
				stamp = "\n  " + time.Unix(0, t).In(req.Location).Format("2006-01-02T15:04Z07:00")
			}
			fmt.Fprintf(&b, " %s=%v", stamp, valueAt(&s.Samples, i))
		}
		b.WriteByte('\n')
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	return b.String()
}

func valueAt(s *chunk.Samples, i int) any {
	switch s.Kind {
	case chunk.Int64:
		return s.Ints[i]
	case chunk.Bool:
		return s.Bools[i]
	case chunk.String:
		return strconv.Quote(s.Strings[i])
	}
	return s.Floats[i]
}

func parseSeries(t *testing.T, line string) fakeSeries {
	head, body, ok := strings.Cut(line, ": ")
	if !ok {
		t.Fatalf("%q has no colon", line)
	}
	s := fakeSeries{chunks: make([]fakeChunk, 1)}
	s.Kind = chunk.Float64
	var pairs []chunk.Dimension
	for _, w := range strings.Fields(head) {
		if name, value, ok := strings.Cut(w, "="); ok {
			pairs = append(pairs, chunk.Dimension{Name: name, Value: value})
			continue
		}
		for k := chunk.Float64; k <= chunk.String; k++ {
			if k.String() == w {
				s.Kind = k
			}
		}
	}
	var err error
	if s.Dimensions, err = chunk.NewDimensions(pairs...); err != nil {
		t.Fatal(err)
	}
	c := &s.chunks[0].samples
	c.Kind = s.Kind
	for _, w := range strings.Fields(body) {
		at, value, _ := strings.Cut(w, "=")
		sec, err := strconv.ParseFloat(at, 64)
		if err != nil {
			t.Fatal(err)
		}
		c.Times = append(c.Times, int64(sec*1e9))
		switch s.Kind {
		case chunk.Float64:
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			c.Floats = append(c.Floats, v)
		case chunk.Int64:
			v, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			c.Ints = append(c.Ints, v)
		case chunk.Bool:
			c.Bools = append(c.Bools, value == "true")
		case chunk.String:
			c.Strings = append(c.Strings, value)
		}
	}
	return s
}

func hourly(t *testing.T, d *datadriven.TestData) fakeSeries {
	req := request(t, d)
	s := parseSeries(t, strings.TrimSpace(d.Input)+": ")
	c := &s.chunks[0].samples
	for at := req.Span.Start; at < req.Span.End; at += int64(time.Hour) {
		c.Times, c.Floats = append(c.Times, at), append(c.Floats, 1)
	}
	return s
}
