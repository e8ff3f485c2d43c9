package structure

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/chronodex/chronodex"

// floors lists every package. A package imports only packages of lower floors.
var floors = map[string]int{
	"codec": 0, "internal/vfs": 0, "internal/testseries": 0, "internal/structure": 0,
	"chunk/blockpb": 0, "codec/internal/genunpack": 0, "internal/literal": 0,
	"chunk": 1, "internal/wal": 1, "internal/jsontext": 1,
	"index": 2, "analytics": 2, "internal/segment": 2,
	"shard": 3, "query": 3, "internal/access": 3,
	"internal/ingest": 4, "internal/render": 4, "internal/demo": 4, "internal/gate": 4,
	"internal/ingest/gather":    4,
	"internal/ingest/promwrite": 4, // its forms of histograms, exemplars and metadata are those of other protocols, too
	"internal/ingest/arrowin":   5, "internal/ingest/collectd": 5, "internal/ingest/graphite": 5,
	"internal/ingest/lineproto": 5, "internal/ingest/opentsdb": 5, "internal/ingest/otlp": 5,
	"internal/ingest/promtext": 5,
	"internal/backup":          5, "internal/exchange": 5, "internal/export": 5,
	"internal/api": 6, "internal/client": 6, "internal/keep": 6, "internal/receive": 6,
	"internal/scrape": 6, "internal/source": 6,
	"internal/server": 7,
	"internal/bench":  8, "internal/bench/service": 8,
	"cmd/chronodex": 9,
}

// sees names all packages of the module that a package may import, where its floor does not say it.
var sees = map[string][]string{
	"chunk":     {"chunk/blockpb", "codec"},
	"index":     {"chunk"},
	"analytics": {"chunk"},
	"query":     {"analytics", "index", "chunk"},
}

// doors names the only packages that may import what begins with a path.
var doors = map[string][]string{
	"github.com/blevesearch/":                        {"index"},
	"go.etcd.io/bbolt":                               {"index"},
	"go.opentelemetry.io/":                           {"internal/ingest/otlp"},
	"google.golang.org/genproto/":                    {"internal/ingest/otlp"},
	"github.com/apache/arrow/":                       {"internal/ingest/arrowin"},
	"google.golang.org/grpc":                         {"internal/receive"},
	"google.golang.org/protobuf":                     {"chunk", "chunk/blockpb", "internal/ingest/promwrite", "internal/ingest/otlp", "internal/source"},
	"github.com/alecthomas/kong":                     {"cmd/chronodex"},
	"github.com/prometheus/exporter-toolkit":         {"internal/server"},
	"github.com/prometheus/client_golang/prometheus": {"internal/server"},
	"github.com/coreos/go-systemd":                   {"internal/server"},
	"github.com/prometheus/client_golang/exp":        {"internal/receive"},
	"github.com/prometheus/common":                   {"internal/ingest/promtext", "internal/scrape"},
	"github.com/prometheus/prometheus":               {"internal/ingest/promwrite", "internal/ingest/promtext", "internal/ingest/otlp", "internal/scrape", "internal/source"},
	"golang.org/x/crypto":                            {"internal/server"},
	"golang.org/x/sys":                               {"internal/vfs", "cmd/chronodex"},
	"unsafe":                                         {"codec"},
}

// Measures of the project. Generated code and tables, those of tests among them, are not measured.
const (
	maxFileLines     = 1000
	maxFunctionLines = 100
	maxParameters    = 6
)

// discussed names functions that may have more parameters, and why.
var discussed = map[string]string{
	"codec/encoder.go sentinel": "internal; the state of one trial, which it would cost more to gather than to pass",
}

// A source is one Go file of the module.
type source struct {
	name      string // from the root of the module
	pkg       string // folder, which is the import path within the module
	file      *ast.File
	lines     int
	test      bool
	generated bool
}

// A project is all Go files of the module.
type project struct {
	fset    *token.FileSet
	sources []source
}

// root returns the folder of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
}

