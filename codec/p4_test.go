package codec

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chronodex/chronodex/internal/testseries"
)

// A dataset is what a benchmark over real columns works on: groups of columns that share times,
// at most blockRows rows and blockColumns columns each.
type dataset struct {
	groups []group
	rows   int // of all columns together
}

type group struct {
	times  []int64
	values [][]float64
}

const (
	blockRows    = 8192
	blockColumns = 100
)

// loadP4 reads P4's files: series of one recording and process whose times are equal are a group.
func loadP4(b testing.TB) *dataset {
	paths, err := filepath.Glob(filepath.Join(testseries.Shared(b, "p4"), "*.csv.gz"))
	if err != nil || len(paths) == 0 {
		b.Fatal("no files", err)
	}
	whole := map[string]*group{}
	var order []string
	for _, path := range paths {
		times, values, err := readP4(path)
		if err != nil {
			b.Fatal(path, err)
		}
		source, _, _ := strings.Cut(filepath.Base(path), "--")
		key := fmt.Sprint(source, len(times), times[0], times[len(times)/2], times[len(times)-1])
		g := whole[key]
		if g == nil || !slices.Equal(g.times, times) {
			g = &group{times: times}
			whole[key] = g
			order = append(order, key)
		}
		g.values = append(g.values, values)
	}
	d := &dataset{}
	for _, key := range order {
		d.add(*whole[key])
	}
	return d
}

// add cuts a group of any size into blocks.
func (d *dataset) add(g group) {
	for from := 0; from < len(g.times); from += blockRows {
		end := min(from+blockRows, len(g.times))
		for cols := range slices.Chunk(g.values, blockColumns) {
			part := group{times: g.times[from:end]}
			for _, v := range cols {
				part.values = append(part.values, v[from:end])
				d.rows += end - from
			}
			d.groups = append(d.groups, part)
		}
	}
}

func readP4(path string) (times []int64, values []float64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, nil, err
	}
	lines := bufio.NewScanner(z)
	lines.Scan()
	for lines.Scan() {
		stamp, text, _ := strings.Cut(lines.Text(), ";")
		t, err := time.Parse("02.01.2006 15:04:05.000", stamp)
		if err != nil {
			return nil, nil, err
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
		if err != nil {
			return nil, nil, err
		}
		times, values = append(times, t.UnixNano()), append(values, v)
	}
	return times, values, lines.Err()
}

// loadNAB reads the Numenta Anomaly Benchmark's real series, each a group of its own.
func loadNAB(b testing.TB) *dataset {
	d := &dataset{}
	paths, err := filepath.Glob(filepath.Join(testseries.Shared(b, "nab"), "data", "real*", "*.csv"))
	if err != nil || len(paths) == 0 {
		b.Fatal("no files", err)
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		var g group
		g.values = make([][]float64, 1)
		r := csv.NewReader(f)
		for {
			row, err := r.Read()
			if err == io.EOF {
				break
			}
			t, terr := time.Parse(time.DateTime, row[0])
			v, verr := strconv.ParseFloat(row[1], 64)
			if err != nil || terr != nil || verr != nil {
				continue // the head
			}
			g.times, g.values[0] = append(g.times, t.UnixNano()), append(g.values[0], v)
		}
		f.Close()
		d.add(g)
	}
	return d
}
