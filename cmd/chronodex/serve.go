package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/chronodex/chronodex/internal/server"
)

// serveCmd serves the store to a network.
type serveCmd struct {
	Config      string `help:"Configuration, a YAML file; docs/config.md describes it." env:"CHRONODEX_CONFIG" placeholder:"FILE"`
	CheckConfig bool   `help:"Check the configuration, print all that is wrong with it, and end."`
	Probe       bool   `help:"Ask the server of this configuration, on this machine, whether it is ready; the exit code tells."`
	Listen      string `help:"Address of HTTP; 127.0.0.1:9428 when not given. Short for --set listen.http=ADDR." placeholder:"ADDR"`

	Set map[string]string `help:"Set any key of the configuration, such as limits.series=1000000; can be repeated." placeholder:"KEY=VALUE" mapsep:"none"`
}

// Help is printed behind the flags.
func (*serveCmd) Help() string {
	return `What a flag says counts before what a variable of the environment says, and that before the file. The variable of the key listen.http is CHRONODEX_LISTEN_HTTP. Without any, the server listens on 127.0.0.1:9428 and lets in everybody who is on this machine.

SIGHUP and POST /-/reload read the configuration again. SIGTERM and the first interrupt end the server after the requests that it has begun; a second one ends it at once. Both are safe for what was acknowledged.

Examples:

    chronodex serve
    chronodex serve --config /etc/chronodex/chronodex.yaml --check-config
    chronodex serve --data /srv/chronodex --listen :9428 --set listen.graphite=127.0.0.1:2003 --set log.format=text
    CHRONODEX_LOG_LEVEL=debug chronodex serve
    curl --data-binary 'cpu,host=a usage=0.5' http://127.0.0.1:9428/write`
}

// Run is called by kong.
func (c *serveCmd) Run(ctx context.Context, s *session) error {
	load := func() (*server.Config, error) {
		return server.Load(server.Sources{File: c.Config, Env: os.Environ(), Flags: c.flags(s)})
	}
	config, err := load()
	if err != nil {
		s.complain("%v\n", err)
		return errMisread
	}
	if c.CheckConfig {
		_, err := fmt.Fprintln(s.out, "the configuration is valid")
		return err
	}
	if c.Probe {
		return probe(ctx, config)
	}
	tuneMemory()
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(config.Log.Level)); err != nil {
		return err
	}
	sv, err := server.New(server.Options{
		Config: config, Load: load, Version: buildVersion(), Logger: newLogger(s.err, config.Log.Format, level), Level: level, Now: s.now,
	})
	if err != nil {
		return err
	}
	s.data = config.Data
	defer reloadOnHangup(sv)()
	return sv.Run(ctx)
}

// flags returns what flags say, by keys of the configuration.
func (c *serveCmd) flags(s *session) map[string]string {
	flags := map[string]string{}
	for key, text := range c.Set {
		flags[key] = text
	}
	if c.Listen != "" {
		flags["listen.http"] = c.Listen
	}
	if s.dataGiven {
		flags["data"] = s.data
	}
	return flags
}

// newLogger returns what writes the server's log.
func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// reloadOnHangup has the server read its configuration again on each SIGHUP, until the function
// that it returns is called.
func reloadOnHangup(sv *server.Server) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for range hangups {
			_ = sv.Reload() // it has logged what is wrong
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
