package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/internal/server"
)

// configFile writes a configuration into a folder of its own.
func configFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestConfigIsRead(t *testing.T) {
	file := configFile(t, `
data: /srv/chronodex
listen: {http: ":9428", graphite: "127.0.0.1:2003"}
limits:
  body: 1.5MiB
  series: 1_000_000
  query_time: 1m30s
  queries: 0
auth:
  tokens:
    - {name: agent, token: secret-of-agent, rights: [write], within: "site:north", set: {site: north}}
retention:
  - {selector: "env:test", age: 7d}
  - {age: 2y}
log: {level: debug}
pprof: true
shutdown_timeout: 500ms
`)
	c, err := server.Load(server.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	year := 365 * 24 * time.Hour
	for _, tc := range []struct {
		what      string
		got, want any
	}{
		{"data", c.Data, "/srv/chronodex"},
		{"listen.http", c.Listen.HTTP, ":9428"},
		{"listen.opentsdb, not said", c.Listen.OpenTSDB, ""},
		{"limits.body", c.Limits.Body, server.Size(3 << 19)},
		{"limits.series", c.Limits.Series, int64(1e6)},
		{"limits.query_time", c.Limits.QueryTime, server.Duration(90 * time.Second)},
		{"limits.queries, no bound", c.Limits.Queries, 0},
		{"limits.exports, not said", c.Limits.Exports, 4},
		{"limits.connections, not said", c.Limits.Connections, 1024},
		{"retention[1].age", c.Retention[1].Age, server.Duration(2 * year)},
		{"auth.tokens[0].set", c.Auth.Tokens[0].Set["site"], "north"},
		{"pprof", c.Pprof, true},
		{"log.format, not said", c.Log.Format, "json"},
		{"shutdown_timeout", c.ShutdownTimeout, server.Duration(time.Second / 2)},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %v, want %v", tc.what, tc.got, tc.want)
		}
	}
}

