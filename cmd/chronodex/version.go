package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionCmd prints the version.
type versionCmd struct{}

// Help is printed behind the flags.
func (*versionCmd) Help() string { return "Example:\n\n    chronodex version" }

// Run is called by kong.
func (*versionCmd) Run(s *session) error {
	_, err := fmt.Fprintf(s.out, "chronodex %s %s %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// buildVersion returns what the build knows of itself: the version of the module, or the commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, commit, dirty := info.Main.Version, "", ""
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			commit = setting.Value[:min(12, len(setting.Value))]
		case "vcs.modified":
			if setting.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	switch {
	case version != "" && version != "(devel)":
		return version
	case commit != "":
		return "devel-" + commit + dirty
	}
	return "devel"
}
