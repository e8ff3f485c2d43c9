package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/access"
	"github.com/chronodex/chronodex/internal/ingest/graphite"
)

// A checker gathers what is wrong with a configuration whose syntax is right.
type checker struct {
	c   *Config
	bad []string
	all []error
}

// problems returns all that is wrong with c, but for the keys that are known to be bad already.
func (c *Config) problems(bad []string) []error {
	k := &checker{c: c, bad: bad}
	k.require(c.Data != "", "data", "want the folder of the store")
	k.listeners()
	k.auth()
	k.limits()
	k.retention()
	k.scrape()
	k.graphite()
	if _, err := c.collectdOptions(); err != nil {
		k.all = append(k.all, err)
	}
	k.require(c.Backup.Keep >= 0, "backup.keep", "%d is less than nothing; 0 keeps all", c.Backup.Keep)
	k.log()
	for i, origin := range c.Web.CORS {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			k.fail(fmt.Sprintf("web.cors[%d]", i), "%q is not an origin: want one such as https://grafana.example.org", origin)
		}
	}
	if c.Web.ConfigFile != "" {
		if err := web.Validate(c.Web.ConfigFile); err != nil {
			k.fail("web.config_file", "%s: %v", c.Web.ConfigFile, err)
		} else if _, err := readWeb(c.Web.ConfigFile); err != nil {
			k.fail("web.config_file", "%v", err)
		}
	}
	if len(k.all)+len(bad) == 0 {
		if _, err := newKeeper(c); err != nil {
			k.all = append(k.all, err)
		}
	}
	return k.all
}

func (k *checker) fail(path, format string, args ...any) {
	if slices.ContainsFunc(k.bad, func(bad string) bool { return path == bad || strings.HasPrefix(bad, path+".") }) {
		return
	}
	k.all = append(k.all, fmt.Errorf("%s: %s", k.c.origin(path), fmt.Sprintf(format, args...)))
}

func (k *checker) require(ok bool, path, format string, args ...any) {
	if !ok {
		k.fail(path, format, args...)
	}
}

// listeners checks the addresses.
func (k *checker) listeners() {
	k.require(k.c.Listen.HTTP != "", "listen.http", "want an address such as 127.0.0.1:9428: there is no server without it")
	seen := map[string]string{}
	for _, l := range k.c.listeners() {
		if l.address == "" {
			continue
		}
		_, port, err := net.SplitHostPort(l.address)
		if err != nil {
			k.fail(l.key(), "%q is not an address: want HOST:PORT, such as 127.0.0.1:9428, or :9428 for all networks", l.address)
			continue
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			k.fail(l.key(), "%q is not a port: want a number up to 65535", port)
		} else if other := seen[l.network+l.address]; other != "" && n != 0 {
			k.fail(l.key(), "%s is the address of listen.%s already", l.address, other)
		}
		seen[l.network+l.address] = l.name
	}
}

// auth checks tokens, users, and the rights of everybody else.
func (k *checker) auth() {
	a := &k.c.Auth
	names, secrets := map[string]bool{}, map[[sha256.Size]byte]string{}
	for i, t := range a.Tokens {
		path := fmt.Sprintf("auth.tokens[%d]", i)
		k.require(t.Name != "", path+".name", "want a name, by which logs call who has the token")
		k.require(!names[t.Name], path+".name", "%q is the name of another token", t.Name)
		names[t.Name] = true
		given := 0
		for _, s := range []string{t.Token, t.TokenFile, t.SHA256} {
			if s != "" {
				given++
			}
		}
		if given != 1 {
			k.fail(path, "want one of token, token_file and sha256, not %d", given)
		} else if sum, err := t.digest(); err != nil {
			k.fail(path, "%v", err)
		} else if other, ok := secrets[sum]; ok {
			k.fail(path, "its secret is that of %q: who has it would be one of the two", other)
		} else {
			secrets[sum] = t.Name
		}
		k.identity(path, t.Rights, t.Within, t.Set)
	}
	for name, u := range a.Users {
		k.identity("auth.users."+name, u.Rights, u.Within, u.Set)
		k.require(k.c.Web.ConfigFile != "", "auth.users."+name, "users have their passwords in web.config_file, which is not given")
	}
	if _, err := parseRights(a.Anonymous); err != nil {
		k.fail("auth.anonymous", "%v", err)
	}
	for listener, token := range a.Listeners {
		path := "auth.listeners." + listener
		i := slices.IndexFunc(k.c.listeners(), func(l listenerSpec) bool { return l.name == listener && !l.asks })
		k.require(i >= 0, path, "there is no such listener without passwords: there are graphite, graphite_udp, graphite_pickle, opentsdb and collectd")
		k.require(names[token], path, "there is no token %q in auth.tokens", token)
	}
}

// identity checks what somebody may do.
func (k *checker) identity(path string, rights []string, within string, set map[string]string) {
	if _, err := newIdentity("", rights, within, set); err != nil {
		k.fail(path, "%v", err)
	}
}

