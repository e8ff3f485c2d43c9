package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
)

// ErrInjected is wrapped by the errors that [Mem.FailAfter] makes.
var ErrInjected = errors.New("injected failure")

// An Op is one operation on a [Mem], as its hook sees it.
type Op struct {
	N      int64  // 1 for the first operation since NewMem
	Kind   string // create open openwrite rename remove removeall mkdir list size free syncdir lock read write sync truncate map
	Name   string // of the file or folder; of a rename, the new one
	Change bool   // the operation changes what a crash leaves
}

// Mem is a file system in memory for tests: it knows what was synced and what was not, so that
// [Mem.Crash] can show what a disk may hold after a power failure, and it fails on demand.
//
// Its disk is as unkind as POSIX allows. Bytes written and not followed by a Sync of their file
// may be kept, lost or garbled, in sectors, whatever the file's length became. Names created,
// renamed or removed and not followed by a SyncDir of their folder may be there or not, in any
// combination that keeps each rename whole. After a Sync that failed, the bytes it should have
// saved are never safe again, not even after a later Sync: that is what Linux does.
type Mem struct {
	mu      sync.Mutex
	root    *node
	pending []*dirOp // changes of names not yet durable, in order
	locks   map[string]int
	ops     int64
	hook    func(Op) error
	room    int64 // bytes of all files together; 0 means no bound
}

// A node is a file or, where it has children, a folder.
type node struct {
	dir     bool
	now     map[string]*node // a folder's entries
	durable map[string]*node // of them, what a crash leaves for sure; pending changes come on top

	data   []byte     // a file's bytes; never changed in place, so that maps and crash images share them
	synced []byte     // its bytes at the last Sync
	cut    int        // the smallest size it was truncated to since then; -1 if it was not
	doubt  [][2]int64 // byte ranges whose Sync failed
}

// An edit sets (or with a nil node removes) one name in one folder.
type edit struct {
	dir  *node
	name string
	node *node
}

// A dirOp is edits that a crash keeps or drops together.
type dirOp struct{ edits []edit }

var _ FS = (*Mem)(nil)

// NewMem returns an empty file system.
func NewMem() *Mem { return &Mem{root: newDir(), locks: map[string]int{}} }

func newDir() *node {
	return &node{dir: true, now: map[string]*node{}, durable: map[string]*node{}, cut: -1}
}

// Ops returns the number of operations so far.
func (m *Mem) Ops() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// Hook makes f be called before every operation, without locks held: it may take a [Mem.Crash] or
// [Mem.Clone] of m, which is then the state before the operation, but must not use m as a file
// system. An error that it returns is what the operation fails with; a write that fails has
// written half of its bytes. A nil f ends that.
func (m *Mem) Hook(f func(Op) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = f
}

// FailAfter makes the k-th operation from now on (1 is the next one) fail with [ErrInjected] and,
// if all, every later one too. It takes the place of a hook.
func (m *Mem) FailAfter(k int64, all bool) {
	first := m.Ops() + k
	m.Hook(func(op Op) error {
		if op.N == first || all && op.N > first {
			return fmt.Errorf("%w: operation %d", ErrInjected, op.N)
		}
		return nil
	})
}

// SetRoom makes the disk one of so many bytes: what is written beyond fails with [ErrFull], and so
// does a new file where there is no byte left; 0 means that it has no end.
func (m *Mem) SetRoom(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = bytes
}

// free returns how many bytes more the disk takes.
func (m *Mem) free() int64 {
	if m.room == 0 {
		return math.MaxInt64
	}
	return max(0, m.room-m.root.bytes())
}

// bytes is the length of a file, or of all files in a folder.
func (n *node) bytes() int64 {
	sum := int64(len(n.data))
	for _, c := range n.now {
		sum += c.bytes()
	}
	return sum
}

// Free implements [FS].
func (m *Mem) Free(name string) (int64, error) {
	err := m.begin("free", name, false)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if _, err := m.find("free", name); err != nil {
		return 0, err
	}
	return m.free(), nil
}

