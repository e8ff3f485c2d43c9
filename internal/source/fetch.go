package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// stall is for how long a source may send nothing.
const stall = 5 * time.Minute

// maxComplaint is how much of an error's body is read.
const maxComplaint = 2 << 10

// A temporary error may pass.
type temporary struct {
	err   error
	after time.Duration // when to try again, where the source says it

	unanswered bool // nobody was there
}

func (t *temporary) Error() string { return t.err.Error() }
func (t *temporary) Unwrap() error { return t.err }

// A fetcher asks one source.
type fetcher struct {
	o     *Options
	base  *url.URL
	limit *rate.Limiter // nil is none
	bytes atomic.Int64  // read
}

// newFetcher reads the address of o, and sets its kind where the address says it.
func newFetcher(o *Options) (*fetcher, error) {
	base, kind, err := address(o.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Kind == "" && kind == "":
		return nil, fmt.Errorf("%w: say which, as in prometheus+%s", ErrKind, base.Redacted())
	case o.Kind == "":
		o.Kind = kind
	case kind != "" && kind != o.Kind:
		return nil, fmt.Errorf("%w: the address says %s, and the kind given is %s", ErrKind, kind, o.Kind)
	}
	if o.User == "" && base.User != nil {
		o.User = base.User.Username()
		o.Password, _ = base.User.Password()
	}
	base.User = nil
	f := &fetcher{o: o, base: base}
	if o.BytesPerSecond > 0 {
		f.limit = rate.NewLimiter(rate.Limit(o.BytesPerSecond), readPiece)
	}
	return f, nil
}

// newClient returns a client that takes its time for answers and none for connecting.
func newClient() *http.Client {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &http.Client{}
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = stall
	return &http.Client{Transport: t}
}

// A request is what a source is asked.
type request struct {
	method, path string
	args         url.Values
	body         []byte // else args are the form of a POST
	header       map[string]string
}

// do asks, and returns the answer of status 200, whose body has to be closed.
func (f *fetcher) do(ctx context.Context, r request) (*http.Response, error) {
	u := f.base.JoinPath(r.path)
	var body io.Reader
	switch {
	case r.body != nil:
		body = strings.NewReader(string(r.body))
	case r.method == http.MethodPost:
		body = strings.NewReader(r.args.Encode())
	default:
		u.RawQuery = r.args.Encode()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	if r.body == nil && r.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	switch {
	case f.o.Token != "":
		req.Header.Set("Authorization", "Bearer "+f.o.Token)
	case f.o.User != "":
		req.SetBasicAuth(f.o.User, f.o.Password)
	}
	resp, err := f.o.Client.Do(req)
	if err != nil {
		defer cancel(nil)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &temporary{err: fmt.Errorf("no answer: %w; is it running there?", err), unanswered: true}
	}
	resp.Body = &answer{f: f, ctx: ctx, cancel: cancel, r: resp.Body}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, f.complaint(resp, u)
}

// complaint makes an error of an answer that is none.
func (f *fetcher) complaint(resp *http.Response, u *url.URL) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxComplaint)) // what there is of it
	shown := *u
	shown.RawQuery = ""
	err := fmt.Errorf("%s %s: status %d: %s", resp.Request.Method, shown.Redacted(), resp.StatusCode, strings.Join(strings.Fields(string(text)), " "))
	if cure := f.cure(resp.StatusCode); cure != "" {
		err = fmt.Errorf("%w; %s", err, cure)
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return &temporary{err: err, after: time.Duration(min(max(seconds, 0), 300)) * time.Second}
	}
	return &statusError{resp.StatusCode, string(text), err}
}

// A statusError is an answer that another request does not change.
type statusError struct {
	status int
	text   string
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func (f *fetcher) cure(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "give a user and a password, or a token, that may read"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Sprintf("is this the address of a %s, with the path under which it is served?", f.o.Kind)
	case http.StatusMovedPermanently, http.StatusFound:
		return "give the address that it moved to"
	}
	return ""
}

// readPiece is how much is read at a time where the rate is bounded.
const readPiece = 64 << 10

var errStalled = errors.New("the source has sent nothing for 5 minutes")

// answer is the body of an answer: counted, bounded in its rate, and ended where it stalls.
type answer struct {
	f      *fetcher
	ctx    context.Context //nolint:containedctx // of the one request
	cancel context.CancelCauseFunc
	r      io.ReadCloser
}

func (b *answer) Read(p []byte) (int, error) {
	if b.f.limit != nil {
		p = p[:min(len(p), readPiece)]
	}
	t := time.AfterFunc(stall, func() { b.cancel(errStalled) })
	n, err := b.r.Read(p)
	t.Stop()
	b.f.bytes.Add(int64(n))
	if b.f.limit != nil {
		if werr := b.f.limit.WaitN(b.ctx, n); werr != nil && err == nil {
			err = werr
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
		if !errors.Is(err, context.Canceled) {
			err = &temporary{err: fmt.Errorf("the answer was cut: %w", err)}
		}
	}
	return n, err
}

func (b *answer) Close() error {
	err := b.r.Close()
	b.cancel(nil)
	return err
}