func TestWhatIsWrongWithAConfig(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"not YAML":         {"listen: [", `FILE: yaml: line 1: did not find expected node content`},
		"a list":           {"- a", `FILE:1: configuration: want keys with values`},
		"unknown section":  {"listne:\n  http: a", `FILE:1: listne: unknown key; did you mean listen?`},
		"unknown key":      {"listen:\n  htp: \":1\"", `FILE:2: listen.htp: unknown key; did you mean http?`},
		"nothing like it":  {"log:\n  colours: 1", `FILE:2: log.colours: unknown key; there are format, level, slow_query`},
		"key in a list":    {"retention:\n  - selector: a\n    age: 1d\n    ag: 2d", `FILE:4: retention[0].ag: unknown key; did you mean age?`},
		"said twice":       {"pprof: true\npprof: false", `FILE:2: pprof: was said in line 1 already`},
		"size, no unit":    {"limits: {body: 64}", `FILE:1: limits.body: "64" is not a size: want a number and B, KiB, MiB, GiB or TiB, such as 64MiB`},
		"size, bad unit":   {"limits: {body: 64MIB}", `FILE:1: limits.body: "64MIB" is not a size: want a number and B, KiB, MiB, GiB or TiB, such as 64MiB`},
		"size, negative":   {"limits: {body: -1MiB}", `FILE:1: limits.body: "-1MiB" is not a size: want a number and B, KiB, MiB, GiB or TiB, such as 64MiB`},
		"size, too large":  {"limits: {body: 2GiB}", `FILE:1: limits.body: 2GiB: want something up to 1GiB`},
		"duration":         {"limits: {query_time: 30}", `FILE:1: limits.query_time: "30" is not a duration: want a number and ms, s, m, h, d, w or y, such as 1m30s or 30d`},
		"truth":            {"pprof: maybe", `FILE:1: pprof: "maybe" is neither true nor false`},
		"number":           {"limits: {series: many}", `FILE:1: limits.series: "many" is not a whole number`},
		"negative":         {"limits: {queries: -1}", `FILE:1: limits.queries: -1 is less than nothing; 0 is no limit`},
		"list for a value": {"data: [a]", `FILE:1: data: want one value`},
		"value for a list": {"retention: a", `FILE:1: retention: want a list`},
		"no HTTP":          {"listen: {http: \"\"}", `FILE:1: listen.http: want an address such as 127.0.0.1:9428: there is no server without it`},
		"port alone":       {"listen: {graphite: 2003}", `FILE:1: listen.graphite: "2003" is not an address: want HOST:PORT, such as 127.0.0.1:9428, or :9428 for all networks`},
		"port too large":   {"listen: {graphite: \":99999\"}", `FILE:1: listen.graphite: "99999" is not a port: want a number up to 65535`},
		"one port twice":   {"listen: {graphite: \":2003\", opentsdb: \":2003\"}", `FILE:1: listen.opentsdb: :2003 is the address of listen.graphite already`},
		"selector":         {"retention: [{selector: \"a:(b\", age: 1d}]", `FILE:1: retention[0].selector: "a:(b": syntax error at offset 4: want ")"`},
		"no age":           {"retention: [{selector: a}]", `retention[0].age: want how long observations are kept, such as 30d`},
		"level":            {"log: {level: loud}", `FILE:1: log.level: "loud": want debug, info, warn or error`},
		"format":           {"log: {format: xml}", `FILE:1: log.format: "xml": want json or text`},
		"no web config":    {"web: {config_file: none.yml}", `FILE:1: web.config_file: DIR/none.yml: open DIR/none.yml: no such file or directory`},
		"short token":      {"auth: {tokens: [{name: a, token: abc, rights: [read]}]}", `FILE:1: auth.tokens[0]: a token has at least 8 letters; openssl rand -hex 32 makes a good one`},
		"two secrets":      {"auth: {tokens: [{name: a, token: abcdefgh, sha256: aa, rights: [read]}]}", `FILE:1: auth.tokens[0]: want one of token, token_file and sha256, not 2`},
		"one secret twice": {"auth: {tokens: [{name: a, token: abcdefgh, rights: [read]}, {name: b, token: abcdefgh, rights: [all]}]}", `FILE:1: auth.tokens[1]: its secret is that of "a": who has it would be one of the two`},
		"no secret":        {"auth: {tokens: [{name: a, rights: [read]}]}", `FILE:1: auth.tokens[0]: want one of token, token_file and sha256, not 0`},
		"sha256":           {"auth: {tokens: [{name: a, sha256: xyz, rights: [read]}]}", `FILE:1: auth.tokens[0]: sha256: want 64 hexadecimal digits, as sha256sum prints them`},
		"no such file":     {"auth: {tokens: [{name: a, token_file: no, rights: [read]}]}", `FILE:1: auth.tokens[0]: token_file: open DIR/no: no such file or directory`},
		"no rights":        {"auth: {tokens: [{name: a, token: abcdefgh}]}", `FILE:1: auth.tokens[0]: rights: want some of read, write and admin`},
		"unknown right":    {"auth: {tokens: [{name: a, token: abcdefgh, rights: [reed]}]}", `FILE:1: auth.tokens[0]: rights: "reed" is not a right: want read, write, admin or all`},
		"within":           {"auth: {tokens: [{name: a, token: abcdefgh, rights: [read], within: \"a:(\"}]}", `FILE:1: auth.tokens[0]: within: "a:(": syntax error at offset 3: want a value`},
		"anonymous":        {"auth: {anonymous: [some]}", `FILE:1: auth.anonymous: "some" is not a right: want read, write, admin or all`},
		"listener":         {"auth: {listeners: {http: a}}", "FILE:1: auth.listeners.http: there is no such listener without passwords: there are graphite, graphite_udp, graphite_pickle, opentsdb and collectd\nFILE:1: auth.listeners.http: there is no token \"a\" in auth.tokens"},
		"users, no file":   {"auth: {users: {ada: {rights: [read]}}}", `FILE:1: auth.users.ada: users have their passwords in web.config_file, which is not given`},
		"self":             {"self: {interval: 1ms}", `FILE:1: self.interval: 1ms: want at least 1s, or 0 for never`},
		"collectd's users": {"collectd: {security_level: sign}", `collectd.security_level: sign needs the passwords of collectd.auth_file`},
		"collectd's level": {"collectd: {security_level: x}", `collectd.security_level: "x": want none, sign or encrypt`},
		"collectd's types": {"collectd: {types_db: [no]}", `collectd.types_db[0]: open DIR/no: no such file or directory`},
		"a ring":           {"retention: &a [*a]", `retention`},
		"more than one":    {"pprof: 2\nlog: {level: x}\nlisten: {htp: a}", "FILE:1: pprof: \"2\" is neither true nor false\nFILE:3: listen.htp: unknown key; did you mean http?\nFILE:2: log.level: \"x\": want debug, info, warn or error"},
	} {
		t.Run(name, func(t *testing.T) {
			file := configFile(t, tc.text)
			_, err := server.Load(server.Sources{File: file})
			if err == nil {
				t.Fatal("it is taken for valid")
			}
			got := strings.ReplaceAll(strings.ReplaceAll(err.Error(), file, "FILE"), filepath.Dir(file), "DIR")
			if name == "a ring" && strings.Contains(got, tc.want) {
				return
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// A flag counts before the environment, and that before the file.
func TestWhichSourceCounts(t *testing.T) {
	file := configFile(t, "limits: {series: 1, queries: 1, connections: 1}\ndata: of-file")
	c, err := server.Load(server.Sources{
		File: file,
		Env: []string{
			"CHRONODEX_LIMITS_SERIES=2", "CHRONODEX_LIMITS_QUERIES=2", "CHRONODEX_SHARED=x", "CHRONODEX_RETENTION=[{selector: a, age: 1d}]",
			"CHRONODEX_SHUTDOWN_TIMEOUT=3s", "HOME=/",
		},
		Flags: map[string]string{"limits.series": "3", "data": "of-flag"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits.Series != 3 || c.Limits.Queries != 2 || c.Limits.Connections != 1 || c.Data != "of-flag" ||
		len(c.Retention) != 1 || c.ShutdownTimeout != server.Duration(3*time.Second) {
		t.Errorf("got %+v", c)
	}
	_, err = server.Load(server.Sources{
		Env: []string{"CHRONODEX_LIMITS_SERYES=2", "CHRONODEX_LOG_LEVEL=x"}, Flags: map[string]string{"limits.serie": "3", "retention": "{", "log.format": "y"},
	})
	want := `CHRONODEX_LIMITS_SERYES: unknown variable; did you mean CHRONODEX_LIMITS_SERIES?
--set limits.serie: unknown key; did you mean limits.series?
--set retention: yaml: line 1: did not find expected node content
CHRONODEX_LOG_LEVEL: log.level: "x": want debug, info, warn or error
--set log.format: log.format: "y": want json or text`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "512B": "512B", "1KiB": "1KiB", "1024KiB": "1MiB", "1kB": "1000B", "0.5GiB": "512MiB", "3 MiB": "3MiB",
	} {
		c, err := server.Load(server.Sources{Flags: map[string]string{"limits.query_memory": text}})
		if err != nil {
			t.Error(err)
		} else if got := c.Limits.QueryMemory.String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"0": "0", "90s": "90s", "1m30s": "90s", "24h": "1d", "1.5h": "90m", "2w": "14d", "1y": "365d", "250ms": "250ms", "1us": "1µs",
	} {
		c, err := server.Load(server.Sources{Flags: map[string]string{"limits.query_time": text}})
		if err != nil {
			t.Error(err)
		} else if got := c.Limits.QueryTime.String(); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// Each key of the example, and of its documentation, is one that there is, and none is left out.
func TestExampleNamesEachKey(t *testing.T) {
	example := filepath.Join("..", "..", "packaging", "chronodex.yaml")
	if _, err := server.Load(server.Sources{File: example}); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, key := range server.Keys() {
		name := key[strings.LastIndex(key, ".")+1:]
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimLeft(l, "# "), name+":") }) {
			t.Errorf("packaging/chronodex.yaml does not name %s", key)
		}
		if !strings.Contains(string(doc), "`"+key+"`") {
			t.Errorf("docs/config.md does not name `%s`", key)
		}
	}
}
