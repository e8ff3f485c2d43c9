package analytics

import (
	"fmt"
	"strings"
)

//go:generate go test . -run TestReference -rewrite

// Markdown returns the whole documentation of s.
func (s *Spec) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#### %s\n\n`%s`", s.Name, s.Usage())
	if len(s.Aliases) > 0 {
		fmt.Fprintf(&b, " (also `%s`)", strings.Join(s.Aliases, "`, `"))
	}
	fmt.Fprintf(&b, " — %s.\n\n%s\n\n", s.Short, s.Doc)
	for _, a := range s.Args {
		fmt.Fprintf(&b, "- `%s`: %s%s\n", a.Name, a.Doc, a.limits())
	}
	if s.Formula != "" {
		fmt.Fprintf(&b, "- Formula: %s\n", s.Formula)
	}
	if s.Aggregates() {
		fmt.Fprintf(&b, "- Cost: %v.\n", s.Stats)
	}
	if s.Strings {
		b.WriteString("- Also of strings.\n")
	}
	if s.Source != "" {
		fmt.Fprintf(&b, "- Source: %s.\n", s.Source)
	}
	fmt.Fprintf(&b, "\n```chronodex\n%s\n```\n", s.Example)
	return b.String()
}

// limits says what a may be, after its documentation.
func (a *Arg) limits() string {
	var parts []string
	if a.Unit != "" {
		parts = append(parts, "in the "+a.Unit)
	}
	if a.Min != 0 || a.Max != 0 && a.Max < 1<<53 {
		parts = append(parts, fmt.Sprintf("from %v to %v", a.Min, a.Max))
	}
	switch {
	case a.Optional && a.Words != nil:
		parts = append(parts, "default `"+a.Words[int(a.Default)]+"`")
	case a.Optional:
		parts = append(parts, fmt.Sprintf("default %v", a.Default))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
