package vfs_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/chronodex/chronodex/internal/vfs"
)

// crashes takes many crash images of m and counts what look says of each.
func crashes(m *vfs.Mem, look func(*vfs.Mem) string) map[string]int {
	seen := map[string]int{}
	for seed := range uint64(400) {
		seen[look(m.Crash(rand.New(rand.NewPCG(seed, 1))))]++
	}
	return seen
}

// content returns what a file holds, as a word.
func content(name string) func(*vfs.Mem) string {
	return func(m *vfs.Mem) string {
		b, err := vfs.ReadFile(m, name)
		if err != nil {
			return "missing"
		}
		return string(b)
	}
}

// only reports whether seen has exactly the words.
func only(t *testing.T, seen map[string]int, words ...string) {
	t.Helper()
	for _, w := range words {
		if seen[w] == 0 {
			t.Errorf("never saw %q: %v", w, seen)
		}
		delete(seen, w)
	}
	if len(seen) > 0 {
		t.Errorf("also saw %v", seen)
	}
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "synced")
	must(t, f.Sync())
	only(t, crashes(m, content("f")), "missing", "synced") // its name was not
	must(t, m.SyncDir("/"))
	only(t, crashes(m, content("f")), "synced")

	_, err := f.Write([]byte(strings.Repeat("+", 2000)))
	must(t, err)
	lost, whole, spoilt := 0, 0, 0
	for got, n := range crashes(m, content("f")) {
		switch {
		case !strings.HasPrefix(got, "synced"):
			t.Fatalf("lost synced bytes: %q", got)
		case got == "synced":
			lost += n
		case got == "synced"+strings.Repeat("+", len(got)-6):
			whole += n
		default:
			spoilt += n
		}
	}
	if lost < 20 || whole < 20 || spoilt < 20 {
		t.Errorf("%d lost, %d whole or cut, %d spoilt", lost, whole, spoilt)
	}
	must(t, f.Sync())
	only(t, crashes(m, content("f")), "synced"+strings.Repeat("+", 2000))
}

func TestCrashOfRename(t *testing.T) {
	m := vfs.NewMem()
	must(t, vfs.WriteFile(m, "m", []byte("old")))
	f := create(t, m, "m.tmp", "new")
	must(t, m.Rename("m.tmp", "m"))
	seen := crashes(m, content("m")) // renamed before it was synced: may be anything
	if seen["old"] == 0 || seen["new"] == 0 || seen[""] == 0 {
		t.Errorf("saw %v", seen)
	}
	must(t, f.Sync())
	only(t, crashes(m, content("m")), "old", "new")
	both := func(m *vfs.Mem) string {
		a, _ := m.List("/")
		return strings.Join(a, " ")
	}
	only(t, crashes(m, both), "m", "m m.tmp") // a rename is whole
	must(t, m.SyncDir("/"))
	only(t, crashes(m, content("m")), "new")
	must(t, m.Remove("m"))
	only(t, crashes(m, content("m")), "new", "missing")
	must(t, m.SyncDir("/"))
	only(t, crashes(m, content("m")), "missing")
}

func TestCrashOfFolder(t *testing.T) {
	m := vfs.NewMem()
	must(t, m.MkdirAll("a/b"))
	f := create(t, m, "a/b/f", "x")
	must(t, f.Sync())
	must(t, m.SyncDir("a/b"))
	must(t, m.SyncDir("a"))
	only(t, crashes(m, content("a/b/f")), "missing", "x") // the name of a itself is not durable
	must(t, m.SyncDir("/"))
	only(t, crashes(m, content("a/b/f")), "x")

	m = vfs.NewMem()
	must(t, vfs.MkdirAll(m, "a/b")) // makes it durable
	must(t, vfs.WriteFile(m, "a/b/f", []byte("x")))
	only(t, crashes(m, content("a/b/f")), "x")
	must(t, m.RemoveAll("a"))
	only(t, crashes(m, content("a/b/f")), "x", "missing")
}

func TestCrashAfterFailedSync(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "")
	must(t, m.SyncDir("/"))
	_, err := f.Write([]byte("doubtful"))
	must(t, err)
	m.FailAfter(1, false)
	if err := f.Sync(); !errors.Is(err, vfs.ErrInjected) {
		t.Fatal(err)
	}
	must(t, f.Sync()) // says yes, and does not hold it
	if seen := crashes(m, content("f")); seen["doubtful"] == 0 || seen["doubtful"] == 400 {
		t.Errorf("saw %v", seen)
	}
}

func TestCrashAfterTruncate(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "0123456789")
	must(t, f.Sync())
	must(t, m.SyncDir("/"))
	must(t, f.Truncate(4))
	_, err := f.Write([]byte("ab"))
	must(t, err)
	for got := range crashes(m, content("f")) {
		if !strings.HasPrefix(got, "0123") || len(got) > 10 {
			t.Fatalf("saw %q", got)
		}
	}
	must(t, f.Sync())
	only(t, crashes(m, content("f")), "0123ab")
}

func TestFailAfter(t *testing.T) {
	for k := int64(1); ; k++ {
		m := vfs.NewMem()
		must(t, vfs.WriteFile(m, "f", []byte("old")))
		m.FailAfter(k, k%2 == 0)
		err := vfs.WriteFile(m, "f", []byte("new"))
		m.Hook(nil)
		got := content("f")(m)
		switch {
		case err == nil && got == "new" && k > 4:
			return // nothing failed any more
		case !errors.Is(err, vfs.ErrInjected):
			t.Fatalf("k=%d: %v", k, err)
		case got != "old" && got != "new":
			t.Fatalf("k=%d: %q", k, got)
		}
	}
}

func TestImagesAtEveryOperation(t *testing.T) {
	m := vfs.NewMem()
	rng := rand.New(rand.NewPCG(1, 1))
	var images []*vfs.Mem
	m.Hook(func(op vfs.Op) error {
		if op.Change {
			images = append(images, m.Crash(rng), m.Clone())
		}
		return nil
	})
	for _, s := range []string{"one", "two", "three"} {
		must(t, vfs.WriteFile(m, "f", []byte(s)))
	}
	if len(images) != 2*3*5 { // create, write, sync, rename, sync of the folder
		t.Errorf("%d images", len(images))
	}
	for i, image := range images {
		if got := content("f")(image); !strings.Contains("missing one two three", got) {
			t.Errorf("image %d: %q", i, got)
		}
	}
}

func TestCloneIsACopy(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "shared")
	lock, err := m.Lock("LOCK", false)
	must(t, err)
	c := m.Clone()
	_, err = f.Write([]byte(" no more"))
	must(t, err)
	want(t, c, "f", "shared")
	g, err := c.OpenWrite("f")
	must(t, err)
	_, err = g.Write([]byte("?"))
	must(t, err)
	want(t, m, "f", "shared no more")
	other, err := c.Lock("LOCK", false)
	must(t, err)
	must(t, other.Close())
	must(t, lock.Close())
}
