package receive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chronodex/chronodex/chunk"
	"github.com/chronodex/chronodex/index"
	"github.com/chronodex/chronodex/internal/gate"
	"github.com/chronodex/chronodex/internal/ingest/graphite"
)

// serving runs a listener on a free port of loopback. stop ends it and returns when it has
// stored all and returned.
func serving(t testing.TB, serve func(context.Context, net.Listener) error) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

func dial(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func write(t testing.TB, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// finish ends a connection and returns what was answered until the other side has ended it, too.
func finish(t testing.TB, c *net.TCPConn) string {
	t.Helper()
	_ = c.CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(err.Error(), "reset by peer") {
		t.Fatal(err)
	}
	return string(answer)
}

// reach waits until a protocol's counters are as wanted.
func reach(t testing.TB, r *Receiver, enough func(ProtocolCount) bool) ProtocolCount {
	t.Helper()
	for {
		for _, c := range r.Counters() {
			if enough(c) {
				return c
			}
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("counters are %+v", r.Counters())
		default:
			runtime.Gosched()
		}
	}
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func fixed() time.Time { return time.Unix(1_500_000_000, 0) }

func TestGraphite(t *testing.T) {
	r, set := newStore(t, Options{Now: fixed})
	address, stop := serving(t, r.ServeGraphite)
	c := dial(t, address)
	write(t, c, "servers.web1.cpu0.user 1.5 1439400341\nservers.web1.cp")
	write(t, c, "u0.user 2.5 1439400351\r\nnonsense\nload;host=web2 3 -1\n")
	write(t, c, strings.Repeat("x", 3*graphite.MaxLine)+" 1 1\nlast 4 5\nunfinished 4 5")
	finish(t, c)
	stop()
	same(t, "stored", stored(t, set), []string{
		`{host="web2", metric="load"} float64 1500000000000000000=3`,
		`{metric="last"} float64 5000000000=4`,
		`{metric="servers.web1.cpu0.user"} float64 1439400341000000000=1.5 1439400351000000000=2.5`,
	})
	want := []ProtocolCount{{Protocol: "graphite", Stored: 4, Refused: 3}}
	if got := r.Counters(); !slices.Equal(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// Parts of a path find it, as free words and by wildcards.
func TestGraphitePathsAreFoundByPart(t *testing.T) {
	r, set := newStore(t, Options{})
	address, stop := serving(t, r.ServeGraphite)
	c := dial(t, address)
	write(t, c, "servers.web1.cpu0.user 1 1\nservers.web2.cpu0.idle 1 1\nservers.web2.memory 1 1\n")
	finish(t, c)
	stop()
	for selector, want := range map[string]int{
		"cpu0": 2, "web2": 2, "web": 3, "user": 1, `"web2 cpu0"`: 1, "web2 memory": 1,
		"metric:servers.*.cpu0.*": 2, "metric:servers.web1.*": 1, "metric:servers.web1.cpu0.user": 1, "metric:/servers\\.[^.]+\\.memory/": 1,
	} {
		f, err := index.Parse(selector)
		if err != nil {
			t.Fatal(err)
		}
		if found, _, err := set.Search(t.Context(), f, 0); err != nil || len(found) != want {
			t.Errorf("%s finds %d series, want %d: %v", selector, len(found), want, err)
		}
	}
}

func TestGraphitePickle(t *testing.T) {
	r, set := newStore(t, Options{})
	address, stop := serving(t, r.ServeGraphitePickle)
	frame := func(body string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body }
	good := func(path string) string {
		return frame("\x80\x02](U" + string(rune(len(path))) + path + "K\x02K\x01\x86\x86e.")
	}
	long := "\x80\x02](" + strings.Repeat("U\x04longK\x02K\x01\x86\x86", 20_000) + "e."
	c := dial(t, address)
	all := good("a") + frame("cos\nsystem\n(S'id'\ntR.") + good("b") + frame(long) + good("c")
	for len(all) > 0 { // in pieces that cut heads and frames
		n := min(len(all), 999)
		write(t, c, all[:n])
		all = all[n:]
	}
	finish(t, c)
	lost := dial(t, address)
	write(t, lost, good("d")+"servers.web1 1 2\n"+good("e"))
	finish(t, lost)
	stop()
	same(t, "stored", stored(t, set), []string{
		`{metric="a"} float64 2000000000=1`, `{metric="b"} float64 2000000000=1`, `{metric="c"} float64 2000000000=1`,
		`{metric="d"} float64 2000000000=1`, `{metric="long"} float64 2000000000=1`,
	})
	if got := r.Counters()[0]; got.Refused != 2 || got.Stored != 20_004 || got.Connections != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestGraphiteUDP(t *testing.T) {
	r, set := newStore(t, Options{})
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.ServeGraphiteUDP(ctx, l) }()
	c, err := net.Dial("udp", l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 3 {
		write(t, c, fmt.Sprintf("a %d %d\nb 1 %d\nbad", i, i, i))
	}
	reach(t, r, func(c ProtocolCount) bool { return c.Stored == 6 && c.Refused == 3 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	same(t, "stored", stored(t, set), []string{
		`{metric="a"} float64 0=0 1000000000=1 2000000000=2`, `{metric="b"} float64 0=1 1000000000=1 2000000000=1`,
	})
}

// overloaded makes the store of a receiver refuse whatever it is offered, a number of times.
func overloaded(r *Receiver, times int64, err error) (offers *atomic.Int64) {
	offers = new(atomic.Int64)
	put := r.put
	r.put = func(ctx context.Context, b *chunk.Batch) (gate.Outcome, error) {
		if offers.Add(1) <= times {
			return gate.Outcome{}, err
		}
		return put(ctx, b)
	}
	return offers
}

// A sender that cannot be told waits, and loses nothing, while the store takes no more.
func TestGraphiteWaitsForTheStore(t *testing.T) {
	r, set := newStore(t, Options{})
	offers := overloaded(r, 3, &gate.Overload{What: "new series", After: time.Millisecond})
	address, stop := serving(t, r.ServeGraphite)
	c := dial(t, address)
	write(t, c, "a 1 1\n")
	finish(t, c)
	stop()
	same(t, "stored", stored(t, set), []string{`{metric="a"} float64 1000000000=1`})
	if got := r.Counters()[0]; got.Stored != 1 || got.Dropped != 0 || offers.Load() != 4 {
		t.Errorf("counted %+v after %d offers", got, offers.Load())
	}
}

// What the store has not taken when the server stops is lost, and said to be.
func TestGraphiteCountsWhatIsLost(t *testing.T) {
	r, _ := newStore(t, Options{})
	offers := overloaded(r, 1<<40, gate.ErrFull)
	address, stop := serving(t, r.ServeGraphite)
	c := dial(t, address)
	write(t, c, "a 1 1\nb 1 1\n")
	for offers.Load() == 0 {
		runtime.Gosched()
	}
	stop()
	if got := r.Counters()[0]; got.Stored != 0 || got.Dropped != 2 || got.Connections != 0 {
		t.Errorf("counted %+v", got)
	}
}

// What is refused for good is refused at once.
func TestGraphiteRefusesWhatMayNotBe(t *testing.T) {
	r, _ := newStore(t, Options{})
	overloaded(r, 1<<40, fmt.Errorf("may not write: %w", gate.ErrForbidden))
	address, stop := serving(t, r.ServeGraphite)
	c := dial(t, address)
	write(t, c, "a 1 1\nb 1 1\n")
	finish(t, c)
	stop()
	if got := r.Counters()[0]; got.Refused != 2 {
		t.Errorf("counted %+v", got)
	}
}

// While the store takes nothing, datagrams beyond the queue are dropped and counted.
func TestDatagramsAreDroppedAndCounted(t *testing.T) {
	r, set := newStore(t, Options{})
	release := make(chan struct{})
	put := r.put
	r.put = func(ctx context.Context, b *chunk.Batch) (gate.Outcome, error) {
		<-release
		return put(ctx, b)
	}
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.ServeGraphiteUDP(ctx, l) }()
	c, err := net.Dial("udp", l.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := int64(0)
	for r.counter("graphite_udp").dropped.Load() == 0 {
		sent++
		write(t, c, strings.Repeat(fmt.Sprintf("a 1 %d\n", sent), 1000))
	}
	close(release)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	got := r.Counters()[0]
	if got.Stored == 0 || got.Stored+1000*got.Dropped > 1000*sent || len(stored(t, set)) != 1 {
		t.Errorf("of %d thousand: %+v", sent, got)
	}
}

// One connection too many is closed at once; when one ends there is room again.
func TestTooManyConnections(t *testing.T) {
	r, set := newStore(t, Options{Connections: 1})
	address, stop := serving(t, r.ServeGraphite)
	first := dial(t, address)
	write(t, first, "a 1 1\n")
	reach(t, r, func(c ProtocolCount) bool { return c.Connections == 1 })
	second := dial(t, address)
	finish(t, second)
	finish(t, first)
	reach(t, r, func(c ProtocolCount) bool { return c.Connections == 0 && c.TurnedAway == 1 })
	third := dial(t, address)
	write(t, third, "b 1 1\n")
	finish(t, third)
	stop()
	if got := stored(t, set); len(got) != 2 {
		t.Errorf("stored %v", got)
	}
}

// A sender that is silent, or does not end its line, is given up, and what it sent whole is kept.
func TestSlowSenders(t *testing.T) {
	r, set := newStore(t, Options{Idle: 50 * time.Millisecond})
	address, stop := serving(t, r.ServeGraphite)
	silent, slow := dial(t, address), dial(t, address)
	write(t, slow, "a 1 1\nb 2")
	for _, c := range []net.Conn{silent, slow} {
		if answer, err := io.ReadAll(c); err != nil || len(answer) > 0 {
			t.Errorf("%q, %v", answer, err)
		}
	}
	stop()
	if got := stored(t, set); len(got) != 1 {
		t.Errorf("stored %v", got)
	}
	if got := r.Counters()[0]; got.Refused != 1 || got.Stored != 1 {
		t.Errorf("counted %+v", got)
	}
}

// A connection that is open when the server stops ends, and what it sent whole is stored.
func TestListenersEnd(t *testing.T) {
	r, set := newStore(t, Options{})
	address, stop := serving(t, r.ServeGraphite)
	c := dial(t, address)
	write(t, c, "a 1 1\nb 2")
	reach(t, r, func(c ProtocolCount) bool { return c.Stored == 1 })
	stop()
	finish(t, c)
	if got := stored(t, set); len(got) != 1 {
		t.Errorf("stored %v", got)
	}
	if got := r.Counters()[0]; got.Refused != 0 || got.Connections != 0 {
		t.Errorf("counted %+v", got)
	}
}

// Long frames that do not come to their end hold no more memory than there is for all of them.
func TestLongFramesShareMemory(t *testing.T) {
	r, _ := newStore(t, Options{Idle: time.Second})
	address, stop := serving(t, r.ServeGraphitePickle)
	part := string(binary.BigEndian.AppendUint32(nil, graphite.MaxFrame)) + strings.Repeat("(", graphite.MaxFrame-1)
	var all []*net.TCPConn
	for range mostLarge/graphite.MaxFrame + 8 {
		c := dial(t, address)
		_, _ = io.WriteString(c, part) // it may be closed meanwhile
		all = append(all, c)
	}
	for _, c := range all {
		finish(t, c)
	}
	stop()
	if got := r.Counters()[0]; got.Refused != int64(len(all)) || got.Connections != 0 {
		t.Errorf("of %d: %+v", len(all), got)
	}
	if !r.large.TryAcquire(mostLarge) {
		t.Error("memory was not given back")
	}
}
