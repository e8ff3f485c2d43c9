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
	if files := filesIn(t, dir); len(files) > 3+3*mergeFan {
		t.Errorf("files: %v", files)
	}
	if err := ix.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	files := filesIn(t, dir)
	if n := folderBytes(t, dir); n > 30<<10 || len(files) != 4 {
		t.Errorf("400 series take %d bytes in %v", n, files)
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

// filesIn returns the files of an index in dir, relative to it.
func filesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A harm is a way in which a file of an index may be damaged.
type harm struct {
	file, name string
	do         func()
}

func damage(t *testing.T, dir string) (ways []harm) {
	for _, f := range filesIn(t, dir) {
		path := filepath.Join(dir, f)
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
		ways = append(ways,
			harm{f, "missing", func() { os.Remove(path) }}, harm{f, "empty", write(nil)},
			harm{f, "cut", write(data[:len(data)-1])}, harm{f, "longer", write(append(slices.Clone(data), 0))})
		for at := 0; at < len(data); at += 1 + len(data)/50 {
			bad := slices.Clone(data)
			bad[at] ^= 1 << (at % 8)
			ways = append(ways, harm{f, fmt.Sprintf("bit of byte %d", at), write(bad)})
		}
	}
	return ways
}

// copyTo makes to a copy of the folder from.
func copyTo(t testing.TB, to, from string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(to), os.CopyFS(to, os.DirFS(from))); err != nil {
		t.Fatal(err)
	}
}

// buildSmall makes an index of 98 series in two files, two of them removed.
func buildSmall(t testing.TB, dir string) {
	t.Helper()
	ix := mustOpen(t, dir, Options{})
	mustAdd(t, ix, 0, 50)
	if err := ix.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, ix, 50, 50)
	if err := errors.Join(ix.Remove(roaring.BitmapOf(7, 8)), ix.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestDamageIsFound damages each file: verifying finds it. What stands for the segments is mended
// when the index is opened; a reader does without. All else is an error.
func TestDamageIsFound(t *testing.T) {
	whole, dir := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "index")
	buildSmall(t, whole)
	copyTo(t, dir, whole)
	for _, h := range damage(t, dir) {
		ix := mustOpen(t, dir, Options{})
		h.do()
		if err := ix.Verify(context.Background()); !errors.Is(err, ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %s: verifying says %v", h.file, h.name, err)
		}
		ix.Close()
		mends := h.file == metaName || h.file == "store/"+rootName
		for _, readOnly := range []bool{true, false} {
			ix, err := Open(dir, Options{ReadOnly: readOnly})
			if !mends {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%s: %s: opening says %v", h.file, h.name, err)
				}
				continue
			}
			if err != nil || len(find(t, ix, "metric:cpu host:host*")) != 98 {
				t.Fatalf("%s: %s: opening says %v, or does not find all", h.file, h.name, err)
			}
			if err := ix.Verify(context.Background()); readOnly != errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %s: after opening (read-only: %v): %v", h.file, h.name, readOnly, err)
			}
			ix.Close()
		}
		copyTo(t, dir, whole)
	}
}

// TestCrash leaves what a crash at each point leaves: files that no manifest names.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	ix := mustOpen(t, dir, Options{})
	mustAdd(t, ix, 0, 10)
	ix.Close()
	for _, stray := range []string{"store/000000000002.zap", "store/000000000099.zap", "MANIFEST.tmp", "store/root.bolt.tmp", "index_meta.json_temp"} {
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
	if files := filesIn(t, dir); len(files) != 5 {
		t.Errorf("files: %v", files)
	}
}

