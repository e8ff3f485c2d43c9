// Package keep is what administrators do to a running store over HTTP, under /v1/: make backups of
// it, list and verify them, take one away as a stream, and bring data back from one. It reads
// requests, and knows nothing of how copying is done: package backup does.
//
// Start at [Keeper.Routes].
//
//	POST /v1/backup      makes a backup in a folder below the configured one
//	GET  /v1/backups     lists the backups there, and verifies them when asked to
//	GET  /v1/backup.tar  is a backup as a stream
//	POST /v1/restore     writes observations of a backup to the running store
//
// Somebody who is confined to some series may do none of it, since files hold the series of all.
package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/backup"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/gate"
)

// Options configure a [Keeper]. Only Gate is needed.
type Options struct {
	Gate           *gate.Gate
	Dir            string       // below it are the folders of backups; "" allows only streams
	Keep           int          // backups that stay in each folder; 0 means all
	BytesPerSecond int64        // read at most; 0 means no bound
	Logger         *slog.Logger // nil means that nothing is logged
}

// A Keeper has the endpoints. It is safe for concurrent use.
type Keeper struct {
	o    Options
	busy chan struct{} // has one while something runs
}

// New returns a keeper.
func New(o Options) *Keeper {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keeper{o: o, busy: make(chan struct{}, 1)}
}

// Routes returns the endpoints.
func (k *Keeper) Routes() []access.Route {
	return []access.Route{
		{Method: "POST", Pattern: "/v1/backup", Need: access.Admin, Handler: k.handler(k.create, "name", "keep", "full")},
		{Method: "GET", Pattern: "/v1/backups", Need: access.Admin, Handler: k.handler(k.list, "name", "verify")},
		{Method: "GET", Pattern: "/v1/backup.tar", Need: access.Admin, Handler: k.handler(k.stream)},
		{
			Method: "POST", Pattern: "/v1/restore", Need: access.Admin | access.Write,
			Handler: k.handler(k.restore, "name", "at", "selector", "from", "to", "tz"),
		},
	}
}

// maxForm is the most bytes of a request's body.
const maxForm = 1 << 20

// A call is one request.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	args  url.Values
	begun bool // the answer
}

// handler returns what answers with f, which reads these parameters.
func (k *Keeper) handler(f func(*call) error, params ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{w: w, r: r}
		err := k.run(c, f, params)
		if err == nil {
			return
		}
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			k.o.Logger.Warn("request failed", "method", r.Method, "path", r.URL.Path, "status", p.Status, "error", err)
		}
		if c.begun || p.Type == exchange.Disconnect {
			panic(http.ErrAbortHandler) // so that nobody takes half an answer for a whole one
		}
		w.Header().Set("Content-Type", exchange.ProblemType)
		w.Header().Set("Cache-Control", "no-store")
		if p.Retry > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(p.Retry, 10))
		}
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p) // nobody is left to be told
	})
}

func (k *Keeper) run(c *call, f func(*call) error, params []string) error {
	if who := access.From(c.r.Context()); who.Within != nil {
		return fmt.Errorf("%q is confined to %v, and backups hold all series: %w", who.Name, who.Within, gate.ErrForbidden)
	}
	if err := c.read(params); err != nil {
		return err
	}
	select {
	case k.busy <- struct{}{}:
		defer func() { <-k.busy }()
	default:
		return &gate.Overload{What: "backups at once", Limit: 1, Name: "backups", After: 30 * time.Second}
	}
	return f(c)
}

// problemOf says what clients may want to tell apart.
func problemOf(err error) *exchange.Problem {
	status := 0
	switch {
	case errors.Is(err, backup.ErrNone), errors.Is(err, errNoDir):
		status = http.StatusNotFound
	case errors.Is(err, backup.ErrNotEmpty), errors.Is(err, backup.ErrBusy):
		status = http.StatusConflict
	default:
		return exchange.ProblemOf(err)
	}
	return &exchange.Problem{Type: exchange.NotFound, Title: http.StatusText(status), Status: status, Detail: exchange.Text(err.Error())}
}

// read gathers the parameters of the URL, and of a body that is a form or a JSON object.
func (c *call) read(params []string) error {
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, maxForm)
	if c.r.Header.Get("Content-Type") == "application/json" {
		c.args = c.r.URL.Query()
		if err := c.readJSON(); err != nil {
			return err
		}
	} else {
		if err := c.r.ParseForm(); err != nil {
			return &exchange.ParameterError{Name: "the body", Reason: err}
		}
		c.args = c.r.Form
	}
	for name, values := range c.args {
		if !slices.Contains(params, name) {
			return &exchange.ParameterError{Name: name, Reason: fmt.Errorf("there is no such parameter; there are %q", params)}
		}
		if len(values) > 1 {
			return &exchange.ParameterError{Name: name, Reason: fmt.Errorf("given %d times", len(values))}
		}
	}
	return nil
}

