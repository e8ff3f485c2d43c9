package exchange

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// The types of problems: what programs tell them apart by.
const (
	Syntax     = "urn:chronodex:problem:syntax"       // a query or a selector that is not understood
	Parameter  = "urn:chronodex:problem:parameter"    // a parameter that is not understood, or not known
	Limit      = "urn:chronodex:problem:limit"        // a limit of a query
	Overload   = "urn:chronodex:problem:overload"     // too much at once: try again later
	Forbidden  = "urn:chronodex:problem:forbidden"    // who asks may not do this
	NotFound   = "urn:chronodex:problem:not-found"    // no such route
	Method     = "urn:chronodex:problem:method"       // the route has no such method
	Format     = "urn:chronodex:problem:format"       // no such format of answers
	TimedOut   = "urn:chronodex:problem:timeout"      // the query took too long
	Closing    = "urn:chronodex:problem:closing"      // the server shuts down
	Full       = "urn:chronodex:problem:full"         // the disk is full
	Match      = "urn:chronodex:problem:match"        // a join whose sides do not tell series apart
	Invalid    = "urn:chronodex:problem:invalid"      // what was sent cannot be stored
	Internal   = "urn:chronodex:problem:internal"     // what should not be
	Disconnect = "urn:chronodex:problem:disconnected" // the client went away; only logs see it
)

// statusGone is what logs say where nobody is left to answer.
const statusGone = 499

// A Problem is an error as RFC 9457 has it, application/problem+json. As an error it reads as the
// error that it was made of.
type Problem struct {
	Type      string   `json:"type"`
	Title     string   `json:"title"`
	Status    int      `json:"status"`
	Detail    Text     `json:"detail"`
	Parameter Text     `json:"parameter,omitempty"` // that is wrong
	Offset    *int     `json:"offset,omitempty"`    // in it, in bytes
	Want      Text     `json:"want,omitempty"`      // what was expected there
	Reason    Text     `json:"reason,omitempty"`    // or what is wrong there
	Near      Text     `json:"near,omitempty"`      // the nearest known name; of a selector, what stands there
	Caret     Text     `json:"caret,omitempty"`     // two lines: the text, and a caret under the place
	What      string   `json:"what,omitempty"`      // what there would be too much of
	Limit     int64    `json:"limit,omitempty"`
	Need      int64    `json:"need,omitempty"`
	Cure      string   `json:"cure,omitempty"`
	Retry     int64    `json:"retry_after,omitempty"` // seconds
	Routes    []string `json:"routes,omitempty"`      // that there are
}

// Error returns the detail.
func (p *Problem) Error() string { return string(p.Detail) }

// A ParameterError is a parameter that is not understood.
type ParameterError struct {
	Name   string
	Near   string // the name that was meant, perhaps
	Reason error
}

// Error names the parameter.
func (e *ParameterError) Error() string { return e.Name + ": " + e.Reason.Error() }

// Unwrap returns the reason.
func (e *ParameterError) Unwrap() error { return e.Reason }

// A SelectorError is a selector that is not understood.
type SelectorError struct {
	Name string // of the parameter
	Text string // of the selector
	Err  *index.SyntaxError
}

// Error returns the line of the syntax error.
func (e *SelectorError) Error() string { return e.Err.Error() }

// Unwrap returns the syntax error.
func (e *SelectorError) Unwrap() error { return e.Err }

// ParseSelector reads a selector; an empty one selects all. The error is a [*SelectorError].
func ParseSelector(name, text string) (index.Filter, error) {
	if text == "" {
		return index.All(), nil
	}
	f, err := index.Parse(text)
	if e := (*index.SyntaxError)(nil); errors.As(err, &e) {
		return nil, &SelectorError{name, text, e}
	}
	return f, err
}

// ProblemOf returns the problem that tells err to a client.
func ProblemOf(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	p := &Problem{Detail: Text(err.Error())}
	if p.ofText(err) || p.ofLimit(err) {
		return p
	}
	for _, known := range []struct {
		is     error
		kind   string
		title  string
		status int
	}{
		{gate.ErrForbidden, Forbidden, "Not allowed", http.StatusForbidden},
		{gate.ErrFull, Full, "The disk is full", http.StatusInsufficientStorage},
		{gate.ErrClosing, Closing, "Shutting down", http.StatusServiceUnavailable},
		{shard.ErrClosed, Closing, "Shutting down", http.StatusServiceUnavailable},
		{gate.ErrInvalid, Invalid, "Cannot be stored", http.StatusBadRequest},
		{shard.ErrInvalid, Invalid, "Cannot be stored", http.StatusBadRequest},
		{query.ErrMatch, Match, "The sides of an operation do not match", http.StatusUnprocessableEntity},
		{context.DeadlineExceeded, TimedOut, "It took too long", http.StatusServiceUnavailable},
		{context.Canceled, Disconnect, "The client went away", statusGone},
	} {
		if errors.Is(err, known.is) {
			p.Type, p.Title, p.Status = known.kind, known.title, known.status
			return p
		}
	}
	p.Type, p.Title, p.Status = Internal, "The server failed", http.StatusInternalServerError
	return p
}

