//go:build !unix

package main

import (
	"os"
	"time"
)

// isTerminal reports whether people look at f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// terminalWidth returns the columns of the terminal behind f, or 0 where that is not known.
func terminalWidth(*os.File) int { return 0 }

// peakMemory is not known here.
func peakMemory() int64 { return 0 }

// memoryOf is not known here.
func memoryOf(string) int64 { return 0 }

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
