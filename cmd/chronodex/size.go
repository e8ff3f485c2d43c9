package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are those of sizes, as they are written behind a number.
var sizeUnits = []struct {
	name  string
	bytes float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// parseSize reads a size with its unit, such as 20MiB.
func parseSize(text string) (int64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n*u.bytes >= 1 && n*u.bytes < math.MaxInt64) {
			break
		}
		return int64(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q: want a size with its unit, such as 20MiB or 100MB", text)
}