// walk calls visit for every file of the module with the ending.
func walk(t *testing.T, ending string, visit func(name string, content []byte)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		base := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != top && (strings.HasPrefix(base, ".") && base != ".ci" || base == "testdata" || isModule(name)):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(base, ending):
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, name)
		visit(filepath.ToSlash(rel), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isModule reports whether a folder below the top is a module of its own.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// load parses the module.
func load(t *testing.T) *project {
	t.Helper()
	p := &project{fset: token.NewFileSet()}
	walk(t, ".go", func(name string, content []byte) {
		file, err := parser.ParseFile(p.fset, name, content, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		p.sources = append(p.sources, source{
			name: name, pkg: path.Dir(name), file: file, lines: strings.Count(string(content), "\n"),
			test: strings.HasSuffix(name, "_test.go"), generated: ast.IsGenerated(file),
		})
	})
	if len(p.sources) < 10 {
		t.Fatalf("found only %d files", len(p.sources))
	}
	return p
}

// at prints where a node is.
func (p *project) at(n ast.Node) string {
	pos := p.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", pos.Filename, pos.Line)
}

func TestImportsPointDown(t *testing.T) {
	p := load(t)
	for _, s := range p.sources {
		floor, known := floors[s.pkg]
		if !known {
			t.Errorf("%s: package %s has no floor: give it one in floors, and in ARCHITECTURE.md", s.name, s.pkg)
			continue
		}
		for _, spec := range s.file.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if inner, ok := strings.CutPrefix(to, module+"/"); ok && !(s.test && inner == s.pkg) {
				below, known := floors[inner]
				if s.test && inner == "internal/testseries" {
					continue
				}
				if !known || below >= floor {
					t.Errorf("%s: %s (floor %d) imports %s (floor %d)", p.at(spec), s.pkg, floor, inner, below)
				}
				if may := sees[s.pkg]; may != nil && !s.test && !slices.Contains(may, inner) {
					t.Errorf("%s: %s imports %s, and may import only %v", p.at(spec), s.pkg, inner, may)
				}
			}
			for prefix, may := range doors {
				if strings.HasPrefix(to, prefix) && !slices.Contains(may, s.pkg) && !s.test && !s.generated {
					t.Errorf("%s: %s imports %s, whose only door is %v", p.at(spec), s.pkg, to, may)
				}
			}
		}
	}
}

func TestPackagesHaveComments(t *testing.T) {
	comments := map[string]string{}
	for _, s := range load(t).sources {
		if doc := s.file.Doc.Text(); !s.test && len(doc) > len(comments[s.pkg]) || comments[s.pkg] == "" && !s.test {
			comments[s.pkg] = doc
		}
	}
	for pkg, doc := range comments {
		if want := "Package " + path.Base(pkg) + " "; !strings.HasPrefix(doc, want) && !strings.HasPrefix(doc, "Command ") &&
			!strings.HasPrefix(doc, "Chronodex ") {
			t.Errorf("package %s: comment does not begin with %q: %.60q", pkg, want, doc)
		}
	}
}

func TestExportedNamesHaveComments(t *testing.T) {
	p := load(t)
	for _, s := range p.sources {
		if s.test || s.generated {
			continue
		}
		for _, d := range s.file.Decls {
			for _, name := range bare(d) {
				t.Errorf("%s: %s has no comment", p.at(d), name)
			}
		}
	}
}

// bare returns the exported names that a declaration makes and does not comment.
func bare(d ast.Decl) []string {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Doc.Text() == "" && f.Name.IsExported() && (f.Recv == nil || exportedReceiver(f)) {
			return []string{f.Name.Name}
		}
		return nil
	}
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok == token.IMPORT {
		return nil
	}
	var names []string
	for _, spec := range g.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && g.Doc.Text()+s.Doc.Text() == "" {
				names = append(names, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && g.Doc.Text()+s.Doc.Text()+s.Comment.Text() == "" {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// exportedReceiver reports whether a method's type is exported.
func exportedReceiver(f *ast.FuncDecl) bool {
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	switch g := typ.(type) {
	case *ast.IndexExpr:
		typ = g.X
	case *ast.IndexListExpr:
		typ = g.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

func TestSizes(t *testing.T) {
	p := load(t)
	var files, functions []int
	exported := map[string]int{}
	for _, s := range p.sources {
		if s.generated {
			continue
		}
		if s.lines > maxFileLines {
			t.Errorf("%s has %d lines, at most %d", s.name, s.lines, maxFileLines)
		}
		if !s.test {
			files = append(files, s.lines)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := p.fset.Position(f.End()).Line - p.fset.Position(f.Pos()).Line + 1
			if n > maxFunctionLines && !s.test && !isTable(f) {
				t.Errorf("%s: function %s has %d lines, at most %d", p.at(f), f.Name.Name, n, maxFunctionLines)
			}
			if k := f.Type.Params.NumFields(); k > maxParameters && discussed[s.name+" "+f.Name.Name] == "" {
				t.Errorf("%s: function %s has %d parameters, at most %d", p.at(f), f.Name.Name, k, maxParameters)
			}
			if !s.test {
				functions = append(functions, n)
			}
		}
		if !s.test {
			for name := range s.file.Scope.Objects {
				if ast.IsExported(name) {
					exported[s.pkg]++
				}
			}
		}
	}
	t.Logf("lines a file:     p90 %d, max %d (discuss above 450)", quantile(files, 90), quantile(files, 100))
	t.Logf("lines a function: p90 %d, p99 %d, max %d (discuss above 35, 75)",
		quantile(functions, 90), quantile(functions, 99), quantile(functions, 100))
	t.Logf("exported names of packages: %v", exported)
}

// isTable reports whether a function does nothing but return a literal.
func isTable(f *ast.FuncDecl) bool {
	if f.Body == nil || len(f.Body.List) != 1 {
		return false
	}
	ret, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) != 1 {
		return false
	}
	_, ok = ret.Results[0].(*ast.CompositeLit)
	return ok
}

func quantile(v []int, percent int) int {
	slices.Sort(v)
	return v[(len(v)-1)*percent/100]
}

// TestForbiddenCalls keeps out what makes packages surprising: work at start, clocks below the
// store, output and exits outside of the command.
func TestForbiddenCalls(t *testing.T) {
	p := load(t)
	for _, s := range p.sources {
		if s.test || s.generated {
			continue
		}
		floor := floors[s.pkg]
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil && n.Name.Name == "init" {
					t.Errorf("%s: init functions are not used here", p.at(n))
				}
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				call := x.Name + "." + n.Sel.Name
				switch {
				case floor < 3 && (call == "time.Now" || call == "time.Since"):
					t.Errorf("%s: %s below the store: let the caller pass the time", p.at(n), call)
				case s.file.Name.Name != "main" && (strings.HasPrefix(call, "fmt.Print") || strings.HasPrefix(call, "log.") || call == "os.Exit"):
					t.Errorf("%s: %s outside of the command", p.at(n), call)
				}
			}
			return true
		})
	}
}
