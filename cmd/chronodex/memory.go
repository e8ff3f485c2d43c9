package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// serverGC is how much garbage the server makes, in percent of what lives, before it is collected.
const serverGC = 50

// cgroupLimits are the files in which Linux says how much memory we may have: of its version 2, and
// of 1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// tuneMemory has the collector of garbage work for a small process, within nine tenths of what a
// container gives. GOGC and GOMEMLIMIT win where they are set.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(serverGC)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for _, file := range cgroupLimits {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && n < math.MaxInt64/4 {
			debug.SetMemoryLimit(n / 10 * 9)
		}
		return
	}
}