// TestCrashBetweenSteps stops the change from one state to the next after each of its steps: the
// index opens, for us as either of the states, and for Bleve.
func TestCrashBetweenSteps(t *testing.T) {
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	buildSmall(t, before)
	copyTo(t, after, before)
	ix := mustOpen(t, after, Options{})
	mustAdd(t, ix, 100, 10)
	if err := errors.Join(ix.Compact(context.Background()), ix.Close()); err != nil {
		t.Fatal(err)
	}
	dir, image := filepath.Join(t.TempDir(), "index"), filepath.Join(t.TempDir(), "image")
	copyTo(t, dir, before)
	put := func(to, from string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(after, from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(step string, want, theirs int) {
		t.Helper()
		for _, open := range []func() int{
			func() int { return bleveCount(t, image) },
			func() int { return ourCount(t, image, Options{ReadOnly: true}) },
			func() int { return ourCount(t, image, Options{}) },
			func() int { return bleveCount(t, image) },
		} {
			if n := open(); n != want && n != theirs {
				t.Errorf("%s: %d series, want %d", step, n, want)
			}
			theirs = want // once mended
		}
	}
	names := filesIn(t, after)
	zap := names[slices.IndexFunc(names, func(s string) bool { return strings.HasSuffix(s, segmentSuffix) })]
	for _, step := range []struct {
		name         string
		do           func()
		want, theirs int
	}{
		{"as it was", func() {}, 98, 98},
		{"a new segment", func() { put(zap, zap) }, 98, 98},
		{"a new root is ready", func() { put("store/root.bolt.tmp", "store/root.bolt") }, 98, 98},
		{"a new manifest is ready", func() { put("MANIFEST.tmp", "MANIFEST") }, 98, 98},
		{"the root is replaced", func() {
			put("store/root.bolt", "store/root.bolt")
			os.Remove(filepath.Join(dir, "store/root.bolt.tmp"))
		}, 98, 108},
		{"the manifest is replaced", func() { put("MANIFEST", "MANIFEST"); os.Remove(filepath.Join(dir, "MANIFEST.tmp")) }, 108, 108},
		{"the old segments are gone", func() {
			for _, name := range filesIn(t, before) {
				if strings.HasSuffix(name, segmentSuffix) {
					os.Remove(filepath.Join(dir, name))
				}
			}
		}, 108, 108},
	} {
		step.do()
		copyTo(t, image, dir)
		check(step.name, step.want, step.theirs)
	}
}

func ourCount(t testing.TB, dir string, options Options) int {
	t.Helper()
	ix := mustOpen(t, dir, options)
	defer ix.Close()
	if n := len(find(t, ix, "metric:cpu")); n != ix.Count() {
		t.Errorf("%d series found of %d", n, ix.Count())
	}
	return ix.Count()
}

// TestNothingIsLeftRunning opens, changes and closes indexes: Bleve's goroutines end, and its
// temporary folders go.
func TestNothingIsLeftRunning(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	start := runtime.NumGoroutine()
	dir := filepath.Join(t.TempDir(), "index")
	for range 3 {
		ix := mustOpen(t, dir, Options{})
		mustAdd(t, ix, int(ix.Next()), 10)
		if n := runtime.NumGoroutine() - start; n > 4 {
			t.Errorf("an open index has %d goroutines", n)
		}
		root := storePath(dir, rootName)
		data, err := os.ReadFile(root)
		if err != nil {
			t.Fatal(err)
		}
		data[100] ^= 1
		if err := errors.Join(ix.Close(), os.WriteFile(root, data, 0o666)); err != nil {
			t.Fatal(err)
		}
		ro := mustOpen(t, dir, Options{ReadOnly: true})
		if err := ro.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := 0; runtime.NumGoroutine() > start; deadline++ {
		if deadline > 1e6 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), start)
		}
		runtime.Gosched() // Bleve's end soon after the index is closed
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("left in the temporary folder: %v", left)
	}
}

// TestReadersBesideWriter opens the index to read, again and again, while it changes.
func TestReadersBesideWriter(t *testing.T) {
	dir := t.TempDir()
	ix := mustOpen(t, dir, Options{})
	defer ix.Close()
	mustAdd(t, ix, 0, 10)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for least := 10; ; {
			select {
			case <-stop:
				return
			default:
			}
			ro, err := Open(dir, Options{ReadOnly: true})
			if err != nil {
				t.Errorf("a reader: %v", err)
				return
			}
			n := len(find(t, ro, "metric:cpu host:*"))
			if n < least || n%10 != 0 {
				t.Errorf("a reader finds %d series, and found %d before", n, least)
			}
			least = n
			if err := errors.Join(ro.Verify(context.Background()), ro.Close()); err != nil {
				t.Errorf("a reader: %v", err)
			}
		}
	})
	for i := 1; i < 40; i++ {
		mustAdd(t, ix, 10*i, 10)
	}
	close(stop)
	wg.Wait()
}

// TestFailedChange has the last step of a change fail: the index stays what it was.
func TestFailedChange(t *testing.T) {
	dir := t.TempDir()
	ix := mustOpen(t, dir, Options{})
	defer ix.Close()
	mustAdd(t, ix, 0, 10)
	files := filesIn(t, dir)
	name := filepath.Join(dir, manifestName)
	whole, err := os.ReadFile(name)
	if err := errors.Join(err, os.Remove(name), os.MkdirAll(filepath.Join(name, "in the way"), 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := ix.Add([]Doc{{100, dims("metric", "cpu")}}); err == nil {
		t.Error("a manifest that cannot be replaced: no error")
	}
	if n := len(find(t, ix, "*")); n != 10 || ix.Next() != 10 {
		t.Errorf("%d series, next is %d", n, ix.Next())
	}
	if err := errors.Join(os.RemoveAll(name), os.Remove(name+temporary), os.WriteFile(name, whole, 0o666)); err != nil {
		t.Fatal(err)
	}
	if err := ix.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	if now := filesIn(t, dir); !slices.Equal(now, files) {
		t.Errorf("files %v, before %v", now, files)
	}
	if n := bleveCount(t, dir); n != 10 {
		t.Errorf("Bleve finds %d series", n)
	}
	mustAdd(t, ix, 10, 10)
	if n := bleveCount(t, dir); n != 20 {
		t.Errorf("Bleve finds %d series after the next change", n)
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
