package scrape

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// complete sets defaults and reports what is wrong.
func (f *Files) complete() error {
	if f.RefreshInterval == 0 {
		f.RefreshInterval = model.Duration(time.Minute)
	}
	if f.RefreshInterval < model.Duration(time.Second) {
		return fmt.Errorf("refresh_interval is %v, at least 1s", f.RefreshInterval)
	}
	if len(f.Files) == 0 {
		return errors.New("no files are named")
	}
	for _, name := range f.Files {
		switch filepath.Ext(name) {
		case ".json", ".yml", ".yaml":
		default:
			return fmt.Errorf("file %q: want a name that ends with .json, .yml or .yaml", name)
		}
		if _, err := filepath.Match(name, ""); err != nil {
			return fmt.Errorf("file %q: %w", name, err)
		}
	}
	return nil
}

// A fileMemory is what files said when they could last be read.
type fileMemory map[string][]Group

// read returns the groups of all files. A file that cannot be read, or is not what it should be,
// keeps the groups that it had, and an error says so; one that is gone has none.
func (m fileMemory) read(f Files) (groups []Group, err error) {
	var names []string
	for _, pattern := range f.Files {
		found, globErr := filepath.Glob(pattern)
		err = errors.Join(err, globErr)
		names = append(names, found...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		text, readErr := os.ReadFile(name)
		if readErr == nil {
			var read []Group
			if read, readErr = parseGroups(text); readErr == nil {
				m[name] = read
			}
		}
		if readErr != nil {
			err = errors.Join(err, fmt.Errorf("file_sd_configs: %s: %w; the targets that it had stay", name, readErr))
		}
		groups = append(groups, m[name]...)
	}
	return groups, err
}

// parseGroups reads a list of groups from YAML, or from JSON, which is YAML.
func parseGroups(text []byte) ([]Group, error) {
	var groups []Group
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&groups); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for _, g := range groups {
		if err := g.check(true); err != nil {
			return nil, err
		}
	}
	return groups, nil
}
