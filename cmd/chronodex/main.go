// Command chronodex is the store as a program: it parses flags, opens a folder, calls the packages
// that know how, and prints what they return. It holds no logic of its own beyond that.
//
// Every command is a file, a struct with its flags, and a Run method; start at [grammar].
//
// Data go to stdout, errors and progress to stderr. Exit codes: 0 all is well, 1 an error, 2 the
// command or the query is not understood, 3 the server does not allow it, 4 done in part (lines or damaged chunks were skipped),
// 5 cancelled, 7 a limit of the query was hit. The first interrupt cancels, the second ends.
package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // time zones where the system has none

	"github.com/alecthomas/kong"

	"github.com/chronodex/chronodex/internal/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // from now on a signal ends the process
	}()
	width := terminalWidth(os.Stdout)
	if width == 0 {
		width, _ = strconv.Atoi(os.Getenv("COLUMNS"))
	}
	s := &session{
		in: &interruptible{ctx: ctx, r: os.Stdin}, out: os.Stdout, err: os.Stderr, now: time.Now,
		outTerminal: isTerminal(os.Stdout), errTerminal: isTerminal(os.Stderr),
		width: width, color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	code := s.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// A session is what a command has of the world. Commands find it in their arguments.
type session struct {
	in          io.Reader
	out, err    io.Writer
	outTerminal bool
	errTerminal bool
	width       int  // of the terminal, or what COLUMNS says; 0 where neither does
	color       bool // wanted, where there is a terminal
	now         func() time.Time
	data        string         // folder of the store
	dataGiven   bool           // by a flag or the environment
	server      *client.Client // that is asked instead of the folder; nil: none is
	command     string         // that runs
	flags       serverFlags    // that it was made of
}

// defaultData is the folder of the store where nothing says which.
const defaultData = "./chronodex-data"

// grammar is the command line.
type grammar struct {
	Data string `help:"Folder of the store; ./chronodex-data when not given." env:"CHRONODEX_DATA" placeholder:"DIR"`
	serverFlags

	Import     importCmd     `cmd:"" help:"Read files into the store."`
	Search     searchCmd     `cmd:"" help:"Find series by any word of their dimensions."`
	Ls         lsCmd         `cmd:"" help:"List dimensions, or the values of one, with counts."`
	Query      queryCmd      `cmd:"" help:"Answer a query."`
	Explain    explainCmd    `cmd:"" help:"Show how a query is answered, and what it costs."`
	Export     exportCmd     `cmd:"" help:"Write observations as text that import reads back to the bit."`
	Delete     deleteCmd     `cmd:"" help:"Delete observations."`
	Retain     retainCmd     `cmd:"" help:"Drop what is older than an age."`
	Compact    compactCmd    `cmd:"" help:"Rewrite the store as small as it gets."`
	Backup     backupCmd     `cmd:"" help:"Copy the store into a folder of backups."`
	Restore    restoreCmd    `cmd:"" help:"Make a store of a backup."`
	Inspect    inspectCmd    `cmd:"" help:"Print the bytes of a file of the store."`
	Status     statusCmd     `cmd:"" help:"Tell how large the store is."`
	Tail       tailCmd       `cmd:"" help:"Print what is written to a server, as it comes."`
	Serve      serveCmd      `cmd:"" help:"Serve the store to a network."`
	Check      checkCmd      `cmd:"" help:"Verify every checksum of the store."`
	Reindex    reindexCmd    `cmd:"" help:"Build the index anew."`
	Bench      benchCmd      `cmd:"" help:"Measure import, size and queries on a folder of data."`
	Demo       demoCmd       `cmd:"" help:"Make a day of data with incidents, and walk through it."`
	Completion completionCmd `cmd:"" help:"Print the completion script of a shell."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
	Complete   completeCmd   `cmd:"" hidden:"" name:"__complete"`
}

// parser returns the parser of g.
func parser(g *grammar, out, err io.Writer) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name("chronodex"),
		kong.Description("A time series store over a search index: put data in, find series by any word, get right answers at once.\n\n"+
			"Begin with: chronodex demo"),
		kong.Writers(out, err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
}

// joinTimes makes one word of a flag that takes a time and a time such as -6h, which would be taken
// for flags otherwise.
func joinTimes(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		if (args[i] == "--from" || args[i] == "--to" || args[i] == "--from-start" || args[i] == "--from-end") && i+1 < len(args) && strings.HasPrefix(args[i+1], "-") &&
			len(args[i+1]) > 1 && args[i+1][1] >= '0' && args[i+1][1] <= '9' {
			out = append(out, args[i]+"="+args[i+1])
			i++
			continue
		}
		out = append(out, args[i])
	}
	return out
}

// run runs one command line, and returns the exit code.
func (s *session) run(ctx context.Context, args []string) int {
	var g grammar
	p, err := parser(&g, s.out, s.err)
	if err != nil {
		return s.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := p.Parse(joinTimes(args))
	if err != nil {
		return s.fail(&usageError{err})
	}
	s.data, s.dataGiven = cmp.Or(g.Data, defaultData), g.Data != ""
	s.flags, s.command = g.serverFlags, k.Selected().Name
	if err := s.place(k, &g); err != nil {
		return s.fail(err)
	}
	k.BindTo(ctx, (*context.Context)(nil))
	return s.fail(k.Run(s))
}
