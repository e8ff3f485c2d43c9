package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Sources are where a configuration is read from. What is said in a later field wins.
type Sources struct {
	File  string            // YAML; "" is none
	Env   []string          // NAME=VALUE, such as CHRONODEX_LISTEN_HTTP=:9428; others are not looked at
	Flags map[string]string // key → text, such as listen.http → :9428
}

// envPrefix begins the names of all variables of the environment that are looked at.
const envPrefix = "CHRONODEX_"

// Load reads and checks a configuration. An error lists all that is wrong, a line each: with the
// place, the key, and what would be right. Files that the configuration names are read, too.
func Load(from Sources) (*Config, error) {
	c := Defaults()
	d := &decoder{from: c.from}
	if from.File != "" {
		if err := d.read(from.File, c); err != nil {
			return nil, err
		}
	}
	d.environment(from.Env, c)
	keys := make([]string, 0, len(from.Flags))
	for key := range from.Flags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		d.override(flagName(key), key, from.Flags[key], c)
	}
	return c, errors.Join(append(d.problems, c.problems(d.bad)...)...)
}

// read decodes a file. Relative paths in it begin at its folder.
func (d *decoder) read(file string, c *Config) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	d.file, c.folder = file, filepath.Dir(file)
	if len(doc.Content) > 0 {
		d.decode(doc.Content[0], reflect.ValueOf(c).Elem(), "", 0)
	}
	for _, p := range c.paths() {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(c.folder, *p)
		}
	}
	return nil
}

// paths returns what names files and folders, but for what is a default.
func (c *Config) paths() []*string {
	all := []*string{&c.Web.ConfigFile, &c.Backup.Dir, &c.Collectd.AuthFile}
	if c.from["data"] != "" {
		all = append(all, &c.Data)
	}
	for i := range c.Auth.Tokens {
		all = append(all, &c.Auth.Tokens[i].TokenFile)
	}
	for i := range c.Collectd.TypesDB {
		all = append(all, &c.Collectd.TypesDB[i])
	}
	return all
}

// environment decodes the variables of the environment that are for the server.
func (d *decoder) environment(env []string, c *Config) {
	byName := map[string]string{}
	var sections []string
	for _, key := range Keys() {
		byName[envName(key)] = key
		if section, _, ok := strings.Cut(key, "."); ok && !slices.Contains(sections, envName(section)+"_") {
			sections = append(sections, envName(section)+"_")
		}
	}
	known := make([]string, 0, len(byName))
	for name := range byName {
		known = append(known, name)
	}
	for _, pair := range env {
		name, text, _ := strings.Cut(pair, "=")
		if text == "" {
			continue // as if it were not there
		}
		if key := byName[name]; key != "" {
			d.override(name, key, text, c)
			continue
		}
		if slices.ContainsFunc(sections, func(s string) bool { return strings.HasPrefix(name, s) }) {
			d.problems = append(d.problems, fmt.Errorf("%s: unknown variable%s", name, meant(name, known)))
		}
	}
}

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// override sets one key from a text of the environment or of a flag. Lists and tables are YAML.
func (d *decoder) override(name, key, text string, c *Config) {
	v := reflect.ValueOf(c).Elem()
	for part := range strings.SplitSeq(key, ".") {
		i := -1
		if v.Kind() == reflect.Struct {
			i = slices.Index(keysOf(v.Type()), part)
		}
		if i < 0 {
			d.problems = append(d.problems, fmt.Errorf("%s: unknown key%s", name, meant(key, Keys())))
			return
		}
		v = v.Field(i)
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	if isList(v.Type()) {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			d.problems = append(d.problems, fmt.Errorf("%s: %w", name, err))
			return
		}
		if len(doc.Content) == 0 {
			return
		}
		n = doc.Content[0]
		unplaced(n)
	}
	file := d.file
	d.file = name
	d.decode(n, v, key, 0)
	d.file = file
}

// unplaced takes the line numbers off a tree that is not of a file.
func unplaced(n *yaml.Node) {
	n.Line = 0
	for _, c := range n.Content {
		unplaced(c)
	}
}

func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t == reflect.TypeFor[yaml.Node]()
}

// Keys returns the keys of a configuration that can be set one by one, in the order of [Config]:
// "listen.http".
func Keys() []string { return keys(reflect.TypeFor[Config](), "") }

func keys(t reflect.Type, path string) (all []string) {
	for i, key := range keysOf(t) {
		f := t.Field(i).Type
		switch {
		case key == "":
		case f.Kind() == reflect.Struct && f != reflect.TypeFor[yaml.Node]():
			all = append(all, keys(f, join(path, key))...)
		default:
			all = append(all, join(path, key))
		}
	}
	return all
}

// flagName returns the flag that sets a key.
func flagName(key string) string {
	if key == "data" {
		return "--data"
	}
	return "--set " + key
}
