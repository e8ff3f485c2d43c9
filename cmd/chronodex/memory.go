package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// How much garbage the server makes before it is collected: in percent of what lives, and at least
// so many bytes, since where little lives a collection every few queries would take longer than they do.
const (
	serverGC     = 50
	leastGarbage = 12 << 20
)

// cgroupLimits are the files in which Linux says how much memory we may have: of its version 2, and
// of 1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// tuneMemory has the collector of garbage work for a small process, within nine tenths of what a
// container gives. GOGC and GOMEMLIMIT win where they are set.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percentFor(0))
		afterEachCollection(&paceOfCollector{})
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

// percentFor returns the percentage of garbage where so many bytes live.
func percentFor(live uint64) int {
	return int(max(serverGC, 100*leastGarbage/max(live, 4<<20)))
}

// A paceOfCollector is what was set last.
type paceOfCollector struct {
	percent int
}

// afterEachCollection sets the pace anew when garbage was collected, as long as the process lives: the
// sentinel that it leaves is garbage itself.
func afterEachCollection(p *paceOfCollector) {
	runtime.AddCleanup(new([16]byte), func(p *paceOfCollector) {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(live)
		if n := percentFor(live[0].Value.Uint64()); n < p.percent*9/10 || n > p.percent*11/10 {
			p.percent = n
			debug.SetGCPercent(n)
		}
		afterEachCollection(p)
	}, p)
}
