package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/receive"
	"github.com/chronodex/chronodex/internal/scrape"
	"github.com/chronodex/chronodex/shard"
)

// Options are what a [Server] has beside its configuration.
type Options struct {
	Config  *Config
	Load    func() (*Config, error) // reads the configuration again; nil means that there is no reload
	Version string
	Logger  *slog.Logger   // nil means that nothing is logged
	Level   *slog.LevelVar // of the logger, which a reload changes; may be nil
	Now     func() time.Time
}

// A Server is one store with its listeners. Make one with [New], then [Server.Run] it.
type Server struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	started time.Time

	config   atomic.Pointer[Config]
	keeper   atomic.Pointer[keeper]
	opened   atomic.Pointer[service] // nil until the store is open
	closing  atomic.Bool
	ran      atomic.Bool
	replay   progress
	requests *requests
	patience patience
	reloads  sync.Mutex

	done     chan struct{}               // closed when it begins to shut down
	serving  chan struct{}               // closed when all is served
	starting http.Handler                // answers until then
	csrf     *http.CrossOriginProtection // refuses what a browser sends for the page of another site
	sockets  map[string]socket
}

// A service is what there is once the store is open.
type service struct {
	set     *shard.Set
	gate    *gate.Gate
	handler http.Handler

	receiver *receive.Receiver
	scraper  *scrape.Manager
}

// A socket is one of the two that a listener can have.
type socket struct {
	spec   listenerSpec
	stream net.Listener
	packet net.PacketConn
}

// New returns a server that has its addresses already, and does not serve yet. What Run does not
// end, [Server.Close] does.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, requests: newRequests(), patience: usualPatience(), log: o.Logger, started: o.Now(), csrf: http.NewCrossOriginProtection(), serving: make(chan struct{}), done: make(chan struct{})}
	s.config.Store(o.Config)
	for _, origin := range o.Config.Web.CORS {
		if err := s.csrf.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	k, err := newKeeper(o.Config)
	if err != nil {
		return nil, err
	}
	s.keeper.Store(k)
	s.metrics = newMetrics(s)
	s.starting = s.startingHandler()
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.warn()
	return s, nil
}

// Close lets go of the addresses.
func (s *Server) Close() error {
	var all error
	for _, k := range s.sockets {
		if k.stream != nil {
			all = errors.Join(all, k.stream.Close())
		} else {
			all = errors.Join(all, k.packet.Close())
		}
	}
	s.sockets = nil
	return all
}

// Addr returns the address of a listener, by its name in the configuration, such as "http"; nil
// where it is off.
func (s *Server) Addr(listener string) net.Addr {
	k, ok := s.sockets[listener]
	switch {
	case !ok:
		return nil
	case k.stream != nil:
		return k.stream.Addr()
	}
	return k.packet.LocalAddr()
}

// Run serves until ctx ends: then it takes nothing new, lets what has begun come to its end within
// the time that the configuration gives, and closes the store. It returns nil when that went well,
// or the reason why the store could not be opened or a listener served.
//
// HTTP is served while the store is still being opened, so that it can be asked for how far that
// is. Where ctx ends before the store is open, and opening takes longer than that time, Run returns
// without waiting for it: nothing was acknowledged that the store has not already.
func (s *Server) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return errors.New("server: it ran already")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tlsConfig, err := s.tls("h2", "http/1.1")
	if err != nil {
		return errors.Join(err, s.Close())
	}
	var listening sync.WaitGroup
	web := s.httpServer()
	listening.Go(func() {
		if err := serveHTTP(web, s.sockets["http"].stream, tlsConfig); err != nil {
			cancel(fmt.Errorf("listen.http: %w", err))
		}
	})
	open := make(chan error, 1)
	go func() { open <- s.open() }()
	select {
	case err = <-open:
	case <-ctx.Done():
		err = s.stopOpening(open)
	}
	if err != nil {
		cancel(err)
	} else {
		s.run(ctx, cancel, &listening)
	}
	err = context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.stop(web, &listening))
}

// errOpening means that the store was still being opened when it should have been closed.
var errOpening = errors.New("stopped while the store was being opened")

// stopOpening waits for the store to be open, so that it can be closed, but not forever.
func (s *Server) stopOpening(open chan error) error {
	select {
	case err := <-open:
		return err
	case <-time.After(s.config.Load().ShutdownTimeout.of()):
		return errOpening
	}
}