// newIdentity makes an identity of its configuration.
func newIdentity(name string, rights []string, within string, set map[string]string) (*access.Identity, error) {
	who := &access.Identity{Name: name}
	var err error
	if who.Rights, err = parseRights(rights); err != nil {
		return nil, fmt.Errorf("rights: %w", err)
	}
	if len(rights) == 0 {
		return nil, fmt.Errorf("rights: want some of read, write and admin")
	}
	if within != "" {
		if who.Within, err = index.Parse(within); err != nil {
			return nil, fmt.Errorf("within: %q: %w", within, err)
		}
	}
	for dimension, value := range set {
		if dimension == "" || value == "" {
			return nil, fmt.Errorf("set: want names with values")
		}
		who.Set = append(who.Set, chunk.Dimension{Name: dimension, Value: value})
	}
	slices.SortFunc(who.Set, func(a, b chunk.Dimension) int { return strings.Compare(a.Name, b.Name) })
	return who, nil
}

// parseRights adds up rights by their names.
func parseRights(names []string) (all access.Rights, err error) {
	for _, name := range names {
		switch name {
		case "read":
			all |= access.Read
		case "write":
			all |= access.Write
		case "admin":
			all |= access.Admin
		case "all":
			all |= access.All
		default:
			return 0, fmt.Errorf("%q is not a right: want read, write, admin or all", name)
		}
	}
	return all, nil
}

// shortest is how many letters a token has at least.
const shortest = 8

// digest returns the SHA-256 of a token.
func (t *Token) digest() (sum [sha256.Size]byte, err error) {
	text := t.Token
	switch {
	case t.SHA256 != "":
		b, err := hex.DecodeString(t.SHA256)
		if err != nil || len(b) != len(sum) {
			return sum, fmt.Errorf("sha256: want 64 hexadecimal digits, as sha256sum prints them")
		}
		return [sha256.Size]byte(b), nil
	case t.TokenFile != "":
		b, err := os.ReadFile(t.TokenFile)
		if err != nil {
			return sum, fmt.Errorf("token_file: %w", err)
		}
		text = strings.TrimSpace(string(b))
	}
	if len(text) < shortest {
		return sum, fmt.Errorf("a token has at least %d letters; openssl rand -hex 32 makes a good one", shortest)
	}
	return sha256.Sum256([]byte(text)), nil
}

// limits checks what must be more than nothing.
func (k *checker) limits() {
	c := k.c
	for _, l := range []struct {
		path  string
		value int64
	}{
		{"limits.series", c.Limits.Series},
		{"limits.new_series_per_minute", c.Limits.NewSeriesPerMinute},
		{"limits.exports", int64(c.Limits.Exports)},
		{"limits.queries", int64(c.Limits.Queries)},
		{"limits.queue", int64(c.Limits.Queue)},
		{"limits.query_observations", c.Limits.QueryObservations},
		{"limits.connections", int64(c.Limits.Connections)},
		{"store.shards", int64(c.Store.Shards)},
	} {
		k.require(l.value >= 0, l.path, "%d is less than nothing; 0 is no limit", l.value)
	}
	k.require(c.Limits.Body > 0 && c.Limits.Body <= 1<<30, "limits.body", "%v: want something up to 1GiB", c.Limits.Body)
	k.require(c.Store.HeadBytes >= 1<<20, "store.head_bytes", "%v: want at least 1MiB", c.Store.HeadBytes)
	k.require(c.Store.Shards <= 1024, "store.shards", "%d: want at most 1024", c.Store.Shards)
	k.require(c.Self.Interval == 0 || c.Self.Interval.of() >= minSelf, "self.interval", "%v: want at least %v, or 0 for never", c.Self.Interval, minSelf)
}

func (k *checker) retention() {
	for i, p := range k.c.Retention {
		path := fmt.Sprintf("retention[%d]", i)
		if _, err := index.Parse(orAll(p.Selector)); err != nil {
			k.fail(path+".selector", "%q: %v", p.Selector, err)
		}
		k.require(p.Age > 0, path+".age", "want how long observations are kept, such as 30d")
	}
}

func (k *checker) graphite() {
	for i, text := range k.c.Graphite.Templates {
		if _, err := graphite.ParseTemplate(text); err != nil {
			k.fail(fmt.Sprintf("graphite.templates[%d]", i), "%q: %v", text, err)
		}
	}
}

// orAll returns a selector; an empty one selects all.
func orAll(selector string) string {
	if selector == "" {
		return "*"
	}
	return selector
}

func (k *checker) log() {
	var level slog.Level
	if err := level.UnmarshalText([]byte(k.c.Log.Level)); err != nil {
		k.fail("log.level", "%q: want debug, info, warn or error", k.c.Log.Level)
	}
	k.require(k.c.Log.Format == "json" || k.c.Log.Format == "text", "log.format", "%q: want json or text", k.c.Log.Format)
}
