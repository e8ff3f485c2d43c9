package source

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// A state remembers in a file which slices are done. The first line says of what: the hash of the
// options that decide what is read. Each other line is a slice, written when it was durable.
type state struct {
	file *os.File // nil: nothing is remembered
	seen map[string]bool
}

// openState reads the file of o, which is made where there is none.
func openState(o *Options) (*state, error) {
	st := &state{seen: map[string]bool{}}
	if o.State == "" {
		return st, nil
	}
	what := sha256.Sum256(fmt.Append(nil, o.Kind, "\n", withoutPassword(o.URL), "\n", o.Match, o.Databases, o.Set, o.Slice))
	head := fmt.Sprintf("chronodex import 1 %x", what[:8])
	text, err := os.ReadFile(o.State)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	fresh := len(text) == 0
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for first := true; lines.Scan(); first = false {
		if first && lines.Text() != head {
			return nil, fmt.Errorf("%s is the state of another import: name another file, or remove it to begin anew", o.State)
		}
		st.seen[lines.Text()] = true
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", o.State, err)
	}
	if st.file, err = os.OpenFile(o.State, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	if fresh {
		return st, st.write(head)
	}
	if !strings.HasSuffix(string(text), "\n") { // a line that was cut is none
		return st, st.write("")
	}
	return st, nil
}

func (st *state) line(s slice) string {
	return fmt.Sprintf("done %d %d %q", s.span.Start, s.span.End, s.unit)
}

func (st *state) has(s slice) bool { return st.seen[st.line(s)] }

// done remembers a slice.
func (st *state) done(s slice) error {
	if st.file == nil {
		return nil
	}
	return st.write(st.line(s))
}

func (st *state) write(line string) error {
	_, err := st.file.WriteString(line + "\n")
	return errors.Join(err, st.file.Sync())
}

func (st *state) close() {
	if st.file != nil {
		st.file.Close()
	}
}

// withoutPassword returns a URL as files and messages may have it.
func withoutPassword(text string) string {
	base, kind, err := address(text)
	if err != nil {
		return ""
	}
	return kind + base.Redacted()
}
