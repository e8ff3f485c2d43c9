package wal

import "fmt"

// A Held is the log as it was when [Log.Hold] was called: files, of each so many bytes. They can be
// read until Close, whatever is released meanwhile; more may be behind those bytes.
type Held struct {
	Names []string // with their folder, oldest first
	Bytes []int64  // of each, all of them durable
	log   *Log
}

// Hold keeps what is durable now readable: a log that consists of these files, cut at these lengths,
// opens as this one would after a crash. The caller calls Close, once, before the log's.
func (l *Log) Hold() *Held {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds++
	h := &Held{log: l}
	for i, f := range l.files {
		if l.sizes[i] > 0 {
			h.Names, h.Bytes = append(h.Names, f.name), append(h.Bytes, l.sizes[i])
		}
	}
	return h
}

// Close lets the files go, and removes those that were released meanwhile.
func (h *Held) Close() error {
	l := h.log
	l.mu.Lock()
	l.holds--
	var names []string
	if l.holds == 0 {
		names, l.held = l.held, nil
	}
	l.mu.Unlock()
	if err := l.remove(names); err != nil {
		return fmt.Errorf("let log %s go: %w", l.dir, err)
	}
	return nil
}
