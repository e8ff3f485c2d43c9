package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Turns let in so many queries at once. The others wait in lines, one for each identity: the next
// one is let in from the line whose turn it is, so that who asks much makes nobody wait but itself.
type turns struct {
	mu      sync.Mutex
	most    int // running; 0 is no bound
	room    int // waiting
	running int
	waiting int
	lines   []*line // with somebody in them, in the order of their turns
}

// A line is the queries of one identity, in order of arrival.
type line struct {
	who  string
	wait []*waiter
}

// A waiter is one query in a line.
type waiter struct {
	come chan struct{} // closed when it is let in, or sent away
	sent bool          // away; set before
}

// queuePerTurn is how many queries wait at most for each one that may run.
const queuePerTurn = 16

// errQueueTime is the cause of the end of waiting.
var errQueueTime = errors.New("waited too long for a turn")

// bound sets the limits, and lets in who may come now.
func (t *turns) bound(most, room int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.most, t.room = most, room; room <= 0 {
		t.room = queuePerTurn * most
	}
	t.admit()
}

// enter waits for the turn of a query of who, at most so long; 0 is for ever. The error is that of
// ctx, [errQueueTime], or an [*Overload] where too many wait. Who was let in calls leave.
func (t *turns) enter(ctx context.Context, who string, most time.Duration) error {
	w, err := t.join(who)
	if err != nil || w == nil {
		return err
	}
	if most > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, most, errQueueTime)
		defer cancel()
	}
	select {
	case <-w.come:
		if w.sent {
			return t.tooMany()
		}
		return nil
	case <-ctx.Done():
	}
	if t.quit(who, w) {
		return context.Cause(ctx)
	}
	if w.sent {
		return t.tooMany()
	}
	t.leave() // it was let in at the same moment
	return context.Cause(ctx)
}

// join lets a query in at once, and returns nil, or puts it in its line. Where too many wait, the
// last one of the longest line has to go.
func (t *turns) join(who string) (*waiter, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.most <= 0 || t.running < t.most && t.waiting == 0 {
		t.running++
		return nil, nil
	}
	l := t.line(who)
	if t.waiting >= t.room {
		longest := l
		for _, o := range t.lines {
			if len(o.wait) > len(longest.wait) {
				longest = o
			}
		}
		if len(longest.wait) <= len(l.wait)+1 {
			t.tidy()
			return nil, t.overload()
		}
		last := longest.wait[len(longest.wait)-1]
		longest.wait = longest.wait[:len(longest.wait)-1]
		last.sent = true
		close(last.come)
		t.waiting--
	}
	w := &waiter{come: make(chan struct{})}
	l.wait = append(l.wait, w)
	t.waiting++
	return w, nil
}

// line returns the line of who, which is the last one where it is new.
func (t *turns) line(who string) *line {
	for _, l := range t.lines {
		if l.who == who {
			return l
		}
	}
	l := &line{who: who}
	t.lines = append(t.lines, l)
	return l
}

// tidy removes lines with nobody in them.
func (t *turns) tidy() {
	t.lines = slices.DeleteFunc(t.lines, func(l *line) bool { return len(l.wait) == 0 })
}

// quit takes w out of its line, and reports whether it was there.
func (t *turns) quit(who string, w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.line(who)
	i := slices.Index(l.wait, w)
	if i >= 0 {
		l.wait = slices.Delete(l.wait, i, i+1)
		t.waiting--
	}
	t.tidy()
	return i >= 0
}

// leave ends a query that was let in.
func (t *turns) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running--
	t.admit()
}

// admit lets in who may come, one line after the other.
func (t *turns) admit() {
	for t.waiting > 0 && (t.most <= 0 || t.running < t.most) {
		l := t.lines[0]
		t.lines = t.lines[1:]
		w := l.wait[0]
		if l.wait = l.wait[1:]; len(l.wait) > 0 {
			t.lines = append(t.lines, l)
		}
		t.waiting--
		t.running++
		close(w.come)
	}
}

// now returns how many run and wait.
func (t *turns) now() (running, waiting int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.running, t.waiting
}

func (t *turns) tooMany() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.overload()
}

func (t *turns) overload() error {
	return &Overload{What: "queries that wait", Limit: int64(t.room), Name: nameQueries, After: time.Second}
}
