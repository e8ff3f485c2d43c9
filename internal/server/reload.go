package server

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
)

// fixed are the keys that only a restart changes: a section stands for all in it.
var fixed = []string{"data", "listen", "web", "store", "self", "graphite", "collectd", "pprof", "log.format", "log.slow_query", "limits.body", "limits.exports", "auth.listeners"}

// errNoReload means that there is nothing to read a configuration from.
var errNoReload = errors.New("this server has no configuration that could be read again")

// Reload reads the configuration again and uses it from now on. Where it is not valid, or changes
// what only a restart can change, nothing changes, and the error says why.
func (s *Server) Reload() error {
	s.reloads.Lock()
	defer s.reloads.Unlock()
	err := s.reload()
	s.metrics.reloaded(err == nil)
	if err != nil {
		s.log.Error("the configuration was not reloaded: the one before goes on", "err", err)
		return fmt.Errorf("the configuration before goes on: %w", err)
	}
	s.log.Info("the configuration was reloaded", "audit", true)
	return nil
}

func (s *Server) reload() error {
	if s.o.Load == nil {
		return errNoReload
	}
	c, err := s.o.Load()
	if err != nil {
		return err
	}
	if changed := changes(s.config.Load(), c); len(changed) > 0 {
		return fmt.Errorf("only a restart changes %s", strings.Join(changed, ", "))
	}
	k, err := newKeeper(c)
	if err != nil {
		return err
	}
	if v := s.opened.Load(); v != nil {
		jobs, err := c.scrapeJobs()
		if err == nil {
			err = v.scraper.Apply(jobs)
		}
		if err != nil {
			return err
		}
	}
	s.config.Store(c)
	s.keeper.Store(k)
	s.setLevel(c)
	if v := s.opened.Load(); v != nil {
		v.gate.SetLimits(c.gateLimits())
		v.set.SetRetention(c.policies())
	}
	return nil
}

// setLevel has the logger follow the configuration.
func (s *Server) setLevel(c *Config) {
	var level slog.Level
	if s.o.Level != nil && level.UnmarshalText([]byte(c.Log.Level)) == nil {
		s.o.Level.Set(level)
	}
}

// changes returns the keys whose values differ, of those that only a restart changes.
func changes(a, b *Config) (all []string) {
	for _, key := range Keys() {
		section, _, _ := strings.Cut(key, ".")
		if (slices.Contains(fixed, key) || slices.Contains(fixed, section)) && !reflect.DeepEqual(a.value(key), b.value(key)) {
			all = append(all, key)
		}
	}
	return all
}

// value returns the value of a key.
func (c *Config) value(key string) any {
	v := reflect.ValueOf(c).Elem()
	for part := range strings.SplitSeq(key, ".") {
		v = v.Field(slices.Index(keysOf(v.Type()), part))
	}
	return v.Interface()
}
