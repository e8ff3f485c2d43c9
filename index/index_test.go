package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/internal/testseries"
)

func mustOpen(t testing.TB, dir string, options Options) *Index {
	t.Helper()
	ix, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func mustAdd(t testing.TB, ix *Index, from, n int) {
	t.Helper()
	var docs []Doc
	for o := from; o < from+n; o++ {
		docs = append(docs, Doc{uint32(o), dims("metric", "cpu", "host", fmt.Sprintf("host%03d", o))})
	}
	if err := ix.Add(docs); err != nil {
		t.Fatal(err)
	}
}

// find returns the ordinals that a selector finds.
func find(t testing.TB, ix *Index, text string) []uint32 {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	found, err := ix.Search(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	return found.ToArray()
}

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "index")
	ix := mustOpen(t, dir, Options{})
	if ix.Next() != 0 || ix.Count() != 0 {
		t.Fatalf("empty: next %d, %d series", ix.Next(), ix.Count())
	}
	mustAdd(t, ix, 0, 10)
	mustAdd(t, ix, 100, 10)
	mustAdd(t, ix, 5, 10) // five of them anew
	if err := ix.Remove(roaring.BitmapOf(3, 104, 105, 999)); err != nil {
		t.Fatal(err)
	}
	want := find(t, ix, "*")
	for range 3 {
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
		ix = mustOpen(t, dir, Options{})
		if got := find(t, ix, "*"); !slices.Equal(got, want) || len(got) != 22 || ix.Count() != 22 {
			t.Fatalf("series %v (%d), want %v", got, ix.Count(), want)
		}
		if ix.Next() != 110 {
			t.Fatalf("next is %d", ix.Next())
		}
		if got := find(t, ix, "host:host10* -host:host109"); !slices.Equal(got, []uint32{100, 101, 102, 103, 106, 107, 108}) {
			t.Fatalf("found %v", got)
		}
		if err := ix.Verify(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := ix.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	mustAdd(t, ix, 3, 1) // what was removed may come again
	if got := find(t, ix, "host:host003"); !slices.Equal(got, []uint32{3}) {
		t.Fatalf("found %v", got)
	}
	if err := ix.Remove(roaring.BitmapOf(find(t, ix, "*")...)); err != nil {
		t.Fatal(err)
	}
	if ix.Count() != 0 || ix.Next() != 110 || ix.Close() != nil {
		t.Fatalf("%d series left, next is %d", ix.Count(), ix.Next())
	}
}

func TestFolderIsSmall(t *testing.T) {
	dir := t.TempDir()
	ix := mustOpen(t, dir, Options{})
	for i := range 40 { // many batches are merged on the way
		mustAdd(t, ix, 10*i, 10)
	}
	if files, _ := os.ReadDir(dir); len(files) > 1+3*mergeFan {
		t.Errorf("%d files", len(files))
	}
	if err := ix.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(dir)
	if n := folderBytes(t, dir); n > 30<<10 || len(files) != 2 {
		t.Errorf("400 series take %d bytes in %d files", n, len(files))
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none"), Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an index that is not there: %v", err)
	}
	ix := mustOpen(t, dir, Options{})
	mustAdd(t, ix, 0, 10)
	ro := mustOpen(t, dir, Options{ReadOnly: true})
	for i := 1; i < 20; i++ {
		mustAdd(t, ix, 10*i, 10)
	}
	if err := ix.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := len(find(t, ro, "*")); n != 10 {
		t.Errorf("a reader sees %d series, want those of its opening", n)
	}
	if n := len(find(t, ro, "host:*5")); n != 1 {
		t.Errorf("a reader finds %d series", n)
	}
	if err := ro.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"add": ro.Add([]Doc{{1, nil}}), "remove": ro.Remove(roaring.BitmapOf(1)), "compact": ro.Compact(context.Background()),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ro.Close()
	ix.Close()
	if _, err := ix.Search(context.Background(), All()); !errors.Is(err, ErrClosed) {
		t.Errorf("search: %v", err)
	}
	if err := ix.Add(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("add: %v", err)
	}
}

// damage returns the ways in which the files of an index in dir may be damaged.
func damage(t *testing.T, dir string) map[string]func() {
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]func(){}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write := func(data []byte) func() {
			return func() {
				if err := os.WriteFile(path, data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
		ways[f.Name()+" missing"] = func() { os.Remove(path) }
		ways[f.Name()+" empty"] = write(nil)
		ways[f.Name()+" cut"] = write(data[:len(data)-1])
		ways[f.Name()+" longer"] = write(append(slices.Clone(data), 0))
		for at := 0; at < len(data); at += 1 + len(data)/50 {
			bad := slices.Clone(data)
			bad[at] ^= 1 << (at % 8)
			ways[fmt.Sprintf("%s bit of byte %d", f.Name(), at)] = write(bad)
		}
	}
	return ways
}

func TestDamageIsFound(t *testing.T) {
	build := func() string {
		dir := t.TempDir()
		ix := mustOpen(t, dir, Options{})
		mustAdd(t, ix, 0, 50)
		if err := ix.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
		mustAdd(t, ix, 50, 50)
		if err := errors.Join(ix.Remove(roaring.BitmapOf(7, 8)), ix.Close()); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir := build()
	for name, break_ := range damage(t, dir) {
		whole := os.DirFS(dir)
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, whole); err != nil {
			t.Fatal(err)
		}
		ix := mustOpen(t, dir, Options{})
		break_()
		if err := ix.Verify(context.Background()); !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: verifying says %v", name, err)
		}
		ix.Close()
		for _, readOnly := range []bool{false, true} {
			if _, err := Open(dir, Options{ReadOnly: readOnly}); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: opening says %v", name, err)
			}
		}
		os.RemoveAll(dir)
		if err := os.CopyFS(dir, os.DirFS(copied)); err != nil {
			t.Fatal(err)
		}
	}
	ix := mustOpen(t, dir, Options{})
	defer ix.Close()
	if len(find(t, ix, "metric:cpu")) != 98 {
		t.Error("the whole index is not whole")
	}
}

