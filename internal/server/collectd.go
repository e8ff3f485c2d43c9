package server

import (
	"fmt"
	"os"

	"github.com/chronodex/chronodex/internal/ingest/collectd"
	"github.com/chronodex/chronodex/internal/receive"
)

// securityLevels are called as collectd calls them.
var securityLevels = map[string]collectd.Security{
	"none": collectd.SecurityNone, "sign": collectd.SecuritySign, "encrypt": collectd.SecurityEncrypt,
}

// collectdOptions reads the files that the section collectd names. An error begins with the key.
func (c *Config) collectdOptions() (o receive.CollectdOptions, err error) {
	o.Types = collectd.KnownTypes()
	for i, file := range c.Collectd.TypesDB {
		if err := readFile(file, func(f *os.File) error { return o.Types.Read(f) }); err != nil {
			return o, fmt.Errorf("collectd.types_db[%d]: %w", i, err)
		}
	}
	if c.Collectd.AuthFile != "" {
		err = readFile(c.Collectd.AuthFile, func(f *os.File) (err error) {
			o.Users, err = collectd.ReadUsers(f)
			return err
		})
		if err != nil {
			return o, fmt.Errorf("collectd.auth_file: %w", err)
		}
	}
	level, ok := securityLevels[c.Collectd.SecurityLevel]
	if !ok {
		return o, fmt.Errorf("collectd.security_level: %q: want none, sign or encrypt", c.Collectd.SecurityLevel)
	}
	if level != collectd.SecurityNone && c.Collectd.AuthFile == "" {
		return o, fmt.Errorf("collectd.security_level: %s needs the passwords of collectd.auth_file", c.Collectd.SecurityLevel)
	}
	o.Security = level
	return o, nil
}

// readFile has read read a file.
func readFile(name string, read func(*os.File) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
