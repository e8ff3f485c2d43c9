// Package client asks a server what the store in a folder would be asked, and gives the same
// answers: results to the bit, errors with the place in the text that they are about. It knows the
// API of package api, and nothing of how answers are shown.
//
// Start at [New]. Its methods are those of package gate where both have them, so that a command need
// not know which of both it calls.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/chronodex/chronodex/internal/exchange"
)

// ErrAuth is wrapped by the errors that mean: the server does not know who asks, or does not allow
// it to them.
var ErrAuth = errors.New("not allowed by the server")

// ErrUnreachable is wrapped by the errors that mean: there was no answer.
var ErrUnreachable = errors.New("no answer from the server")

const (
	maxTries   = 4
	maxWait    = 30 * time.Second // between tries
	maxProblem = 1 << 20          // bytes of an error's body
)

// Options configure a [Client]. The zero value is usable.
type Options struct {
	Token  string                                     // sent as Authorization: Bearer
	CA     []byte                                     // certificates, PEM, that are trusted beside the system's
	Agent  string                                     // name and version of the program
	Wait   func(context.Context, time.Duration) error // between tries; nil waits by the clock
	Client *http.Client                               // nil means one of its own
}

// A Client asks one server. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	o     Options
	http  *http.Client
	local bool // the server is on this machine: compressing costs more than it saves
}

// New returns a client of the server at an address, such as http://localhost:9428; without a scheme
// it is http. It connects when it is asked something.
func New(address string, o Options) (*Client, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q is no address of a server: want one such as http://localhost:9428", address)
	}
	c := &Client{base: base, o: o, http: o.Client}
	host := base.Hostname()
	ip := net.ParseIP(host)
	c.local = host == "localhost" || ip != nil && ip.IsLoopback()
	if c.http == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableCompression = true // we decompress ourselves
		if len(o.CA) > 0 {
			pool, err := x509.SystemCertPool()
			if err != nil {
				pool = x509.NewCertPool()
			}
			if !pool.AppendCertsFromPEM(o.CA) {
				return nil, errors.New("there is no certificate in the file of the CA: want PEM")
			}
			transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		}
		c.http = &http.Client{Transport: transport}
	}
	if c.o.Wait == nil {
		c.o.Wait = wait
	}
	return c, nil
}

// wait waits by the clock.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// URL returns the address of the server.
func (c *Client) URL() string { return c.base.String() }

// A request is one call of the API.
type request struct {
	method, path string
	args         url.Values
	body         []byte
	header       map[string]string
	text         string // of the query or selector, which errors are about
	once         bool   // it is not repeated where it is not known whether it was heard
}

// do sends a request, again where that is safe and may help, and returns the answer, of status 2xx,
// whose body is decompressed and has to be closed.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := c.send(ctx, r)
		if err == nil {
			return resp, nil
		}
		pause, again := c.again(err, try, r.once)
		if !again || try == maxTries || ctx.Err() != nil {
			return nil, err
		}
		if werr := c.o.Wait(ctx, pause); werr != nil {
			return nil, err
		}
	}
}

// again reports whether, and after which time, a request may be sent once more.
func (c *Client) again(err error, try int, once bool) (time.Duration, bool) {
	pause := time.Duration(100<<try) * time.Millisecond
	if p := (*exchange.Problem)(nil); errors.As(err, &p) {
		if after := p.After(); after > 0 {
			pause = min(after, maxWait)
		}
		return pause, p.Type == exchange.Overload || p.Type == exchange.Closing
	}
	return pause, errors.Is(err, ErrUnreachable) && !once
}

// send sends a request once.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	u := c.base.JoinPath(r.path)
	var body io.Reader
	switch {
	case r.body != nil:
		u.RawQuery = r.args.Encode()
		body = bytes.NewReader(r.body)
	case r.method == http.MethodPost:
		body = strings.NewReader(r.args.Encode())
	default:
		u.RawQuery = r.args.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if r.method == http.MethodPost && r.body == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if c.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	if c.o.Agent != "" {
		req.Header.Set("User-Agent", c.o.Agent)
	}
	if !c.local {
		req.Header.Set("Accept-Encoding", "zstd")
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w %s: %w; is chronodex serve running there?", ErrUnreachable, c.base, unwrapURL(err))
	}
	if resp.Header.Get("Content-Encoding") == "zstd" {
		z, err := zstd.NewReader(resp.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			_ = resp.Body.Close()
			return nil, err
		}
		resp.Body = &unpacked{z, resp.Body}
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, c.failure(resp, r.text)
}

// unwrapURL takes off the method and address that net/http puts before its errors.
func unwrapURL(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// An unpacked is a body that is decompressed.
type unpacked struct {
	*zstd.Decoder
	below io.Closer
}

// Close lets go of both.
func (u *unpacked) Close() error {
	u.Decoder.Close()
	return u.below.Close()
}

// failure returns the error that an answer tells.
func (c *Client) failure(resp *http.Response, text string) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem)) // half a text is better than none
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	var partly exchange.Partly
	known := kind == exchange.ProblemType && json.Unmarshal(body, &partly) == nil && partly.Detail != ""
	if known && partly.Refused > 0 {
		return &partly
	}
	p := partly.Problem
	if !known {
		p = exchange.Problem{Status: resp.StatusCode, Detail: exchange.Text(strings.TrimSpace(firstLine(body)))}
		if p.Detail == "" {
			p.Detail = exchange.Text(http.StatusText(resp.StatusCode))
		}
	}
	if p.Type == "" && resp.Header.Get("Retry-After") != "" {
		p.Retry, _ = strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64) // 0, where it is a date
		switch resp.StatusCode {
		case http.StatusTooManyRequests:
			p.Type = exchange.Overload
		case http.StatusServiceUnavailable:
			p.Type = exchange.Closing
		}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w %s: %w; give a token by --token-file or CHRONODEX_TOKEN", ErrAuth, c.base, &p)
	case http.StatusForbidden:
		return fmt.Errorf("%w %s: %w", ErrAuth, c.base, &p)
	case http.StatusNotFound:
		if p.Type == "" {
			return fmt.Errorf("%s is no server of chronodex: it answers %d %s", c.base, resp.StatusCode, p.Detail)
		}
	}
	if p.Type == "" {
		return fmt.Errorf("%s answers %d: %w", c.base, resp.StatusCode, &p)
	}
	return p.Of(text)
}

// firstLine returns the first line of a body, shortened.
func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(body, []byte{'\n'})
	return string(line[:min(len(line), 300)])
}

// json sends a request and reads the answer into v.
func (c *Client) json(ctx context.Context, r request, v any) error {
	resp, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return c.broken(ctx, err)
	}
	return nil
}

// broken says that an answer was not what it should be.
func (c *Client) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the answer of %s is broken off, or not one of chronodex: %w", c.base, err)
}
