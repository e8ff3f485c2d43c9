package query

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestGuide runs every example of docs/query.md over the data that stands there, and compares the
// results that are printed; with the flag -rewrite it writes them.
func TestGuide(t *testing.T) {
	const path = "../docs/query.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	e, got := &Engine{}, ""
	examples := 0
	// A block is ```kind, its text, and ```.
	block := regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	out := block.ReplaceAllStringFunc(string(text), func(b string) string {
		parts := block.FindStringSubmatch(b)
		kind, body := parts[1], strings.TrimSpace(parts[2])
		switch kind {
		case "data":
			var list []fakeSeries
			for line := range strings.Lines(body) {
				list = append(list, parseSeries(t, clockToSeconds(t, strings.TrimSpace(line))))
			}
			e = engineOver(fakeStore(list, 2, 3, nil))
		case "chronodex":
			examples++
			got = guideAnswer(t, e, body)
		case "explain":
			got = mustParse(t, body).Explain().String()
		case "error":
			_, err := Parse(body)
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Errorf("%s: error %v", body, err)
				return b
			}
			got = s.Error() + "\n" + s.Caret()
		case "result":
			return "```result\n" + got + "```"
		}
		return b
	})
	if examples < 30 {
		t.Errorf("only %d examples found", examples)
	}
	if out == string(text) {
		return
	}
	if f := flag.Lookup("rewrite"); f == nil || f.Value.String() != "true" {
		t.Fatalf("%s shows other results than the queries have: run go test ./query -run TestGuide -rewrite and read the diff", path)
	}
	if err := os.WriteFile(path, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

var clock = regexp.MustCompile(`\b(\d\d):(\d\d):(\d\d)=`)

// clockToSeconds replaces times of day by seconds.
func clockToSeconds(t *testing.T, line string) string {
	return clock.ReplaceAllStringFunc(line, func(s string) string {
		at, err := time.Parse("15:04:05=", s)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d=", at.Hour()*3600+at.Minute()*60+at.Second())
	})
}

// guideAnswer prints the answer as the guide does, stamps as times of day.
func guideAnswer(t *testing.T, e *Engine, text string) string {
	q, err := Parse(text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return ""
	}
	r, err := e.Run(context.Background(), q, Request{})
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return ""
	}
	var b strings.Builder
	for _, s := range r.Series {
		row := printResult(&Result{Series: []ResultSeries{s}}, Request{}, false)
		head, _, _ := strings.Cut(row, "}")
		b.WriteString(head + "}")
		switch {
		case s.IsText:
			fmt.Fprintf(&b, " %q", s.Text)
		case s.Single:
			fmt.Fprintf(&b, " %.6g", s.Value)
		}
		for i, at := range s.Samples.Times {
			v := fmt.Sprint(valueAt(&s.Samples, i))
			if f, ok := valueAt(&s.Samples, i).(float64); ok {
				v = fmt.Sprintf("%.6g", f)
			}
			fmt.Fprintf(&b, "  %s=%s", time.Unix(0, at).UTC().Format("15:04:05"), v)
		}
		b.WriteByte('\n')
	}
	for _, w := range r.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	return b.String()
}
