package shard_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/shard"
)

// killWriters is how many goroutines write in the process that is killed.
const killWriters = 3

// killBatch is what a writer writes as its batch of number n: two series that share their stamps,
// some of them late.
func killBatch(t testing.TB, writer, n int) *chunk.Batch {
	rng := rand.New(rand.NewPCG(uint64(writer), uint64(n)))
	b := new(chunk.Batch)
	for _, metric := range []string{"a", "b"} {
		s := chunk.Samples{Kind: chunk.Int64}
		for i := range 50 {
			s.Times = append(s.Times, int64(n*50+i)*1e9)
			s.Ints = append(s.Ints, rng.Int64N(1000))
		}
		if n%5 == 0 { // late: before all others, and not in order
			for i := range s.Times {
				s.Times[i] = -s.Times[i]
			}
		}
		d := dims(t, "metric", metric, "writer", fmt.Sprint(writer))
		b.Rows = append(b.Rows, chunk.BatchRow{Dimensions: d, Samples: s})
	}
	return b
}

// killOptions make seals and compactions frequent.
var killOptions = shard.Options{Shards: 2, HeadBytes: 64 << 10}

// TestKill starts this test again as a process that writes, and kills it at any moment, several
// times over one store: what it said was stored is there, and of each writer at most the one batch
// more that it was writing.
func TestKill(t *testing.T) {
	if dir := os.Getenv("CHRONODEX_TEST_KILL"); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir, rng := t.TempDir(), rand.New(rand.NewPCG(1, 2))
	var stored [killWriters]int // batches of each writer
	for round := range 5 {
		killed(t, dir, 10+rng.IntN(150), &stored)
		s, err := shard.Open(dir, killOptions)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, s, index.All(), chunk.Always)
		for w := range stored {
			want := model{}
			for n := range stored[w] {
				want.append(killBatch(t, w, n))
			}
			f := mustParse(t, fmt.Sprint("writer:", w))
			exact := fmt.Sprint(want.within(f, chunk.Always))
			want.append(killBatch(t, w, stored[w]))
			more := fmt.Sprint(want.within(f, chunk.Always))
			mine := map[string]string{}
			for _, metric := range []string{"a", "b"} {
				key := fmt.Sprint(chunk.Int64, dims(t, "metric", metric, "writer", fmt.Sprint(w)))
				if text, ok := got[key]; ok {
					mine[key] = text
				}
			}
			switch fmt.Sprint(mine) {
			case exact:
			case more:
				stored[w]++
			default:
				t.Fatalf("round %d, writer %d: not its %d batches, nor one more", round, w, stored[w])
			}
		}
		if err := s.Check(context.Background(), func(f shard.Finding) { t.Error(f) }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mustParse(t testing.TB, text string) index.Filter {
	t.Helper()
	f, err := index.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// killed lets a process write until it has acknowledged some batches, kills it, and counts all that
// it acknowledged.
func killed(t *testing.T, dir string, batches int, stored *[killWriters]int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "CHRONODEX_TEST_KILL="+dir, fmt.Sprintf("CHRONODEX_TEST_STORED=%d %d %d", stored[0], stored[1], stored[2]))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var w, batch int
		if _, err := fmt.Sscanf(lines.Text(), "stored %d %d", &w, &batch); err != nil || batch != stored[w] {
			_ = cmd.Process.Kill()
			t.Fatalf("child says %q, %v; stored %v", lines.Text(), err, *stored)
		}
		if stored[w]++; n == batches {
			if err := cmd.Process.Kill(); err != nil { // what it said until then is still read
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
}

// writeUntilKilled writes batches and says which are stored.
func writeUntilKilled(t *testing.T, dir string) {
	s, err := shard.Open(dir, killOptions)
	if err != nil {
		t.Fatal(err)
	}
	var from [killWriters]int
	if _, err := fmt.Sscan(os.Getenv("CHRONODEX_TEST_STORED"), &from[0], &from[1], &from[2]); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range killWriters {
		wg.Go(func() {
			for n := from[w]; ; n++ {
				if err := s.Append(context.Background(), killBatch(t, w, n)); err != nil {
					fmt.Println("failed", err)
					return
				}
				fmt.Printf("stored %d %d\n", w, n)
			}
		})
	}
	wg.Wait()
}
