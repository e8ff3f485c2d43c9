package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/alecthomas/kong"

	"github.com/chronodex/chronodex/internal/client"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// The exit codes.
const (
	exitError     = 1
	exitUsage     = 2
	exitAuth      = 3
	exitPartial   = 4
	exitCancelled = 5
	exitLimit     = 7
)

// errPartial means that a command did its work but for a part of it, and has said so.
var errPartial = errors.New("done in part")

// errReported means that a command failed, and has said so.
var errReported = errors.New("failed")

// errMisread means that a configuration is not understood, and that this was said.
var errMisread = errors.New("not understood")

// A usageError is a command line, or a query in it, that is not understood.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// fail prints err for people, and returns the exit code that goes with it.
func (s *session) fail(err error) int {
	var usage *usageError
	var selector *exchange.SelectorError
	var syntax *query.SyntaxError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errPartial):
		return exitPartial
	case errors.Is(err, errReported):
		return exitError
	case errors.Is(err, errMisread):
		return exitUsage
	case errors.As(err, &syntax):
		s.complain("%v\n%s", syntax, syntax.Caret())
		return exitUsage
	case errors.As(err, &selector):
		at := query.SyntaxError{Text: selector.Text, Offset: selector.Err.Offset}
		s.complain("%v\n%s", selector, at.Caret())
		return exitUsage
	case errors.As(err, &usage):
		s.complain("%v\n", err)
		name := s.command
		if parse := (*kong.ParseError)(nil); errors.As(err, &parse) && parse.Context != nil {
			if cmd := parse.Context.Selected(); cmd != nil {
				name = cmd.Name
			}
		}
		if name != "" {
			name += " "
		}
		fmt.Fprintf(s.err, "chronodex %s--help tells more\n", name)
		return exitUsage
	case errors.Is(err, client.ErrAuth):
		s.complain("%v\n", err)
		return exitAuth
	case errors.Is(err, query.ErrLimit):
		s.complain("%v\n", err)
		return exitLimit
	case errors.Is(err, context.Canceled):
		s.complain("cancelled\n")
		return exitCancelled
	case errors.Is(err, shard.ErrNoStore), errors.Is(err, fs.ErrNotExist) && errors.Is(err, errOpen):
		s.complain("there is no store in %s: import data into it, or name another one by --data\n", s.data)
	case errors.Is(err, shard.ErrLocked):
		s.complain("%v\nanother process writes to this store; reading it is possible meanwhile\n", err)
	default:
		s.complain("%v\n", err)
	}
	return exitError
}

// complain prints an error.
func (s *session) complain(format string, args ...any) {
	fmt.Fprintf(s.err, "chronodex: "+format, args...)
}
