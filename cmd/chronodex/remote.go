package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/client"
	"github.com/chronodex/chronodex/internal/exchange"
	"github.com/chronodex/chronodex/internal/export"
	"github.com/chronodex/chronodex/query"
	"github.com/chronodex/chronodex/shard"
)

// A store is what commands ask: in a folder, or behind a server. Both answer the same.
type store interface {
	Query(ctx context.Context, q *query.Query, req query.Request) (*query.Result, error)
	Analyze(ctx context.Context, q *query.Query, req query.Request) (*query.Plan, *query.Result, error)
	Search(ctx context.Context, f index.Filter, limit int) (found []chunk.Series, total int, err error)
	Names(ctx context.Context, f index.Filter) ([]shard.Count, error)
	Values(ctx context.Context, f index.Filter, name, prefix string, limit int) ([]shard.Count, error)
	Complete(ctx context.Context, prefix string, limit int) ([]index.Completion, error)
	Delete(ctx context.Context, f index.Filter, span chunk.Span) (series int64, err error)
	Export(ctx context.Context, out io.Writer, req export.Request, o export.Observer) (lost bool, err error)
	Status(ctx context.Context) (*exchange.Status, error)
}

// A folder is a store that this process has opened.
type folder struct {
	*shard.Set
	s      *session
	memory int64 // bytes that a query may take
}

// Query answers q.
func (f folder) Query(ctx context.Context, q *query.Query, req query.Request) (*query.Result, error) {
	return f.s.engine(f.Set, f.memory).Run(ctx, q, req)
}

// Analyze answers q, and returns the plan with what each step did.
func (f folder) Analyze(ctx context.Context, q *query.Query, req query.Request) (*query.Plan, *query.Result, error) {
	return f.s.engine(f.Set, f.memory).Analyze(ctx, q, req)
}

// Export writes observations as text.
func (f folder) Export(ctx context.Context, out io.Writer, req export.Request, o export.Observer) (bool, error) {
	return export.Write(ctx, out, f.s.engine(f.Set, 0).Parts, req, o)
}

// Status returns the figures of the store.
func (f folder) Status(context.Context) (*exchange.Status, error) {
	return &exchange.Status{Version: buildVersion(), Now: f.s.now().UTC(), Store: exchange.StoreStatusOf(f.Stats())}, nil
}

// A remote is a store behind a server.
type remote struct{ *client.Client }

// Export writes observations as text.
func (r remote) Export(ctx context.Context, out io.Writer, req export.Request, o export.Observer) (bool, error) {
	lost, err := r.Client.Export(ctx, out, req)
	for _, text := range lost {
		o.Warn(text)
	}
	return len(lost) > 0, err
}

// ask calls f with the store: that of the server, where there is one, or else that in the folder,
// opened for reading. Queries may take so many bytes of memory there; 0 is the default.
func (s *session) ask(memory int64, f func(store) error) error {
	if s.server != nil {
		return f(remote{s.server})
	}
	return s.withStore(func(set *shard.Set) error { return f(folder{set, s, memory}) })
}

// serverFlags say which server is asked instead of a folder.
type serverFlags struct {
	Server    string `help:"Ask the server at this address, such as http://localhost:9428, instead of a folder." env:"CHRONODEX_SERVER" placeholder:"URL"`
	TokenFile string `help:"File with the token for the server; CHRONODEX_TOKEN holds the token itself." env:"CHRONODEX_TOKEN_FILE" type:"path" placeholder:"FILE"`
	CAFile    string `name:"ca-file" help:"Certificates, PEM, that are trusted beside the system's." env:"CHRONODEX_CA_FILE" type:"path" placeholder:"FILE"`
}

// open returns a client, or nil where no server is named.
func (f *serverFlags) open() (*client.Client, error) {
	if f.Server == "" {
		return nil, nil
	}
	o := client.Options{Token: os.Getenv("CHRONODEX_TOKEN"), Agent: "chronodex/" + buildVersion()}
	if f.TokenFile != "" {
		text, err := os.ReadFile(f.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		o.Token = strings.TrimSpace(string(text))
	}
	if f.CAFile != "" {
		text, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		o.CA = text
	}
	c, err := client.New(f.Server, o)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--server: %w", err)}
	}
	return c, nil
}

// The commands that ask a server as well as a folder, and those that work on a folder and could be
// taken to ask a server.
var (
	askers  = []string{"query", "search", "ls", "explain", "export", "import", "delete", "backup", "status", "tail", "__complete"}
	folders = []string{"compact", "check", "reindex", "retain"}
)

// place decides whether a folder or a server is asked: what a flag says counts before what the
// environment says.
func (s *session) place(k *kong.Context, g *grammar) error {
	data, server := false, false
	for _, p := range k.Path {
		if p.Flag != nil && !p.Resolved {
			data = data || p.Flag.Name == "data"
			server = server || p.Flag.Name == "server"
		}
	}
	name := k.Selected().Name
	asks := slices.Contains(askers, name)
	switch {
	case g.Server == "" || data && !server:
		return nil
	case data && asks:
		return &usageError{errors.New("--data and --server: which of both?")}
	case asks:
		var err error
		s.server, err = g.open()
		return err
	case server || slices.Contains(folders, name):
		return &usageError{fmt.Errorf("%s works on the folder of a store, not on a server (%s): give it --data, where the store is", name, g.Server)}
	}
	return nil
}