// run serves the store, until ctx ends.
func (s *Server) run(ctx context.Context, cancel context.CancelCauseFunc, listening *sync.WaitGroup) {
	s.serveOthers(ctx, cancel, listening)
	listening.Go(func() { s.storeSelf(ctx) })
	listening.Go(func() { s.scrapeTargets(ctx) })
	close(s.serving)
	s.notify(daemon.SdNotifyReady)
	s.log.Info("ready", "data", s.config.Load().Data, "after", s.o.Now().Sub(s.started).String())
	<-ctx.Done()
}

// open opens the store, and makes what is served of it.
func (s *Server) open() error {
	c := s.config.Load()
	set, err := shard.Open(c.Data, shard.Options{
		Shards: c.Store.Shards, Partition: c.Store.Partition.of(), HeadBytes: int64(c.Store.HeadBytes),
		Policies: c.policies(), Now: s.o.Now, Replayed: s.replay.tell, Logger: s.log,
	})
	if err != nil {
		return err
	}
	v := &service{set: set}
	v.gate = gate.New(set, gate.Options{Limits: c.gateLimits(), SlowQuery: c.Log.SlowQuery.of(), Now: s.o.Now, Logger: s.log})
	if v.receiver, err = s.newReceiver(v); err != nil {
		return errors.Join(err, set.Close())
	}
	v.handler = s.mount(s.routes(v))
	if v.scraper, err = s.newScraper(v); err != nil {
		return errors.Join(err, set.Close())
	}
	s.opened.Store(v)
	return nil
}

// progress is how far the replay of the logs is.
type progress struct{ done, total atomic.Int64 }

func (p *progress) tell(done, total int64) {
	p.done.Store(done)
	p.total.Store(total)
}

// policies returns what is kept for how long, as the store has it.
func (c *Config) policies() []shard.Policy {
	var all []shard.Policy
	for _, p := range c.Retention {
		if f, err := index.Parse(orAll(p.Selector)); err == nil { // which was checked
			all = append(all, shard.Policy{Filter: f, Age: p.Age.of()})
		}
	}
	return all
}

// gateLimits returns the limits as the gate has them.
func (c *Config) gateLimits() gate.Limits {
	l := &c.Limits
	return gate.Limits{
		Series: l.Series, NewSeries: l.NewSeriesPerMinute, InFlight: int64(l.InFlight), FreeDisk: int64(l.FreeDisk),
		Queries: l.Queries, Queue: l.Queue, QueueTime: l.QueueTime.of(), QueryTime: l.QueryTime.of(),
		QueryMemory: int64(l.QueryMemory), QueriesMemory: int64(l.QueriesMemory), QueryObservations: l.QueryObservations, QueryBytes: int64(l.QueryBytes),
	}
}

// stop ends what is left: it waits for requests that have begun, and closes the store.
func (s *Server) stop(web *http.Server, listening *sync.WaitGroup) error {
	s.closing.Store(true)
	close(s.done)
	s.notify(daemon.SdNotifyStopping)
	patience := s.config.Load().ShutdownTimeout.of()
	s.log.Info("shutting down", "patience", patience.String())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := web.Shutdown(ctx)
	if err != nil {
		s.log.Warn("requests did not come to their end in time, they are cut off", "err", err)
		err = web.Close() // ends their contexts
	}
	s.requests.close()
	others := make(chan struct{})
	go func() {
		listening.Wait()
		close(others)
	}()
	select {
	case <-others:
	case <-ctx.Done():
		s.log.Warn("listeners did not come to their end in time")
	}
	if v := s.opened.Load(); v != nil {
		err = errors.Join(err, v.set.Close())
	}
	s.log.Info("stopped")
	return errors.Join(err, s.closeSockets())
}

// closeSockets closes what servers have not closed themselves.
func (s *Server) closeSockets() error {
	err := s.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// notify tells systemd, where it listens.
func (s *Server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd was not told", "state", state, "err", err)
	}
}

// WaitReady returns when the store is open and all listeners are served, or ctx has ended.
func (s *Server) WaitReady(ctx context.Context) {
	select {
	case <-s.serving:
	case <-ctx.Done():
	}
}