// TestCrash leaves what a crash at each point leaves: files that no manifest names.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	ix := mustOpen(t, dir, Options{})
	mustAdd(t, ix, 0, 10)
	ix.Close()
	for _, stray := range []string{"00000002.zap", "00000099.zap", "MANIFEST.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, stray), []byte("half"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ix = mustOpen(t, dir, Options{})
	mustAdd(t, ix, 10, 10)
	if n := len(find(t, ix, "*")); n != 20 {
		t.Errorf("%d series", n)
	}
	ix.Close()
	files, _ := os.ReadDir(dir)
	if len(files) != 3 {
		t.Errorf("files: %v", files)
	}
}

func TestSearchWhileAdding(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			least := 0
			for {
				select {
				case <-stop:
					return
				default:
				}
				n := len(find(t, ix, "metric:cpu host:*1*"))
				runtime.Gosched()
				if n < least {
					t.Errorf("%d series, and before %d", n, least)
					return
				}
				least = n
				if _, err := ix.Values(context.Background(), "host", "host0", nil, 5); err != nil {
					t.Error(err)
				}
				if _, err := ix.Complete(context.Background(), "h", 5); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		mustAdd(t, ix, 10*i, 10)
	}
	if err := ix.Compact(context.Background()); err != nil {
		t.Error(err)
	}
	close(stop)
	wg.Wait()
	if n := len(find(t, ix, "*")); n != 200 {
		t.Errorf("%d series", n)
	}
	dir := ix.dir
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary folder: %v", err)
	}
}

func TestCancel(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	defer ix.Close()
	addKubernetes(t, ix, 3000)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f, _ := Parse("pod:*x*")
	if _, err := ix.Search(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("search: %v", err)
	}
	if err := ix.Compact(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("compact: %v", err)
	}
	if n := len(find(t, ix, "*")); n != 3000 {
		t.Errorf("%d series after a merge that was stopped", n)
	}
}

func TestUnknownFilter(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	defer ix.Close()
	mustAdd(t, ix, 0, 1)
	if _, err := ix.Search(context.Background(), And(strangeFilter{}, All())); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a filter of somebody else's: %v", err)
	}
}

type strangeFilter struct{}

func (strangeFilter) String() string              { return "strange" }
func (strangeFilter) Match(chunk.Dimensions) bool { return true }

