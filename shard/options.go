package shard

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"github.com/chronodex/chronodex/internal/vfs"
)

// Sentinels of what a caller may want to tell apart.
var (
	ErrLocked   = vfs.ErrLocked                         // another process has the store open
	ErrReadOnly = errors.New("store is read-only")      // it was opened so
	ErrClosed   = errors.New("store is closed")         // Close was called
	ErrInvalid  = errors.New("invalid observations")    // a batch that cannot be stored; nothing of it was
	ErrNoStore  = errors.New("no store in this folder") // there is none, and ReadOnly makes none
)

// Options configure a [Set]. The zero value is usable.
type Options struct {
	FS        vfs.FS                  // where files live; nil means the operating system
	Shards    int                     // of a new store; 0 means one a core, at least two and at most 16
	Partition time.Duration           // width in time of a segment of a new store; 0 means 30 days
	HeadBytes int64                   // memory for observations not yet sealed, all shards together, three times as much where each of very many series has few; 0 means 256 MiB
	SealAfter time.Duration           // a head that hardly grows for so long is sealed, and any head after twelve times as long; 0 means 5 minutes
	Retention time.Duration           // age of what no policy matches; 0 keeps it forever; see Set.SetRetention
	Policies  []Policy                // as of Set.SetRetention
	ReadOnly  bool                    // change nothing and lock nothing: a snapshot as of Open
	Manual    bool                    // seal and compact only when told, or when HeadBytes are full
	IndexDir  string                  // where the indexes live, in the operating system's files; "" means in the shards' folders
	Now       func() time.Time        // nil means time.Now
	Replayed  func(done, total int64) // told, while Open reads the logs, how many of their bytes are read; by several goroutines; may be nil
	Logger    *slog.Logger            // nil means that nothing is logged
}

// Defaults of Options, and bounds.
const (
	defaultHeadBytes = 256 << 20
	defaultPartition = 30 * 24 * time.Hour
	defaultSealAfter = 5 * time.Minute
	mostPerSource    = 1 << 14
	recordBytes      = 1 << 20 // rows of a batch are cut into records of about this size
	rowsPerRecord    = 1 << 16
	maxStringBytes   = 1 << 20 // of one observation
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Shards <= 0 {
		o.Shards = min(max(2, runtime.GOMAXPROCS(0)), 16)
	}
	o.Shards = min(o.Shards, maxShards)
	if o.Partition <= 0 {
		o.Partition = defaultPartition
	}
	if o.HeadBytes <= 0 {
		o.HeadBytes = defaultHeadBytes
	}
	if o.SealAfter <= 0 {
		o.SealAfter = defaultSealAfter
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
