package analytics_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chronodex/chronodex/analytics"
	"github.com/chronodex/chronodex/internal/testseries"
)

// goldenColumns are the columns of the golden file that are functions of ours, and how they are asked.
var goldenColumns = map[string]struct {
	name   string
	args   []float64
	within float64 // relative
}{
	"count": {"count", nil, 0}, "min": {"min", nil, 0}, "max": {"max", nil, 0},
	"avg": {"avg", nil, 1e-9}, "sum": {"sum", nil, 1e-9}, "dev": {"dev", nil, 1e-9},
	"range": {"range", nil, 0}, "first": {"first", nil, 0}, "last": {"last", nil, 0},
	"diff": {"diff", nil, 0}, "sdiff": {"sdiff", nil, 0},
	"p0.25": {"p", []float64{0.25}, 0}, "p0.5": {"median", nil, 0}, "p0.75": {"p", []float64{0.75}, 0},
	"p0.95": {"quantile", []float64{0.95}, 0}, "p0.99": {"percentile", []float64{0.99}, 0},
}

// TestGolden asks what the original Chronix was asked, of every file of its data set, and compares
// with what it answered where its answers were right.
func TestGolden(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 126 MB of text")
	}
	dir := testseries.Shared(t, "p4")
	golden, err := os.Open(testseries.Shared(t, "golden/chronix-p4.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer golden.Close()
	r := csv.NewReader(golden)
	r.Comma, r.LazyQuotes = ';', true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1+498 {
		t.Fatalf("%d golden rows, want 498", len(rows)-1)
	}
	var files sync.WaitGroup
	work := make(chan []string)
	for range 2 {
		files.Go(func() {
			for row := range work {
				checkGolden(t, dir, rows[0], row)
			}
		})
	}
	for _, row := range rows[1:] {
		work <- row
	}
	close(work)
	files.Wait()
}

// checkGolden compares one file with its row.
func checkGolden(t *testing.T, dir string, head, row []string) {
	times, values, err := readChronix(filepath.Join(dir, row[0]))
	if err != nil {
		t.Errorf("%s: %v", row[0], err)
		return
	}
	for c, title := range head {
		column, ok := goldenColumns[title]
		if !ok {
			continue
		}
		want, err := strconv.ParseFloat(row[c], 64)
		if err != nil {
			t.Errorf("%s: %s: %v", row[0], title, err)
			continue
		}
		if title == "dev" && slices.Min(values) == slices.Max(values) {
			want = 0 // the original's mean of a constant is rounded, and then deviates from it
		}
		got, err := askInHalves(column.name, column.args, times, values)
		if err != nil || !(got == want || math.Abs(got-want) <= column.within*math.Abs(want)) {
			t.Errorf("%s: %s is %v, %v, want %v", row[0], title, got, err, want)
		}
	}
}

// askInHalves answers from two merged states.
func askInHalves(name string, args []float64, times []int64, values []float64) (float64, error) {
	spec, err := analytics.Lookup(name)
	if err != nil {
		return 0, err
	}
	agg, err := spec.New(args...)
	if err != nil {
		return 0, err
	}
	half := len(times) / 2
	s := agg.NewStates(2)
	s.Add(0, times[:half], values[:half])
	s.Add(1, times[half:], values[half:])
	s.Merge(0, s, 1)
	return s.Result(nil, 0)[0], nil
}

// readChronix parses one gzipped file of the data set.
func readChronix(path string) (times []int64, values []float64, err error) {
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
	lines.Scan() // the title
	for day, midnight := "", int64(0); lines.Scan(); {
		stamp, number, _ := strings.Cut(lines.Text(), ";")
		date, clock, _ := strings.Cut(stamp, " ")
		if date != day {
			at, err := time.Parse("02.01.2006", date)
			if err != nil {
				return nil, nil, err
			}
			day, midnight = date, at.UnixNano()
		}
		var h, m, sec, ms int64
		for k, to := range []*int64{&h, &m, &sec, &ms} { // 17:25:40.964
			if *to, err = strconv.ParseInt(clock[3*k:3*k+2+k/3], 10, 64); err != nil {
				return nil, nil, err
			}
		}
		v, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
		if err != nil {
			return nil, nil, err
		}
		times = append(times, midnight+((h*60+m)*60+sec)*1e9+ms*1e6)
		values = append(values, v)
	}
	return times, values, lines.Err()
}