func TestLimits(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	defer ix.Close()
	long := strings.Repeat("Long value ", 65535/11)
	many := make([]chunk.Dimension, chunk.MaxDimensions)
	for i := range many {
		many[i] = chunk.Dimension{Name: fmt.Sprintf("name%03d", i), Value: fmt.Sprintf("v%d", i)}
	}
	wide, err := chunk.NewDimensions(many...)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Add([]Doc{{0, dims("a", long)}, {1<<32 - 1, wide}, {7, nil}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for text, want := range map[string]int{
			"a:Long*": 1, quoteName("a") + ":" + quote(long): 1, `"value long"`: 1, "name255:v255": 1, "v17": 1, "*": 3, "NOT a:*": 2,
		} {
			if got := find(t, ix, text); len(got) != want {
				t.Errorf("%.40s: %v, want %d", text, got, want)
			}
		}
		if ix.Next() != 1<<32 {
			t.Errorf("next is %d", ix.Next())
		}
		if err := ix.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	var docs []Doc
	ix.names = 5000 // instead of maxNames
	for i := range uint32(5000/200 + 1) {
		var list []chunk.Dimension
		for k := range 200 {
			list = append(list, chunk.Dimension{Name: fmt.Sprintf("n%d", int(i)*200+k), Value: "v"})
		}
		d, err := chunk.NewDimensions(list...)
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, Doc{100 + i, d})
	}
	if err := ix.Add(docs); err == nil {
		t.Error("more names than Bleve can number: no error")
	}
	half := len(docs) * 2 / 3
	if err := errors.Join(ix.Add(docs[:half]), ix.Add(docs[half:]), ix.Add([]Doc{{9999, wide}}), ix.Compact(context.Background())); err != nil {
		t.Error(err)
	}
	if got := find(t, ix, "n5001:v"); len(got) != 1 || ix.Count() != len(docs)+4 {
		t.Errorf("a rare name: %v among %d", got, ix.Count())
	}
}

func TestComplete(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	defer ix.Close()
	if err := ix.Add([]Doc{
		{0, dims("host", "heapster", "metric", "HeapUsage")},
		{1, dims("host", "heron", "metric", "HeapUsage")},
		{2, dims("hello", "world")},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := ix.Complete(context.Background(), "he", 0)
	want := []Completion{
		{NameCompletion, "", "hello", 1},
		{WordCompletion, "", "heap", 2},
		{WordCompletion, "", "heapster", 1},
		{WordCompletion, "", "heapusage", 2},
		{WordCompletion, "", "heron", 1},
		{ValueCompletion, "host", "heapster", 1},
		{ValueCompletion, "host", "heron", 1},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = ix.Complete(context.Background(), "He", 1)
	if err != nil || len(got) != 2 || got[1] != (Completion{ValueCompletion, "metric", "HeapUsage", 2}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestManySegments holds a search over merged files with runs and full bitmaps to Match.
func TestManySegments(t *testing.T) {
	ix := mustOpen(t, "", Options{})
	defer ix.Close()
	all := map[uint32]chunk.Dimensions{}
	var docs []Doc
	ordinal := uint32(0)
	for labels := range testseries.Kubernetes(3, 8000) {
		d := make(chunk.Dimensions, len(labels))
		for i, l := range labels {
			d[i] = chunk.Dimension(l)
		}
		if ordinal++; ordinal%5000 == 0 {
			ordinal += 1000
		}
		all[ordinal] = d
		if docs = append(docs, Doc{ordinal, d}); len(docs) == 400 {
			if err := ix.Add(docs); err != nil {
				t.Fatal(err)
			}
			docs = docs[:0]
		}
	}
	if err := ix.Add(docs); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, text := range []string{
			"metric:container_memory_rss", "cluster:prod-* heap", "pod:*x2*", "NOT cluster:staging", "cluster:staging OR app:orders-web",
			"pod:/.*[0-9]{2}.*/", "order~ usage", "version:[1.2 TO 2.4.1]", `"team 02"`, "cluster:prod-eu-1 app:(orders-web OR cart-*) -heap",
		} {
			f, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			var want []uint32
			for o, d := range all {
				if f.Match(d) {
					want = append(want, o)
				}
			}
			slices.Sort(want)
			if got := find(t, ix, text); !slices.Equal(got, want) {
				t.Errorf("%s: %d series, want %d", text, len(got), len(want))
			}
		}
		if err := ix.Compact(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}