// begin counts an operation, asks the hook, and takes the lock, which the caller lets go.
func (m *Mem) begin(kind, name string, change bool) error {
	m.mu.Lock()
	m.ops++
	op, hook := Op{N: m.ops, Kind: kind, Name: name, Change: change}, m.hook
	if hook == nil {
		return nil
	}
	m.mu.Unlock()
	err := hook(op)
	m.mu.Lock()
	if err != nil {
		return &fs.PathError{Op: kind, Path: name, Err: err}
	}
	return nil
}

// split cleans a name and cuts it into its elements; the root has none.
func split(name string) []string {
	name = strings.Trim(path.Clean("/"+strings.ReplaceAll(name, "\\", "/")), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// find returns the node of a name.
func (m *Mem) find(kind, name string) (*node, error) {
	n := m.root
	for _, e := range split(name) {
		if n = n.now[e]; n == nil {
			return nil, &fs.PathError{Op: kind, Path: name, Err: fs.ErrNotExist}
		}
	}
	return n, nil
}

// parent returns the folder of a name, and the name in it.
func (m *Mem) parent(kind, name string) (*node, string, error) {
	es := split(name)
	if len(es) == 0 {
		return nil, "", &fs.PathError{Op: kind, Path: name, Err: fs.ErrInvalid}
	}
	d, err := m.find(kind, strings.Join(es[:len(es)-1], "/"))
	if err != nil || !d.dir {
		return nil, "", &fs.PathError{Op: kind, Path: name, Err: fs.ErrNotExist}
	}
	return d, es[len(es)-1], nil
}

// change applies edits now, and makes them pending as one.
func (m *Mem) change(edits ...edit) {
	for _, e := range edits {
		e.apply(e.dir.now)
	}
	m.pending = append(m.pending, &dirOp{edits})
}

func (e edit) apply(entries map[string]*node) {
	if e.node == nil {
		delete(entries, e.name)
	} else {
		entries[e.name] = e.node
	}
}

// Create implements [FS].
func (m *Mem) Create(name string) (File, error) {
	err := m.begin("create", name, true)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := m.create(name)
	if err != nil {
		return nil, err
	}
	n.truncate(0)
	return &memFile{m: m, name: name, n: n, write: true}, nil
}

// create returns the node of a file, made where it is missing.
func (m *Mem) create(name string) (*node, error) {
	d, base, err := m.parent("create", name)
	if err != nil {
		return nil, err
	}
	n := d.now[base]
	if n == nil {
		if m.free() == 0 {
			return nil, &fs.PathError{Op: "create", Path: name, Err: ErrFull}
		}
		n = &node{cut: -1}
		m.change(edit{d, base, n})
	}
	if n.dir {
		return nil, &fs.PathError{Op: "create", Path: name, Err: errors.New("is a folder")}
	}
	return n, nil
}

// Open implements [FS].
func (m *Mem) Open(name string) (File, error) { return m.open("open", name, false) }

// OpenWrite implements [FS].
func (m *Mem) OpenWrite(name string) (File, error) { return m.open("openwrite", name, true) }

func (m *Mem) open(kind, name string, write bool) (File, error) {
	err := m.begin(kind, name, false)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := m.find(kind, name)
	if err != nil {
		return nil, err
	}
	if n.dir && write {
		return nil, &fs.PathError{Op: kind, Path: name, Err: errors.New("is a folder")}
	}
	return &memFile{m: m, name: name, n: n, write: write}, nil
}

// Rename implements [FS].
func (m *Mem) Rename(from, to string) error {
	err := m.begin("rename", to, true)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	fd, fbase, err := m.parent("rename", from)
	if err != nil {
		return err
	}
	td, tbase, err := m.parent("rename", to)
	if err != nil {
		return err
	}
	n, over := fd.now[fbase], td.now[tbase]
	switch {
	case n == nil:
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	case over != nil && (over.dir != n.dir || len(over.now) > 0):
		return &fs.PathError{Op: "rename", Path: to, Err: fs.ErrExist}
	case n != over:
		m.change(edit{td, tbase, n}, edit{fd, fbase, nil})
	}
	return nil
}

// Remove implements [FS].
func (m *Mem) Remove(name string) error {
	err := m.begin("remove", name, true)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	d, base, err := m.parent("remove", name)
	if err != nil {
		return err
	}
	n := d.now[base]
	switch {
	case n == nil:
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	case len(n.now) > 0:
		return &fs.PathError{Op: "remove", Path: name, Err: errors.New("folder is not empty")}
	}
	m.change(edit{d, base, nil})
	return nil
}

// RemoveAll implements [FS].
func (m *Mem) RemoveAll(name string) error {
	err := m.begin("removeall", name, true)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	d, base, err := m.parent("removeall", name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && d.now[base] == nil {
		return nil
	}
	if err != nil {
		return err
	}
	m.removeAll(d, base)
	return nil
}

func (m *Mem) removeAll(d *node, base string) {
	n := d.now[base]
	for _, name := range slices.Sorted(maps.Keys(n.now)) {
		m.removeAll(n, name)
	}
	m.change(edit{d, base, nil})
}

// MkdirAll implements [FS].
func (m *Mem) MkdirAll(name string) error {
	err := m.begin("mkdir", name, true)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	d := m.root
	for _, e := range split(name) {
		n := d.now[e]
		if n == nil {
			n = newDir()
			m.change(edit{d, e, n})
		}
		if !n.dir {
			return &fs.PathError{Op: "mkdir", Path: name, Err: errors.New("is a file")}
		}
		d = n
	}
	return nil
}

// List implements [FS].
func (m *Mem) List(name string) ([]string, error) {
	err := m.begin("list", name, false)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n, err := m.find("list", name)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "list", Path: name, Err: errors.New("is a file")}
	}
	return slices.Sorted(maps.Keys(n.now)), nil
}

// Size implements [FS].
func (m *Mem) Size(name string) (int64, error) {
	err := m.begin("size", name, false)
	defer m.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := m.find("size", name)
	if err != nil {
		return 0, err
	}
	return int64(len(n.data)), nil
}

// SyncDir implements [FS].
func (m *Mem) SyncDir(name string) error {
	err := m.begin("syncdir", name, true)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	n, err := m.find("syncdir", name)
	if err != nil {
		return err
	}
	m.syncDirs(map[*node]bool{n: true})
	return nil
}

// syncDirs makes all pending changes in dirs durable. A rename between two folders is one change
// (a journal would say so), so whoever syncs one of them syncs both.
func (m *Mem) syncDirs(dirs map[*node]bool) {
	for again := true; again; {
		again = false
		for _, op := range m.pending {
			if op.touches(dirs) {
				for _, e := range op.edits {
					again = again || !dirs[e.dir]
					dirs[e.dir] = true
				}
			}
		}
	}
	m.pending = slices.DeleteFunc(m.pending, func(op *dirOp) bool {
		if !op.touches(dirs) {
			return false
		}
		for _, e := range op.edits {
			e.apply(e.dir.durable)
		}
		return true
	})
}

func (op *dirOp) touches(dirs map[*node]bool) bool {
	return slices.ContainsFunc(op.edits, func(e edit) bool { return dirs[e.dir] })
}

// Lock implements [FS]. Locks are those of one Mem: its crash images and clones have none.
func (m *Mem) Lock(name string, shared bool) (io.Closer, error) {
	err := m.begin("lock", name, true)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if _, err := m.create(name); err != nil {
		return nil, err
	}
	key := strings.Join(split(name), "/")
	if have := m.locks[key]; have < 0 || have > 0 && !shared {
		return nil, fmt.Errorf("lock %s: held by this process already: %w", name, ErrLocked)
	}
	if shared {
		m.locks[key]++
	} else {
		m.locks[key] = -1
	}
	return &memLock{m: m, key: key}, nil
}

// A memLock is a lock held.
type memLock struct {
	m    *Mem
	key  string
	done bool
}

func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.done {
		return fs.ErrClosed
	}
	l.done = true
	if l.m.locks[l.key] < 0 {
		delete(l.m.locks, l.key)
	} else {
		l.m.locks[l.key]--
	}
	return nil
}