// readJSON adds the members of a body that is an object.
func (c *call) readJSON() error {
	body, err := io.ReadAll(c.r.Body)
	if err != nil {
		return &exchange.ParameterError{Name: "the body", Reason: err}
	}
	members, err := exchange.Members(body)
	if err != nil {
		return err
	}
	for name, raw := range members {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return &exchange.ParameterError{Name: name, Reason: err}
		}
		if v != nil {
			c.args.Add(name, fmt.Sprint(v))
		}
	}
	return nil
}

// flag returns a parameter that is true or false.
func (c *call) flag(name string) (bool, error) {
	text := c.args.Get(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, &exchange.ParameterError{Name: name, Reason: fmt.Errorf("%q: want true or false", text)}
	}
	return on, nil
}

// json answers with v.
func (c *call) json(v any) error {
	c.w.Header().Set("Content-Type", exchange.JSONType)
	c.begun = true
	e := json.NewEncoder(c.w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// defaultName is the folder of who names none.
const defaultName = "default"

var errNoDir = errors.New("this server keeps no backups: configure backup.dir, or take one by GET /v1/backup.tar")

// folder returns the folder of backups that a request names: below the configured one, and never
// elsewhere.
func (k *Keeper) folder(name string) (string, error) {
	switch {
	case k.o.Dir == "":
		return "", errNoDir
	case name == "":
		name = defaultName
	case !nameForm.MatchString(name):
		return "", &exchange.ParameterError{Name: "name", Reason: fmt.Errorf("%q: want letters, digits, and ._- behind the first", name)}
	}
	return filepath.Join(k.o.Dir, name), nil
}

// Made is the answer to POST /v1/backup.
type Made struct {
	Folder string    `json:"folder"` // as GET /v1/backups names it
	Backup string    `json:"backup"`
	Taken  time.Time `json:"taken"`
	Files  int       `json:"files"`
	Bytes  int64     `json:"bytes"`
	Copied *int64    `json:"copied,omitempty"` // of them, since the last one; lists do not say it
}

func (k *Keeper) create(c *call) error {
	dir, err := k.folder(c.args.Get("name"))
	if err != nil {
		return err
	}
	o := backup.Options{BytesPerSecond: k.o.BytesPerSecond, Keep: k.o.Keep}
	if text := c.args.Get("keep"); text != "" {
		if o.Keep, err = strconv.Atoi(text); err != nil || o.Keep < 1 {
			return &exchange.ParameterError{Name: "keep", Reason: fmt.Errorf("%q: want a count from 1", text)}
		}
	}
	if o.Full, err = c.flag("full"); err != nil {
		return err
	}
	b, err := backup.Create(c.r.Context(), k.o.Gate.Set(), dir, o)
	if err != nil {
		return err
	}
	k.o.Logger.Info("backup made", "folder", dir, "backup", b.Name, "bytes", b.Bytes, "copied", b.Copied)
	return c.json(Made{filepath.Base(dir), b.Name, b.Taken, b.Files, b.Bytes, &b.Copied})
}

// Backups is the answer to GET /v1/backups.
type Backups struct {
	Backups  []Made    `json:"backups"`
	Findings []Finding `json:"findings,omitempty"` // what is damaged
	Verified bool      `json:"verified"`           // whether all contents were read
}

// A Finding is a backup that cannot be restored wholly.
type Finding struct {
	Folder string `json:"folder"`
	Backup string `json:"backup"`
	File   string `json:"file,omitempty"`
	Reason string `json:"reason"`
}

func (k *Keeper) list(c *call) error {
	verify, err := c.flag("verify")
	if err != nil {
		return err
	}
	names := []string{c.args.Get("name")}
	if names[0] == "" {
		if names, err = k.folders(); err != nil {
			return err
		}
	}
	out := Backups{Backups: []Made{}, Verified: verify}
	for _, name := range names {
		dir, err := k.folder(name)
		if err != nil {
			return err
		}
		all, err := backup.List(dir, backup.Options{})
		if err != nil && !errors.Is(err, backup.ErrCorrupt) {
			return err
		}
		if err != nil && !verify {
			out.Findings = append(out.Findings, Finding{Folder: name, Reason: err.Error()})
		}
		for _, b := range all {
			out.Backups = append(out.Backups, Made{name, b.Name, b.Taken, b.Files, b.Bytes, nil})
		}
		if !verify {
			continue
		}
		o := backup.Options{BytesPerSecond: k.o.BytesPerSecond}
		if err := backup.Verify(c.r.Context(), dir, o, func(f backup.Finding) {
			out.Findings = append(out.Findings, Finding{name, f.Backup, f.File, f.Reason.Error()})
		}); err != nil {
			return err
		}
	}
	return c.json(out)
}

// folders returns the names of the folders of backups that there are.
func (k *Keeper) folders() ([]string, error) {
	if k.o.Dir == "" {
		return nil, errNoDir
	}
	entries, err := os.ReadDir(k.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !nameForm.MatchString(e.Name()) {
			continue
		}
		if _, err := backup.List(filepath.Join(k.o.Dir, e.Name()), backup.Options{}); !errors.Is(err, backup.ErrNone) {
			names = append(names, e.Name())
		}
	}
	return names, err
}
