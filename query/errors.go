package query

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrLimit is wrapped by every [LimitError].
var ErrLimit = errors.New("limit of the query exceeded")

// A SyntaxError says where a query's text is not understood.
type SyntaxError struct {
	Text   string // the whole query
	Offset int    // in bytes, where it stops making sense
	Want   string // what was expected there, such as ")"; or empty
	Reason string // what is wrong, where Want is empty
	Near   string // the nearest known name, where there is one
}

// Error returns one line, such as: syntax error at offset 19: want ")".
func (e *SyntaxError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax error at offset %d: ", e.Offset)
	if e.Want != "" {
		b.WriteString("want " + e.Want)
	} else {
		b.WriteString(e.Reason)
	}
	if e.Near != "" {
		fmt.Fprintf(&b, ", did you mean %q?", e.Near)
	}
	return b.String()
}

// Caret returns the line of the text that the error is in, and below it a caret under the place:
//
//	metric:cpu | meen by host
//	             ^
//
// A long line is cut to what surrounds the place.
func (e *SyntaxError) Caret() string {
	const around = 60
	at := min(max(e.Offset, 0), len(e.Text))
	from := strings.LastIndexByte(e.Text[:at], '\n') + 1
	to := len(e.Text)
	if i := strings.IndexByte(e.Text[at:], '\n'); i >= 0 {
		to = at + i
	}
	head, tail := e.Text[from:at], e.Text[at:to]
	if utf8.RuneCountInString(head) > around {
		r := []rune(head)
		head = "…" + string(r[len(r)-around:])
	}
	if utf8.RuneCountInString(tail) > around {
		tail = string([]rune(tail)[:around]) + "…"
	}
	pad := strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return ' '
	}, head)
	return head + tail + "\n" + pad + "^\n"
}

// A LimitError says which bound a query ran into, and what can be done. It wraps [ErrLimit].
type LimitError struct {
	What  string // what there would be too much of, such as "memory"
	Limit int64  // in bytes for memory, else a count
	Need  int64  // at least this much would have been needed
	Cure  string // what to do, a sentence without its full stop
}

// Error returns one line.
func (e *LimitError) Error() string {
	what := e.What
	if what == "memory" {
		what = "bytes of memory"
	}
	return fmt.Sprintf("query needs at least %d %s, the limit is %d: %s", e.Need, what, e.Limit, e.Cure)
}

// Unwrap returns [ErrLimit].
func (e *LimitError) Unwrap() error { return ErrLimit }
