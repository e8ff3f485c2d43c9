package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chronodex/chronodex/internal/render"
)

// barWidth is how many blocks a whole bar has.
const barWidth = 24

// A progress is a bar on the terminal behind stderr. Where there is none it does nothing. It is
// safe for concurrent use.
type progress struct {
	s     *session
	what  string
	start time.Time
	mu    sync.Mutex
	last  time.Time
	shown bool
}

func (s *session) progress(what string) *progress {
	return &progress{s: s, what: what, start: s.now()}
}

// show draws the bar at done of total, with a text behind it; at most ten times a second.
func (p *progress) show(done, total int64, text string) {
	if !p.s.errTerminal {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.s.now()
	if now.Sub(p.last) < 100*time.Millisecond {
		return
	}
	p.last, p.shown = now, true
	bar := ""
	if total > 0 {
		n := int(min(done, total) * barWidth / total)
		bar = fmt.Sprintf("%s%s %3d %%  ", strings.Repeat("█", n), strings.Repeat("░", barWidth-n), min(done, total)*100/total)
	}
	line := fmt.Sprintf("%s  %s%s", p.what, bar, text)
	if w := p.s.width; w > 0 && len([]rune(line)) >= w {
		line = string([]rune(line)[:w-1])
	}
	fmt.Fprintf(p.s.err, "\r%s\x1b[K", line)
}

// rate draws the bar with a count of observations and their rate.
func (p *progress) rate(done, total, observations int64) {
	seconds := p.s.now().Sub(p.start).Seconds()
	p.show(done, total, fmt.Sprintf("%s observations, %s", render.Count(observations), perSecond(observations, seconds)))
}

// clear takes the bar away.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.s.err, "\r\x1b[K")
		p.shown = false
	}
}

// perSecond writes a rate as people read it.
func perSecond(n int64, seconds float64) string {
	if seconds <= 0 {
		return "- /s"
	}
	switch r := float64(n) / seconds; {
	case r >= 1e6:
		return fmt.Sprintf("%.1f million/s", r/1e6)
	case r >= 1e4:
		return fmt.Sprintf("%.0f thousand/s", r/1e3)
	default:
		return fmt.Sprintf("%.0f/s", r)
	}
}

// size writes bytes as people read them.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// took writes a duration with three digits.
func took(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}