// ofText fills in what is wrong with a text of the request.
func (p *Problem) ofText(err error) bool {
	var syntax *query.SyntaxError
	var selector *SelectorError
	var parameter *ParameterError
	switch {
	case errors.As(err, &syntax):
		p.Type, p.Title, p.Status, p.Parameter = Syntax, "The query is not understood", http.StatusBadRequest, "q"
		p.Offset, p.Want, p.Reason, p.Near = &syntax.Offset, Text(syntax.Want), Text(syntax.Reason), Text(syntax.Near)
		p.Caret = Text(syntax.Caret())
	case errors.As(err, &selector):
		at := query.SyntaxError{Text: selector.Text, Offset: selector.Err.Offset}
		p.Type, p.Title, p.Status, p.Parameter = Syntax, "The selector is not understood", http.StatusBadRequest, Text(selector.Name)
		p.Offset, p.Want, p.Near, p.Caret = &at.Offset, Text(selector.Err.Want), Text(selector.Err.Near), Text(at.Caret())
	case errors.As(err, &parameter):
		p.Type, p.Title, p.Status = Parameter, "A parameter is not understood", http.StatusBadRequest
		p.Parameter, p.Near = Text(parameter.Name), Text(parameter.Near)
	default:
		return false
	}
	return true
}

// ofLimit fills in which bound was hit.
func (p *Problem) ofLimit(err error) bool {
	var limit *query.LimitError
	var overload *gate.Overload
	switch {
	case errors.As(err, &limit):
		p.Type, p.Title, p.Status = Limit, "A limit of the query", http.StatusUnprocessableEntity
		p.What, p.Limit, p.Need, p.Cure = limit.What, limit.Limit, limit.Need, limit.Cure
	case errors.As(err, &overload):
		p.Type, p.Title, p.Status = Overload, "Too much at once", http.StatusTooManyRequests
		p.What, p.Limit = overload.What, overload.Limit
		p.Retry = max(1, int64(math.Ceil(overload.After.Seconds())))
		p.Cure = "try again later, or raise " + overload.Name
		p.Parameter = ""
	default:
		return false
	}
	return true
}

// Of returns the error that p was made of, as far as it can be told, for a client that sent text as
// the parameter that p is about: so the client shows it as if it had been its own.
func (p *Problem) Of(text string) error {
	switch {
	case p.Type == Syntax && p.Offset != nil && p.Parameter == "q":
		return &query.SyntaxError{Text: text, Offset: *p.Offset, Want: string(p.Want), Reason: string(p.Reason), Near: string(p.Near)}
	case p.Type == Syntax && p.Offset != nil:
		return &SelectorError{string(p.Parameter), text, &index.SyntaxError{Offset: *p.Offset, Want: string(p.Want), Near: string(p.Near)}}
	case p.Type == Limit:
		return &query.LimitError{What: p.What, Limit: p.Limit, Need: p.Need, Cure: p.Cure}
	case p.Type == Overload:
		return &overloaded{p}
	}
	return p
}

// An overloaded is a problem that is [gate.ErrOverload].
type overloaded struct{ *Problem }

func (o *overloaded) Unwrap() []error { return []error{o.Problem, gate.ErrOverload} }

// After returns when to try again; 0 where p does not say.
func (p *Problem) After() time.Duration { return time.Duration(p.Retry) * time.Second }

// A Partly is the problem of a write of which something was not stored.
type Partly struct {
	Problem
	Stored  int64     `json:"stored"`
	Refused int64     `json:"refused"`
	Errors  []Refusal `json:"errors,omitempty"` // the first ones
}

// A Refusal is something that was not stored.
type Refusal struct {
	Line   int64  `json:"line,omitempty"` // of the body, from 1
	Row    int64  `json:"row,omitempty"`  // of an Arrow stream, from 1
	Series string `json:"series,omitempty"`
	Detail string `json:"detail"`
}

// String says all of it on one line.
func (r Refusal) String() string {
	switch {
	case r.Series != "":
		return r.Series + ": " + r.Detail
	case r.Line > 0:
		return fmt.Sprintf("line %d: %s", r.Line, r.Detail)
	case r.Row > 0:
		return fmt.Sprintf("row %d: %s", r.Row, r.Detail)
	}
	return r.Detail
}
